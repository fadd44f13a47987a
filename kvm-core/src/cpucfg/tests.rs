// SPDX-License-Identifier: GPL-2.0

use super::*;
use la_arch::cpucfg::word3;
use la_arch::kvm::vm_feature;
use proptest::prelude::*;

impl Host {
    /// A host whose kernel uses all that its CPU has.
    pub(crate) const fn from_words(words: [u32; CPUCFG_WORDS]) -> Self {
        let word2 = words[2];
        Host {
            words,
            lsx: word2 & word2::LSX != 0,
            lasx: word2 & word2::LASX != 0,
            lbt_x86: word2 & word2::LBT_X86 != 0,
            lbt_arm: word2 & word2::LBT_ARM != 0,
            lbt_mips: word2 & word2::LBT_MIPS != 0,
            ptw: word2 & word2::PTW != 0,
            msgint: words[1] & word1::MSGINT != 0,
            pmp: words[6] & word6::PMP != 0,
        }
    }
}

/// A 3A5000, whose words 1, 2, 3 and 6 matter here.
fn host() -> Host {
    let mut words = [0; CPUCFG_WORDS];
    words[1] = 0x03f2_f2fe;
    words[2] = 0x0076_3fc7 | word2::FRECIPE;
    words[3] = 0x0000_ccff;
    words[6] = 0x0000_7f33;
    Host::from_words(words)
}

const TIMER: u64 = word2::LLFTP as u64;
const FP: u64 = TIMER | (word2::FP | word2::FP_SP | word2::FP_DP) as u64;

#[test]
fn masks_of_the_words() {
    let host = host();
    let want = [
        (0, 0xffff_ffff),
        (1, 0x07ff_ffff),
        (3, 0x0000_ccfd),
        (4, 0xffff_ffff),
        (5, 0xffff_ffff),
        (6, 0x7fff),
        (7, 0),
        (15, 0),
        (16, 0x1_ffff),
        (17, 0x7fff_ffff),
        (20, 0x7fff_ffff),
    ];
    for (index, bits) in want {
        assert_eq!(mask(&host, index), Ok(bits), "{index}");
    }
    assert_eq!(mask(&host, 21), Err(CpucfgError::Index));
    let bits = mask(&host, 2).unwrap();
    assert_eq!(bits & word2::LVZ, 0, "guests have no guests");
    for (has, bit) in [
        (host.lsx, word2::LSX),
        (host.lasx, word2::LASX),
        (host.lbt_x86, word2::LBT_X86),
        (host.ptw, word2::PTW),
        (true, word2::FRECIPE),
        (false, word2::SCQ),
    ] {
        assert_eq!(bits & bit != 0, has, "{bit:#x}");
    }
    let none = Host::default();
    assert_eq!(mask(&none, 6), Ok(0));
    assert_eq!(mask(&none, 2).unwrap() & (word2::LSX | word2::FRECIPE), 0);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let host = host();
    let lsx = u64::from(word2::LSX);
    let lasx = u64::from(word2::LASX);
    for (value, fine) in [
        (TIMER, true),
        (0, false),
        (FP, true),
        (FP & !u64::from(word2::FP_DP), false),
        (FP & !u64::from(word2::FP_SP), false),
        (FP | lsx, true),
        (TIMER | lsx, false),
        (FP | lsx | lasx, true),
        (FP | lasx, false),
    ] {
        let want = if fine {
            Ok(value as u32)
        } else {
            Err(CpucfgError::Inconsistent)
        };
        assert_eq!(check(&host, 2, value), want, "{value:#x}");
    }
    let unsupported = Err(CpucfgError::Unsupported);
    assert_eq!(check(&host, 2, FP | 1 << 32), unsupported);
    assert_eq!(check(&host, 2, FP | u64::from(word2::LVZ)), unsupported);
    assert_eq!(check(&host, 1, word1::MSGINT.into()), unsupported);
    let msgint = Host {
        msgint: true,
        ..host
    };
    assert!(check(&msgint, 1, word1::MSGINT.into()).is_ok());
    assert_eq!(check(&host, 21, 0), Err(CpucfgError::Index));
    assert_eq!(CpucfgError::Index.errno(), 22);
}

#[test]
fn numbers_do_not_exceed_the_host_s() {
    let mut host = host();
    // Levels and reduction that the mask lets through but that are larger.
    host.words[3] = 5 << 8 | 5 << 13;
    for (value, fine) in [
        (5 << 8 | 5 << 13, true),
        (4 << 8, true),
        (1 << 8 | 1 << 13, true),
        (7 << 8, false),
    ] {
        assert_eq!(check(&host, 3, value).is_ok(), fine, "{value:#x}");
    }
    host.words[3] = word3::RVAMAX & 2 << 13;
    assert!(check(&host, 3, 3 << 13).is_err());

    // Word 6: four counters of 64 bits, readable in user mode.
    let word = 0x7f31;
    for (value, fine) in [
        (word, true),
        (word & !(3 << 4), true),
        (word | 4 << 4, false),
        (word & !(1 << 13), false),
        (word & !(1 << 14), true),
        (0, true),
        (0x3fe, true),
        (1 << 15, false),
    ] {
        assert_eq!(check(&host, 6, value).is_ok(), fine, "{value:#x}");
    }
    host.words[6] &= !word6::UPM;
    assert!(check(&host, 6, word).is_err());
}

