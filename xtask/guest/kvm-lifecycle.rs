//! Virtual machines from creation to end, without QEMU: `kvm-lifecycle ROUNDS`.
//!
//! Each round makes a VM with memory, in-kernel interrupt controllers and some
//! vCPUs, runs every vCPU until it writes to an address without memory, checks
//! what it wrote, and lets go of everything.

use std::process::ExitCode;

/// vCPUs of a VM.
const VCPUS: u64 = 4;

/// RAM of a VM in bytes.
const MEMORY: usize = 4 << 20;

/// An address where the VM has no RAM.
const NO_RAM: u64 = 0x1000_0000;

/// What every vCPU runs from address 0, assembled.
const CODE: &[u32] = &[
    0x1420_000c, // lu12i.w $t0, 0x10000     t0 = NO_RAM
    0x1400_040d, // lu12i.w $t1, 0x20        t1 = 0x20000
    0x2980_01ac, // st.w    $t0, $t1, 0      through RAM and back
    0x2880_01ae, // ld.w    $t2, $t1, 0
    0x2980_018e, // st.w    $t2, $t0, 0      exits
    0x5000_0000, // b       0
];

/// The part of /dev/kvm's interface that this needs (Linux
/// Documentation/virt/kvm/api.rst; numbers from include/uapi/linux/kvm.h and
/// arch/loongarch/include/uapi/asm/kvm.h).
mod kvm {
    use std::fs::File;
    use std::io::{Error, Result};
    use std::os::fd::{AsRawFd as _, FromRawFd as _};

    const CREATE_VM: u64 = 0xae01;
    const GET_VCPU_MMAP_SIZE: u64 = 0xae04;
    const CREATE_VCPU: u64 = 0xae41;
    const SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;
    const RUN: u64 = 0xae80;
    const SET_REGS: u64 = 0x4108_ae82;
    const SET_ONE_REG: u64 = 0x4010_aeac;
    const CREATE_DEVICE: u64 = 0xc00c_aee0;

    /// KVM_DEV_TYPE_LOONGARCH_IPI, _EIOINTC and _PCHPIC.
    const DEVICES: [u32; 3] = [12, 13, 14];

    /// KVM_IOC_CSRID(0), CRMD, and its bit DA: addresses are physical.
    const CRMD: u64 = 0x9030_0000_0001_0000;
    const CRMD_DA: u64 = 1 << 3;

    /// kvm_run.exit_reason KVM_EXIT_MMIO, and where a kvm_run has what of it.
    const EXIT_MMIO: u32 = 6;
    const RUN_EXIT_REASON: usize = 8;
    const RUN_MMIO_ADDRESS: usize = 32;
    const RUN_MMIO_DATA: usize = 40;

    unsafe extern "C" {
        fn ioctl(fd: i32, request: u64, argument: u64) -> i32;
        fn mmap(at: usize, length: usize, prot: i32, flags: i32, fd: i32, at: i64) -> *mut u8;
        fn munmap(at: *mut u8, length: usize) -> i32;
    }

    fn call(file: &File, request: u64, argument: u64) -> Result<i32> {
        // SAFETY: every caller passes a number, or a pointer to a live object of
        // the size that the request's number has.
        match unsafe { ioctl(file.as_raw_fd(), request, argument) } {
            -1 => Err(Error::other(format!("ioctl {request:#x}: {}", Error::last_os_error()))),
            result => Ok(result),
        }
    }

    fn call_for_file(file: &File, request: u64, argument: u64) -> Result<File> {
        let fd = call(file, request, argument)?;
        // SAFETY: the request gave a new descriptor, which is ours alone.
        Ok(unsafe { File::from_raw_fd(fd) })
    }

    /// A shared mapping of zeros, or of a vCPU's kvm_run.
    struct Mapping {
        at: *mut u8,
        length: usize,
    }

    impl Mapping {
        fn new(length: usize, file: Option<&File>) -> Result<Self> {
            // MAP_SHARED, and MAP_ANONYMOUS without a file.
            let flags = if file.is_some() { 0x01 } else { 0x21 };
            let fd = file.map_or(-1, |file| file.as_raw_fd());
            // SAFETY: a new mapping where the kernel likes.
            let at = unsafe { mmap(0, length, 3, flags, fd, 0) };
            if at as usize == usize::MAX {
                return Err(Error::other(format!("mmap: {}", Error::last_os_error())));
            }
            Ok(Self { at, length })
        }

