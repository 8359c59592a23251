//! What users rely on when they let this component say whom they trust. Without these, a stranger
//! could be trusted through invented friends, or an enemy could take trust away from a friend.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ipvm_guest_trust::report::{MAX_STATEMENTS, Problem, report};
use ipvm_guest_trust::statement::{Statement, read};
use ipvm_guest_trust::web::{Rules, WHOLE, follow};
use serde_json::{Value, json};

const RULES: Rules = Rules { hops: 3, decay: 90 };

/// Statements written as `from percent to`.
fn said(text: &[&str]) -> Vec<Statement> {
    text.iter()
        .zip(1..)
        .map(|(line, number)| {
            let words: Vec<&str> = line.split(' ').collect();
            Statement {
                number,
                speaker: words[0].to_owned(),
                percent: words[1].parse().unwrap(),
                about: words[2].to_owned(),
                issued: 0,
            }
        })
        .collect()
}

/// Whom `me` trusts, each as `who millionths`, in order.
fn trusted(text: &[&str], rules: Rules) -> Vec<String> {
    let statements = said(text);
    let people = follow(&statements, "me", rules);
    people
        .iter()
        .map(|person| format!("{} {}", person.did, person.trust))
        .collect()
}

#[test]
fn trust_is_multiplied_along_the_best_path() {
    let cases: [(&[&str], &[&str]); 12] = [
        (&[], &[]),
        (&["me 80 a"], &["a 800000"]),
        (&["me 0 a"], &[]),
        (&["x 100 me", "x 100 a"], &[]),
        // The first step is free, each other costs a tenth.
        (&["me 80 a", "a 50 b"], &["a 800000", "b 360000"]),
        (&["me 80 a", "a 50 b", "me 20 b"], &["a 800000", "b 360000"]),
        (&["me 80 a", "a 50 b", "me 40 b"], &["a 800000", "b 400000"]),
        (
            &["me 100 a", "a 100 b", "b 100 c", "c 100 d"],
            &["a 1000000", "b 900000", "c 810000"],
        ),
        // The best path to c is too long to lead on to d, the weaker but shorter one is not.
        (
            &["me 100 a", "a 100 b", "b 100 c", "c 100 d", "me 10 c"],
            &["a 1000000", "b 900000", "c 810000", "d 90000"],
        ),
        // A circle ends.
        (
            &["me 90 a", "a 100 b", "b 100 a", "b 100 me"],
            &["a 900000", "b 810000"],
        ),
        // Many paths are worth no more than the best of them.
        (
            &["me 10 a", "a 100 s1", "a 100 s2", "s1 100 x", "s2 100 x"],
            &["a 100000", "s1 90000", "s2 90000", "x 81000"],
        ),
        (&["me 1 a", "a 1 b", "b 1 c"], &["a 10000", "b 90"]),
    ];
    for (text, expect) in cases {
        assert_eq!(trusted(text, RULES), expect, "{text:?}");
    }
}

#[test]
fn distrust_counts_as_far_as_its_speaker_is_trusted() {
    let cases: [(&[&str], &[&str]); 8] = [
        // Mine is a veto, also for what would go through them.
        (
            &["me 80 a", "a 90 b", "b 90 c", "me -100 b"],
            &["a 800000", "b 0"],
        ),
        (
            &["me 80 a", "me 50 b", "a -100 b"],
            &["a 800000", "b 100000"],
        ),
        (
            &["me 80 a", "me 50 b", "a -50 b", "b 100 c"],
            &["a 800000", "b 300000", "c 270000"],
        ),
        // Who is trusted less than somebody, or only as much, cannot depose them.
        (
            &["me 80 a", "me 50 b", "b -100 a"],
            &["a 800000", "b 500000"],
        ),
        (
            &["me 80 a", "me 80 b", "b -100 a", "a -100 b"],
            &["a 800000", "b 800000"],
        ),
        // Strangers have no say.
        (&["me 80 a", "x -100 a", "y 100 x"], &["a 800000"]),
        // Two who are trusted take away twice.
        (
            &["me 80 a", "me 80 b", "me 50 c", "a -50 c", "b -50 c"],
            &["a 800000", "b 800000", "c 180000"],
        ),
        // What is distrusted has no say any more.
        (
            &["me 90 a", "me 80 m", "a -100 m", "me 50 b", "m -100 b"],
            &["a 900000", "b 500000", "m 80000"],
        ),
    ];
    for (text, expect) in cases {
        assert_eq!(trusted(text, RULES), expect, "{text:?}");
        let turned: Vec<&str> = text.iter().rev().copied().collect();
        assert_eq!(
            trusted(&turned, RULES),
            expect,
            "in another order: {turned:?}"
        );
    }
}

