//! The scheduler driven by hand and by random drivers.
//!
//! Without these: a step could start before its inputs, twice, or never; a failure could stop
//! branches that do not depend on it; a wide run could starve a small one.

use std::collections::{BTreeMap, VecDeque};

use ipvm_scheduler::{
    Bounds, Command, Dag, Ending, Event, RunId, Scheduler, SchedulerError, Verdict,
};
use ipvm_ucan::promise::Branch;
use proptest::prelude::*;

const RUN: RunId = RunId(7);

pub(crate) type Inputs = Vec<Vec<(u32, Branch)>>;

/// A scheduler with so many places, and results that may be volatile without bound.
fn scheduler(under_way: u32) -> Scheduler {
    Scheduler::new(Bounds {
        under_way,
        volatile: u32::MAX,
    })
}

/// What a random driver saw.
#[derive(Debug, Default)]
struct Seen {
    executed: Vec<u32>,
    settled: BTreeMap<u32, u32>,
    endings: BTreeMap<u32, Ending>,
    verdict: Option<Verdict>,
    most_under_way: u32,
}

/// Answers every command, taking pending ones in an order chosen by `pick`.
fn drive(
    inputs: &Inputs,
    in_flight: u32,
    fails: impl Fn(u32) -> bool,
    hits: impl Fn(u32) -> bool,
    mut pick: impl FnMut(usize) -> usize,
) -> Seen {
    let mut scheduler = scheduler(in_flight);
    let mut seen = Seen::default();
    let dag = Dag::new(inputs).unwrap();
    let submitted = Event::Submitted {
        run: RUN,
        dag,
        ended: vec![],
    };
    let mut pending: VecDeque<Command> = scheduler.handle(submitted).unwrap().into();
    while !pending.is_empty() {
        seen.most_under_way = seen.most_under_way.max(scheduler.under_way());
        let command = pending.remove(pick(pending.len())).unwrap();
        let ending = |step| {
            if fails(step) {
                Ending::Error
            } else {
                Ending::Ok
            }
        };
        let event = match command {
            Command::LookUp { run, step } if !hits(step) => Event::Missed { run, step },
            Command::LookUp { run, step } => Event::Ended {
                run,
                step,
                ending: ending(step),
            },
            Command::Execute { run, step } => {
                assert!(!seen.executed.contains(&step), "step {step} ran twice");
                for (on, branch) in &inputs[step as usize] {
                    let ended = seen.endings.get(on).expect("ran before its input ended");
                    let met = match branch {
                        Branch::Any => true,
                        Branch::Ok => *ended == Ending::Ok,
                        Branch::Error => *ended == Ending::Error,
                    };
                    assert!(met, "ran on the wrong branch");
                }
                seen.executed.push(step);
                Event::Ended {
                    run,
                    step,
                    ending: ending(step),
                }
            }
            Command::Settle { run, step, because } => {
                assert!(inputs[step as usize].iter().any(|(on, _)| *on == because));
                seen.settled.insert(step, because);
                Event::Ended {
                    run,
                    step,
                    ending: Ending::Error,
                }
            }
            Command::Finish { verdict, .. } => {
                assert!(seen.verdict.replace(verdict).is_none(), "finished twice");
                continue;
            }
        };
        if let Event::Ended { step, ending, .. } = &event {
            seen.endings.insert(*step, *ending);
        }
        pending.extend(scheduler.handle(event).unwrap());
    }
    assert_eq!(scheduler.under_way(), 0);
    seen
}

fn ok(on: u32) -> (u32, Branch) {
    (on, Branch::Ok)
}

fn check(
    inputs: &Inputs,
    fails: &[u32],
    executed: &[u32],
    settled: &[(u32, u32)],
    verdict: Verdict,
) {
    let seen = drive(inputs, 8, |step| fails.contains(&step), |_| false, |_| 0);
    assert_eq!(seen.executed, executed);
    assert_eq!(seen.settled, settled.iter().copied().collect());
    assert_eq!(seen.verdict, Some(verdict));
    assert_eq!(seen.endings.len(), inputs.len(), "every step has a receipt");
}