        fn write(&self, offset: usize, value: u32) {
            assert!(offset % 4 == 0 && offset + 4 <= self.length);
            // SAFETY: aligned and inside the mapping.
            unsafe { self.at.add(offset).cast::<u32>().write_volatile(value) }
        }

        fn read(&self, offset: usize) -> u32 {
            assert!(offset % 4 == 0 && offset + 4 <= self.length);
            // SAFETY: aligned and inside the mapping.
            unsafe { self.at.add(offset).cast::<u32>().read_volatile() }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: made by mmap with this length, and no longer used.
            unsafe { munmap(self.at, self.length) };
        }
    }

    /// A VM. Its fields go in this order: memory outlives the descriptors.
    pub struct Vm {
        vm: File,
        _devices: Vec<File>,
        run_size: usize,
        _memory: Mapping,
    }

    impl Vm {
        /// With this much RAM from address 0 on, which begins with `code`.
        pub fn new(kvm: &File, memory: usize, code: &[u32]) -> Result<Self> {
            let vm = call_for_file(kvm, CREATE_VM, 0)?;
            let run_size = call(kvm, GET_VCPU_MMAP_SIZE, 0)? as usize;
            let mut devices = Vec::new();
            for device in DEVICES {
                // struct kvm_create_device: type, the new descriptor, flags.
                let mut create = [device, 0, 0];
                call(&vm, CREATE_DEVICE, create.as_mut_ptr() as u64)?;
                // SAFETY: the request gave a new descriptor, which is ours alone.
                devices.push(unsafe { File::from_raw_fd(create[1] as i32) });
            }
            let mapping = Mapping::new(memory, None)?;
            for (i, word) in code.iter().enumerate() {
                mapping.write(4 * i, *word);
            }
            // struct kvm_userspace_memory_region: slot and flags, guest physical
            // address, size, user space address.
            let region = [0, 0, memory as u64, mapping.at as u64];
            call(&vm, SET_USER_MEMORY_REGION, region.as_ptr() as u64)?;
            Ok(Self { vm, _devices: devices, run_size, _memory: mapping })
        }

        /// A new vCPU that is about to run from address 0.
        pub fn vcpu(&self, id: u64) -> Result<Vcpu> {
            let vcpu = call_for_file(&self.vm, CREATE_VCPU, id)?;
            let run = Mapping::new(self.run_size, Some(&vcpu))?;
            let crmd = CRMD_DA;
            // struct kvm_one_reg: id, address of the value.
            let one_reg = [CRMD, &raw const crmd as u64];
            call(&vcpu, SET_ONE_REG, one_reg.as_ptr() as u64)?;
            // struct kvm_regs: general registers and pc.
            let regs = [0u64; 33];
            call(&vcpu, SET_REGS, regs.as_ptr() as u64)?;
            Ok(Vcpu { vcpu, run })
        }
    }

    /// A vCPU.
    pub struct Vcpu {
        vcpu: File,
        run: Mapping,
    }

    impl Vcpu {
        /// Runs it until it writes where it has no RAM: the address and the data.
        pub fn run(&self) -> Result<(u64, u32)> {
            call(&self.vcpu, RUN, 0)?;
            match self.run.read(RUN_EXIT_REASON) {
                EXIT_MMIO => {
                    let low = u64::from(self.run.read(RUN_MMIO_ADDRESS));
                    let high = u64::from(self.run.read(RUN_MMIO_ADDRESS + 4));
                    Ok((high << 32 | low, self.run.read(RUN_MMIO_DATA)))
                }
                reason => Err(Error::other(format!("exit reason {reason}"))),
            }
        }
    }
}

fn round(kvm: &std::fs::File) -> std::io::Result<()> {
    let vm = kvm::Vm::new(kvm, MEMORY, CODE)?;
    let vcpus = (0..VCPUS).map(|id| vm.vcpu(id)).collect::<std::io::Result<Vec<_>>>()?;
    for vcpu in &vcpus {
        let wrote = vcpu.run()?;
        if wrote != (NO_RAM, NO_RAM as u32) {
            return Err(std::io::Error::other(format!("wrote {wrote:x?}")));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let rounds = std::env::args().nth(1).and_then(|word| word.parse::<u32>().ok());
    let Some(rounds) = rounds else {
        eprintln!("kvm-lifecycle: how many rounds?");
        return ExitCode::FAILURE;
    };
    let result = std::fs::File::options().read(true).write(true).open("/dev/kvm");
    match result.and_then(|kvm| (0..rounds).try_for_each(|_| round(&kvm))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kvm-lifecycle: {error}");
            ExitCode::FAILURE
        }
    }
}
