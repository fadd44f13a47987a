// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The exact implementation against the fast one, and both against the host's own arithmetic.

use super::numbers::{config, number, pair, triple};
use crate::fp::arith::{exact_add, exact_div, exact_mul, exact_sqrt, exact_sub};
use crate::fp::fma::exact_fma;
use crate::fp::format::is_nan;
use crate::fp::{Env, Flags, Float, Format, Round};
use proptest::prelude::*;

fn exact(function: impl FnOnce(&mut Env) -> u64) -> (u64, Flags) {
    let mut env = Env::new(Round::NearestEven);
    let result = function(&mut env);
    (result, env.flags)
}

/// If the fast path answers, it answers as the exact one, and nothing but inexact was to be raised.
fn same<F: Format>(fast: Option<(F::Bits, bool)>, exact: (u64, Flags)) {
    if let Some((result, inexact)) = fast {
        let flags = if inexact {
            Flags::INEXACT
        } else {
            Flags::empty()
        };
        assert_eq!((result.into(), flags), exact);
    }
}

fn fast_is_exact<F: Float>(a: u64, b: u64, c: u64) {
    let (x, y, z) = (F::truncate(a), F::truncate(b), F::truncate(c));
    same::<F>(F::host_add(x, y), exact(|env| exact_add::<F>(a, b, env)));
    same::<F>(F::host_sub(x, y), exact(|env| exact_sub::<F>(a, b, env)));
    same::<F>(F::host_mul(x, y), exact(|env| exact_mul::<F>(a, b, env)));
    same::<F>(F::host_div(x, y), exact(|env| exact_div::<F>(a, b, env)));
    same::<F>(F::host_sqrt(x), exact(|env| exact_sqrt::<F>(a, env)));
    for subtract in [false, true] {
        same::<F>(
            F::host_fma(x, y, z, subtract),
            exact(|env| exact_fma::<F>(a, b, c, subtract, env)),
        );
    }
}

/// Equal bits, or two NaNs: which NaN the host gives is its own affair.
fn agrees<F: Format>(host: u64, exact: (u64, Flags)) {
    assert!(
        host == exact.0 || (is_nan::<F>(host) && is_nan::<F>(exact.0)),
        "host {host:#x}, exact {:#x}",
        exact.0
    );
}

macro_rules! exact_is_host {
    ($name:ident, $f:ident) => {
        fn $name(a: u64, b: u64, c: u64) {
            let x = $f::from_bits($f::truncate(a));
            let y = $f::from_bits($f::truncate(b));
            let z = $f::from_bits($f::truncate(c));
            let bits = |x: $f| u64::from(x.to_bits());
            agrees::<$f>(bits(x + y), exact(|env| exact_add::<$f>(a, b, env)));
            agrees::<$f>(bits(x - y), exact(|env| exact_sub::<$f>(a, b, env)));
            agrees::<$f>(bits(x * y), exact(|env| exact_mul::<$f>(a, b, env)));
            agrees::<$f>(bits(x / y), exact(|env| exact_div::<$f>(a, b, env)));
            agrees::<$f>(bits(x.sqrt()), exact(|env| exact_sqrt::<$f>(a, env)));
            let fused = x.mul_add(y, z);
            agrees::<$f>(
                bits(fused),
                exact(|env| exact_fma::<$f>(a, b, c, false, env)),
            );
        }
    };
}
exact_is_host!(single_is_host, f32);
exact_is_host!(double_is_host, f64);

proptest! {
    #![proptest_config(config())]

    #[test]
    fn fast_single_is_exact((a, b, c) in triple::<f32>()) {
        fast_is_exact::<f32>(a, b, c);
    }

    #[test]
    fn fast_double_is_exact((a, b, c) in triple::<f64>()) {
        fast_is_exact::<f64>(a, b, c);
    }

    #[test]
    fn exact_single_is_the_hosts((a, b, c) in triple::<f32>()) {
        single_is_host(a, b, c);
    }

    #[test]
    fn exact_double_is_the_hosts((a, b, c) in triple::<f64>()) {
        double_is_host(a, b, c);
    }

    /// Operands with few significant bits, whose products, quotients and roots are exact.
    #[test]
    fn fast_path_knows_exact_results((a, b) in pair::<f64>(), drop in 0..50_u32, c in number::<f64>()) {
        let keep = u64::MAX << drop;
        let (a, b) = (a & keep, b & keep);
        let product = (f64::from_bits(a) * f64::from_bits(b)).to_bits();
        let square = (f64::from_bits(a) * f64::from_bits(a)).to_bits();
        fast_is_exact::<f64>(a, b, c);
        fast_is_exact::<f64>(product, b, product);
        fast_is_exact::<f64>(a, b, product);
        fast_is_exact::<f64>(square, a, c);
    }
}

/// The fast path must not decline ordinary operands: speed depends on it.
#[test]
fn fast_path_takes_ordinary_operands() {
    let (a, b, c) = (1.5_f64.to_bits(), 1e10_f64.to_bits(), (-3e-7_f64).to_bits());
    assert!(f64::host_add(a, b).is_some());
    assert!(f64::host_add(a, a ^ f64::SIGN).is_some());
    assert!(f64::host_sub(a, b).is_some());
    assert!(f64::host_mul(a, b).is_some());
    assert!(f64::host_div(a, b).is_some());
    assert!(f64::host_sqrt(b).is_some());
    assert!(f64::host_fma(a, b, c, false).is_some());
    assert!(f64::host_fma(a, b, 0, true).is_some());
    let (a, b, c) = (1.5_f32.to_bits(), 1e10_f32.to_bits(), (-3e-7_f32).to_bits());
    assert!(f32::host_add(a, b).is_some());
    assert!(f32::host_sub(a, b).is_some());
    assert!(f32::host_mul(a, b).is_some());
    assert!(f32::host_div(a, b).is_some());
    assert!(f32::host_sqrt(b).is_some());
    assert!(f32::host_fma(a, b, c, true).is_some());
}