#[test]
fn order_follows_data_and_failures_stay_in_their_branch() {
    check(&vec![], &[], &[], &[], Verdict::Ok);
    check(&vec![vec![]], &[], &[0], &[], Verdict::Ok);
    check(&vec![vec![ok(1)], vec![]], &[], &[1, 0], &[], Verdict::Ok);
    // 1 and 2 follow 0, 3 gathers; 1 fails: 3 is settled because of 1, 2 still runs.
    let diamond = vec![vec![], vec![ok(0)], vec![ok(0)], vec![ok(1), ok(2)]];
    check(&diamond, &[], &[0, 1, 2, 3], &[], Verdict::Ok);
    check(&diamond, &[1], &[0, 1, 2], &[(3, 1)], Verdict::Error);
    // A failure at the root settles everything behind it, each because of its own input.
    check(
        &diamond,
        &[0],
        &[0],
        &[(1, 0), (2, 0), (3, 1)],
        Verdict::Error,
    );
    // Awaiting the error, or either branch, runs on a failure.
    let handlers = vec![
        vec![],
        vec![(0, Branch::Error)],
        vec![(0, Branch::Any)],
        vec![ok(1)],
    ];
    check(&handlers, &[0], &[0, 1, 2, 3], &[], Verdict::Error);
    check(&handlers, &[], &[0, 2], &[(1, 0), (3, 1)], Verdict::Error);
    // The same input twice, on both branches: can never be met.
    check(
        &vec![vec![], vec![ok(0), (0, Branch::Error)]],
        &[],
        &[0],
        &[(1, 0)],
        Verdict::Error,
    );
}

#[test]
fn hits_are_never_executed() {
    let chain = vec![vec![], vec![ok(0)], vec![ok(1)]];
    let seen = drive(&chain, 4, |_| false, |step| step != 1, |_| 0);
    assert_eq!(seen.executed, [1]);
    assert_eq!(seen.verdict, Some(Verdict::Ok));
}

#[test]
fn resume_starts_where_the_record_ends() {
    let mut scheduler = scheduler(4);
    let dag = Dag::new(&[vec![], vec![ok(0)], vec![ok(1)]]).unwrap();
    let ended = vec![(0, Ending::Ok), (1, Ending::Ok)];
    let commands = scheduler
        .handle(Event::Submitted {
            run: RUN,
            dag,
            ended,
        })
        .unwrap();
    assert_eq!(commands, [Command::LookUp { run: RUN, step: 2 }]);

    let dag = Dag::new(&[vec![], vec![ok(0)]]).unwrap();
    let run = RunId(8);
    let ended = vec![(0, Ending::Error), (1, Ending::Error)];
    let commands = scheduler
        .handle(Event::Submitted { run, dag, ended })
        .unwrap();
    assert_eq!(
        commands,
        [Command::Finish {
            run,
            verdict: Verdict::Error
        }]
    );

    // A crash between a failure and the settlement of what awaits it: settled on resume.
    let dag = Dag::new(&[vec![], vec![ok(0)]]).unwrap();
    let run = RunId(9);
    let ended = vec![(0, Ending::Error)];
    let commands = scheduler
        .handle(Event::Submitted { run, dag, ended })
        .unwrap();
    assert_eq!(
        commands,
        [Command::Settle {
            run,
            step: 1,
            because: 0
        }]
    );
}

#[test]
fn a_stop_waits_for_what_is_under_way_and_starts_nothing_more() {
    let mut scheduler = scheduler(2);
    let dag = Dag::new(&[vec![], vec![], vec![], vec![ok(0)]]).unwrap();
    scheduler
        .handle(Event::Submitted {
            run: RUN,
            dag,
            ended: vec![],
        })
        .unwrap();
    scheduler
        .handle(Event::Missed { run: RUN, step: 0 })
        .unwrap();
    assert_eq!(scheduler.handle(Event::Stop { run: RUN }).unwrap(), []);
    let ended = Event::Ended {
        run: RUN,
        step: 0,
        ending: Ending::Ok,
    };
    assert_eq!(scheduler.handle(ended).unwrap(), []);
    let finish = [Command::Finish {
        run: RUN,
        verdict: Verdict::Stopped,
    }];
    assert_eq!(
        scheduler
            .handle(Event::Missed { run: RUN, step: 1 })
            .unwrap(),
        finish
    );
    assert_eq!(scheduler.under_way(), 0);
}

