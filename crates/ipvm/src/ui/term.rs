//! The two streams: results on stdout, everything else on stderr; colours only where a person looks on.

use std::io::{self, IsTerminal, Stdout, Write};

/// Standard output. A reader that goes away (`ipvm … | head`) is no error: what comes after is dropped, so
/// that the exit code still tells how the work ended.
pub(crate) struct Out {
    inner: io::BufWriter<Stdout>,
    closed: bool,
}

impl Out {
    pub(crate) fn new() -> Self {
        Self {
            inner: io::BufWriter::with_capacity(64 * 1024, io::stdout()),
            closed: false,
        }
    }

    /// True once the reader is gone: a long stream may stop early.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn forgive<T>(&mut self, done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(instead)
            }
            other => other,
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let done = self.inner.write(bytes);
        self.forgive(done, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let done = self.inner.flush();
        self.forgive(done, ())
    }
}

/// Writes one line to stderr. Nobody may be there to read it; that never matters for the work.
pub(crate) fn note(line: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(format!("{line}\n").as_bytes());
}

/// Words on the last line of a terminal, gone when dropped: for work that shows nothing else, such as the first
/// compilation of a module.
pub(crate) struct Passing(bool);

impl Passing {
    /// Shows `words`, on a terminal and unless `quiet`.
    pub(crate) fn show(words: &str, quiet: bool) -> Self {
        let shown = !quiet && is_live();
        if shown {
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(Paint::stderr().dim(words).as_bytes());
            let _ = stderr.flush();
        }
        Self(shown)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if self.0 {
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(b"\r\x1b[2K");
            let _ = stderr.flush();
        }
    }
}

/// Whether stderr can show a tree that redraws itself.
pub(crate) fn is_live() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// (rows, columns) of the terminal on stderr, or 24 × 80.
pub(crate) fn size() -> (usize, usize) {
    let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
    (usize::from(rows).max(4), usize::from(columns).max(20))
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The few colours in use, or none.
#[derive(Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    pub(crate) fn stdout() -> Self {
        Self::when(io::stdout().is_terminal())
    }

    pub(crate) fn stderr() -> Self {
        Self::when(io::stderr().is_terminal())
    }

    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { on: false };

    fn when(terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            on: terminal && !refused && !is_dumb(),
        }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    pub(crate) fn memo(self, text: &str) -> String {
        self.wrap("36", text)
    }

    pub(crate) fn busy(self, text: &str) -> String {
        self.wrap("33", text)
    }
}
