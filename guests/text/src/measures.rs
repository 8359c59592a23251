//! How long a text is, and how long it takes.

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;

/// What most people read, silently, in a minute.
const WORDS_A_MINUTE: usize = 200;

/// Most characters of an opening.
const OPENING: usize = 60;

/// The size of a text in every respect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measures {
    /// The first words in one line.
    pub opening: String,
    /// Grapheme clusters.
    pub characters: u32,
    /// Words (UAX #29).
    pub words: u32,
    /// Words that differ in more than their case.
    pub distinct_words: u32,
    /// Sentences (UAX #29).
    pub sentences: u32,
    /// Blocks between empty lines.
    pub paragraphs: u32,
    /// How long reading it takes.
    pub reading_seconds: u32,
}

/// Measures a text.
#[must_use]
pub fn measure(text: &str) -> Measures {
    let words: Vec<_> = text.unicode_words().collect();
    let distinct: BTreeSet<_> = words.iter().map(|word| word.to_lowercase()).collect();
    Measures {
        opening: opening(text),
        characters: count(text.graphemes(true).count()),
        words: count(words.len()),
        distinct_words: count(distinct.len()),
        sentences: count(text.unicode_sentences().count()),
        paragraphs: paragraphs(text),
        reading_seconds: count((words.len() * 60).div_ceil(WORDS_A_MINUTE)),
    }
}

/// The start of a text up to the last word that fits, in one line.
fn opening(text: &str) -> String {
    let mut opening = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let letters = word.graphemes(true).count();
        if length > 0 && length + 1 + letters >= OPENING {
            opening.push('…');
            break;
        }
        if length > 0 {
            opening.push(' ');
        }
        opening.extend(word.graphemes(true).take(OPENING));
        length += 1 + letters;
    }
    opening
}

fn paragraphs(text: &str) -> u32 {
    let mut inside = false;
    let mut paragraphs = 0;
    for line in text.lines() {
        let blank = line.trim().is_empty();
        if !blank && !inside {
            paragraphs += 1;
        }
        inside = !blank;
    }
    paragraphs
}

/// A count of a document, which always fits.
pub(crate) fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
