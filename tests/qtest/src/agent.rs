// SPDX-License-Identifier: GPL-2.0-or-later

//! The guest: on each CPU a loop that takes commands from memory, does one access
//! and answers, and counts its interrupts. What it says and what qtest sees of the
//! same machine can so be compared.

/// Where the guest's code is loaded and begins, on every CPU.
pub(crate) const ENTRY: u64 = 0x20_0000;

/// RAM that neither the agent nor QEMU uses.
pub(crate) const FREE: u64 = 0x80_0000;

/// Where the first CPU's mailbox is.
const MAILBOX: u64 = 0x40_0000;

/// From a CPU's mailbox to the next one's.
const STRIDE: u64 = 0x4000;

/// The mailbox of a CPU.
#[derive(Clone, Copy)]
pub(crate) struct Mailbox(u64);

impl Mailbox {
    /// That of the CPU with this number.
    pub(crate) fn of(cpu: u64) -> Self {
        Mailbox(MAILBOX + cpu * STRIDE)
    }

    /// What to do; the guest clears it when it is done.
    pub(crate) fn command(self) -> u64 {
        self.0
    }

    /// The address of the access.
    pub(crate) fn address(self) -> u64 {
        self.0 + 8
    }

    /// What is written.
    pub(crate) fn value(self) -> u64 {
        self.0 + 16
    }

    /// What was read.
    pub(crate) fn result(self) -> u64 {
        self.0 + 24
    }

    /// How often the CPU has begun at [`ENTRY`].
    pub(crate) fn begun(self) -> u64 {
        self.0 + 32
    }

    /// How many interrupts of a vector of the EIOINTC it had.
    pub(crate) fn vector(self, vector: u64) -> u64 {
        self.0 + 0x1000 + 8 * vector
    }

    /// How many inter-processor interrupts it had.
    pub(crate) fn ipis(self) -> u64 {
        self.0 + 0x1800
    }
}

/// A command, as the table in the code has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Load so many bytes, unsigned.
    Load(u8),
    /// Store so many bytes.
    Store(u8),
    /// iocsrrd of so many bytes, the shorter ones signed.
    IocsrRead(u8),
    /// iocsrwr of so many bytes.
    IocsrWrite(u8),
    /// Wait for an interrupt.
    Idle,
    /// Change CRMD: the address is the mask (csrxchg).
    Crmd,
}

impl Command {
    /// Its number in the mailbox.
    pub(crate) fn number(self) -> u64 {
        let by_width = |first: u64, width: u8| first + u64::from(width.trailing_zeros());
        match self {
            Command::Load(width) => by_width(1, width),
            Command::Store(width) => by_width(5, width),
            Command::IocsrRead(width) => by_width(9, width),
            Command::IocsrWrite(width) => by_width(13, width),
            Command::Idle => 17,
            Command::Crmd => 18,
        }
    }
}

