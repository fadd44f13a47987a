// SPDX-License-Identifier: Apache-2.0 OR MIT

//! LS7A real-time clock: the time-of-year (TOY) counter, the 32.768 kHz RTC
//! counter, three match registers each, and the PM1 registers of the ACPI
//! block below it (7A1000 manual, "RTC"; Linux drivers/rtc/rtc-loongson.c).
//!
//! Both counters run from reset: a board's clock is kept by its battery.

use serde::{Deserialize, Serialize};
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time};

const TOY_TRIM: u64 = 0x20;
const TOY_WRITE0: u64 = 0x24;
const TOY_WRITE1: u64 = 0x28;
const TOY_READ0: u64 = 0x2c;
const TOY_READ1: u64 = 0x30;
const TOY_MATCH0: u64 = 0x34;
const CTRL: u64 = 0x40;
const RTC_TRIM: u64 = 0x60;
const RTC_WRITE0: u64 = 0x64;
const RTC_READ0: u64 = 0x68;
const RTC_MATCH0: u64 = 0x6c;

const CTRL_OSC: u32 = 1 << 8;
const CTRL_TOY: u32 = 1 << 11;
const CTRL_RTC: u32 = 1 << 13;

const PM1_STATUS: u64 = 0x0c;
const PM1_ENABLE: u64 = 0x10;
const PM1_CONTROL: u64 = 0x14;

const SECOND: u64 = 1_000_000_000;
const TICKS: u128 = 32_768;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rtc {
    /// Unix time at simulated time zero.
    epoch: i64,
    /// What software added to the TOY counter, in seconds.
    toy_offset: i64,
    /// What software added to the RTC counter, in ticks.
    rtc_offset: u32,
    trim: [u32; 2],
    ctrl: u32,
    /// Low word of a time that is being set, until the year follows.
    toy_low: Option<u32>,
    /// TOY_MATCH0 to 2, then RTC_MATCH0 to 2.
    matches: [u32; 6],
    /// When each match register fires.
    due: [Option<u64>; 6],
    /// Match registers that fired, until they are written.
    fired: u8,
    pm1_status: u32,
    pm1_enable: u32,
    pm1_control: u32,
}

/// A calendar time, where a day or an hour beyond its range carries over.
fn calendar(year: i32, month: u32, day: u32, h: u32, m: u32, s: u32) -> Option<i64> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let first = Date::from_calendar_date(year, month, 1).ok()?;
    let start = PrimitiveDateTime::new(first, Time::MIDNIGHT).assume_utc();
    let seconds = i64::from(h) * 3600 + i64::from(m) * 60 + i64::from(s);
    let time = start
        .checked_add(Duration::days(i64::from(day) - 1))?
        .checked_add(Duration::seconds(seconds))?;
    Some(time.unix_timestamp())
}

fn bits(value: u32, low: u32, width: u32) -> u32 {
    value >> low & ((1 << width) - 1)
}

impl Rtc {
    /// A clock that shows Unix time `epoch` at simulated time zero.
    pub(crate) fn new(epoch: i64) -> Self {
        Self {
            epoch,
            toy_offset: 0,
            rtc_offset: 0,
            trim: [0; 2],
            ctrl: CTRL_OSC | CTRL_TOY | CTRL_RTC,
            toy_low: None,
            matches: [0; 6],
            due: [None; 6],
            fired: 0,
            pm1_status: 0,
            pm1_enable: 0,
            pm1_control: 0,
        }
    }

    /// Resets what a reset of the machine does: not the time.
    pub(crate) fn reset(&mut self) {
        let (toy_offset, rtc_offset) = (self.toy_offset, self.rtc_offset);
        *self = Self::new(self.epoch);
        (self.toy_offset, self.rtc_offset) = (toy_offset, rtc_offset);
    }

    fn toy_on(&self) -> bool {
        self.ctrl & (CTRL_OSC | CTRL_TOY) == CTRL_OSC | CTRL_TOY
    }

    fn rtc_on(&self) -> bool {
        self.ctrl & (CTRL_OSC | CTRL_RTC) == CTRL_OSC | CTRL_RTC
    }

    /// Unix time that the TOY counter shows.
    fn toy_seconds(&self, now: u64) -> i64 {
        self.epoch
            .wrapping_add((now / SECOND) as i64)
            .wrapping_add(self.toy_offset)
    }

    /// The same as a date; a time that no calendar has shows as 1970.
    fn toy(&self, now: u64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.toy_seconds(now))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    fn ticks(&self, now: u64) -> u32 {
        let ticks = u128::from(now) * TICKS / u128::from(SECOND);
        (ticks as u32).wrapping_add(self.rtc_offset)
    }

    fn toy_low_word(&self, now: u64) -> u32 {
        let toy = self.toy(now);
        let tenths = (now % SECOND / (SECOND / 10)) as u32;
        u32::from(u8::from(toy.month())) << 26
            | u32::from(toy.day()) << 21
            | u32::from(toy.hour()) << 16
            | u32::from(toy.minute()) << 10
            | u32::from(toy.second()) << 4
            | tenths
    }

