//! What follows a fault of an effect, by its class.
//!
//! Without these: a mail could be sent twice, a failure written for what was done, or a person asked about what nobody
//! did; and an effect could be tried for ever, or not again although nothing speaks against it.

use ipvm_scheduler::effort::{
    Action, Attempt, Effort, FIRST_WAIT, Happened, LONGEST_WAIT, MAX_ATTEMPTS, Patience, Probed,
};
use ipvm_workflow::Class;
use proptest::prelude::*;

use Action::{Doubt, End, GiveUp, Perform, Probe, Wait};
use Class::{Idempotent, Mutation, Pure, Query};

const WAITED: Happened = Happened::Waited;
const STOPPED: Happened = Happened::Stopped;
const ANSWERED: Happened = Happened::Attempted(Attempt::Answered);
const FAILED: Happened = Happened::Attempted(Attempt::Failed);
const UNKNOWN: Happened = Happened::Attempted(Attempt::Unknown);
const CANCELLED: Happened = Happened::Attempted(Attempt::Cancelled);
const WAS_DONE: Happened = Happened::Probed(Probed::Done);
const WAS_NOT: Happened = Happened::Probed(Probed::NotDone);
const NOBODY_KNOWS: Happened = Happened::Probed(Probed::Unknown);
const NOT_ASKED: Happened = Happened::Probed(Probed::Unreachable);
const ALL: [Class; 4] = [Pure, Idempotent, Query, Mutation];
const REPEATABLE: [Class; 3] = [Pure, Idempotent, Query];

fn not_done(wait: u64) -> Happened {
    Happened::Attempted(Attempt::NotDone { wait })
}

/// The first action, and the one that follows each event. Nothing takes time but waiting, and chance gives 0: a wait is half
/// of what it is at most.
fn check(class: Class, left: bool, first: Action, then: &[(Happened, Action)]) {
    let patience = Patience {
        retries: 2,
        deadline: 10_000,
    };
    let mut effort = Effort::new(class, patience, left);
    let mut now = 77;
    let mut action = effort.begin(now);
    assert_eq!(action, first, "{class}, note left: {left}");
    for (index, (happened, expect)) in then.iter().enumerate() {
        if let (Wait(time), WAITED) = (action, *happened) {
            now += time;
        }
        action = effort.after(*happened, now, 0);
        assert_eq!(
            action,
            *expect,
            "{class}, note left: {left}, after {:?}",
            &then[..=index]
        );
    }
}

#[test]
fn what_can_be_repeated_needs_no_note() {
    for class in REPEATABLE {
        for left in [false, true] {
            check(class, left, Perform, &[(ANSWERED, End)]);
            check(class, left, Perform, &[(FAILED, End)]);
            check(class, left, Perform, &[(CANCELLED, GiveUp)]);
        }
    }
}

#[test]
fn what_can_be_repeated_is_after_any_fault() {
    for class in REPEATABLE {
        let again = [(UNKNOWN, Wait(100)), (WAITED, Perform)];
        check(class, false, Perform, &again);
        check(
            class,
            false,
            Perform,
            &[(not_done(0), Wait(100)), (WAITED, Perform)],
        );
        // Twice as long each time, and no shorter than the far side asks for.
        let waits = [
            (UNKNOWN, Wait(100)),
            (WAITED, Perform),
            (UNKNOWN, Wait(200)),
            (WAITED, Perform),
        ];
        check(class, false, Perform, &waits);
        check(class, false, Perform, &[(not_done(3_000), Wait(3_000))]);
        check(
            class,
            false,
            Perform,
            &[(UNKNOWN, Wait(100)), (STOPPED, GiveUp)],
        );
        let last = [&waits[..], &[(UNKNOWN, End)]].concat();
        check(class, false, Perform, &last);
    }
}