/// Without this, a doubt would end a run that has other work, or keep one waiting for ever.
#[test]
fn a_doubt_keeps_only_what_awaits_it() {
    let mut scheduler = scheduler(4);
    // Steps 2 and 3 await the one in doubt; 3 can be written off all the same, since 1 ends in an error.
    let inputs = [vec![], vec![], vec![ok(0)], vec![ok(0), ok(1)], vec![]];
    let dag = Dag::new(&inputs).unwrap();
    let mut handle = |event| scheduler.handle(event).unwrap();
    let run = RUN;
    handle(Event::Submitted {
        run,
        dag,
        ended: vec![],
    });
    for step in [0, 1, 4] {
        assert_eq!(
            handle(Event::Missed { run, step }),
            [Command::Execute { run, step }]
        );
    }
    assert_eq!(handle(Event::Doubted { run, step: 0 }), []);
    let ended = |step, ending| Event::Ended { run, step, ending };
    let settle = Command::Settle {
        run,
        step: 3,
        because: 1,
    };
    assert_eq!(handle(ended(1, Ending::Error)), [settle]);
    assert_eq!(handle(ended(3, Ending::Error)), []);
    let verdict = Verdict::InDoubt;
    assert_eq!(
        handle(ended(4, Ending::Ok)),
        [Command::Finish { run, verdict }]
    );
    assert_eq!(scheduler.under_way(), 0);
}

/// Without this, a doubt that is told after a stop would keep the run from ending.
#[test]
fn a_doubt_after_a_stop_ends_the_run() {
    let mut scheduler = scheduler(4);
    let dag = Dag::new(&[vec![], vec![ok(0)]]).unwrap();
    let mut handle = |event| scheduler.handle(event).unwrap();
    let run = RUN;
    handle(Event::Submitted {
        run,
        dag,
        ended: vec![],
    });
    handle(Event::Missed { run, step: 0 });
    assert_eq!(handle(Event::Stop { run }), []);
    let verdict = Verdict::Stopped;
    let finish = Command::Finish { run, verdict };
    assert_eq!(handle(Event::Doubted { run, step: 0 }), [finish]);
    assert_eq!(scheduler.under_way(), 0);
}

/// Ends the steps that are under way, oldest first, and says whose steps were started.
fn started(
    scheduler: &mut Scheduler,
    under_way: &mut VecDeque<(RunId, u32)>,
    ends: usize,
) -> Vec<RunId> {
    let mut order = vec![];
    for _ in 0..ends {
        let (run, step) = under_way.pop_front().unwrap();
        let ending = Ending::Ok;
        let commands = scheduler.handle(Event::Ended { run, step, ending });
        for command in commands.unwrap() {
            if let Command::LookUp { run, step } = command {
                order.push(run);
                under_way.push_back((run, step));
            }
        }
    }
    order
}

fn submit(scheduler: &mut Scheduler, run: RunId, steps: usize) -> VecDeque<(RunId, u32)> {
    let dag = Dag::new(&vec![vec![]; steps]).unwrap();
    let ended = vec![];
    let commands = scheduler.handle(Event::Submitted { run, dag, ended });
    let look_up = |command: &Command| match command {
        Command::LookUp { run, step } => (*run, *step),
        other => panic!("{other:?}"),
    };
    commands.unwrap().iter().map(look_up).collect()
}