/// All paths of at most three steps, one by one: what the search must find without distrust.
#[test]
fn the_search_finds_what_trying_every_path_finds() {
    fn walk(edges: &[(usize, u64, usize)], at: usize, trust: u64, hops: u32, best: &mut [u64]) {
        for &(from, percent, to) in edges {
            if from == at && hops < RULES.hops {
                let decay = if hops == 0 {
                    100
                } else {
                    u64::from(RULES.decay)
                };
                let next = trust * percent * decay / 10_000;
                best[to] = best[to].max(next);
                walk(edges, to, next, hops + 1, best);
            }
        }
    }
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..300 {
        let mut edges = Vec::new();
        for from in 0..7 {
            for to in 0..7 {
                if from != to && random(3) == 0 {
                    edges.push((from, random(101), to));
                }
            }
        }
        let mut best = [0; 7];
        walk(&edges, 0, WHOLE, 0, &mut best);
        let name = |who: usize| {
            if who == 0 {
                "me".to_owned()
            } else {
                format!("p{who}")
            }
        };
        let lines: Vec<String> = edges
            .iter()
            .map(|(from, percent, to)| format!("{} {percent} {}", name(*from), name(*to)))
            .collect();
        let statements = said(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let mut found = [0; 7];
        for person in follow(&statements, "me", RULES) {
            found[person.did[1..].parse::<usize>().unwrap()] = person.trust;
        }
        assert_eq!(found[1..], best[1..], "{lines:?}");
    }
}

fn claims(changes: Value) -> Result<String, String> {
    let mut claims = json!({ "iss": "me", "sub": "a", "trust": 50, "iat": 10 });
    claims
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    Ok(claims.to_string())
}

#[test]
fn each_statement_counts_or_is_named_with_the_reason() {
    let cases = [
        (claims(json!({})), ""),
        (claims(json!({ "exp": 101 })), ""),
        (claims(json!({ "exp": 100 })), "said until 100"),
        (claims(json!({ "iat": 101 })), "said only at 101"),
        (claims(json!({ "iat": "x" })), "`iat` is not a time"),
        (
            claims(json!({ "sub": "me" })),
            "nobody vouches for themselves",
        ),
        (claims(json!({ "sub": 1 })), "`sub` is not a DID"),
        (
            claims(json!({ "iss": "x".repeat(1000) })),
            "`iss` is not a DID",
        ),
        (
            claims(json!({ "trust": 101 })),
            "`trust` is not a whole number from -100 to 100",
        ),
        (
            claims(json!({ "trust": 0.5 })),
            "`trust` is not a whole number from -100 to 100",
        ),
        (Err("bad-signature".to_owned()), "bad-signature"),
    ];
    for (verdict, expect) in cases {
        let (counted, ignored) = read(std::slice::from_ref(&verdict), 100);
        let why = ignored.first().map_or("", |one| &one.why);
        assert_eq!(why, expect, "{verdict:?}");
        assert_eq!(counted.len() + ignored.len(), 1);
    }
}

/// Without this, what somebody has taken back would still count.
#[test]
fn the_latest_word_counts() {
    let first = claims(json!({}));
    let back = claims(json!({ "trust": 0, "iat": 20 }));
    let same_time = claims(json!({ "trust": 90, "iat": 20 }));
    for verdicts in [
        [first.clone(), back.clone(), same_time.clone()],
        [same_time, back, first],
    ] {
        let (counted, ignored) = read(&verdicts, 100);
        assert_eq!(counted.len(), 1);
        assert_eq!(counted[0].percent, 0);
        let why = format!("replaced by statement {}", counted[0].number);
        assert!(
            ignored.len() == 2 && ignored.iter().any(|one| one.why == why),
            "{ignored:?}"
        );
    }
}

#[test]
fn the_report_tells_reasons_by_name() {
    let verdicts = [
        claims(json!({ "trust": 80 })),
        claims(json!({ "iss": "a", "sub": "b", "trust": 50 })),
        claims(json!({ "sub": "b", "trust": -25, "iat": 5 })),
        Err("unsecured".to_owned()),
    ];
    let names = br#"{"me":"Me","a":"Ann"}"#;
    let told = report(&verdicts, "me", 100, RULES, names).unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let b = &told["people"][1];
    assert_eq!(b["trust"], 27.0);
    assert_eq!(b["because"], "Me -80-> Ann -50-> b; against it Me (-25)");
    assert_eq!(
        b["path"][1],
        json!({ "from": "Ann", "says": 50, "statement": 2 })
    );
    assert_eq!(
        told["ignored"],
        json!([{ "statement": 4, "why": "unsecured" }])
    );
    assert_eq!(
        (&told["statements"], &told["counted"]),
        (&json!(4), &json!(3))
    );
}

#[test]
fn limits_are_named() {
    let many = vec![Err(String::new()); MAX_STATEMENTS + 1];
    let deep = Rules {
        hops: 17,
        decay: 90,
    };
    let growing = Rules {
        hops: 1,
        decay: 101,
    };
    let cases = [
        (report(&many, "me", 0, RULES, b"{}"), "statements"),
        (report(&[], "me", 0, deep, b"{}"), "hops"),
        (report(&[], "me", 0, growing, b"{}"), "percent of decay"),
    ];
    for (told, expect) in cases {
        assert!(
            matches!(told, Err(Problem::TooMuch { what, .. }) if what == expect),
            "{told:?}"
        );
    }
    assert!(matches!(
        report(&[], "me", 0, RULES, b"[]"),
        Err(Problem::Names(_))
    ));
}

/// Everybody trusts everybody: the most ways there can be. Without a bound it would not end.
#[test]
fn a_dense_web_of_the_largest_size_ends() {
    let mut lines = Vec::new();
    for from in 0..316_usize {
        for to in (0..316).filter(|to| *to != from) {
            let percent = 50 + (from * 31 + to * 17) % 51;
            let name = |who: usize| {
                if who == 0 {
                    "me".to_owned()
                } else {
                    format!("p{who}")
                }
            };
            lines.push(format!("{} {percent} {}", name(from), name(to)));
        }
    }
    assert!(lines.len() > 99_000 && lines.len() <= MAX_STATEMENTS);
    let statements = said(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let rules = Rules {
        hops: 16,
        decay: 100,
    };
    assert_eq!(follow(&statements, "me", rules).len(), 315);
}