/// Whether it leaves at all is known in the attempt alone: what never left was not done, and leaves no note.
#[test]
fn a_mutation_needs_a_note_in_its_attempt() {
    check(Mutation, false, Perform, &[(ANSWERED, End)]);
    check(Mutation, false, Perform, &[(FAILED, End)]);
    check(Mutation, false, Perform, &[(CANCELLED, GiveUp)]);
    for class in ALL {
        let effort = Effort::new(class, Patience::default(), false);
        assert_eq!(effort.needs_note(), class == Mutation, "{class}");
    }
}

#[test]
fn a_mutation_is_tried_again_where_nothing_was_done() {
    let refused = [(not_done(0), Wait(100))];
    let with = |more: &[(Happened, Action)]| [&refused[..], more].concat();
    check(
        Mutation,
        false,
        Perform,
        &with(&[(WAITED, Perform), (ANSWERED, End)]),
    );
    check(Mutation, false, Perform, &with(&[(STOPPED, GiveUp)]));
    let twice = [
        (WAITED, Perform),
        (not_done(0), Wait(200)),
        (WAITED, Perform),
    ];
    check(
        Mutation,
        false,
        Perform,
        &with(&[&twice[..], &[(not_done(0), End)]].concat()),
    );
    // What would begin too late is not begun.
    check(Mutation, false, Perform, &[(not_done(10_001), End)]);
}

#[test]
fn the_far_side_is_asked_where_a_mutation_may_have_been_done() {
    let broken = [(UNKNOWN, Probe)];
    let with = |more: &[(Happened, Action)]| [&broken[..], more].concat();
    check(Mutation, false, Perform, &with(&[(WAS_DONE, End)]));
    check(Mutation, false, Perform, &with(&[(NOBODY_KNOWS, Doubt)]));
    let again = with(&[(WAS_NOT, Wait(100)), (WAITED, Perform)]);
    check(Mutation, false, Perform, &again);
    check(
        Mutation,
        false,
        Perform,
        &[&again[..], &[(ANSWERED, End)]].concat(),
    );
}

/// The far side may say "it was not done" because it would recognise a repeat, and an error may come from somebody before
/// it: neither says what became of the first attempt.
#[test]
fn a_mutation_that_may_have_been_done_never_ends_as_a_failure() {
    let open = [(UNKNOWN, Probe), (WAS_NOT, Wait(100))];
    let with = |more: &[(Happened, Action)]| [&open[..], more].concat();
    check(Mutation, false, Perform, &with(&[(STOPPED, Doubt)]));
    for nothing in [FAILED, CANCELLED, not_done(10_001)] {
        check(
            Mutation,
            false,
            Perform,
            &with(&[(WAITED, Perform), (nothing, Doubt)]),
        );
        check(
            Mutation,
            true,
            Probe,
            &[(WAS_NOT, Perform), (nothing, Doubt)],
        );
    }
}

#[test]
fn a_note_that_is_left_is_a_question() {
    check(Mutation, true, Probe, &[(WAS_DONE, End)]);
    check(Mutation, true, Probe, &[(NOBODY_KNOWS, Doubt)]);
    check(
        Mutation,
        true,
        Probe,
        &[(WAS_NOT, Perform), (ANSWERED, End)],
    );
    check(
        Mutation,
        true,
        Probe,
        &[(WAS_NOT, Perform), (UNKNOWN, Probe), (WAS_DONE, End)],
    );
}

/// Without this, whoever loses the line with a request under way, and so cannot ask either, would have to ask a person.
#[test]
fn the_far_side_is_asked_again_where_it_could_not_be() {
    let not_asked = [
        (NOT_ASKED, Wait(100)),
        (WAITED, Probe),
        (NOT_ASKED, Wait(200)),
        (WAITED, Probe),
    ];
    let with = |more: &[(Happened, Action)]| [&not_asked[..], more].concat();
    check(Mutation, true, Probe, &with(&[(WAS_DONE, End)]));
    check(
        Mutation,
        true,
        Probe,
        &with(&[(WAS_NOT, Perform), (ANSWERED, End)]),
    );
    check(Mutation, true, Probe, &with(&[(NOBODY_KNOWS, Doubt)]));
    check(Mutation, true, Probe, &with(&[(NOT_ASKED, Doubt)]));
    check(
        Mutation,
        true,
        Probe,
        &[(NOT_ASKED, Wait(100)), (STOPPED, Doubt)],
    );
    // Attempts are counted apart.
    let broken = [(UNKNOWN, Probe)];
    let again = with(&[(WAS_NOT, Wait(100)), (WAITED, Perform)]);
    check(Mutation, false, Perform, &[&broken[..], &again].concat());
}

