//! Words as they would be without disguise: figures for letters, stretched or foreign letters,
//! letters apart from each other, stars.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longest word that is looked at, in bytes; nothing that long is in a list.
const MAX_WORD_BYTES: usize = 128;

/// Most letters in a row that are tried as a word written apart.
const MAX_APART: usize = 16;

/// Most letters of a text at which such a word may start; this work is for small finds only.
const MAX_STARTS: usize = 2_000;

/// Fewest letters of a word written apart. "A B C" is no word.
const MIN_APART: usize = 4;

/// A word of a text, in every form that it may be meant in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Where it is, in bytes.
    pub place: Range<usize>,
    /// As it is written, folded.
    pub plain: String,
    /// What it may stand for, if it is disguised.
    pub meant: Vec<String>,
    /// What it may stand for with every run of a letter as one, if letters are stretched.
    pub squeezed: Vec<String>,
    /// Whether stars in `plain` stand for one letter each.
    pub is_masked: bool,
}

/// The words of a text for looking up.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    let ends = text
        .char_indices()
        .chain(std::iter::once((text.len(), ' ')));
    for (at, letter) in ends {
        match (is_part(letter), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                push(text, from..at, &mut words);
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// Whether a character may be in the middle of a word, however disguised.
fn is_part(letter: char) -> bool {
    letter.is_alphanumeric()
        || is_combining_mark(letter)
        || is_invisible(letter)
        || matches!(letter, '\'' | '’' | '@' | '$' | '!' | '|' | '*')
}

fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'
    )
}

/// Adds the word at a place, without the signs around it. Of "you're", two words.
fn push(text: &str, place: Range<usize>, words: &mut Vec<Word>) {
    let around = |letter: char| matches!(letter, '\'' | '’' | '!' | '|' | '*');
    let chunk = text.get(place.clone()).unwrap_or_default();
    let inner = chunk.trim_start_matches(around);
    let start = place.start + chunk.len() - inner.len();
    let inner = inner.trim_end_matches(around);
    if inner.is_empty() || inner.len() > MAX_WORD_BYTES {
        return;
    }
    let place = start..start + inner.len();
    let plain = fold(inner);
    let second = [("'re", "are"), ("'m", "am"), ("'ll", "will")]
        .into_iter()
        .find_map(|(ending, word)| Some((plain.strip_suffix(ending)?.to_owned(), word)));
    match second {
        Some((first, second)) => {
            words.push(Word::new(place.clone(), first, inner));
            words.push(Word::new(place, second.to_owned(), second));
        }
        None => words.push(Word::new(place, plain, inner)),
    }
}

impl Word {
    fn new(place: Range<usize>, plain: String, written: &str) -> Self {
        let mut meant = Vec::new();
        let letters = plain.chars().any(char::is_alphabetic);
        let disguised = plain.chars().any(|letter| unleet(letter, 'i').is_some());
        if letters && disguised {
            for one in ['i', 'l'] {
                meant.push(
                    plain
                        .chars()
                        .map(|letter| unleet(letter, one).unwrap_or(letter))
                        .collect(),
                );
            }
        }
        if plain == "u" {
            meant.push("you".to_owned());
        }
        let foreign = without_foreign(&plain);
        meant.extend(foreign);
        if written.chars().any(is_invisible) {
            meant.push(plain.clone());
        }
        let squeezed = std::iter::once(&plain)
            .chain(&meant)
            .filter(|form| longest_run(form) > 2)
            .map(|form| squeeze(form))
            .collect();
        Self {
            place,
            is_masked: plain.contains('*'),
            plain,
            meant,
            squeezed,
        }
    }
}

/// In small letters, without accents and invisible characters, and in the plain form of styled ones.
#[must_use]
pub fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|letter| !is_combining_mark(*letter) && !is_invisible(*letter))
        .flat_map(char::to_lowercase)
        .fold(String::new(), |mut folded, letter| {
            match letter {
                'ß' => folded.push_str("ss"),
                'ı' => folded.push('i'),
                '’' => folded.push('\''),
                _ => folded.push(letter),
            }
            folded
        })
}

/// The letter that a figure or sign looks like; a one looks like two.
fn unleet(letter: char, one: char) -> Option<char> {
    Some(match letter {
        '0' => 'o',
        '1' | '!' | '|' => one,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        _ => return None,
    })
}

/// A word whose Latin letters have lookalikes of other scripts among them, with Latin ones instead.
fn without_foreign(word: &str) -> Option<String> {
    let is_latin = |letter: char| letter.is_ascii_alphabetic();
    let mixed =
        word.chars().any(is_latin) && word.chars().any(|letter| lookalike(letter).is_some());
    mixed.then(|| {
        word.chars()
            .map(|letter| lookalike(letter).unwrap_or(letter))
            .collect()
    })
}

fn lookalike(letter: char) -> Option<char> {
    Some(match letter {
        'а' | 'α' => 'a',
        'е' | 'ε' => 'e',
        'о' | 'ο' => 'o',
        'і' | 'ι' => 'i',
        'р' | 'ρ' => 'p',
        'с' => 'c',
        'у' | 'υ' => 'y',
        'х' | 'χ' => 'x',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'т' | 'τ' => 't',
        'ѕ' => 's',
        'ԁ' => 'd',
        'ν' => 'v',
        _ => return None,
    })
}

fn longest_run(word: &str) -> usize {
    let (mut longest, mut run, mut before) = (0, 0, None);
    for letter in word.chars() {
        run = if before == Some(letter) { run + 1 } else { 1 };
        longest = longest.max(run);
        before = Some(letter);
    }
    longest
}

/// With every run of one letter as a single one.
#[must_use]
pub fn squeeze(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    letters.dedup();
    letters.into_iter().collect()
}

/// Whether a masked word can be this one: a star is any letter.
#[must_use]
pub fn unmasked(masked: &str, word: &str) -> bool {
    masked.chars().count() == word.chars().count()
        && masked
            .chars()
            .zip(word.chars())
            .all(|(a, b)| a == '*' || a == b)
        && masked.chars().filter(|&letter| letter != '*').count() > 1
}

/// Words written apart, as in "i d i o t": every way to read letters in a row, by their first.
pub(crate) fn apart<'a>(text: &'a str, words: &'a [Word]) -> impl Iterator<Item = Vec<Word>> + 'a {
    let alone = |word: &Word| word.plain.chars().count() == 1;
    let near = move |a: &Word, b: &Word| {
        let gap = text.get(a.place.end..b.place.start).unwrap_or_default();
        alone(a) && alone(b) && (1..=3).contains(&gap.len()) && !gap.contains('\n')
    };
    words
        .chunk_by(near)
        .filter(|letters| letters.len() >= MIN_APART)
        .flat_map(|letters| {
            (0..letters.len()).map(move |first| {
                let row = letters.iter().skip(first).take(MAX_APART);
                let mut joined = String::new();
                let mut start = None;
                row.enumerate()
                    .filter_map(|(index, letter)| {
                        joined.push_str(&letter.plain);
                        let start = *start.get_or_insert(letter.place.start);
                        (index + 1 >= MIN_APART)
                            .then(|| Word::new(start..letter.place.end, joined.clone(), ""))
                    })
                    .collect()
            })
        })
        .take(MAX_STARTS)
}