    /// Sets the TOY counter.
    fn set_toy(&mut self, now: u64, year: i32, low: u32) {
        let (h, m, s) = (bits(low, 16, 5), bits(low, 10, 6), bits(low, 4, 6));
        if let Some(time) = calendar(year, bits(low, 26, 6), bits(low, 21, 5), h, m, s) {
            let unset = self.toy_seconds(now).wrapping_sub(self.toy_offset);
            self.toy_offset = time.wrapping_sub(unset);
            self.schedule(now);
        }
    }

    /// Works out when the match registers fire.
    fn schedule(&mut self, now: u64) {
        for index in 0..6 {
            self.due[index] = if self.fired & 1 << index != 0 {
                None
            } else if index < 3 {
                self.toy_due(now, self.matches[index])
            } else {
                self.rtc_due(now, self.matches[index])
            };
        }
    }

    fn toy_due(&self, now: u64, value: u32) -> Option<u64> {
        if !self.toy_on() || value == 0 {
            return None;
        }
        // The register holds six bits of the year.
        let year = (self.toy(now).year() - 1900) & !0x3f | bits(value, 26, 6) as i32;
        let (month, day) = (bits(value, 22, 4), bits(value, 17, 5));
        let (h, m, s) = (bits(value, 12, 5), bits(value, 6, 6), bits(value, 0, 6));
        let time = calendar(year + 1900, month, day, h, m, s)?;
        let ahead = u64::try_from(time.wrapping_sub(self.toy_seconds(now))).ok()?;
        (now - now % SECOND).checked_add(ahead.checked_mul(SECOND)?)
    }

    fn rtc_due(&self, now: u64, value: u32) -> Option<u64> {
        if !self.rtc_on() || value == 0 {
            return None;
        }
        let ticks = u128::from(now) * TICKS / u128::from(SECOND);
        let ahead = value.wrapping_sub(self.ticks(now));
        let at = (ticks + u128::from(ahead)) * u128::from(SECOND);
        u64::try_from(at.div_ceil(TICKS)).ok()
    }

    /// When a match register fires next.
    pub(crate) fn next_event(&self) -> Option<u64> {
        self.due.iter().flatten().copied().min()
    }

    /// Lets match registers fire.
    pub(crate) fn advance(&mut self, now: u64) {
        for index in 0..6 {
            if self.due[index].is_some_and(|due| due <= now) {
                self.due[index] = None;
                self.fired |= 1 << index;
                self.pm1_status |= 1 << 10;
            }
        }
    }

    /// Level of the interrupt line: a match is not acknowledged.
    pub(crate) fn line(&self) -> bool {
        self.fired != 0
    }

    fn match_index(offset: u64) -> Option<usize> {
        match offset {
            TOY_MATCH0..CTRL => Some(((offset - TOY_MATCH0) / 4) as usize),
            RTC_MATCH0..0x78 => Some(((offset - RTC_MATCH0) / 4) as usize + 3),
            _ => None,
        }
    }

    /// Reads the 32-bit register at `offset`.
    pub(crate) fn read(&self, now: u64, offset: u64) -> u32 {
        match offset {
            TOY_TRIM => self.trim[0],
            RTC_TRIM => self.trim[1],
            TOY_READ0 if self.toy_on() => self.toy_low_word(now),
            TOY_READ1 if self.toy_on() => self.toy(now).year().wrapping_sub(1900) as u32,
            CTRL => self.ctrl,
            RTC_READ0 if self.rtc_on() => self.ticks(now),
            _ => Self::match_index(offset).map_or(0, |index| self.matches[index]),
        }
    }

    /// Writes the 32-bit register at `offset`.
    pub(crate) fn write(&mut self, now: u64, offset: u64, value: u32) {
        match offset {
            TOY_TRIM => self.trim[0] = value,
            RTC_TRIM => self.trim[1] = value,
            TOY_WRITE0 if self.toy_on() => {
                // The day may need the year that follows (29 February).
                self.toy_low = Some(value);
                self.set_toy(now, self.toy(now).year(), value);
            }
            TOY_WRITE1 if self.toy_on() => {
                let low = self.toy_low.take().unwrap_or(self.toy_low_word(now));
                let year = i32::try_from(value).unwrap_or(i32::MAX);
                self.set_toy(now, year.saturating_add(1900), low);
            }
            CTRL => {
                self.ctrl = value;
                self.schedule(now);
            }
            RTC_WRITE0 if self.rtc_on() => {
                let unset = self.ticks(now).wrapping_sub(self.rtc_offset);
                self.rtc_offset = value.wrapping_sub(unset);
                self.schedule(now);
            }
            _ => {
                if let Some(index) = Self::match_index(offset) {
                    self.matches[index] = value;
                    self.fired &= !(1 << index);
                    self.schedule(now);
                }
            }
        }
    }

    /// Reads a register of the power-management block.
    pub(crate) fn read_pm(&self, offset: u64) -> u32 {
        match offset {
            PM1_STATUS => self.pm1_status,
            PM1_ENABLE => self.pm1_enable,
            PM1_CONTROL => self.pm1_control,
            _ => 0,
        }
    }

    /// Writes a register of the power-management block.
    pub(crate) fn write_pm(&mut self, offset: u64, value: u32) {
        match offset {
            PM1_STATUS => self.pm1_status &= !value,
            PM1_ENABLE => self.pm1_enable = value,
            PM1_CONTROL => self.pm1_control = value,
            _ => {}
        }
    }
}