#[test]
fn runs_take_turns() {
    let mut scheduler = scheduler(4);
    let (a, b) = (RunId(1), RunId(2));
    let mut under_way = submit(&mut scheduler, a, 100);
    assert_eq!(under_way.len(), 4);
    // All places are taken, and still the second run starts.
    let of_b = submit(&mut scheduler, b, 3);
    assert_eq!(of_b, [(b, 0)]);
    under_way.extend(of_b);
    // One end of a step brings the five back to four; from then on, each gets every second place.
    let order = started(&mut scheduler, &mut under_way, 5);
    assert_eq!(order, [a, b, a, b]);
}

/// The wide run has all its steps in the queue before the small one comes, which is a chain: its next step is never
/// there before the last has ended.
#[test]
fn a_small_run_beside_100_000_steps_is_not_starved() {
    let mut scheduler = scheduler(64);
    let (wide, small) = (RunId(1), RunId(2));
    let mut under_way = submit(&mut scheduler, wide, 100_000);
    let dag = Dag::new(&[vec![], vec![ok(0)], vec![ok(1)], vec![ok(2)]]).unwrap();
    let ended = vec![];
    let commands = scheduler.handle(Event::Submitted {
        run: small,
        dag,
        ended,
    });
    assert_eq!(
        commands.unwrap(),
        [Command::LookUp {
            run: small,
            step: 0
        }]
    );
    under_way.push_back((small, 0));
    // Whenever a step of the small run ends, its next one is started at once.
    let mut ends = 0;
    let mut last = None;
    while last != Some(3) {
        last = under_way
            .front()
            .filter(|(run, _)| *run == small)
            .map(|(_, step)| *step);
        let order = started(&mut scheduler, &mut under_way, 1);
        assert_eq!(order.contains(&small), last.is_some_and(|step| step < 3));
        ends += 1;
    }
    assert!(ends <= 4 * 65, "after {ends} steps of both runs");
}

#[test]
fn eager_steps_start_on_what_is_known_and_others_on_what_is_durable() {
    let mut scheduler = scheduler(8);
    // 1 is eager, 2 is not, 3 awaits the error of 0 and is settled, eager or not, when that is durable.
    let inputs = [vec![], vec![ok(0)], vec![ok(0)], vec![(0, Branch::Error)]];
    let dag = Dag::new(&inputs).unwrap().eager(|step| step != 2);
    let ended = vec![];
    scheduler
        .handle(Event::Submitted {
            run: RUN,
            dag,
            ended,
        })
        .unwrap();
    let ending = Ending::Ok;
    let computed = scheduler.handle(Event::Computed {
        run: RUN,
        step: 0,
        ending,
    });
    assert_eq!(computed.unwrap(), [Command::LookUp { run: RUN, step: 1 }]);
    assert_eq!((scheduler.under_way(), scheduler.volatile()), (1, 1));
    let other = Event::Ended {
        run: RUN,
        step: 0,
        ending: Ending::Error,
    };
    assert!(
        scheduler.handle(other).is_err(),
        "computed and durable differ"
    );
    let ended = scheduler.handle(Event::Ended {
        run: RUN,
        step: 0,
        ending,
    });
    let then = [
        Command::LookUp { run: RUN, step: 2 },
        Command::Settle {
            run: RUN,
            step: 3,
            because: 0,
        },
    ];
    assert_eq!(ended.unwrap(), then);
    assert_eq!(scheduler.volatile(), 0);
}

#[test]
fn a_failed_run_gives_its_places_back_and_says_nothing() {
    let mut scheduler = scheduler(2);
    let (a, b) = (RunId(1), RunId(2));
    submit(&mut scheduler, a, 10);
    submit(&mut scheduler, b, 10);
    let ending = Ending::Ok;
    scheduler
        .handle(Event::Computed {
            run: a,
            step: 0,
            ending,
        })
        .unwrap();
    let commands = scheduler.handle(Event::Failed { run: a }).unwrap();
    assert_eq!(commands, [Command::LookUp { run: b, step: 1 }]);
    assert_eq!((scheduler.under_way(), scheduler.volatile()), (2, 0));
    assert!(
        scheduler
            .handle(Event::Ended {
                run: a,
                step: 0,
                ending
            })
            .is_err()
    );
}

