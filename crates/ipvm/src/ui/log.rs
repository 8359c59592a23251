//! What functions printed, for people and as JSON.

use super::human::clean;
use super::json::{Done, Object};
use ipvm_node::{Log, Stream};
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

/// Writes each piece to the stream of its own name. On a terminal without control characters: a function must not
/// be able to rewrite what a person sees.
pub(crate) fn write_streams(out: &mut (impl Write + ?Sized), log: &Log) -> io::Result<()> {
    let (out_is_terminal, mut err) = (io::stdout().is_terminal(), io::stderr().lock());
    for (stream, bytes) in &log.pieces {
        match stream {
            Stream::Out => {
                out.write_all(&safe(bytes, out_is_terminal))?;
                // Pieces of both streams stay in order where they meet.
                out.flush()?;
            }
            Stream::Err => {
                let bytes = safe(bytes, err.is_terminal());
                // Nobody may be there to read it, as with every message.
                let _ = err.write_all(&bytes);
            }
        }
    }
    Ok(())
}

/// Writes all of it to stderr: stdout belongs to the result.
pub(crate) fn note(log: &Log) {
    let mut err = io::stderr().lock();
    let shown = err.is_terminal();
    for (_, bytes) in &log.pieces {
        let _ = err.write_all(&safe(bytes, shown));
    }
    if let Some((_, last)) = log.pieces.last()
        && last.last() != Some(&b'\n')
    {
        let _ = err.write_all(b"\n");
    }
}

/// Writes the member `log`: the pieces in order, bytes that are no UTF-8 replaced.
pub(crate) fn write_json(o: &mut Object<'_>, log: &Log) -> Done {
    o.list("log", |list| {
        log.pieces.iter().try_for_each(|(stream, bytes)| {
            list.object(|o| {
                let name = match stream {
                    Stream::Out => "out",
                    Stream::Err => "err",
                };
                o.text("stream", name)?;
                o.text("text", &String::from_utf8_lossy(bytes))
            })
        })
    })
}

fn safe(bytes: &[u8], terminal: bool) -> Cow<'_, [u8]> {
    if !terminal {
        return Cow::Borrowed(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    let lines = text
        .split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => format!("{}\n", clean(line)),
            None => clean(line).into_owned(),
        });
    Cow::Owned(lines.collect::<String>().into_bytes())
}
