//! Drivers that are wrong on purpose, each caught by the promise that it breaks.
//!
//! Without this: the simulation could let everything pass, and nobody would know.

use std::collections::BTreeSet;

use ipvm_sim::{Options, Wrong, check, simulate};

/// Most seeds until one of them catches a wrong driver: some take two rare things at once.
const SEEDS: u64 = 3_000;

/// The promises that a wrong driver breaks. Seeds may come upon others that follow from them.
fn promises(wrong: Wrong) -> &'static [&'static str] {
    match wrong {
        Wrong::SkipsNote | Wrong::NotesTooLate => &["mutations_are_noted_first"],
        Wrong::RetriesUnknown
        | Wrong::DrawsKeys
        | Wrong::MovesOn
        | Wrong::ForgetsAccount
        | Wrong::IgnoresEqualEffects
        | Wrong::LandsFailedEffects
        | Wrong::SettlesUnderWay => &["mutations_are_done_once"],
        Wrong::TakesNoteBackFirst => &["what_was_done_is_on_record"],
        Wrong::LeavesNotes => &["results_take_notes_back"],
        Wrong::TellsEarly => &["told_receipts_stay"],
        Wrong::EndsEarly => &[
            "inputs_come_first",
            "settlements_have_a_cause",
            "verdicts_fit_the_record",
        ],
        Wrong::RemembersByFunction | Wrong::RemembersByTask => &["memory_answers_its_own_work"],
        Wrong::RemembersEffects => &["effects_are_answered_by_task"],
        Wrong::HidesDoubt | Wrong::BelievesErrors => &["failures_were_failures"],
        Wrong::KeepsDoubtQuiet => &["doubts_are_told"],
        Wrong::BelievesInSuccess => &["results_were_done"],
        Wrong::DoubtsTooMuch => &["doubts_have_a_reason"],
        Wrong::ForgetsParked => &["every_run_ends"],
        Wrong::HearsTwice => &["driver_and_scheduler_agree"],
        Wrong::WaitsByTimeOfDay => &[
            "efforts_keep_to_their_patience",
            "the_time_of_day_decides_nothing",
        ],
        Wrong::DrawsFromElsewhere => &["equal_seeds_have_equal_traces"],
    }
}

/// The first seed that catches a wrong driver by this promise.
fn caught(wrong: Wrong, promise: &str) -> Option<u64> {
    let options = Options {
        wrong: Some(wrong),
        ..Options::default()
    };
    // Those that only a comparison shows.
    let compares = matches!(wrong, Wrong::WaitsByTimeOfDay | Wrong::DrawsFromElsewhere);
    (0..SEEDS).find(|seed| {
        let seen = match compares {
            true => check(*seed, &options),
            false => simulate(*seed, &options),
        };
        seen.is_err_and(|violation| violation.promise == promise)
    })
}

#[test]
fn each_is_caught_by_the_promises_that_it_breaks() {
    for wrong in Wrong::ALL {
        for promise in promises(*wrong) {
            match caught(*wrong, promise) {
                Some(seed) => eprintln!("{wrong:?} breaks `{promise}` with seed {seed}"),
                None => panic!("{wrong:?} does not break `{promise}`"),
            }
        }
    }
}

/// Without this, a promise could be written down that nothing can break.
#[test]
fn each_promise_is_broken_by_somebody() {
    let broken: BTreeSet<&str> = Wrong::ALL
        .iter()
        .flat_map(|wrong| promises(*wrong))
        .copied()
        .collect();
    let source = include_str!("../../src/invariants.rs");
    // A promise says whom it protects.
    let promised = source.split("\n/// Protects ").skip(1).map(|text| {
        let (_, function) = text.split_once("\npub(crate) fn ").unwrap();
        function.split_once(['(', '<']).unwrap().0
    });
    assert_eq!(promised.collect::<BTreeSet<&str>>(), broken);
}

/// Without this, whoever sees a seed fail could not see it again.
#[test]
fn a_violation_says_how_to_replay_it() {
    let options = Options {
        wrong: Some(Wrong::RetriesUnknown),
        keep_trace: true,
        ..Options::default()
    };
    let violations = (0..SEEDS).filter_map(|seed| simulate(seed, &options).err());
    let violation = violations.into_iter().next().unwrap();
    let text = violation.to_string();
    let replay = format!(
        "IPVM_SIM_SEED={} cargo test -p ipvm-sim --test it seeds -- --nocapture",
        violation.seed
    );
    assert!(text.contains(&replay), "{text}");
    assert!(text.contains(violation.promise), "{text}");
    assert!(violation.lines.len() > 10, "{text}");
    assert_eq!(simulate(violation.seed, &options).unwrap_err(), violation);
}
