//! What a guest prints.

use crate::fault::Stop;

/// What a switch from one stream to the other counts against the log limit, in bytes: about what a piece takes
/// here.
pub const SWITCH_COST: u64 = 32;

/// What a call printed, in the order in which it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Pieces of output, none empty; two that follow each other are of different streams.
    pub pieces: Vec<(Stream, Vec<u8>)>,
}

/// Where something was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A log that is being written, up to its limit.
pub(super) struct Writer {
    log: Log,
    /// What may still be written, in bytes.
    left: u64,
}

impl Writer {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            log: Log::default(),
            left: limit,
        }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// If it is over the limit; what fits is kept.
    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        let last = self.log.pieces.last().map(|(last, _)| *last);
        if last.is_some_and(|last| last != stream) {
            self.left = self.left.saturating_sub(SWITCH_COST);
        }
        let length = bytes.len() as u64;
        let fits = usize::try_from(self.left.min(length)).unwrap_or(bytes.len());
        let kept = bytes.get(..fits).unwrap_or(bytes);
        self.left = self.left.saturating_sub(length);
        match self.log.pieces.last_mut() {
            _ if kept.is_empty() => {}
            Some((last, piece)) if *last == stream => piece.extend_from_slice(kept),
            _ => self.log.pieces.push((stream, kept.to_vec())),
        }
        if kept.len() == bytes.len() {
            Ok(())
        } else {
            Err(Stop::Log)
        }
    }

    pub(super) fn take(&mut self) -> Log {
        std::mem::take(&mut self.log)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{SWITCH_COST, Stop, Stream, Writer};

    fn written(limit: u64, pieces: &[(Stream, &str)]) -> (Vec<(Stream, String)>, Result<(), Stop>) {
        let mut writer = Writer::new(limit);
        let result = pieces
            .iter()
            .try_for_each(|(stream, text)| writer.write(*stream, text.as_bytes()));
        let pieces = writer.take().pieces.into_iter();
        let texts = pieces.map(|(stream, bytes)| (stream, String::from_utf8(bytes).unwrap()));
        (texts.collect(), result)
    }

    /// A guest that prints byte by byte must not cost an allocation a byte.
    #[test]
    fn neighbours_are_merged() {
        let (pieces, result) = written(
            1000,
            &[
                (Stream::Out, "a"),
                (Stream::Out, ""),
                (Stream::Out, "b"),
                (Stream::Err, ""),
                (Stream::Err, "c"),
                (Stream::Out, "d"),
            ],
        );
        let expected = [(Stream::Out, "ab"), (Stream::Err, "c"), (Stream::Out, "d")];
        assert_eq!(
            pieces,
            expected.map(|(stream, text)| (stream, text.to_owned()))
        );
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn the_limit_is_exact() {
        let kept = |limit, text| {
            let (pieces, result) = written(limit, &[(Stream::Out, text)]);
            (pieces.into_iter().map(|(_, text)| text).collect(), result)
        };
        assert_eq!(kept(3, "abc"), ("abc".to_owned(), Ok(())));
        assert_eq!(kept(2, "abc"), ("ab".to_owned(), Err(Stop::Log)));
        assert_eq!(kept(0, "abc"), (String::new(), Err(Stop::Log)));
        assert_eq!(kept(0, ""), (String::new(), Ok(())));
    }

    /// Or pieces of one byte would take far more memory than the limit says.
    #[test]
    fn switching_streams_counts() {
        let pieces = [(Stream::Out, "a"), (Stream::Err, "b")];
        assert_eq!(written(SWITCH_COST + 2, &pieces).1, Ok(()));
        let (kept, result) = written(SWITCH_COST + 1, &pieces);
        assert_eq!(
            (kept.len(), result),
            (1, Err(Stop::Log)),
            "only the first fits"
        );
    }
}
