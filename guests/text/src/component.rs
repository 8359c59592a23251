//! The WIT interface `ipvm:text/text` of this component.

use crate::language::{Guess, Language};
use crate::measures::{Measures, count, measure};
use crate::moderation::{Assessment, Category, Evidence, Manner, Verdict, assess};
use crate::problem::{Problem, read};
use crate::tokens::Kind;
use crate::{keywords, language, report, tokens};

wit_bindgen::generate!({ world: "texts", path: "wit" });

use exports::ipvm::text::text as wit;

struct Texts;

export!(Texts);

/// Two enumerations with the same cases, turned into each other.
macro_rules! same {
    ($ours:ident, $theirs:ident: $($case:ident)*) => {
        impl From<$ours> for wit::$theirs {
            fn from(ours: $ours) -> Self {
                match ours {
                    $($ours::$case => Self::$case),*
                }
            }
        }

        impl From<wit::$theirs> for $ours {
            fn from(theirs: wit::$theirs) -> Self {
                match theirs {
                    $(wit::$theirs::$case => Self::$case),*
                }
            }
        }
    };
}

same!(Language, LanguageCode: En De Fr Es It Pt Nl Sv Pl Tr Ru Uk El Ar He Hi Ko Th Ja Zh);
same!(Category, Category: Threat Insult Spam ProfanityMild);
same!(Manner, EvidenceKind: Listed Disguised Pattern);
same!(Kind, TokenKind: Word Number Url Email Mention Hashtag Emoji Punctuation);

impl From<Problem> for wit::Problem {
    fn from(problem: Problem) -> Self {
        let told = problem.to_string();
        match problem {
            Problem::TooMuch { what, given, most } => Self::TooMuch(wit::Excess {
                what: what.to_owned(),
                given,
                most,
            }),
            Problem::NotUtf8(offset) => Self::NotUtf8(offset),
            Problem::Uneven { .. } => Self::Uneven(told),
        }
    }
}

impl From<Guess> for wit::Guess {
    fn from(guess: Guess) -> Self {
        let others = guess.others.into_iter();
        Self {
            language: guess.language.map(Into::into),
            confidence: guess.confidence,
            others: others
                .map(|(language, confidence)| wit::Candidate {
                    language: language.into(),
                    confidence,
                })
                .collect(),
        }
    }
}

impl From<wit::Guess> for Guess {
    fn from(guess: wit::Guess) -> Self {
        let others = guess.others.into_iter();
        Self {
            language: guess.language.map(Into::into),
            confidence: guess.confidence,
            others: others
                .map(|candidate| (candidate.language.into(), candidate.confidence))
                .collect(),
        }
    }
}

impl From<Measures> for wit::Measures {
    fn from(measures: Measures) -> Self {
        Self {
            opening: measures.opening,
            characters: measures.characters,
            words: measures.words,
            distinct_words: measures.distinct_words,
            sentences: measures.sentences,
            paragraphs: measures.paragraphs,
            reading_seconds: measures.reading_seconds,
        }
    }
}

impl From<wit::Measures> for Measures {
    fn from(measures: wit::Measures) -> Self {
        Self {
            opening: measures.opening,
            characters: measures.characters,
            words: measures.words,
            distinct_words: measures.distinct_words,
            sentences: measures.sentences,
            paragraphs: measures.paragraphs,
            reading_seconds: measures.reading_seconds,
        }
    }
}

impl From<Evidence> for wit::Evidence {
    fn from(evidence: Evidence) -> Self {
        Self {
            category: evidence.category.into(),
            kind: evidence.manner.into(),
            term: evidence.term,
            found: evidence.found,
            start: count(evidence.place.start),
            end: count(evidence.place.end),
            weight: evidence.weight,
        }
    }
}

impl From<wit::Evidence> for Evidence {
    fn from(evidence: wit::Evidence) -> Self {
        Self {
            category: evidence.category.into(),
            manner: evidence.kind.into(),
            term: evidence.term,
            found: evidence.found,
            place: evidence.start as usize..evidence.end as usize,
            weight: evidence.weight,
        }
    }
}

impl From<Assessment> for wit::Assessment {
    fn from(assessment: Assessment) -> Self {
        let scores = assessment.scores.into_iter();
        Self {
            verdict: match assessment.verdict {
                Verdict::Fine => wit::Verdict::Fine,
                Verdict::Review(category) => wit::Verdict::Review(category.into()),
                Verdict::Reject(category) => wit::Verdict::Reject(category.into()),
            },
            score: assessment.score,
            scores: scores
                .map(|(category, score)| wit::CategoryScore {
                    category: category.into(),
                    score,
                })
                .collect(),
            evidence: assessment.evidence.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<wit::Assessment> for Assessment {
    fn from(assessment: wit::Assessment) -> Self {
        let scores = assessment.scores.into_iter();
        Self {
            verdict: match assessment.verdict {
                wit::Verdict::Fine => Verdict::Fine,
                wit::Verdict::Review(category) => Verdict::Review(category.into()),
                wit::Verdict::Reject(category) => Verdict::Reject(category.into()),
            },
            score: assessment.score,
            scores: scores
                .map(|score| (score.category.into(), score.score))
                .collect(),
            evidence: assessment.evidence.into_iter().map(Into::into).collect(),
        }
    }
}

fn all<A: Into<B>, B>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(Into::into).collect()
}

impl wit::Guest for Texts {
    fn tokenise(document: Vec<u8>) -> Result<Vec<wit::Token>, wit::Problem> {
        let tokens = tokens::tokenise(read(&document)?)?.into_iter();
        Ok(tokens
            .map(|token| wit::Token {
                text: token.text.to_owned(),
                kind: token.kind.into(),
                start: count(token.place.start),
                end: count(token.place.end),
            })
            .collect())
    }

    fn keywords(
        document: Vec<u8>,
        count: u32,
        language: Option<wit::LanguageCode>,
    ) -> Result<Vec<wit::Keyword>, wit::Problem> {
        let language = language.map(Into::into);
        let keywords = keywords::keywords(read(&document)?, count, language)?.into_iter();
        Ok(keywords
            .map(|keyword| wit::Keyword {
                word: keyword.word,
                count: keyword.count,
                score: keyword.score,
            })
            .collect())
    }

    fn language(document: Vec<u8>) -> Result<wit::Guess, wit::Problem> {
        Ok(language::guess(read(&document)?).into())
    }

    fn statistics(document: Vec<u8>) -> Result<wit::Measures, wit::Problem> {
        Ok(measure(read(&document)?).into())
    }

    fn moderation_score(document: Vec<u8>) -> Result<wit::Assessment, wit::Problem> {
        Ok(assess(read(&document)?).into())
    }

    fn report(
        assessments: Vec<wit::Assessment>,
        languages: Vec<wit::Guess>,
        statistics: Vec<wit::Measures>,
    ) -> Result<Vec<u8>, wit::Problem> {
        let (assessments, languages) = (all(assessments), all(languages));
        Ok(report::report(&assessments, &languages, &all(statistics))?)
    }
}
