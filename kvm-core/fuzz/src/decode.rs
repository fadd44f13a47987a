// SPDX-License-Identifier: GPL-2.0

//! Instruction words from CSR.BADI.

use super::bytes::Bytes;
use kvm_core::decode::{
    data_address, memory, sensitive, CsrOp, Direction, Gpr, Gprs, Memory, MmioTransfer, Sensitive,
};
use la_arch::insn::{integer, privileged};

/// Decodes words and carries loads and stores through.
pub fn decoder(data: &[u8]) {
    let mut bytes = Bytes(data);
    while bytes.more() {
        let word = bytes.word();
        let seed = bytes.long();
        let gprs: Gprs = core::array::from_fn(|n| seed.wrapping_mul(n as u64 | 1));
        match sensitive(word) {
            Some(Sensitive::Csr(access)) => {
                assert!(privileged::CSRXCHG.matches(word));
                let mask = matches!(access.op, CsrOp::Exchange { .. });
                assert_eq!(mask, word >> 5 & 31 > 1);
            }
            Some(Sensitive::Cpucfg { .. }) => assert!(integer::CPUCFG.matches(word)),
            Some(Sensitive::Iocsr(access)) => {
                assert!(matches!(access.width, 1 | 2 | 4 | 8));
                let _ = access.completed(seed);
            }
            Some(Sensitive::Idle) => assert!(privileged::IDLE.matches(word)),
            Some(Sensitive::Cacop) => assert!(privileged::CACOP.matches(word)),
            None => {}
        }
        let address = data_address(word, &gprs);
        if let Ok(Memory::Access(access)) = memory(word) {
            assert_eq!(address, Some(access.address(&gprs)));
            assert!(access.begins_at(&gprs, access.address(&gprs)));
            assert!(matches!(access.width, 1 | 2 | 4 | 8 | 16 | 32));
            let gpa = bytes.long();
            let mut transfer = MmioTransfer::new(access, gpa, [bytes.long(), seed, !seed, 1]);
            let mut carried = 0;
            while let Some(request) = transfer.request() {
                assert!(matches!(request.len, 1 | 2 | 4 | 8));
                assert_eq!(request.gpa, gpa.wrapping_add(carried));
                let beyond = &request.data[usize::from(request.len)..];
                assert!(beyond.iter().all(|&byte| byte == 0));
                assert!(transfer.loaded().is_none());
                carried += u64::from(request.len);
                transfer.complete(bytes.long().to_le_bytes());
            }
            assert_eq!(carried, u64::from(access.width));
            let read = access.direction == Direction::Read;
            assert_eq!(transfer.loaded().is_some(), read);
            // More than was asked for changes nothing.
            let before = transfer;
            transfer.complete([0xff; 8]);
            assert_eq!(transfer, before);
        }
        assert_eq!(Gpr::new(0).read(&gprs), 0);
    }
}
