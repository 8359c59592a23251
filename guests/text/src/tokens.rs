//! The words, numbers, links and signs of a text.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::problem::{Problem, check};

/// Most tokens of one answer, so that it stays under the size of one block.
pub const MAX_TOKENS: usize = 12_000;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A word of any language.
    Word,
    /// Digits, with their signs between them.
    Number,
    /// An address of the web.
    Url,
    /// An address of mail.
    Email,
    /// `@somebody`
    Mention,
    /// `#something`
    Hashtag,
    /// A picture among letters.
    Emoji,
    /// Anything else that is no space.
    Punctuation,
}

/// A token and its place in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// What is written there.
    pub text: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub place: Range<usize>,
}

/// All tokens of a text.
///
/// # Errors
/// More than [`MAX_TOKENS`].
pub fn tokenise(text: &str) -> Result<Vec<Token<'_>>, Problem> {
    let tokens: Vec<_> = tokens(text).take(MAX_TOKENS + 1).collect();
    check("tokens", tokens.len(), MAX_TOKENS)?;
    Ok(tokens)
}

/// The tokens of a text, however many.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let start = text.as_ptr() as usize;
    text.split_whitespace().flat_map(move |chunk| {
        // Where a piece of a text starts is how far its address is from that of the text.
        let at = chunk.as_ptr() as usize - start;
        let whole = address(chunk);
        let (address, rest) = match whole {
            Some((kind, length)) => (
                Some((0, chunk.get(..length).unwrap_or_default(), kind)),
                chunk.get(length..).unwrap_or_default(),
            ),
            None => (None, chunk),
        };
        let skipped = chunk.len() - rest.len();
        let parts = rest
            .split_word_bound_indices()
            .map(move |(offset, part)| (skipped + offset, part, kind(part)));
        address
            .into_iter()
            .chain(parts)
            .map(move |(offset, text, kind)| Token {
                text,
                kind,
                place: at + offset..at + offset + text.len(),
            })
    })
}

/// What a chunk starts with that is more than a word, and how many bytes of it.
fn address(chunk: &str) -> Option<(Kind, usize)> {
    let lower = chunk
        .get(..8.min(chunk.len()))
        .unwrap_or(chunk)
        .to_ascii_lowercase();
    let trimmed = chunk.trim_end_matches(|letter: char| !letter.is_alphanumeric() && letter != '/');
    let name = |sign: char| {
        let rest = chunk.strip_prefix(sign)?;
        let end = rest
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .unwrap_or(rest.len());
        (end > 0).then_some(end + 1)
    };
    if ["http://", "https://", "www."]
        .iter()
        .any(|scheme| lower.starts_with(scheme))
    {
        return Some((Kind::Url, trimmed.len()));
    }
    if let Some(length) = name('@') {
        return Some((Kind::Mention, length));
    }
    if let Some(length) = name('#') {
        return Some((Kind::Hashtag, length));
    }
    let (user, host) = trimmed.split_once('@')?;
    let plain = |text: &str| {
        text.chars()
            .all(|letter| letter.is_alphanumeric() || "._%+-".contains(letter))
    };
    let (domain, top) = host.rsplit_once('.')?;
    let is_email =
        !user.is_empty() && !domain.is_empty() && top.len() > 1 && plain(user) && plain(host);
    is_email.then_some((Kind::Email, trimmed.len()))
}

fn kind(part: &str) -> Kind {
    let mut letters = part.chars();
    let first = letters.next().unwrap_or(' ');
    if part.chars().any(char::is_alphabetic) {
        Kind::Word
    } else if first.is_numeric() && !part.contains('\u{20e3}') {
        Kind::Number
    } else if is_emoji(first) || part.contains(['\u{fe0f}', '\u{20e3}']) {
        Kind::Emoji
    } else {
        Kind::Punctuation
    }
}

/// Whether a character is a picture by itself: the blocks that hold little else.
fn is_emoji(letter: char) -> bool {
    matches!(u32::from(letter), 0x1f1e6..=0x1f1ff | 0x1f300..=0x1faff | 0x2600..=0x27bf)
}
