//! What happened, in order: a number that differs if anything does, and the text if somebody wants to read it.

use std::fmt;

/// The course of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(keep: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: keep.then(Vec::new),
        }
    }

    /// Adds a line, which happened at so many microseconds.
    pub(crate) fn line(&mut self, time: u64, what: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            let seconds = time as f64 / 1e6;
            lines.push(format!("{seconds:>12.6}  {what}"));
        }
        // Formatted into the hash, without a text in between.
        let written = fmt::write(self, format_args!("{time} {what}\n"));
        debug_assert!(written.is_ok(), "a hash takes every text");
    }

    /// A number of the whole.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

impl fmt::Write for Trace {
    /// FNV-1a.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
