// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The target description (GDB manual, appendix G): which registers there are.

use super::registers::{Described, Feature};
use std::fmt::Write as _;

/// A type of a feature: a union of vectors or of floating-point numbers.
struct Union {
    name: &'static str,
    /// Element type, and how many of them there are; one is no vector.
    fields: &'static [(&'static str, &'static str, u32)],
}

const UNIONS: [Union; 3] = [
    Union {
        name: "fputype",
        fields: &[("f", "ieee_single", 1), ("d", "ieee_double", 1)],
    },
    Union {
        name: "lsxv",
        fields: &[
            ("v4_float", "ieee_single", 4),
            ("v2_double", "ieee_double", 2),
            ("v16_int8", "int8", 16),
            ("v8_int16", "int16", 8),
            ("v4_int32", "int32", 4),
            ("v2_int64", "int64", 2),
            ("uint128", "uint128", 1),
        ],
    },
    Union {
        name: "lasxv",
        fields: &[
            ("v8_float", "ieee_single", 8),
            ("v4_double", "ieee_double", 4),
            ("v32_int8", "int8", 32),
            ("v16_int16", "int16", 16),
            ("v8_int32", "int32", 8),
            ("v4_int64", "int64", 4),
            ("v2_uint128", "uint128", 2),
        ],
    },
];

/// `target.xml`.
pub(super) fn target_xml(features: &[Feature]) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target \
         version=\"1.0\">\n<architecture>loongarch64</architecture>\n",
    );
    let mut number = 0;
    for feature in features {
        push(
            &mut xml,
            format_args!("<feature name=\"{}\">\n", feature.name),
        );
        for union in &UNIONS {
            if feature.registers.iter().any(|r| r.kind == union.name) {
                push_union(&mut xml, union);
            }
        }
        for register in &feature.registers {
            push_register(&mut xml, number, register);
            number += 1;
        }
        xml.push_str("</feature>\n");
    }
    xml.push_str("</target>\n");
    xml
}

fn push(xml: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = xml.write_fmt(text);
}

fn push_union(xml: &mut String, union: &Union) {
    let vector = |name: &str| format!("{}_{name}", union.name);
    for (name, of, count) in union.fields.iter().filter(|(.., count)| *count > 1) {
        let id = vector(name);
        push(
            xml,
            format_args!("<vector id=\"{id}\" type=\"{of}\" count=\"{count}\"/>\n"),
        );
    }
    push(xml, format_args!("<union id=\"{}\">\n", union.name));
    for (name, of, count) in union.fields {
        let kind = match count {
            1 => (*of).to_owned(),
            _ => vector(name),
        };
        push(
            xml,
            format_args!("<field name=\"{name}\" type=\"{kind}\"/>\n"),
        );
    }
    xml.push_str("</union>\n");
}

fn push_register(xml: &mut String, number: usize, register: &Described) {
    let Described {
        name,
        bits,
        kind,
        group,
        ..
    } = register;
    // What belongs to the machine is not saved around a call that the debugger makes.
    let kept = match *group {
        "csr" | "gcsr" | "system" => " save-restore=\"no\"",
        _ => "",
    };
    push(
        xml,
        format_args!(
            "<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\" group=\"{group}\" \
             regnum=\"{number}\"{kept}/>\n"
        ),
    );
}
