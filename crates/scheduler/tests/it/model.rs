//! Several runs at once against a model that is slow and plain: it looks at everything, every time.
//!
//! Without these: a step could start on a result that a power cut takes back although it must not, or before it is
//! known; something could be told that is not durable; a crash could do durable work again or leave work undone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ipvm_scheduler::{Bounds, Command, Dag, Ending, Event, RunId, Scheduler, Verdict};
use ipvm_ucan::promise::Branch;
use proptest::prelude::*;

use crate::driven::{Inputs, graphs};

/// A run as it was asked for.
#[derive(Clone, Debug)]
struct Plan {
    inputs: Inputs,
    /// By step, as bits.
    eager: u64,
    fails: u64,
    hits: u64,
}

fn bit(mask: u64, step: u32) -> bool {
    mask >> (step % 64) & 1 == 1
}

fn satisfied(ending: Ending, branch: Branch) -> bool {
    match branch {
        Branch::Any => true,
        Branch::Ok => ending == Ending::Ok,
        Branch::Error => ending == Ending::Error,
    }
}

impl Plan {
    fn dag(&self) -> Dag {
        let dag = Dag::new(&self.inputs).unwrap();
        dag.eager(|step| bit(self.eager, step))
    }

    /// How each step has to end: worked out step by step, since each awaits earlier ones only.
    fn endings(&self) -> Vec<Ending> {
        let mut endings: Vec<Ending> = Vec::new();
        for (step, inputs) in (0..).zip(&self.inputs) {
            let met = inputs
                .iter()
                .all(|(on, branch)| satisfied(endings[*on as usize], *branch));
            endings.push(if met && !bit(self.fails, step) {
                Ending::Ok
            } else {
                Ending::Error
            });
        }
        endings
    }
}

/// What is known of one run.
#[derive(Default)]
struct Known {
    /// Lost with the power.
    started: BTreeSet<u32>,
    computed: BTreeMap<u32, Ending>,
    /// Not lost.
    durable: BTreeMap<u32, Ending>,
    executed: BTreeMap<u32, u32>,
    verdict: Option<Verdict>,
    failed: bool,
}

struct World {
    bounds: Bounds,
    plans: Vec<Plan>,
    known: Vec<Known>,
    scheduler: Scheduler,
    /// Commands that nobody has answered yet.
    pending: Vec<Command>,
    /// Computed results in the order of their commits.
    commits: VecDeque<(usize, u32, Ending)>,
    crashes: u32,
}

impl World {
    fn new(plans: Vec<Plan>, bounds: Bounds) -> Self {
        let known = plans.iter().map(|_| Known::default()).collect();
        let mut world = Self {
            bounds,
            plans,
            known,
            scheduler: Scheduler::new(bounds),
            pending: Vec::new(),
            commits: VecDeque::new(),
            crashes: 0,
        };
        world.submit();
        world
    }

