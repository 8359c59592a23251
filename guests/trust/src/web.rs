//! Trust that is passed on, from one person outwards.
//!
//! Along a path trust is multiplied, and each step after the first costs a bit more (decay); of
//! several paths the best counts, so a hundred invented friends are worth no more than one. Distrust
//! takes away from the one it is about as much as its speaker is trusted, and only if its speaker is
//! trusted more than that: those who are trusted less cannot depose those who are trusted more.
//! So the people can be visited in falling order of trust, each with all that counts against them
//! known before. Numbers are whole millionths, rounded down: the same on every machine.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::statement::Statement;

/// Full trust: in oneself.
pub const WHOLE: u64 = 1_000_000;

/// Most steps of a path.
pub const MAX_HOPS: u32 = 16;

/// How far trust is passed on.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Most steps of a path, at most [`MAX_HOPS`].
    pub hops: u32,
    /// What is left of trust by each step after the first, of 100.
    pub decay: u32,
}

/// Somebody to whom a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person<'a> {
    /// Who.
    pub did: &'a str,
    /// How far they are trusted, of [`WHOLE`]. 0 if what is said against them takes all of it.
    pub trust: u64,
    /// The statements of the best path, in order.
    pub path: Vec<&'a Statement>,
    /// The statements that took something away.
    pub against: Vec<&'a Statement>,
}

/// A way to somebody that was found and not yet taken; the best comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate<'a> {
    /// What is left of `path_trust` by what is said against the person.
    trust: u64,
    hops: Reverse<u32>,
    did: Reverse<&'a str>,
    path_trust: u64,
    /// By place among the statements.
    path: Vec<usize>,
}

/// What is known while the people are visited.
struct Web<'a> {
    statements: &'a [Statement],
    rules: Rules,
    by_speaker: BTreeMap<&'a str, Vec<usize>>,
    distrust_of: BTreeMap<&'a str, Vec<usize>>,
    trust: BTreeMap<&'a str, u64>,
    /// The shortest path on which somebody was passed already.
    passed: BTreeMap<&'a str, u32>,
    heap: BinaryHeap<Candidate<'a>>,
}

/// Everybody to whom a path leads from `me`, the most trusted first.
#[must_use]
pub fn follow<'a>(statements: &'a [Statement], me: &'a str, rules: Rules) -> Vec<Person<'a>> {
    let mut web = Web {
        statements,
        rules,
        by_speaker: BTreeMap::new(),
        distrust_of: BTreeMap::new(),
        trust: BTreeMap::from([(me, WHOLE)]),
        passed: BTreeMap::from([(me, 0)]),
        heap: BinaryHeap::new(),
    };
    for (place, statement) in statements.iter().enumerate() {
        let (table, key) = match statement.percent {
            percent if percent < 0 => (&mut web.distrust_of, &statement.about),
            _ => (&mut web.by_speaker, &statement.speaker),
        };
        table.entry(key).or_default().push(place);
    }
    web.extend(me, WHOLE, &[]);
    let mut people = Vec::new();
    while let Some(mut candidate) = web.heap.pop() {
        let did = candidate.did.0;
        let (trust, against) = web.what_is_left(did, candidate.path_trust);
        if trust < candidate.trust {
            candidate.trust = trust;
            web.heap.push(candidate);
            continue;
        }
        let hops = candidate.hops.0;
        // Who was passed on a path as short has led everywhere that this one could lead.
        if web
            .passed
            .get(did)
            .is_some_and(|shortest| *shortest <= hops)
        {
            continue;
        }
        web.passed.insert(did, hops);
        if !web.trust.contains_key(did) {
            web.trust.insert(did, trust);
            people.push(Person {
                did,
                trust,
                path: candidate
                    .path
                    .iter()
                    .filter_map(|place| statements.get(*place))
                    .collect(),
                against,
            });
        }
        web.extend(did, trust, &candidate.path);
    }
    people
}

impl<'a> Web<'a> {
    /// Adds the ways that lead on from somebody.
    fn extend(&mut self, did: &str, trust: u64, path: &[usize]) {
        let Ok(hops) = u32::try_from(path.len() + 1) else {
            return;
        };
        if hops > self.rules.hops.min(MAX_HOPS) || trust == 0 {
            return;
        }
        let decay = if path.is_empty() {
            100
        } else {
            u64::from(self.rules.decay.min(100))
        };
        for &place in self.by_speaker.get(did).into_iter().flatten() {
            let Some(statement) = self.statements.get(place) else {
                continue;
            };
            let path_trust = trust * statement.percent.unsigned_abs() * decay / 10_000;
            if path_trust > 0 {
                self.heap.push(Candidate {
                    trust: path_trust,
                    hops: Reverse(hops),
                    did: Reverse(&statement.about),
                    path_trust,
                    path: [path, &[place]].concat(),
                });
            }
        }
    }

    /// What is left of the trust of a path by the distrust of all who are trusted more than that,
    /// and their statements. All of them were visited before.
    fn what_is_left(&self, did: &str, path_trust: u64) -> (u64, Vec<&'a Statement>) {
        let mut left = path_trust;
        let mut against = Vec::new();
        for &place in self.distrust_of.get(did).into_iter().flatten() {
            let Some(statement) = self.statements.get(place) else {
                continue;
            };
            let speaker = self.trust.get(statement.speaker.as_str()).copied();
            if let Some(speaker) = speaker.filter(|speaker| *speaker > path_trust) {
                let taken = speaker * statement.percent.unsigned_abs() / 100;
                left = left * (WHOLE - taken.min(WHOLE)) / WHOLE;
                against.push(statement);
            }
        }
        (left, against)
    }
}