kvm::guest_code!(
    /// The loop. Interrupts use $a4 to $a7 and $t5 to $t8, the loop the others.
    code,
    "csrrd $t0, 0x20", // CPUID
    "slli.d $t0, $t0, 14",
    "lu12i.w $s0, 0x400",
    "add.d $s0, $s0, $t0", // mailbox
    "st.d $zero, $s0, 0",
    "lu12i.w $t0, 0x201",
    "csrwr $t0, 0xc", // EENTRY: ENTRY + 0x1000
    "lu12i.w $t0, 1",
    "ori $t0, $t0, 4",
    "csrwr $t0, 0x4", // ECFG: HWI0, IPI
    "lu12i.w $t0, 1",
    "addi.w $t1, $zero, -1",
    "addi.d $t2, $t0, 4",
    "iocsrwr.w $t1, $t2", // all IPIs
    "ld.d $t0, $s0, 32",
    "addi.d $t0, $t0, 1",
    "st.d $t0, $s0, 32", // begun
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0", // CRMD.IE
    "1:",
    "ld.d $t0, $s0, 0",
    "beqz $t0, 1b",
    "dbar 0",
    "ld.d $t1, $s0, 8",
    "ld.d $t2, $s0, 16",
    "slli.d $t0, $t0, 3",
    "pcaddi $t3, 1", // the table has no entry 0
    "add.d $t3, $t3, $t0",
    "jr $t3",
    "ld.bu $t2, $t1, 0",
    "b 2f",
    "ld.hu $t2, $t1, 0",
    "b 2f",
    "ld.wu $t2, $t1, 0",
    "b 2f",
    "ld.d $t2, $t1, 0",
    "b 2f",
    "st.b $t2, $t1, 0",
    "b 2f",
    "st.h $t2, $t1, 0",
    "b 2f",
    "st.w $t2, $t1, 0",
    "b 2f",
    "st.d $t2, $t1, 0",
    "b 2f",
    "iocsrrd.b $t2, $t1",
    "b 2f",
    "iocsrrd.h $t2, $t1",
    "b 2f",
    "iocsrrd.w $t2, $t1",
    "b 2f",
    "iocsrrd.d $t2, $t1",
    "b 2f",
    "iocsrwr.b $t2, $t1",
    "b 2f",
    "iocsrwr.h $t2, $t1",
    "b 2f",
    "iocsrwr.w $t2, $t1",
    "b 2f",
    "iocsrwr.d $t2, $t1",
    "b 2f",
    "idle 0",
    "b 2f",
    "csrxchg $t2, $t1, 0x0",
    "2:",
    "st.d $t2, $s0, 24",
    "dbar 0",
    "st.d $zero, $s0, 0",
    "b 1b",
    ".p2align 12",
    "lu12i.w $a6, 1",       // IOCSRs, and the counts from the mailbox
    "add.d $t8, $s0, $a6",  // counts
    "iocsrrd.w $a5, $a6",   // IPIs that are pending
    "beqz $a5, 3f",
    "addi.d $a7, $a6, 12",
    "iocsrwr.w $a5, $a7",   // cleared
    "ori $a7, $zero, 0x800",
    "add.d $a7, $t8, $a7",
    "ld.d $a5, $a7, 0",
    "addi.d $a5, $a5, 1",
    "st.d $a5, $a7, 0",
    "3:",
    "ori $a4, $a6, 0x800",  // this core's vectors that are pending
    "addi.d $a5, $a4, 32",
    "4:",
    "iocsrrd.w $a6, $a4",
    "beqz $a6, 5f",
    "ctz.w $a7, $a6",
    "addi.w $t5, $zero, 1",
    "sll.w $t5, $t5, $a7",
    "iocsrwr.w $t5, $a4",   // acknowledged
    "slli.d $a7, $a7, 3",
    "add.d $a7, $t8, $a7",
    "ld.d $t5, $a7, 0",
    "addi.d $t5, $t5, 1",
    "st.d $t5, $a7, 0",
    "b 4b",
    "5:",
    "addi.d $t8, $t8, 256", // of 32 vectors
    "addi.d $a4, $a4, 4",
    "bne $a4, $a5, 4b",
    "ertn",
);

/// The guest's code.
pub(crate) fn program() -> &'static [u8] {
    code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_numbered_as_the_table_is() {
        let numbers: Vec<u64> = [1, 2, 4, 8]
            .iter()
            .flat_map(|&width| [Command::Load(width), Command::Store(width)])
            .map(Command::number)
            .collect();
        assert_eq!(numbers, [1, 5, 2, 6, 3, 7, 4, 8]);
        assert_eq!(Command::IocsrRead(8).number(), 12);
        assert_eq!(Command::IocsrWrite(1).number(), 13);
        assert_eq!(Command::Idle.number(), 17);
        assert_eq!(Command::Crmd.number(), 18);
    }

    #[test]
    fn mailboxes_do_not_overlap() {
        assert!(Mailbox::of(0).ipis() + 8 <= Mailbox::of(1).command());
        assert!(Mailbox::of(0).vector(255) < Mailbox::of(0).ipis());
    }
}
