//! One document about many posts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::language::Guess;
use crate::measures::Measures;
use crate::moderation::{Assessment, Verdict};
use crate::problem::{Problem, check};

/// Most posts of a report.
pub const MAX_POSTS: usize = 100_000;

/// A report in JSON: `posts` in their order, and `totals`.
///
/// # Errors
/// Lists of different lengths, and more than [`MAX_POSTS`].
pub fn report(
    assessments: &[Assessment],
    languages: &[Guess],
    measures: &[Measures],
) -> Result<Vec<u8>, Problem> {
    if assessments.len() != languages.len() || assessments.len() != measures.len() {
        return Err(Problem::Uneven {
            assessments: assessments.len(),
            languages: languages.len(),
            measures: measures.len(),
        });
    }
    check("posts", assessments.len(), MAX_POSTS)?;
    let posts: Vec<Value> = (1..)
        .zip(assessments)
        .zip(languages.iter().zip(measures))
        .map(|((number, assessment), (guess, measures))| post(number, assessment, guess, measures))
        .collect();
    let tally = |names: &mut dyn Iterator<Item = &'static str>| {
        let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
        names.for_each(|name| *tally.entry(name).or_default() += 1);
        tally
    };
    let report = json!({
        "posts": posts,
        "totals": {
            "posts": posts.len(),
            "words": measures.iter().map(|measures| u64::from(measures.words)).sum::<u64>(),
            "verdicts": tally(&mut assessments.iter().map(|post| post.verdict.name())),
            "languages": tally(&mut languages.iter().map(code)),
        },
    });
    // Pretty, because people look at it; the same bytes for the same posts all the same.
    let mut text = format!("{report:#}");
    text.push('\n');
    Ok(text.into_bytes())
}

fn post(number: usize, assessment: &Assessment, guess: &Guess, measures: &Measures) -> Value {
    let category = match assessment.verdict {
        Verdict::Fine => Value::Null,
        Verdict::Review(category) | Verdict::Reject(category) => category.name().into(),
    };
    // In one line, wherever the lines of the post end.
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let found: Vec<String> = assessment
        .evidence
        .iter()
        .map(|evidence| line(&evidence.found))
        .collect();
    json!({
        "number": number,
        "opening": measures.opening,
        "words": measures.words,
        "language": code(guess),
        "verdict": assessment.verdict.name(),
        "category": category,
        "score": assessment.score,
        "found": found.join(" | "),
    })
}

fn code(guess: &Guess) -> &'static str {
    guess.language.map_or("unknown", |language| language.code())
}
