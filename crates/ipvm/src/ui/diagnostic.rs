//! A message about a place in a file: the line, a caret under the place, and what to do.

use super::human::{clean, clean_lines};
use super::term::Paint;
use std::borrow::Cow;

/// Columns of a source line that are shown.
const LINE: usize = 200;
/// Columns shown before a place that lies beyond the first [`LINE`] columns.
const LEAD: usize = 60;

/// One message. Line and column count from 1, the column in characters.
pub(crate) struct Message<'a> {
    pub(crate) file: &'a str,
    pub(crate) place: Option<(usize, usize)>,
    pub(crate) text: &'a str,
    pub(crate) help: Option<&'a str>,
}

/// The message as lines for stderr, without a line break at the end. `source` is the text of the file.
pub(crate) fn render(message: &Message<'_>, source: &str, paint: Paint) -> String {
    let mut out = format!(
        "{} {}",
        paint.bad("error:"),
        paint.bold(&clean_lines(message.text))
    );
    let file = clean(message.file);
    match message.place {
        None => out.push_str(&format!("\n  --> {file}")),
        Some((line, column)) => {
            out.push_str(&format!("\n  --> {file}:{line}:{column}"));
            if let Some(text) = line
                .checked_sub(1)
                .and_then(|before| source.lines().nth(before))
            {
                out.push_str(&excerpt(text, line, column, paint));
            }
        }
    }
    if let Some(help) = message.help.filter(|help| !help.is_empty()) {
        out.push_str(&format!("\n{} {}", paint.memo("help:"), clean_lines(help)));
    }
    out
}

fn excerpt(text: &str, line: usize, column: usize, paint: Paint) -> String {
    let gutter = " ".repeat(line.to_string().len());
    let column = column.saturating_sub(1);
    let skip = if column < LINE { 0 } else { column - LEAD };
    let mut shown = String::new();
    let mut caret = 0;
    for (place, c) in text.chars().enumerate().skip(skip).take(LINE) {
        if place == column {
            caret = console::measure_text_width(&shown);
        }
        shown.push_str(&visible(c));
    }
    if column >= skip + text.chars().skip(skip).take(LINE).count() {
        caret = console::measure_text_width(&shown);
    }
    let (head, tail) = (
        if skip > 0 { "…" } else { "" },
        if text.chars().nth(skip + LINE).is_some() {
            "…"
        } else {
            ""
        },
    );
    let indent = " ".repeat(caret + head.chars().count());
    let number = paint.dim(&format!("{line} |"));
    let bar = paint.dim(&format!("{gutter} |"));
    format!(
        "\n{bar}\n{number} {head}{shown}{tail}\n{bar} {indent}{}",
        paint.bad("^")
    )
}

/// A tab is as wide as it is anywhere: one space here, so that the caret stays under its place.
fn visible(c: char) -> Cow<'static, str> {
    match c {
        '\t' => Cow::Borrowed(" "),
        c => Cow::Owned(clean(c.encode_utf8(&mut [0; 4])).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, place: (usize, usize), expect: &str) {
        let message = Message {
            file: "w.yaml",
            place: Some(place),
            text: "bad",
            help: Some("mend it"),
        };
        assert_eq!(render(&message, source, Paint::PLAIN), expect);
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        check(
            "a: 1\nb: é x\n",
            (2, 6),
            "error: bad\n  --> w.yaml:2:6\n  |\n2 | b: é x\n  |      ^\nhelp: mend it",
        );
        check(
            "\tb",
            (1, 2),
            "error: bad\n  --> w.yaml:1:2\n  |\n1 |  b\n  |  ^\nhelp: mend it",
        );
        check(
            "ab",
            (1, 3),
            "error: bad\n  --> w.yaml:1:3\n  |\n1 | ab\n  |   ^\nhelp: mend it",
        );
    }

    #[test]
    fn a_place_outside_the_text_is_only_named() {
        check("a", (7, 1), "error: bad\n  --> w.yaml:7:1\nhelp: mend it");
        check("a", (0, 0), "error: bad\n  --> w.yaml:0:0\nhelp: mend it");
    }

    #[test]
    fn long_and_hostile_lines_are_clipped_and_escaped() {
        let source = "x".repeat(1_000_000);
        let message = Message {
            file: "w\u{1b}.yaml",
            place: Some((1, 500_000)),
            text: "a\u{7}",
            help: None,
        };
        let text = render(&message, &source, Paint::PLAIN);
        assert!(text.len() < 1_000, "{} bytes", text.len());
        assert!(!text.contains(['\u{1b}', '\u{7}']));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines.last().map(|line| line.find('^')),
            Some(Some("  | ".len() + 61))
        );
    }
}