#[test]
fn a_driver_that_contradicts_the_machine_is_told() {
    let mut scheduler = scheduler(1);
    let dag = Dag::new(&[vec![], vec![]]).unwrap();
    let twice = dag.clone();
    scheduler
        .handle(Event::Submitted {
            run: RUN,
            dag,
            ended: vec![],
        })
        .unwrap();
    let cases = [
        Event::Submitted {
            run: RUN,
            dag: twice,
            ended: vec![],
        },
        Event::Missed { run: RUN, step: 1 },
        Event::Missed { run: RUN, step: 9 },
        Event::Ended {
            run: RUN,
            step: 1,
            ending: Ending::Ok,
        },
        Event::Abandoned { run: RUN, step: 0 },
        Event::Stop { run: RunId(1) },
    ];
    for case in cases {
        let shown = format!("{case:?}");
        assert!(scheduler.handle(case).is_err(), "{shown}");
    }
    assert!(
        scheduler
            .handle(Event::Missed { run: RUN, step: 0 })
            .is_ok(),
        "state is unchanged"
    );
}

#[test]
fn graphs_are_valid_by_construction() {
    assert_eq!(
        Dag::new(&[vec![ok(0)]]).unwrap_err(),
        SchedulerError::Cycle(0)
    );
    let cycle = vec![vec![], vec![ok(2)], vec![ok(1)]];
    assert_eq!(Dag::new(&cycle).unwrap_err(), SchedulerError::Cycle(1));
    assert!(matches!(
        Dag::new(&[vec![ok(1)]]),
        Err(SchedulerError::NoSuchStep { .. })
    ));
    assert!(matches!(
        Dag::new(&vec![vec![]; 100_001]),
        Err(SchedulerError::TooManySteps(_))
    ));
    // A chain as long as a run may be: no recursion.
    let chain = (0..100_000u32).map(|step| step.checked_sub(1).map(ok).into_iter().collect());
    let chain: Inputs = chain.collect();
    assert_eq!(Dag::new(&chain).unwrap().len(), 100_000);
}

/// Random acyclic graphs: each step may await earlier ones.
pub(crate) fn graphs() -> impl Strategy<Value = Inputs> {
    let branch =
        prop_oneof![3 => Just(Branch::Ok), 1 => Just(Branch::Error), 1 => Just(Branch::Any)];
    prop::collection::vec(
        prop::collection::vec((any::<prop::sample::Index>(), branch), 0..4),
        1..40,
    )
    .prop_map(|rows| {
        (0..)
            .zip(rows)
            .map(|(step, row)| match step {
                0 => vec![],
                _ => row
                    .iter()
                    .map(|(i, b)| (i.index(step) as u32, *b))
                    .collect(),
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the order of answers: every step ends exactly once, executed, found or settled;
    /// the limit holds; the set of executed steps does not depend on the order.
    #[test]
    fn any_order_of_answers_ends_every_step(
        inputs in graphs(),
        failing in any::<u64>(),
        hitting in any::<u64>(),
        in_flight in 1u32..6,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..64),
    ) {
        let bit = |mask: u64, step: u32| mask >> (step % 64) & 1 == 1;
        let run = |order: &mut dyn FnMut(usize) -> usize| {
            drive(&inputs, in_flight, |s| bit(failing, s), |s| bit(hitting, s), order)
        };
        let mut turn = 0;
        let seen = run(&mut |len| { turn += 1; picks[turn % picks.len()].index(len) });
        let straight = run(&mut |_| 0);
        prop_assert_eq!(&seen.endings, &straight.endings);
        let sorted = |mut list: Vec<u32>| { list.sort_unstable(); list };
        prop_assert_eq!(sorted(seen.executed), sorted(straight.executed));
        prop_assert_eq!(seen.endings.len(), inputs.len());
        prop_assert!(seen.most_under_way <= in_flight.max(1));
        prop_assert!(seen.verdict.is_some());
    }
}
