// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames out of a stream of bytes: each is preceded by its length, 32 bits, big
//! endian (QEMU net/stream.c: `net_stream_receive`).

/// Longest frame: 64 KiB of payload and an Ethernet header.
pub(crate) const FRAME_MAX: usize = (64 << 10) + 14;

/// Bytes of the length.
pub(super) const LENGTH: usize = 4;

/// What comes next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Frame(Vec<u8>),
    /// A length of zero.
    Mark,
}

/// Bytes that have come and are not yet frames: never more than a frame and what
/// is added at once.
#[derive(Debug, Default)]
pub(super) struct Deframer {
    bytes: Vec<u8>,
    start: usize,
}

impl Deframer {
    /// Adds what has come.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next frame or mark if it is complete.
    ///
    /// # Errors
    /// The length that no frame has; the stream is then of no use.
    pub(super) fn next(&mut self) -> Result<Option<Item>, u32> {
        let rest = &self.bytes[self.start..];
        let Some((&length, rest)) = rest.split_first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(length);
        if length as usize > FRAME_MAX {
            return Err(length);
        }
        let Some(frame) = rest.get(..length as usize) else {
            return Ok(None);
        };
        let item = match length {
            0 => Item::Mark,
            _ => Item::Frame(frame.to_vec()),
        };
        self.start += LENGTH + length as usize;
        Ok(Some(item))
    }

    /// Whether the stream is inside a frame.
    pub(super) fn inside(&self) -> bool {
        self.start < self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let frames = [vec![1], vec![2; 1514], vec![3; FRAME_MAX]];
        let mut stream = Vec::new();
        for frame in &frames {
            stream.extend((frame.len() as u32).to_be_bytes());
            stream.extend(frame);
        }
        stream.extend([0; LENGTH]);
        for portion in [1, 3, 4096, stream.len()] {
            let mut deframer = Deframer::default();
            let mut items = Vec::new();
            for part in stream.chunks(portion) {
                deframer.add(part);
                while let Some(item) = deframer.next().unwrap() {
                    items.push(item);
                }
            }
            assert_eq!(items.pop(), Some(Item::Mark));
            assert!(items.iter().eq(&frames.clone().map(Item::Frame)));
            assert!(!deframer.inside());
        }
    }

    #[test]
    fn no_frame_is_longer_than_the_longest() {
        let mut deframer = Deframer::default();
        for length in [FRAME_MAX as u32 + 1, u32::MAX] {
            deframer.add(&length.to_be_bytes());
            assert_eq!(deframer.next(), Err(length));
            deframer = Deframer::default();
        }
        deframer.add(&[0, 0, 0]);
        assert_eq!(deframer.next(), Ok(None));
        assert!(deframer.inside());
    }
}
