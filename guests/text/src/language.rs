//! Which language a text is in: by its script, and where several languages share one, by their
//! frequent words and groups of three letters.

use std::collections::{BTreeMap, BTreeSet};

use crate::lists;

/// How many letters are looked at; more of a text tells no more.
const LETTERS: usize = 10_000;

/// What a group of three letters counts that a language's profile does not have.
const UNSEEN: f64 = 0.4;

/// How many groups of three letters a language might have.
const GROUPS: f64 = 6_000.0;

/// What a frequent word of a language says for it, as the logarithm of a likelihood.
const WORD: f64 = 2.2;

/// By how much neighbouring groups of letters overlap in what they tell.
const OVERLAP: f64 = 3.0;

macro_rules! languages {
    ($($name:ident $code:literal $english:literal),* $(,)?) => {
        /// Languages that can be told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Language {
            $(#[doc = $english] $name),*
        }

        impl Language {
            /// All of them, in the order of the interface.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its ISO 639-1 code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code),*
                }
            }
        }
    };
}

languages! {
    En "en" "English", De "de" "German", Fr "fr" "French", Es "es" "Spanish", It "it" "Italian",
    Pt "pt" "Portuguese", Nl "nl" "Dutch", Sv "sv" "Swedish", Pl "pl" "Polish", Tr "tr" "Turkish",
    Ru "ru" "Russian", Uk "uk" "Ukrainian", El "el" "Greek", Ar "ar" "Arabic", He "he" "Hebrew",
    Hi "hi" "Hindi", Ko "ko" "Korean", Th "th" "Thai", Ja "ja" "Japanese", Zh "zh" "Chinese",
}

const LATIN: &[Language] = &[
    Language::En,
    Language::De,
    Language::Fr,
    Language::Es,
    Language::It,
    Language::Pt,
    Language::Nl,
    Language::Sv,
    Language::Pl,
    Language::Tr,
];

const CYRILLIC: &[Language] = &[Language::Ru, Language::Uk];

/// What a text is probably written in.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// None where there are no letters of a known script.
    pub language: Option<Language>,
    /// From 0 to 1.
    pub confidence: f64,
    /// The next best, with their confidence; at most three.
    pub others: Vec<(Language, f64)>,
}

/// The language of a text.
#[must_use]
pub fn guess(text: &str) -> Guess {
    let mut scripts: BTreeMap<&[Language], usize> = BTreeMap::new();
    let letters = text
        .chars()
        .filter(|letter| letter.is_alphabetic())
        .take(LETTERS);
    let mut all = 0_usize;
    for languages in letters.map(script) {
        all += 1;
        *scripts.entry(languages).or_default() += 1;
    }
    // Japanese is written with Chinese characters, too, but never without its own.
    let kana = scripts.get(JAPANESE).copied().unwrap_or(0);
    if kana > 0 {
        *scripts.entry(JAPANESE).or_default() += scripts.remove(CHINESE).unwrap_or(0);
    }
    scripts.remove(&[][..]);
    let most = scripts.into_iter().max_by_key(|&(_, count)| count);
    let Some((languages, count)) = most else {
        return Guess {
            language: None,
            confidence: 0.0,
            others: Vec::new(),
        };
    };
    let share = count as f64 / all as f64;
    match languages {
        [language] => Guess {
            language: Some(*language),
            confidence: rounded(share),
            others: Vec::new(),
        },
        several => best(several, &words(text), share),
    }
}

const JAPANESE: &[Language] = &[Language::Ja];
const CHINESE: &[Language] = &[Language::Zh];