/// Whoever did not do it does not recognise it either.
#[test]
fn another_far_side_is_asked_only_while_nothing_is_open() {
    let after = |class, left, happened: &[Happened]| {
        let mut effort = Effort::new(class, Patience::default(), left);
        effort.begin(0);
        for happened in happened {
            effort.after(*happened, 0, 0);
        }
        effort.may_move()
    };
    assert!(after(Mutation, false, &[not_done(0)]));
    assert!(!after(Mutation, true, &[]));
    assert!(!after(Mutation, true, &[WAS_NOT, not_done(0)]));
    assert!(!after(
        Mutation,
        false,
        &[UNKNOWN, WAS_NOT, WAITED, not_done(0)]
    ));
    for class in REPEATABLE {
        assert!(after(class, false, &[UNKNOWN]));
    }
}

/// Every event in every state it does not belong to: never an attempt, and never silence about one.
#[test]
fn what_does_not_belong_ends_an_effort() {
    let all = [
        NOT_ASKED,
        WAITED,
        STOPPED,
        ANSWERED,
        FAILED,
        UNKNOWN,
        CANCELLED,
        WAS_DONE,
        WAS_NOT,
        NOBODY_KNOWS,
        not_done(0),
    ];
    let belongs = |action, happened| match action {
        Perform => matches!(happened, Happened::Attempted(_)),
        Probe => matches!(happened, Happened::Probed(_)),
        Wait(_) => matches!(happened, Happened::Waited | Happened::Stopped),
        End | GiveUp | Doubt => false,
    };
    let ways: [&[Happened]; 6] = [
        &[],
        &[ANSWERED],
        &[UNKNOWN],
        &[not_done(0)],
        &[ANSWERED],
        &[UNKNOWN, NOBODY_KNOWS],
    ];
    let mut tried = 0;
    for class in ALL {
        for way in ways {
            // Nothing but a mutation is asked after.
            let way = way
                .iter()
                .filter(|happened| class == Mutation || !matches!(happened, Happened::Probed(_)));
            let way: Vec<Happened> = way.copied().collect();
            for happened in all {
                let mut effort = Effort::new(class, Patience::default(), false);
                let first = effort.begin(0);
                let action = way
                    .iter()
                    .fold(first, |_, happened| effort.after(*happened, 0, 0));
                if !belongs(action, happened) {
                    let expect = if class == Mutation { Doubt } else { End };
                    assert_eq!(
                        effort.after(happened, 0, 0),
                        expect,
                        "{class}: {way:?}, then {happened:?}"
                    );
                    assert_eq!(effort.after(happened, 0, 0), expect, "and it stays over");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

fn an_attempt() -> impl Strategy<Value = Attempt> {
    prop_oneof![
        1 => Just(Attempt::Answered),
        1 => Just(Attempt::Failed),
        6 => prop_oneof![Just(0u64), 0u64..5_000].prop_map(|wait| Attempt::NotDone { wait }),
        6 => Just(Attempt::Unknown),
        1 => Just(Attempt::Cancelled),
    ]
}

fn a_probe() -> impl Strategy<Value = Probed> {
    prop_oneof![1 => Just(Probed::Done), 6 => Just(Probed::NotDone), 1 => Just(Probed::Unknown), 3 => Just(Probed::Unreachable),]
}

/// What the world answers each time it is asked, how long that takes, and whether somebody breaks off the wait.
type Answer = (Attempt, Probed, u64, bool, u32);

/// What an effort did, seen from outside.
struct Course {
    last: Action,
    /// What the last action answers.
    because: Option<Happened>,
    /// For each attempt, what it follows, any wait left out, and when it began.
    attempts: Vec<(Option<Happened>, u64)>,
    /// What each wait follows, with its length.
    waits: Vec<(Happened, u64)>,
    /// How often the far side was asked.
    probes: u64,
    unknown: bool,
}

fn course(class: Class, patience: Patience, left: bool, answers: &[Answer]) -> Course {
    let mut effort = Effort::new(class, patience, left);
    let mut now = 1_000;
    let mut course = Course {
        last: effort.begin(now),
        because: None,
        attempts: Vec::new(),
        waits: Vec::new(),
        probes: 0,
        unknown: false,
    };
    for (attempt, probed, takes, stops, jitter) in answers.iter().cycle() {
        let happened = match course.last {
            Perform => {
                let because = match course.because {
                    Some(WAITED) => course.waits.last().map(|(because, _)| *because),
                    because => because,
                };
                course.attempts.push((because, now - 1_000));
                course.unknown |= *attempt == Attempt::Unknown;
                now += takes;
                Happened::Attempted(*attempt)
            }
            Probe => {
                course.probes += 1;
                Happened::Probed(*probed)
            }
            Wait(_) if *stops => Happened::Stopped,
            Wait(time) => {
                course.waits.push((course.because.unwrap(), time));
                now += time;
                Happened::Waited
            }
            End | GiveUp | Doubt => break,
        };
        assert!(course.attempts.len() <= MAX_ATTEMPTS as usize, "for ever");
        course.because = Some(happened);
        course.last = effort.after(happened, now, *jitter);
    }
    assert_eq!(effort.attempts() as usize, course.attempts.len());
    course
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_the_world_answers(
        class in prop::sample::select(&ALL[..]),
        retries in prop_oneof![0u32..6, Just(u32::MAX)],
        deadline in prop_oneof![0u64..3_000, 0u64..1_000_000],
        left in any::<bool>(),
        answers in prop::collection::vec((an_attempt(), a_probe(), 0u64..2_000, prop::bool::weighted(0.1), any::<u32>()), 1..12),
    ) {
        let course = course(class, Patience { retries, deadline }, left, &answers);
        let Course { last, because, attempts, waits, probes, unknown } = course;

        // It is over, within its patience.
        prop_assert!(attempts.len() as u64 <= u64::from(retries) + 1);
        prop_assert!(probes <= attempts.len() as u64 + u64::from(left) + u64::from(retries));
        prop_assert!(attempts.iter().skip(1).all(|(_, began)| *began <= deadline), "{attempts:?}");
        let (to_ask, to_perform): (Vec<_>, Vec<_>) = waits.iter().partition(|(because, _)| *because == NOT_ASKED);
        for waits in [to_ask, to_perform] {
            for (times, (because, time)) in (0u32..).zip(waits) {
                let asked = match because {
                    Happened::Attempted(Attempt::NotDone { wait }) => wait,
                    _ => 0,
                };
                let whole = FIRST_WAIT.saturating_mul(1 << times.min(20)).min(LONGEST_WAIT);
                prop_assert!(time >= asked.max(whole / 2) && time <= asked.max(whole), "{because:?} {time}");
            }
        }

        // A mutation is done again only where somebody said that it was not.
        if class == Mutation {
            let was_not = |because: &Option<Happened>| {
                matches!(because, Some(WAS_NOT | Happened::Attempted(Attempt::NotDone { .. })))
            };
            let again = attempts.iter().skip(usize::from(!left));
            prop_assert!(again.map(|(because, _)| because).all(was_not), "{attempts:?}");
        }

        // A doubt, if and only if it may have been done and nobody knows better.
        let open = class == Mutation && (left || unknown);
        let is_known = matches!(because, Some(ANSWERED | WAS_DONE));
        prop_assert_eq!(last == Doubt, open && !is_known, "{:?} after {:?}", last, because);
        let given_up = matches!(because, Some(STOPPED | CANCELLED));
        prop_assert_eq!(last == GiveUp, given_up && !open, "{:?} after {:?}", last, because);
    }
}
