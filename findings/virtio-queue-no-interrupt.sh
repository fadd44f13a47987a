#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# virtio-queue 0.18.0 (crates.io), `Queue::needs_notification`.
#
# Guess: a driver without VIRTIO_F_EVENT_IDX that sets NO_INTERRUPT (1) in the flags of its available
# ring wants no interrupt for used buffers (virtio 1.2, section 2.7.7), so the answer is no.
# Seen: it is yes, whatever the flags are; they are looked at for EVENT_IDX alone, where used_event
# decides. A driver that polls its queue, and said so, is interrupted for each buffer.
#
# Output seen:
#   flags 0: true, flags 1: true
#   with EVENT_IDX, used_event ahead: false
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
virtio-queue = "=0.18.0"
vm-memory = { version = "=0.18.0", features = ["backend-mmap"] }
EOF
cat >src/main.rs <<'EOF'
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const SIZE: u16 = 16;
const DESC: u64 = 0x1000;
const AVAIL: u64 = 0x2000;
const USED: u64 = 0x3000;

/// Whether the driver is to be interrupted for a used buffer.
fn asked(memory: &GuestMemoryMmap, event_idx: bool, flags: u16, used_event: u16) -> bool {
    let mut queue = Queue::new(SIZE).expect("a queue");
    queue.set_desc_table_address(Some(DESC as u32), None);
    queue.set_avail_ring_address(Some(AVAIL as u32), None);
    queue.set_used_ring_address(Some(USED as u32), None);
    queue.set_event_idx(event_idx);
    queue.set_ready(true);
    memory.write_obj(flags, GuestAddress(AVAIL)).expect("flags");
    memory.write_obj(1u16, GuestAddress(AVAIL + 2)).expect("idx");
    let at = AVAIL + 4 + 2 * u64::from(SIZE);
    memory.write_obj(used_event, GuestAddress(at)).expect("used_event");
    queue.add_used(memory, 0, 0).expect("a used buffer");
    queue.needs_notification(memory).expect("an answer")
}

fn main() {
    let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x10000)]).expect("memory");
    let [off, on] = [0, 1].map(|flags| asked(&memory, false, flags, 0));
    println!("flags 0: {off}, flags 1: {on}");
    println!("with EVENT_IDX, used_event ahead: {}", asked(&memory, true, 0, 7));
}
EOF
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = "flags 0: true, flags 1: true
with EVENT_IDX, used_event ahead: false" ] || {
    echo "virtio-queue 0.18.0 answers otherwise than on the day this was written" >&2
    exit 1
}
