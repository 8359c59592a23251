//! The lists of words in `data/`, each read when it is needed.

use std::collections::BTreeSet;

use crate::language::Language;
use crate::moderation::Category;

/// Words that every text of a language has.
#[must_use]
pub fn stop_words(language: Language) -> BTreeSet<&'static str> {
    data(language).0.split_whitespace().collect()
}

/// Ordinary prose of a language.
#[must_use]
pub fn prose(language: Language) -> &'static str {
    data(language).1
}

macro_rules! profile {
    ($code:literal) => {
        (
            include_str!(concat!("../data/stop/", $code, ".txt")),
            include_str!(concat!("../data/prose/", $code, ".txt")),
        )
    };
}

/// Stop words and prose; empty for languages that their script tells.
fn data(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::En => profile!("en"),
        Language::De => profile!("de"),
        Language::Fr => profile!("fr"),
        Language::Es => profile!("es"),
        Language::It => profile!("it"),
        Language::Pt => profile!("pt"),
        Language::Nl => profile!("nl"),
        Language::Sv => profile!("sv"),
        Language::Pl => profile!("pl"),
        Language::Tr => profile!("tr"),
        Language::Ru => profile!("ru"),
        Language::Uk => profile!("uk"),
        _ => ("", ""),
    }
}

/// What a post is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is evidence of.
    pub category: Category,
    /// How grave it is alone, of 100.
    pub weight: u32,
    /// One or more words; a star at the end stands for any ending.
    pub phrase: &'static str,
}

/// All entries of all languages.
pub fn entries() -> impl Iterator<Item = Entry> {
    [
        include_str!("../data/moderation/en.txt"),
        include_str!("../data/moderation/de.txt"),
        include_str!("../data/moderation/fr.txt"),
        include_str!("../data/moderation/es.txt"),
        include_str!("../data/moderation/it.txt"),
        include_str!("../data/moderation/pt.txt"),
        include_str!("../data/moderation/nl.txt"),
    ]
    .into_iter()
    .flat_map(str::lines)
    .filter(|line| !line.starts_with('#'))
    .flat_map(line)
}

/// The entries of a line: category, weight, and phrases between bars. A test sees to it that every
/// line is one.
fn line(line: &'static str) -> impl Iterator<Item = Entry> {
    let mut parts = line.splitn(3, ' ');
    let category = parts.next().and_then(Category::named);
    let weight = parts.next().and_then(|weight| weight.parse().ok());
    let phrases = parts.next().unwrap_or_default().split(" | ");
    phrases.filter_map(move |phrase| {
        Some(Entry {
            category: category?,
            weight: weight?,
            phrase,
        })
    })
}
