//! Splits Rust text into what the compiler reads and what people read, so that a rule about code is not set off by a
//! word in a comment or a string. Knows just enough of the language for that: comments, literals, words, braces.

use std::ops::Range;

/// One text twice: everything but the part in question is blanked, so offsets and lines stay those of the file.
pub(crate) struct Masked {
    /// Without comments and string or character literals.
    pub(crate) code: String,
    /// Nothing but the comments.
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Literal,
    Comment,
}

/// Blanks comments and literals in one copy, all but the comments in the other.
pub(crate) fn mask(text: &str) -> Masked {
    let mut masked = Masked {
        code: String::new(),
        comments: String::new(),
    };
    let mut rest = text;
    while !rest.is_empty() {
        let (kind, length) = token(rest);
        let (piece, after) = rest.split_at(length);
        keep_if(kind == Kind::Code, piece, &mut masked.code);
        keep_if(kind == Kind::Comment, piece, &mut masked.comments);
        rest = after;
    }
    masked
}

fn keep_if(keep: bool, piece: &str, into: &mut String) {
    if keep {
        into.push_str(piece);
    } else {
        into.extend(
            piece
                .bytes()
                .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
        );
    }
}

/// Kind and length in bytes (at least 1, at a character's end) of what `text`, which is not empty, starts with.
fn token(text: &str) -> (Kind, usize) {
    let word = word_length(text);
    if word > 0 {
        let (name, after) = text.split_at(word);
        return match raw_string(name, after) {
            Some(length) => (Kind::Literal, word + length),
            None => (Kind::Code, word),
        };
    }
    if text.starts_with("//") {
        return (Kind::Comment, text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return (Kind::Comment, block_comment(text));
    }
    if text.starts_with('"') {
        return (Kind::Literal, quoted(text, '"'));
    }
    if text.starts_with('\'') && is_character(text) {
        return (Kind::Literal, quoted(text, '\''));
    }
    (Kind::Code, text.chars().next().map_or(1, char::len_utf8))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// Length of `#"…"#` after its prefix, if `prefix` is one and `after` goes on as a raw string (not as `r#type`).
fn raw_string(prefix: &str, after: &str) -> Option<usize> {
    if !matches!(prefix, "r" | "br" | "cr") {
        return None;
    }
    let hashes = after.bytes().take_while(|&byte| byte == b'#').count();
    let (open, body) = after.split_at(hashes);
    let end = format!("\"{open}");
    let body = body.strip_prefix('"')?;
    Some(hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()))
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of a literal between two `quote`s, with backslash escapes; an open one reaches to the end of the text.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Whether the `'` that `text` starts with opens a character literal; else it is a lifetime or a label.
fn is_character(text: &str) -> bool {
    let mut after = text.chars().skip(1);
    match (after.next(), after.next()) {
        (Some('\\'), _) => true,
        (Some(_), second) => second == Some('\''),
        (None, _) => false,
    }
}

/// Every identifier, keyword and number of `code`, with its offset.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = code.get(at..)?;
        let start = at + rest.find(is_word)?;
        let from = code.get(start..)?;
        let (word, _) = from.split_at(word_length(from));
        at = start + word.len();
        Some((start, word))
    })
}

/// The 1-based line of an offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}

/// The item that starts at `from`: from there to the end of its first brace block, or to its `;`.
/// Second: whether it has a block.
pub(crate) fn item(code: &str, from: usize) -> (Range<usize>, bool) {
    let mut nested = 0_usize;
    let mut braces = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' if braces == 0 => nested += 1,
            b')' | b']' if braces == 0 => nested = nested.saturating_sub(1),
            b';' if braces == 0 && nested == 0 => return (from..at + 1, false),
            b'{' if braces > 0 || nested == 0 => braces += 1,
            b'}' if braces > 1 => braces -= 1,
            b'}' if braces == 1 => return (from..at + 1, true),
            _ => {}
        }
    }
    (from..code.len(), braces > 0)
}

/// One function with a body.
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// Offset of `fn`.
    pub(crate) offset: usize,
    /// From the line of `fn` to that of the closing brace.
    pub(crate) lines: usize,
}

/// All functions with a body, nested ones and methods included.
pub(crate) fn functions(code: &str) -> Vec<Function<'_>> {
    let all: Vec<_> = words(code).collect();
    let pairs = all.iter().zip(all.iter().skip(1));
    pairs
        .filter(|((_, keyword), _)| *keyword == "fn")
        .filter(|((offset, _), (next, _))| {
            code.get(offset + 2..*next)
                .is_some_and(|gap| gap.trim().is_empty())
        })
        .filter_map(|(&(offset, _), &(_, name))| {
            let (range, has_body) = item(code, offset);
            let lines = code.get(range)?.lines().count();
            has_body.then_some(Function {
                name,
                offset,
                lines,
            })
        })
        .collect()
}

/// Where code is compiled for tests only: items under `#[test]` or a `#[cfg(test)]`, or all after `#![cfg(test)]`.
pub(crate) fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for head in ["#[test]", "#[cfg(test)]", "#[cfg(all(test"] {
        ranges.extend(code.match_indices(head).map(|(at, _)| item(code, at).0));
    }
    ranges.extend(code.find("#![cfg(test)]").map(|at| at..code.len()));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let check = |text: &str, code: &str, comments: &str| {
            let masked = mask(text);
            assert_eq!(
                masked.code.split_whitespace().collect::<Vec<_>>().join(" "),
                code,
                "code of {text}"
            );
            assert_eq!(masked.comments.trim(), comments, "comments of {text}");
            assert_eq!(masked.code.len(), text.len(), "offsets of {text}");
        };
        check("let a = 1; // b {", "let a = 1;", "// b {");
        check("a /* b /* c */ d */ e", "a e", "/* b /* c */ d */");
        check(r#"f("x // \" {", 'y')"#, "f( , )", "");
        check(r##"r#"a " b"# + br"c" + r#type"##, "+ + r#type", "");
        check(
            "fn f<'a>(x: &'a str) { '{' }",
            "fn f<'a>(x: &'a str) { }",
            "",
        );
        check(r"['\'', '\\', '\u{7b}'] b", "[ , , ] b", "");
        check("\"open {", "", "");
        check("é // ü", "é", "// ü");
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_last_brace() {
        let check = |code: &str, expect: &[(&str, usize)]| {
            let found: Vec<_> = functions(code).iter().map(|f| (f.name, f.lines)).collect();
            assert_eq!(found, expect, "{code}");
        };
        check("fn a() {}", &[("a", 1)]);
        check(
            "trait T {\n fn a(x: [u8; 2]) -> u8;\n fn b() {\n }\n}",
            &[("b", 2)],
        );
        check(
            "fn a(f: fn(u8)) {\n fn b() {\n\n }\n}",
            &[("a", 5), ("b", 3)],
        );
        check("type F = fn(u8) -> u8;", &[]);
    }

    #[test]
    fn test_code_is_known_as_such() {
        let check = |code: &str, expect: &[&str]| {
            let found: Vec<_> = test_ranges(code)
                .into_iter()
                .filter_map(|range| code.get(range))
                .collect();
            assert_eq!(found, expect, "{code}");
        };
        check(
            "fn a() {} #[test] fn b() { {} } fn c() {}",
            &["#[test] fn b() { {} }"],
        );
        check(
            "#[cfg(test)] #[allow(x)] mod t { fn a() {} } b",
            &["#[cfg(test)] #[allow(x)] mod t { fn a() {} }"],
        );
        check("#[cfg(test)] mod t; fn b() {}", &["#[cfg(test)] mod t;"]);
        check("fn b() {}", &[]);
    }
}
