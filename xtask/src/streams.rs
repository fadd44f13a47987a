// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Several streams as one: whole lines, in the order in which they end.

use std::io::{PipeReader, Read as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// Streams that are read by a thread each, so that silence can be waited for.
pub(crate) struct Streams {
    receiver: Receiver<(usize, Vec<u8>)>,
    /// The beginning of a line that has not ended, for each stream.
    unfinished: Vec<Vec<u8>>,
}

impl Streams {
    /// Begins to read. The threads end with the streams.
    pub(crate) fn read(readers: Vec<PipeReader>) -> Self {
        let unfinished = vec![Vec::new(); readers.len()];
        let (sender, receiver) = mpsc::channel();
        for (number, mut reader) in readers.into_iter().enumerate() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n) = reader.read(&mut buffer) {
                    if n == 0 || sender.send((number, buffer[..n].to_vec())).is_err() {
                        break;
                    }
                }
            });
        }
        Self {
            receiver,
            unfinished,
        }
    }

    /// The lines that the next bytes end, with their line feeds; an error after
    /// `limit`, and when all streams have ended.
    pub(crate) fn lines(&mut self, limit: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        let (number, bytes) = self.receiver.recv_timeout(limit)?;
        let Some(line) = self.unfinished.get_mut(number) else {
            return Ok(Vec::new());
        };
        line.extend_from_slice(&bytes);
        let end = line.iter().rposition(|byte| *byte == b'\n');
        let rest = line.split_off(end.map_or(0, |end| end + 1));
        Ok(std::mem::replace(line, rest))
    }

    /// The beginnings of lines that never ended.
    pub(crate) fn rest(self) -> Vec<u8> {
        let mut rest = Vec::new();
        for line in self.unfinished.into_iter().filter(|line| !line.is_empty()) {
            rest.extend(line);
            rest.push(b'\n');
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn lines_of_two_streams_do_not_cut_each_other() -> anyhow::Result<()> {
        let (one, mut to_one) = std::io::pipe()?;
        let (two, mut to_two) = std::io::pipe()?;
        let mut streams = Streams::read(vec![one, two]);
        to_one.write_all(b"KVM-LA-GUEST ini")?;
        assert_eq!(streams.lines(LONG)?, b"");
        to_two.write_all(b"[ 0.1] printk: console enabled\nnext")?;
        assert_eq!(streams.lines(LONG)?, b"[ 0.1] printk: console enabled\n");
        to_one.write_all(b"t\n\nhalf")?;
        assert_eq!(streams.lines(LONG)?, b"KVM-LA-GUEST init\n\n");
        let silence = streams.lines(Duration::from_millis(1));
        assert_eq!(silence, Err(RecvTimeoutError::Timeout));
        drop((to_one, to_two));
        assert_eq!(streams.lines(LONG), Err(RecvTimeoutError::Disconnected));
        assert_eq!(streams.rest(), b"half\nnext\n");
        Ok(())
    }
}
