// SPDX-License-Identifier: GPL-2.0

//! Random sequences of operations.

use super::world::{Op, World};
use super::*;
use proptest::prelude::*;

/// Addresses around the seams of the tables.
fn gpa(g: Geometry) -> impl Strategy<Value = u64> {
    let huge = g.huge_size();
    let top = g.size(g.root_level());
    let seams = vec![
        0,
        huge,
        2 * huge,
        top - huge,
        top,
        g.limit() - huge,
        g.limit(),
    ];
    (prop::sample::select(seams), 0u64..6, any::<bool>()).prop_map(move |(seam, pages, below)| {
        let offset = pages * g.page_size();
        if below {
            seam.saturating_sub(offset)
        } else {
            seam + offset + 8
        }
    })
}

fn op(g: Geometry) -> impl Strategy<Value = Op> {
    let mapping = (gpa(g), 0u64..3, any::<(bool, bool, bool, bool)>()).prop_map(
        move |(gpa, host, (writable, dirty, huge, aligned))| Mapping {
            gpa,
            // Mostly congruent, so that huge pages come about.
            address: (1 + host) * g.huge_size()
                + gpa % g.huge_size()
                + if aligned || huge { 0 } else { g.page_size() },
            memory_type: if host == 2 {
                MemoryType::StronglyOrdered
            } else {
                MemoryType::Coherent
            },
            writable,
            dirty,
            huge,
        },
    );
    let page = g.page_size();
    let range = move || {
        (gpa(g), gpa(g)).prop_map(move |(a, b)| (a.min(b) & !(page - 1), a.max(b) & !(page - 1)))
    };
    let min = g.cache_min();
    prop_oneof![
        6 => (mapping, prop::sample::select(vec![min, min, min, 1, 0]))
            .prop_map(|(mapping, cache)| Op::Map(mapping, cache)),
        4 => (gpa(g), any::<bool>(), any::<bool>()).prop_map(|(a, w, l)| Op::Fast(a, w, l)),
        4 => (gpa(g), (0u64..20, 0u64..20), prop::sample::select(vec![0, !0, !0, 0xfffe_f7ff_ffbf]), any::<bool>())
            .prop_map(|(a, s, h, l)| Op::Around(a, s, h, l)),
        2 => (range(), any::<bool>()).prop_map(|((a, b), free)| Op::Unmap(a, b, free)),
        1 => range().prop_map(|(a, b)| Op::Protect(a, b)),
        2 => (gpa(g), any::<u64>()).prop_map(move |(a, m)| Op::ProtectMask(a & !(page - 1), m & m >> 7)),
        2 => range().prop_map(|(a, b)| Op::Age(a, b)),
        2 => gpa(g).prop_map(Op::Collapse),
        1 => (gpa(g), any::<bool>()).prop_map(|(a, b)| Op::Fill(a, b)),
        4 => (0usize..2, gpa(g)).prop_map(|(v, a)| Op::Touch(v, a)),
    ]
}

pub(super) fn geometry(shift: u8, levels: u8) -> Geometry {
    // Kernel addresses, as the invalid tables have.
    let invalid = 0x9000_0000_0123_0000;
    Geometry::new(
        shift,
        levels,
        [0, invalid, invalid + 0x1_0000, invalid + 0x2_0000],
    )
    .unwrap()
}

fn run(g: Geometry, ops: Vec<Op>, resched_flushes: bool) {
    let mut world = World::new(g, resched_flushes);
    for op in ops {
        world.apply(op);
        world.check();
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn tables_equal_a_map(
        (g, ops) in prop::sample::select(vec![(12, 3), (12, 4), (14, 2), (14, 3), (16, 2), (16, 3)])
            .prop_flat_map(|(shift, levels)| {
                let g = geometry(shift, levels);
                (Just(g), prop::collection::vec(op(g), 1..40))
            }),
        resched_flushes in any::<bool>(),
    ) {
        run(g, ops, resched_flushes);
    }
}
