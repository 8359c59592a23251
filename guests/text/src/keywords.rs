//! The words that a text is about.

use std::collections::BTreeMap;

use unicode_segmentation::UnicodeSegmentation;

use crate::language::{self, Language};
use crate::lists;
use crate::problem::{Problem, check};
use crate::tokens::{Kind, tokens};

/// Most keywords that may be asked for.
pub const MAX_KEYWORDS: usize = 1_000;

/// How much more a word counts at the very start than at the end.
const EARLY: f64 = 0.5;

/// A word, how often it is there, and how much it matters.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyword {
    /// In small letters.
    pub word: String,
    /// How often it is there.
    pub count: u32,
    /// From 1, of the first, down to 0.
    pub score: f64,
}

/// The most important words, the first one first.
///
/// # Errors
/// More than [`MAX_KEYWORDS`] asked for.
pub fn keywords(
    text: &str,
    most: u32,
    language: Option<Language>,
) -> Result<Vec<Keyword>, Problem> {
    check("keywords", most as usize, MAX_KEYWORDS)?;
    let language = language.or_else(|| language::guess(text).language);
    let stop = language.map(lists::stop_words).unwrap_or_default();
    let mut found: BTreeMap<String, (u32, usize)> = BTreeMap::new();
    for token in tokens(text) {
        let word = token.text.to_lowercase().replace('’', "'");
        let is_keyword = match token.kind {
            Kind::Hashtag => true,
            // Shorter words say little, except where one character is a word.
            Kind::Word => {
                word.graphemes(true).count() > 2 || !word.is_ascii() && is_ideograph(&word)
            }
            _ => false,
        };
        if is_keyword && !stop.contains(word.as_str()) {
            found.entry(word).or_insert((0, token.place.start)).0 += 1;
        }
    }
    let length = text.len().max(1) as f64;
    let importance = |&(count, first): &(u32, usize)| {
        f64::from(count) * (1.0 + EARLY * (1.0 - first as f64 / length))
    };
    let top = found.values().map(importance).fold(0.0, f64::max);
    let mut keywords: Vec<_> = found
        .into_iter()
        .map(|(word, place)| Keyword {
            word,
            count: place.0,
            score: language::rounded(importance(&place) / top),
        })
        .collect();
    keywords.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.word.cmp(&b.word))
    });
    keywords.truncate(most as usize);
    Ok(keywords)
}

fn is_ideograph(word: &str) -> bool {
    word.chars()
        .any(|letter| matches!(u32::from(letter), 0x3400..=0x9fff | 0x2_0000..=0x3_ffff))
}
