//! Whether a post is fit to be seen, by lists of words and a few habits of spam.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::disguise::{self, Word, fold, squeeze, unmasked};
use crate::lists::{self, Entry};
use crate::tokens::{Kind, Token, tokens};

/// Most pieces of evidence that are told; all of them count.
pub const MAX_EVIDENCE: usize = 100;

/// From this score on, a person should look.
pub const REVIEW: u32 = 40;

/// From this score on, a post is rejected.
pub const REJECT: u32 = 70;

/// What is wrong with a post, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// It frightens somebody.
    Threat,
    /// It hurts somebody.
    Insult,
    /// It sells something to everybody.
    Spam,
    /// It swears, mildly.
    ProfanityMild,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Threat, Self::Insult, Self::Spam, Self::ProfanityMild];

    /// Its name, in the lists and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Threat => "threat",
            Self::Insult => "insult",
            Self::Spam => "spam",
            Self::ProfanityMild => "profanity-mild",
        }
    }

    /// The category of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|category| category.name() == name)
    }
}

/// How a piece of evidence was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Written as it is in the list.
    Listed,
    /// Written so that a list would miss it.
    Disguised,
    /// A habit of spam.
    Pattern,
}

/// Something in a post that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What it is evidence of.
    pub category: Category,
    /// How it was found.
    pub manner: Manner,
    /// The entry of the list, or the habit.
    pub term: String,
    /// What is written there.
    pub found: String,
    /// Where, in bytes.
    pub place: Range<usize>,
    /// How grave it is alone, of 100.
    pub weight: u32,
}

/// What to do with a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Show it.
    Fine,
    /// Let a person look.
    Review(Category),
    /// Do not show it.
    Reject(Category),
}

impl Verdict {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Review(_) => "review",
            Self::Reject(_) => "reject",
        }
    }
}

/// What is thought of a post, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// What to do with it.
    pub verdict: Verdict,
    /// The highest of the scores.
    pub score: u32,
    /// The categories there is evidence for, and their scores of 100.
    pub scores: Vec<(Category, u32)>,
    /// The evidence in the order of the text, at most [`MAX_EVIDENCE`].
    pub evidence: Vec<Evidence>,
}

/// Judges a post.
#[must_use]
pub fn assess(text: &str) -> Assessment {
    let mut evidence = listed(text);
    evidence.extend(habits(text));
    evidence.sort_by_key(|evidence| (evidence.place.start, evidence.place.end));
    let scores: Vec<_> = Category::ALL
        .into_iter()
        .map(|category| (category, score(category, &evidence)))
        .filter(|(_, score)| *score > 0)
        .collect();
    // Of equal scores the gravest category counts, which is the first.
    let worst = scores.iter().rev().max_by_key(|(_, score)| *score).copied();
    let verdict = match worst {
        Some((category, score)) if score >= REJECT => Verdict::Reject(category),
        Some((category, score)) if score >= REVIEW => Verdict::Review(category),
        _ => Verdict::Fine,
    };
    evidence.truncate(MAX_EVIDENCE);
    Assessment {
        verdict,
        score: worst.map_or(0, |(_, score)| score),
        scores,
        evidence,
    }
}

/// Every piece takes its part of what is left to 100, so that many small ones never are too much.
fn score(category: Category, evidence: &[Evidence]) -> u32 {
    let left = evidence
        .iter()
        .filter(|evidence| evidence.category == category)
        .fold(100_000, |left, evidence| {
            left * (100 - evidence.weight.min(100)) / 100
        });
    (100_000_u32 - left) / 1000
}

/// One word of an entry, folded, for comparing.
struct Pattern {
    whole: String,
    squeezed: String,
    /// Whether any ending may follow.
    is_start: bool,
}

impl Pattern {
    fn new(word: &str) -> Self {
        let start = word.strip_suffix('*');
        let whole = fold(start.unwrap_or(word));
        Self {
            squeezed: squeeze(&whole),
            whole,
            is_start: start.is_some(),
        }
    }

    /// How a word of a text is this one, if it is.
    fn manner(&self, word: &Word) -> Option<Manner> {
        let fits = |pattern: &str, form: &str| {
            if self.is_start {
                form.starts_with(pattern)
            } else {
                form == pattern
            }
        };
        if fits(&self.whole, &word.plain) && !word.meant.contains(&word.plain) {
            return Some(Manner::Listed);
        }
        let disguised = word.meant.iter().any(|form| fits(&self.whole, form))
            || word.squeezed.iter().any(|form| fits(&self.squeezed, form))
            || word.is_masked && unmasked(&word.plain, &self.whole);
        disguised.then_some(Manner::Disguised)
    }
}

/// The entries of all lists, by the first letter of their first word.
struct Index {
    entries: Vec<(Entry, Vec<Pattern>)>,
    by_letter: BTreeMap<char, Vec<usize>>,
}

impl Index {
    fn new() -> Self {
        let mut entries: Vec<(Entry, Vec<Pattern>)> = lists::entries()
            .map(|entry| {
                (
                    entry,
                    entry.phrase.split([' ', '-']).map(Pattern::new).collect(),
                )
            })
            .collect();
        // The longest phrase is tried first: "stupid idiot" is one piece of evidence, not two.
        entries.sort_by_key(|(_, patterns)| std::cmp::Reverse(patterns.len()));
        let mut by_letter: BTreeMap<char, Vec<usize>> = BTreeMap::new();
        for (place, (_, patterns)) in entries.iter().enumerate() {
            let letter = patterns
                .first()
                .and_then(|pattern| pattern.whole.chars().next());
            by_letter
                .entry(letter.unwrap_or(' '))
                .or_default()
                .push(place);
        }
        Self { entries, by_letter }
    }