    /// Asks for every run that has no verdict, with what is on record.
    fn submit(&mut self) {
        for run in 0..self.plans.len() {
            if self.known[run].verdict.is_none() && !self.known[run].failed {
                let ended = self.known[run]
                    .durable
                    .iter()
                    .map(|(step, ending)| (*step, *ending));
                self.handle(Event::Submitted {
                    run: RunId(run as u64),
                    dag: self.plans[run].dag(),
                    ended: ended.collect(),
                });
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let commands = self.scheduler.handle(event).unwrap();
        for command in commands {
            self.check(&command);
            match command {
                Command::Finish { .. } => {}
                other => self.pending.push(other),
            }
        }
        self.nothing_is_held_back();
    }

    /// Whether a command is allowed by what is known.
    fn check(&mut self, command: &Command) {
        match *command {
            Command::LookUp { run, step } => {
                let run = run.0 as usize;
                let known = &self.known[run];
                assert!(!known.started.contains(&step), "started twice");
                assert!(self.may_start(run, step), "started too early");
                let places =
                    self.under_way(run) == 0 || self.all_under_way() < self.bounds.under_way;
                assert!(places, "more than may be under way");
                self.known[run].started.insert(step);
            }
            Command::Execute { run, step } => {
                let executed = &mut self.known[run.0 as usize].executed;
                *executed.entry(step).or_default() += 1;
            }
            Command::Settle { run, step, because } => {
                let run = run.0 as usize;
                assert!(self.is_doomed(run, step, Some(because)));
                self.known[run].started.insert(step);
            }
            Command::Finish { run, verdict } => {
                let (plan, known) = (&self.plans[run.0 as usize], &mut self.known[run.0 as usize]);
                assert_eq!(
                    known.durable.len(),
                    plan.inputs.len(),
                    "told before it is durable"
                );
                assert!(known.verdict.replace(verdict).is_none(), "told twice");
            }
        }
    }

    fn may_start(&self, run: usize, step: u32) -> bool {
        let (plan, known) = (&self.plans[run], &self.known[run]);
        plan.inputs[step as usize].iter().all(|(on, branch)| {
            let volatile = known.computed.get(on).filter(|_| bit(plan.eager, step));
            let ending = known.durable.get(on).or(volatile);
            ending.is_some_and(|ending| satisfied(*ending, *branch))
        })
    }

    fn is_doomed(&self, run: usize, step: u32, because: Option<u32>) -> bool {
        let (plan, known) = (&self.plans[run], &self.known[run]);
        plan.inputs[step as usize].iter().any(|(on, branch)| {
            let ending = known.durable.get(on);
            because.is_none_or(|because| because == *on)
                && ending.is_some_and(|ending| !satisfied(*ending, *branch))
        })
    }

    fn under_way(&self, run: usize) -> u32 {
        let known = &self.known[run];
        let under_way = known
            .started
            .iter()
            .filter(|step| !known.computed.contains_key(step) && !known.durable.contains_key(step));
        under_way.count() as u32
    }

    fn all_under_way(&self) -> u32 {
        (0..self.plans.len())
            .filter(|run| !self.known[*run].failed)
            .map(|run| self.under_way(run))
            .sum()
    }

    /// Where there is a place, no step waits that could start; and of no run that could start something is nothing
    /// under way, places or not.
    fn nothing_is_held_back(&self) {
        assert_eq!(self.scheduler.under_way(), self.all_under_way());
        assert_eq!(self.scheduler.volatile() as usize, self.commits.len());
        if self.scheduler.volatile() >= self.bounds.volatile {
            return;
        }
        let full = self.all_under_way() >= self.bounds.under_way;
        for (run, plan) in self.plans.iter().enumerate() {
            let known = &self.known[run];
            if known.failed || (full && self.under_way(run) > 0) {
                continue;
            }
            for step in 0..plan.inputs.len() as u32 {
                let waits = !known.started.contains(&step) && !known.durable.contains_key(&step);
                let startable = self.may_start(run, step) || self.is_doomed(run, step, None);
                // Submission goes run by run: one that is not submitted yet has nothing started.
                let submitted = !known.started.is_empty();
                assert!(
                    !(waits && startable && submitted),
                    "{run}.{step} is held back"
                );
            }
        }
    }

    /// Answers a command: with a miss, a result to be committed, or a result that is durable at once.
    fn answer(&mut self, at: usize, at_once: bool) {
        let (run, step, ending) = match self.pending.swap_remove(at) {
            Command::LookUp { run, step } if !bit(self.plans[run.0 as usize].hits, step) => {
                return self.handle(Event::Missed { run, step });
            }
            Command::LookUp { run, step } | Command::Execute { run, step } => {
                let fails = bit(self.plans[run.0 as usize].fails, step);
                (run, step, if fails { Ending::Error } else { Ending::Ok })
            }
            Command::Settle { run, step, .. } => (run, step, Ending::Error),
            Command::Finish { .. } => unreachable!("not kept"),
        };
        let index = run.0 as usize;
        // What is durable at once is so before others that wait for their commit only if none of those is its input.
        if at_once && self.commits.is_empty() {
            self.known[index].durable.insert(step, ending);
            return self.handle(Event::Ended { run, step, ending });
        }
        self.known[index].computed.insert(step, ending);
        self.commits.push_back((index, step, ending));
        self.handle(Event::Computed { run, step, ending });
    }

    /// Commits the oldest results together.
    fn commit(&mut self, most: usize) {
        let group: Vec<_> = self.commits.drain(..most.min(self.commits.len())).collect();
        for (index, (run, step, ending)) in group.iter().enumerate() {
            self.known[*run].durable.insert(*step, *ending);
            // Those of the group that were not told yet stay volatile to the scheduler.
            let rest = group[index + 1..].iter().rev();
            rest.for_each(|entry| self.commits.push_front(*entry));
            self.handle(Event::Ended {
                run: RunId(*run as u64),
                step: *step,
                ending: *ending,
            });
            self.commits.drain(..group.len() - index - 1);
        }
    }

    /// The commit of a run's results fails: nothing of it is told any more.
    fn fail(&mut self, run: usize) {
        if self.known[run].verdict.is_some() || self.known[run].failed {
            return;
        }
        self.known[run].failed = true;
        self.commits.retain(|(of, _, _)| *of != run);
        self.pending.retain(|command| match command {
            Command::LookUp { run: of, .. }
            | Command::Execute { run: of, .. }
            | Command::Settle { run: of, .. } => of.0 as usize != run,
            Command::Finish { .. } => true,
        });
        self.handle(Event::Failed {
            run: RunId(run as u64),
        });
    }

    /// The power goes and comes back.
    fn crash(&mut self) {
        self.crashes += 1;
        self.scheduler = Scheduler::new(self.bounds);
        self.pending.clear();
        self.commits.clear();
        for known in &mut self.known {
            known.started.clear();
            known.computed.clear();
        }
        self.submit();
    }

    fn act(&mut self, action: u8, which: prop::sample::Index) {
        match action {
            0..=119 if !self.pending.is_empty() => {
                self.answer(which.index(self.pending.len()), action < 20);
            }
            0..=239 => self.commit(1 + which.index(4)),
            240..=247 => self.crash(),
            _ if action > 253 => self.fail(which.index(self.plans.len())),
            _ => {}
        }
    }

    /// Goes on until nothing is left to be done.
    fn drain(&mut self) {
        while !self.pending.is_empty() || !self.commits.is_empty() {
            if self.pending.is_empty() {
                self.commit(usize::MAX);
            } else {
                self.answer(0, false);
            }
        }
    }
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan = (
        graphs(),
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
    );
    let plan = plan.prop_map(|(inputs, eager, fails, more, hits)| Plan {
        inputs,
        eager,
        // A quarter of the steps, so that results get far.
        fails: fails & more,
        hits,
    });
    prop::collection::vec(plan, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn several_runs_with_commits_failures_and_crashes(
        plans in plans(),
        under_way in 1u32..6,
        volatile in 1u32..8,
        actions in prop::collection::vec((any::<u8>(), any::<prop::sample::Index>()), 0..400),
    ) {
        let mut world = World::new(plans, Bounds { under_way, volatile });
        for (action, which) in actions {
            world.act(action, which);
        }
        world.drain();
        for (plan, known) in world.plans.iter().zip(&world.known) {
            if known.failed {
                prop_assert_eq!(known.verdict, None);
                continue;
            }
            let expect = plan.endings();
            let ended: Vec<Ending> = known.durable.values().copied().collect();
            prop_assert_eq!(&ended, &expect);
            let verdict = if expect.contains(&Ending::Error) { Verdict::Error } else { Verdict::Ok };
            prop_assert_eq!(known.verdict, Some(verdict));
            // Once, and once more for each time that the power took a result back.
            prop_assert!(known.executed.values().all(|times| *times <= 1 + world.crashes));
        }
        prop_assert_eq!((world.scheduler.under_way(), world.scheduler.volatile()), (0, 0));
    }

    /// The same events give the same commands, whatever has happened in the process before.
    #[test]
    fn equal_events_in_equal_commands_out(
        plans in plans(),
        actions in prop::collection::vec((0u8..240, any::<prop::sample::Index>()), 0..100),
    ) {
        let run = || {
            let mut world = World::new(plans.clone(), Bounds { under_way: 3, volatile: 5 });
            let mut trace = Vec::new();
            for (action, which) in &actions {
                world.act(*action, *which);
                trace.push(format!("{:?}", world.pending));
            }
            trace
        };
        prop_assert_eq!(run(), run());
    }
}
