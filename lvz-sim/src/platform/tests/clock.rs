// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The RTC, as drivers/rtc/rtc-loongson.c uses it.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn read(rig: &mut Rig, now: u64, offset: u64) -> u64 {
    let value = rig.platform.mmio_read(now, RTC_BASE + offset, 4);
    value.unwrap()
}

fn write(rig: &mut Rig, now: u64, offset: u64, value: u64) {
    let done = rig.platform.mmio_write(now, RTC_BASE + offset, 4, value);
    assert!(done);
}

fn toy(month: u64, day: u64, h: u64, m: u64, s: u64) -> u64 {
    month << 26 | day << 21 | h << 16 | m << 10 | s << 4
}

fn toy_match(year: u64, month: u64, day: u64, h: u64, m: u64, s: u64) -> u64 {
    (year & 0x3f) << 26 | month << 22 | day << 17 | h << 12 | m << 6 | s
}

#[test]
fn time_starts_at_the_epoch_and_goes_on() {
    let mut rig = Rig::new(1);
    assert_eq!(read(&mut rig, 0, 0x2c), toy(1, 1, 0, 0, 0));
    assert_eq!(read(&mut rig, 0, 0x30), 126);
    let now = (31 * 86_400 + 3_723) * SECOND + SECOND / 2;
    assert_eq!(read(&mut rig, now, 0x2c), toy(2, 1, 1, 2, 3) | 5);
    assert_eq!(read(&mut rig, 2 * SECOND, 0x68), 65_536);
}

#[test]
fn time_can_be_set() {
    let mut rig = Rig::new(1);
    // 29 February needs the year that is written after it.
    let now = 5 * SECOND;
    write(&mut rig, now, 0x24, toy(2, 29, 23, 59, 58));
    write(&mut rig, now, 0x28, 128);
    assert_eq!(read(&mut rig, now, 0x2c), toy(2, 29, 23, 59, 58));
    assert_eq!(read(&mut rig, now, 0x30), 128);
    let now = now + 2 * SECOND;
    assert_eq!(read(&mut rig, now, 0x2c), toy(3, 1, 0, 0, 0));
    write(&mut rig, now, 0x64, 1000);
    assert_eq!(read(&mut rig, now + SECOND, 0x68), 33_768);
    // The battery keeps it through a reset.
    rig.platform.reset();
    assert_eq!(read(&mut rig, now, 0x30), 128);
    // A stopped counter reads as zero.
    write(&mut rig, now, 0x40, 0);
    assert_eq!(read(&mut rig, now, 0x2c), 0);
    assert_eq!(read(&mut rig, now, 0x68), 0);
}

#[test]
fn alarm_interrupts_until_it_is_cleared() {
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    assert_eq!(rig.platform.next_event(), None);
    write(&mut rig, SECOND, 0x34, toy_match(126, 1, 1, 0, 1, 0));
    assert_eq!(rig.platform.next_event(), Some(60 * SECOND));
    rig.platform.advance(60 * SECOND - 1);
    assert_eq!(rig.platform.lines(0).hwi, 0);
    rig.platform.advance(60 * SECOND);
    assert_ne!(rig.platform.lines(0).hwi, 0);
    assert_eq!(rig.platform.next_event(), None);
    // PM1_STS.RTC_STS, cleared by writing one.
    assert_eq!(rig.read(PM_BASE + 0x0c, 4), 1 << 10);
    rig.write(PM_BASE + 0x0c, 4, 1 << 10);
    assert_eq!(rig.read(PM_BASE + 0x0c, 4), 0);
    write(&mut rig, 60 * SECOND, 0x34, 0);
    assert_eq!(rig.platform.lines(0).hwi, 0);
    // A time in the past never comes.
    let past = toy_match(126, 1, 1, 0, 0, 30);
    write(&mut rig, 60 * SECOND, 0x34, past);
    assert_eq!(rig.platform.next_event(), None);
    // The RTC counter's match, on the tick.
    write(&mut rig, 60 * SECOND, 0x6c, 61 * 32_768);
    assert_eq!(rig.platform.next_event(), Some(61 * SECOND));
    rig.platform.advance(61 * SECOND);
    assert_ne!(rig.platform.lines(0).hwi, 0);
}