    /// The first entry that these words start with: how many of them, and how.
    fn find(&self, words: &[Word]) -> Option<(Entry, usize, Manner)> {
        let first = words.first()?;
        let forms = std::iter::once(&first.plain)
            .chain(&first.meant)
            .chain(&first.squeezed);
        let mut letters: Vec<char> = forms.filter_map(|form| form.chars().next()).collect();
        letters.sort_unstable();
        letters.dedup();
        let places = letters
            .iter()
            .filter_map(|letter| self.by_letter.get(letter))
            .flatten();
        places
            .filter_map(|&place| self.entries.get(place))
            .filter_map(|(entry, patterns)| {
                let words = words.get(..patterns.len())?;
                let mut worst = Manner::Listed;
                for (pattern, word) in patterns.iter().zip(words) {
                    if pattern.manner(word)? == Manner::Disguised {
                        worst = Manner::Disguised;
                    }
                }
                Some((*entry, patterns.len(), worst))
            })
            .min_by_key(|(_, length, manner)| {
                (std::cmp::Reverse(*length), *manner == Manner::Disguised)
            })
    }
}

/// What of the lists is in a text.
fn listed(text: &str) -> Vec<Evidence> {
    let index = Index::new();
    let words = disguise::words(text);
    let mut all = Vec::new();
    let mut push = |entry: Entry, place: Range<usize>, manner| {
        all.push(Evidence {
            category: entry.category,
            manner,
            term: entry.phrase.to_owned(),
            found: text.get(place.clone()).unwrap_or_default().to_owned(),
            place,
            weight: entry.weight,
        });
    };
    let mut rest = words.as_slice();
    while let Some(first) = rest.first() {
        let found = index.find(rest);
        let length = found.map_or(1, |(_, length, _)| length);
        let (phrase, after) = rest.split_at(length.min(rest.len()));
        if let (Some((entry, _, manner)), Some(last)) = (found, phrase.last()) {
            push(entry, first.place.start..last.place.end, manner);
        }
        rest = after;
    }
    let mut taken = 0;
    for row in disguise::apart(text, &words) {
        let found = row
            .into_iter()
            .filter(|word| word.place.start >= taken)
            .filter_map(|word| Some((index.find(std::slice::from_ref(&word))?.0, word.place)))
            .next_back();
        if let Some((entry, place)) = found {
            taken = place.end;
            push(entry, place, Manner::Disguised);
        }
    }
    all
}

/// Links from which on a post is a bundle of links.
const MANY_LINKS: usize = 3;

/// Letters from which on capitals are shouting, and the share of them in percent.
const SHOUTING: (usize, usize) = (20, 70);

/// Exclamation marks in a row.
const EXCITED: usize = 4;

/// Words from which on a word can be said too often, and the share of it in percent.
const REPEATING: (usize, usize) = (10, 35);

/// What spam does, whatever its words.
fn habits(text: &str) -> Vec<Evidence> {
    let tokens: Vec<Token<'_>> = tokens(text).collect();
    let start = text.len() - text.trim_start().len();
    let whole = start..start + text.trim().len();
    [
        bundle(&tokens),
        shouting(text).then_some(("capitals throughout", whole.clone(), 25)),
        text.find(&"!".repeat(EXCITED))
            .map(|start| ("exclamation marks", start..start + EXCITED, 15)),
        money(&tokens),
        repeats(&tokens).then_some(("one word over and over", whole, 45)),
    ]
    .into_iter()
    .flatten()
    .map(|(term, place, weight)| Evidence {
        category: Category::Spam,
        manner: Manner::Pattern,
        term: term.to_owned(),
        // Of a habit that goes through all of a text, the start is enough.
        found: text
            .get(place.clone())
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect(),
        place,
        weight,
    })
    .collect()
}

type Habit = (&'static str, Range<usize>, u32);

fn bundle(tokens: &[Token<'_>]) -> Option<Habit> {
    let mut links = tokens.iter().filter(|token| token.kind == Kind::Url);
    let first = links.next()?;
    let last = links.nth(MANY_LINKS - 2)?;
    Some(("many links", first.place.start..last.place.end, 45))
}

fn shouting(text: &str) -> bool {
    let (mut letters, mut capitals) = (0, 0);
    for letter in text.chars() {
        letters += usize::from(letter.is_lowercase() || letter.is_uppercase());
        capitals += usize::from(letter.is_uppercase());
    }
    letters >= SHOUTING.0 && capitals * 100 >= letters * SHOUTING.1
}

/// An amount of money with at least three digits before the point.
fn money(tokens: &[Token<'_>]) -> Option<Habit> {
    let is_currency = |token: &Token<'_>| matches!(token.text, "$" | "€" | "£");
    let is_much = |token: &Token<'_>| {
        token.kind == Kind::Number && token.text.chars().filter(char::is_ascii_digit).count() > 2
    };
    tokens.windows(2).find_map(|pair| match pair {
        [a, b] if is_currency(a) && is_much(b) || is_much(a) && is_currency(b) => {
            Some(("an amount of money", a.place.start..b.place.end, 20))
        }
        _ => None,
    })
}

fn repeats(tokens: &[Token<'_>]) -> bool {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let words = tokens.iter().filter(|token| token.kind == Kind::Word);
    let mut all = 0;
    for word in words {
        all += 1;
        *counts.entry(fold(word.text)).or_default() += 1;
    }
    let most = counts.into_values().max().unwrap_or(0);
    all >= REPEATING.0 && most * 100 >= all * REPEATING.1
}
