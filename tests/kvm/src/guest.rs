// SPDX-License-Identifier: GPL-2.0-or-later

//! What guests of the test programs run.

/// A guest says something by storing it here, eight bytes a number: there is
/// neither RAM nor a device.
pub const REPORT: u64 = 0x3000_0000;

/// Bytes there in which a store is a report.
pub const REPORT_SIZE: u64 = 0x1000;

/// RAM that a guest needs to have for [`crate::guest_code`] to fit, at 0.
pub const CODE_SIZE: usize = 0x1_0000;

/// Defines a function that returns a guest's code, which is assembled with the
/// program that has it: `guest_code!(name, "instruction", "instruction", ...)`.
///
/// The code stands at a multiple of 4 KiB and must not depend on where, as it
/// is copied into a guest: branches and `pcaddi` with numeric labels, no `la`.
/// [`REPORT`] is what
/// `"lu12i.w $s0, 0x30000"` loads. On other computers the code is empty, so that the
/// programs can be checked there.
#[macro_export]
macro_rules! guest_code {
    ($(#[$meta:meta])* $vis:vis $name:ident, $($line:expr),+ $(,)?) => {
        #[cfg(target_arch = "loongarch64")]
        ::core::arch::global_asm!(
            ".pushsection .rodata.guest_code, \"a\"",
            ".p2align 12",
            concat!(".hidden guest_code_", stringify!($name)),
            concat!(".globl guest_code_", stringify!($name)),
            concat!("guest_code_", stringify!($name), ":"),
            $($line,)+
            concat!(".hidden guest_code_end_", stringify!($name)),
            concat!(".globl guest_code_end_", stringify!($name)),
            concat!("guest_code_end_", stringify!($name), ":"),
            ".popsection",
        );

        $(#[$meta])*
        #[cfg(target_arch = "loongarch64")]
        $vis fn $name() -> &'static [u8] {
            unsafe extern "C" {
                #[link_name = concat!("guest_code_", stringify!($name))]
                static BEGIN: u8;
                #[link_name = concat!("guest_code_end_", stringify!($name))]
                static END: u8;
            }
            let length = (&raw const END as usize) - (&raw const BEGIN as usize);
            // SAFETY: the two labels enclose constant data of this program.
            unsafe { ::core::slice::from_raw_parts(&raw const BEGIN, length) }
        }

        $(#[$meta])*
        #[cfg(not(target_arch = "loongarch64"))]
        $vis fn $name() -> &'static [u8] {
            let _ = [$($line),+];
            &[]
        }
    };
}