#[test]
fn answers() {
    let mut guest = GuestCpucfg::default();
    let pv = PvFeatures::new(true);
    guest.set(&host(), 4, 100_000_000).unwrap();
    assert_eq!(guest.get(4), Some(100_000_000));
    assert_eq!(guest.get(21), None);
    assert_eq!(guest.answer(4, pv), 100_000_000);
    assert_eq!(guest.answer(1 << 32 | 4, pv), 100_000_000);
    assert_eq!(guest.answer(0x4000_0000, pv), 0x004d_564b);
    assert_eq!(guest.answer(0x4000_0004, pv), 0xe);
    for index in [21, 0x3fff_ffff, 0x4000_0001, 0xffff_ffff] {
        assert_eq!(guest.answer(index, pv), 0);
    }
    // A word with the top bit set is not sign-extended.
    guest.set(&host(), 0, 0x8014_c010).unwrap();
    assert_eq!(guest.answer(0, pv), 0x8014_c010);
    assert_eq!(guest.set(&host(), 300, 0), Err(CpucfgError::Index));
}

#[test]
fn what_a_vcpu_has_it_may_be_given_again() {
    let mut guest = GuestCpucfg::default();
    for index in 0..CPUCFG_WORDS as u16 {
        // A new one's word 2 has no timer: no other may be made so.
        assert_eq!(guest.set(&host(), index, 0), Ok(()));
    }
    guest.set(&host(), 2, FP).unwrap();
    assert_eq!(
        guest.set(&host(), 2, 0),
        Err(CpucfgError::Inconsistent),
        "once it has a value, zero is none"
    );
    assert_eq!(guest.get(2).map(u64::from), Some(FP));
}

#[test]
fn features_follow_the_words() {
    let mut guest = GuestCpucfg::default();
    assert!(!(guest.fpu() || guest.lsx() || guest.lasx() || guest.lbt() || guest.msgint()));
    assert_eq!(guest.counters(), 0);
    let mut all = Host::from_words([!0; CPUCFG_WORDS]);
    all.words[6] = 0x7ff1;
    guest.set(&all, 2, FP | 0x3c0 & 0xc0 | 1 << 20).unwrap();
    guest.set(&all, 1, word1::MSGINT.into()).unwrap();
    assert!(guest.fpu() && guest.lsx() && guest.lasx() && guest.lbt() && guest.msgint());
    for (number, want) in [(0, 1), (3, 4), (4, 4), (15, 4)] {
        guest.set(&all, 6, 0x7f01 | number << 4).unwrap();
        assert_eq!(guest.counters(), want);
    }
    let features = guest.csr_features();
    assert!(features.msgint && features.counters == 4);
}

#[test]
fn all_vcpus_have_the_same_pv_features() {
    let pv = PvFeatures::new(true);
    assert_eq!(PvFeatures::new(false).bits(), 2);
    assert_eq!(PvFeatures::ALL, 0x0300_000e);
    let set = pv.set(6).unwrap();
    assert_eq!(set.bits(), 6);
    assert!(set.has(para::FEATURE_IPI) && !set.has(para::FEATURE_PREEMPT));
    assert_eq!(set.set(6), Ok(set));
    assert_eq!(PvFeatures::from_word(pv.to_word()), pv);
    assert_eq!(PvFeatures::from_word(set.to_word()), set);
    assert_eq!(set.set(2), Err(CpucfgError::Conflict));
    assert_eq!(pv.set(1), Err(CpucfgError::Unsupported));
    assert_eq!(pv.set(1 << 33), Err(CpucfgError::Unsupported));
}

#[test]
fn attributes() {
    let (host, pv) = (host(), PvFeatures::new(false));
    let feature = u64::from(para::CPUCFG_FEATURE);
    for attribute in 0..30 {
        assert_eq!(has_attr(attribute).is_ok(), matches!(attribute, 2 | 6));
        assert_eq!(get_attr(&host, pv, attribute).is_ok(), attribute < 21);
        assert_eq!(settable(attribute), Err(CpucfgError::Attribute));
    }
    assert_eq!(has_attr(feature), Ok(()));
    assert_eq!(get_attr(&host, pv, feature), Ok(2));
    assert_eq!(settable(feature), Ok(()));
    assert_eq!(get_attr(&host, pv, 1 << 32), Err(CpucfgError::Attribute));
    assert_eq!(CpucfgError::Attribute.errno(), 6);
}

#[test]
fn features_of_a_vm() {
    let bit = |attribute: u64| 1 << attribute;
    let none = vm_features(&Host::default(), false, false);
    assert_eq!(none, bit(vm_feature::PV_IPI));
    let all = vm_features(&Host::from_words([!0; CPUCFG_WORDS]), true, true);
    assert_eq!(all, 0x7ff);
    let lsx = Host {
        lsx: true,
        ..Host::default()
    };
    assert_eq!(
        vm_features(&lsx, true, false),
        none | bit(vm_feature::LSX) | bit(vm_feature::PMU)
    );
}

proptest! {
    #[test]
    fn accepted_words_are_within_the_mask(words: [u32; CPUCFG_WORDS], index in 0u16..24, value: u64) {
        let host = Host::from_words(words);
        if let Ok(word) = check(&host, index, value) {
            prop_assert_eq!(u64::from(word), value);
            prop_assert_eq!(word & !mask(&host, index).unwrap(), 0);
        }
        if let Ok(bits) = mask(&host, index) {
            prop_assert!(check(&host, index, value & u64::from(bits)) != Err(CpucfgError::Index));
        }
    }
}