/// The languages that a letter is of; none if its script is not known here.
fn script(letter: char) -> &'static [Language] {
    match u32::from(letter) {
        0x41..=0x5a | 0x61..=0x7a | 0xaa | 0xba | 0xc0..=0x24f | 0x1e00..=0x1eff => LATIN,
        0x400..=0x52f => CYRILLIC,
        0x370..=0x3ff | 0x1f00..=0x1fff => &[Language::El],
        0x600..=0x6ff | 0x750..=0x77f | 0xfb50..=0xfdff | 0xfe70..=0xfeff => &[Language::Ar],
        0x590..=0x5ff => &[Language::He],
        0x900..=0x97f => &[Language::Hi],
        0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7af => &[Language::Ko],
        0xe00..=0xe7f => &[Language::Th],
        0x3040..=0x30ff => JAPANESE,
        0x3400..=0x9fff | 0x2_0000..=0x3_ffff => CHINESE,
        _ => &[],
    }
}

/// The words of a text in small letters, as far as they are looked at. Links and names of users are
/// in no language.
fn words(text: &str) -> Vec<String> {
    let mut letters = 0;
    text.split_whitespace()
        .filter(|chunk| !chunk.contains("://") && !chunk.starts_with(['@', '#']))
        .flat_map(|chunk| {
            chunk.split(|letter: char| !letter.is_alphabetic() && !"'’".contains(letter))
        })
        .map(|word| {
            word.trim_matches(['\'', '’'])
                .to_lowercase()
                .replace('’', "'")
        })
        .filter(|word| !word.is_empty())
        .take_while(|word| {
            letters += word.chars().count();
            letters <= LETTERS
        })
        .collect()
}

/// Groups of three letters; the ends of a word count as letters.
fn groups(word: &str) -> Vec<[char; 3]> {
    let letters: Vec<char> = std::iter::once(' ')
        .chain(word.chars())
        .chain(std::iter::once(' '))
        .collect();
    letters
        .windows(3)
        .filter_map(|group| group.try_into().ok())
        .collect()
}

/// What is known of a language.
struct Profile {
    groups: BTreeMap<[char; 3], f64>,
    all: f64,
    stop: BTreeSet<&'static str>,
}

impl Profile {
    fn of(language: Language) -> Self {
        let stop = lists::stop_words(language);
        let mut groups: BTreeMap<_, f64> = BTreeMap::new();
        let prose = words(lists::prose(language));
        for word in prose.iter().map(String::as_str).chain(stop.iter().copied()) {
            for group in self::groups(word) {
                *groups.entry(group).or_default() += 1.0;
            }
        }
        let all = groups.values().sum();
        Self { groups, all, stop }
    }

    /// The logarithm of how likely these words are in this language.
    fn likelihood(&self, words: &[String]) -> f64 {
        words
            .iter()
            .map(|word| {
                let known = if self.stop.contains(word.as_str()) {
                    WORD
                } else {
                    0.0
                };
                let letters: f64 = groups(word)
                    .iter()
                    .map(|group| {
                        let seen = self.groups.get(group).copied().unwrap_or(0.0);
                        ((seen + UNSEEN) / (self.all + UNSEEN * GROUPS)).ln()
                    })
                    .sum();
                known + letters / OVERLAP
            })
            .sum()
    }
}

/// The most likely of some languages that share a script, whose letters are this share of all.
fn best(languages: &[Language], words: &[String], share: f64) -> Guess {
    let mut scored: Vec<(Language, f64)> = languages
        .iter()
        .map(|&language| (language, Profile::of(language).likelihood(words)))
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    let top = scored.first().map_or(0.0, |first| first.1);
    let sum: f64 = scored.iter().map(|(_, score)| (score - top).exp()).sum();
    // One word is weak evidence, whatever the figures say.
    let count = words.len() as f64;
    let trust = share * count / (count + 1.0);
    let mut scored = scored
        .into_iter()
        .map(|(language, score)| (language, rounded(trust * (score - top).exp() / sum)));
    let (language, confidence) = scored.next().map_or((None, 0.0), |(language, confidence)| {
        (Some(language), confidence)
    });
    Guess {
        language: language.filter(|_| !words.is_empty()),
        confidence,
        others: scored.take(3).filter(|other| other.1 > 0.0).collect(),
    }
}

/// To three places: what is behind them says nothing.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
