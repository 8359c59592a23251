//! The crew: the threads that carry out a home's runs, and the one place where all its runs meet.
//!
//! What has happened comes to the [`Scheduler`] from whichever thread knows it: a worker with a result, the store's
//! writer with what is durable, a caller with a new run. That thread holds the lock for some microseconds, in which
//! the scheduler decides and the new jobs are laid out; it never waits for anything meanwhile. So a worker whose result
//! makes the next step ready takes that step itself, without a word between threads; and nothing is ever polled for.

mod flights;
mod jobs;
mod values;
mod workers;

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipvm_ipld::Cid;
use ipvm_scheduler::{Bounds, Command, Dag, Ending, Event, RunId, Scheduler, Verdict};
use ipvm_store::{Enqueued, ReceiptId};
use ipvm_ucan::promise::Branch;
use ipvm_wasm::Cancel;
use ipvm_workflow::{Class, Plan};

use crate::authority::Mandate;
use crate::effects::Asked;
use crate::node::Core;
use crate::record::{Kept, Place, Record};
use crate::secret::Secret;
use crate::{Node, NodeError, effects, worker};
use flights::Flights;
pub(crate) use flights::{Departure, Work};
use jobs::{Jobs, Task};
use values::Values;

/// Steps that are looked up, executed or settled at once: enough to keep all cores busy.
const UNDER_WAY: u32 = 64;
/// Steps whose result is known and not yet durable, above which nothing is started: as many as share a commit well,
/// and few enough to be durable within some milliseconds.
const VOLATILE: u32 = 192;

/// Longest that a run which is resumed waits for the keys of the newest receipts: those of most stores are there
/// sooner, and a store that was killed under full load has up to hundreds of thousands.
const WARM_UP_WAIT: Duration = Duration::from_millis(20);

/// What the workers need to know of a run.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) plan: Arc<Plan>,
    /// The store's number of the run.
    pub(crate) run: ipvm_store::RunId,
    /// Whether results may be looked up.
    pub(crate) memo: bool,
    /// Whether the run goes on where an earlier process left it: its steps that are on record are known without a
    /// look-up, and the others are not worth waiting for the keys of a large store.
    pub(crate) resumed: bool,
    /// Whether a pure step may start on results that are not yet durable.
    pub(crate) share_commits: bool,
    /// On whose authority it is carried out.
    pub(crate) mandate: Mandate,
    /// What of it is secret.
    pub(crate) secret: Arc<Secret>,
    /// Its name.
    pub(crate) name: String,
    /// The receipt that asks for it, of a run that carries out what a function asks for.
    pub(crate) cause: Option<Cid>,
    /// How many such receipts there are above it.
    pub(crate) depth: u32,
    /// Set when the run is stopped or has failed.
    pub(crate) stop: Cancel,
}

/// What the caller of a run is told of it, in order.
#[derive(Debug)]
pub(crate) enum News {
    /// A step is being executed.
    Started(u32),
    /// A step's receipt is durable.
    Ended {
        step: u32,
        record: Record,
        /// The error in one line, if it ended in one.
        error: Option<String>,
        /// The step that kept it from running.
        because: Option<u32>,
    },
    /// It is not known whether a step was done.
    Doubted { step: u32, reason: String },
    /// Every step that was started has ended.
    Over(Verdict),
    /// Nothing more can be done or written.
    Failed(NodeError),
    /// There may be a reason to stop.
    Look,
}

/// A run under way.
struct Course {
    order: Arc<Order>,
    feed: Sender<News>,
    /// What is on record, by step.
    kept: Vec<Option<Kept>>,
}

/// A step to be done, with all that is needed for it.
pub(crate) struct Job {
    pub(crate) run: RunId,
    pub(crate) step: u32,
    pub(crate) order: Arc<Order>,
    pub(crate) what: What,
}

/// What is to be done with a step.
pub(crate) enum What {
    /// Find a receipt to reuse, else execute.
    LookUp {
        /// The results it awaits, by step, ascending.
        inputs: Vec<(u32, Source)>,
        /// What the first of several steps with the same task ended with.
        twin: Option<Kept>,
        /// How many computations have landed so far.
        landed: u64,
    },
    /// The same again, after an equal computation has ended.
    Again(Box<Work>),
    /// Write the receipt of a step that can never run.
    Settle {
        because: u32,
        /// What that step ended with.
        cause: Kept,
    },
}

/// Where the result of a step is.
pub(crate) enum Source {
    /// Here, encoded: it may not be durable yet.
    Value(Arc<[u8]>),
    /// On record.
    Kept(Kept),
}

/// A result that is known, and whose commit is under way.
pub(crate) struct Computed {
    pub(crate) run: RunId,
    pub(crate) step: u32,
    pub(crate) ending: Ending,
    /// The outcome, encoded; none if others must not use it before it is durable.
    pub(crate) value: Option<Vec<u8>>,
    /// Its commit, which the thread that has computed it carries out where it has nothing else to do.
    pub(crate) commit: Enqueued,
}

struct State {
    scheduler: Scheduler,
    runs: BTreeMap<RunId, Course>,
    jobs: Jobs,
    flights: Flights,
    values: Values,
    last_run: u64,
    /// Workers that wait for a job.
    idle: usize,
    /// Workers that write to the store, having no job, and take one afterwards.
    writing: usize,
    workers: Vec<JoinHandle<()>>,
    /// Threads on which effects are performed.
    effects: Vec<JoinHandle<()>>,
    /// Reads the newest receipts' keys, while a run that is resumed goes on.
    warming: Option<JoinHandle<()>>,
    /// Set when the home is being closed.
    leaving: bool,
}

/// What all threads share.
pub(crate) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Told when a step has ended or a run is over.
    ended: Condvar,
    core: Weak<Core>,
    /// Most workers.
    most: usize,
}

/// The threads of a home. They start with the first job and end when this is dropped.
pub(crate) struct Crew {
    shared: Arc<Shared>,
    /// Whether it is only lent to one of its own threads.
    lent: bool,
}

impl Crew {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self::with(Arc::downgrade(core))
    }

    /// The same crew, for one of its threads.
    fn lent(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            lent: true,
        }
    }

    /// A crew that has no home to work for, in the place of one that has ended.
    pub(crate) fn of_nobody() -> Self {
        Self::with(Weak::new())
    }

    fn with(core: Weak<Core>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                scheduler: Scheduler::new(Bounds {
                    under_way: UNDER_WAY,
                    volatile: VOLATILE,
                }),
                runs: BTreeMap::new(),
                jobs: Jobs::default(),
                flights: Flights::default(),
                values: Values::default(),
                last_run: 0,
                idle: 0,
                writing: 0,
                workers: Vec::new(),
                effects: Vec::new(),
                warming: None,
                leaving: false,
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
            core,
            most: thread::available_parallelism().map_or(1, usize::from),
        });
        Self {
            shared,
            lent: false,
        }
    }

    /// Begins a run. `ended` are the steps that are on record; `feed` is told what happens.
    pub(crate) fn submit(
        &self,
        order: Order,
        ended: &[(u32, Ending, ReceiptId)],
        feed: Sender<News>,
    ) -> Result<RunId, NodeError> {
        let mut kept = vec![None; order.plan.len()];
        for (step, ending, receipt) in ended {
            if let Some(slot) = kept.get_mut(*step as usize) {
                *slot = Some(Kept {
                    place: Place::Row(*receipt),
                    ending: *ending,
                    reusable: true,
                });
            }
        }
        let dag = dag_of(&order)?;
        let ended = ended.iter().map(|(step, ending, _)| (*step, *ending));
        let ended = ended.collect();
        let mut state = self.shared.lock();
        state.last_run += 1;
        let run = RunId(state.last_run);
        let order = Arc::new(order);
        state.runs.insert(run, Course { order, feed, kept });
        self.shared
            .tell(&mut state, run, Event::Submitted { run, dag, ended });
        self.shared.staff(&mut state, 0);
        Ok(run)
    }

    /// Has the keys of the newest receipts read in the background, and waits for it, but not long.
    pub(crate) fn warm_up(&self) {
        let Some(core) = self.shared.core.upgrade() else {
            return;
        };
        let (done, is_done) = channel::<()>();
        let warm_up = move || {
            // Where it fails, or does not start, the first look-up does the work and says what is wrong.
            drop(core.store().warm_up());
            drop(core);
            drop(done);
        };
        let name = thread::Builder::new().name("ipvm-warm-up".into());
        let started = name.spawn(warm_up).ok();
        let before = std::mem::replace(&mut self.shared.lock().warming, started);
        if let Some(before) = before {
            let _ = before.join();
        }
        let _ = is_done.recv_timeout(WARM_UP_WAIT);
    }

    /// Starts nothing more of a run, and stops what is being executed.
    pub(crate) fn stop(&self, run: RunId) {
        let mut state = self.shared.lock();
        let Some(course) = state.runs.get(&run) else {
            return;
        };
        course.order.stop.cancel();
        self.shared.tell(&mut state, run, Event::Stop { run });
        let waiting = state.jobs.remove(run);
        let parked = state.flights.remove_waiting(run);
        for step in waiting.iter().map(Task::step).chain(parked) {
            self.shared
                .tell(&mut state, run, Event::Abandoned { run, step });
        }
        self.shared.staff(&mut state, 0);
    }
}

impl Crew {
    /// Whether a task's effect is being done now.
    pub(crate) fn is_under_way(&self, task: &Cid) -> bool {
        self.shared.is_under_way(task)
    }

    /// Whether a run under way has this task, as a secret one.
    pub(crate) fn is_secret(&self, task: &Cid) -> bool {
        let state = self.shared.lock();
        state.runs.values().any(|course| {
            let order = &course.order;
            !order.secret.is_empty()
                && order
                    .plan
                    .graph()
                    .find(task)
                    .is_some_and(|step| order.secret.has(step))
        })
    }

    /// Waits while a run under way has a task that has not ended, until `cancel` is set. For a secret one only its owner
    /// waits: to others there is none.
    pub(crate) fn wait_for(&self, task: &Cid, for_owner: bool, cancel: &Cancel) {
        let shared = Arc::clone(&self.shared);
        let _told = cancel.when_set(move || {
            // Held for a moment, so that nobody is between looking and waiting.
            drop(shared.lock());
            shared.ended.notify_all();
        });
        let mut state = self.shared.lock();
        while !cancel.is_cancelled() && owed(&state, task, for_owner) {
            state = self
                .shared
                .ended
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Whether a run under way still has to end a task.
fn owed(state: &State, task: &Cid, for_owner: bool) -> bool {
    state
        .runs
        .values()
        .any(|course| course.owes(task, for_owner))
}

impl Course {
    /// Whether a task is part of the run and has not ended.
    fn owes(&self, task: &Cid, for_owner: bool) -> bool {
        let step = self.order.plan.graph().find(task);
        let step = step.filter(|step| for_owner || !self.order.secret.has(*step));
        let kept = step.and_then(|step| self.kept.get(step as usize));
        kept.is_some_and(Option::is_none)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if self.lent {
            return;
        }
        let threads: Vec<JoinHandle<()>> = {
            let mut state = self.shared.lock();
            state.leaving = true;
            // Nobody is left to hear of them; an effect that has left is noted, and asked about by the next process.
            for course in state.runs.values() {
                course.order.stop.cancel();
            }
            let workers = std::mem::take(&mut state.workers);
            let effects = std::mem::take(&mut state.effects);
            let threads = workers.into_iter().chain(effects);
            threads.chain(state.warming.take()).collect()
        };
        self.shared.work.notify_all();
        for thread in threads {
            // A worker that panicked has failed its run; there is nothing left to wait for.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step of which no receipt was found: its work is given back, to be executed now, unless the run is stopped or
    /// an equal computation is under way. `first` is false for one that waited for such a computation.
    pub(crate) fn missed(self: &Arc<Self>, work: Box<Work>, first: bool) -> Departure {
        let (run, step) = (work.run, work.step);
        let mut state = self.lock();
        if first && !self.may_execute(&mut state, run, step) {
            return Departure::Later;
        }
        if !state.runs.contains_key(&run) {
            return Departure::Later;
        }
        let departure = state.flights.depart(work);
        if matches!(departure, Departure::Execute(_)) {
            feed(&state, run, News::Started(step));
        }
        departure
    }

    /// Has the scheduler decide what follows a miss.
    fn may_execute(self: &Arc<Self>, state: &mut State, run: RunId, step: u32) -> bool {
        if !state.runs.contains_key(&run) {
            return false;
        }
        let commands = match state.scheduler.handle(Event::Missed { run, step }) {
            Ok(commands) => commands,
            Err(error) => {
                self.fail_locked(state, run, error.into());
                return false;
            }
        };
        let execute = Command::Execute { run, step };
        let mut may = false;
        for command in commands {
            match command == execute {
                true => may = true,
                false => self.obey(state, command),
            }
        }
        self.staff(state, 0);
        may
    }

    /// Has an effect performed on a thread of its own: it waits for others, and must not keep a worker from computing.
    /// There are no more of them than steps under way.
    pub(crate) fn perform(self: &Arc<Self>, work: Work) {
        let shared = Arc::clone(self);
        let of = (work.run, work.step);
        self.detach(of, move |node| effects::perform(node, &shared, work));
    }

    /// Has what a step asks for carried out, on a thread that waits for it.
    pub(crate) fn carry_out(self: &Arc<Self>, asked: Asked) {
        let shared = Arc::clone(self);
        let of = (asked.run, asked.step);
        self.detach(of, move |node| effects::carry_out(node, &shared, &asked));
    }

    /// Does something for a step on a thread of its own.
    fn detach(
        self: &Arc<Self>,
        (run, step): (RunId, u32),
        work: impl FnOnce(&Node) -> Result<(), NodeError> + Send + 'static,
    ) {
        let shared = Arc::clone(self);
        let mut state = self.lock();
        let Some(core) = self.core.upgrade().filter(|_| !state.leaving) else {
            return;
        };
        state.effects.retain(|thread| !thread.is_finished());
        let name = thread::Builder::new().name("ipvm-effect".into());
        let begun = name.spawn(move || {
            let _fallen = worker::Fallen {
                shared: &shared,
                run,
                step: Some(step),
            };
            let node = Node::of_crew(core, Crew::lent(&shared));
            if let Err(error) = work(&node) {
                shared.fail(run, error);
                shared.give_up(run, step);
            }
        });
        match begun {
            Ok(thread) => state.effects.push(thread),
            Err(error) => {
                let error = format!("no thread could be started: {error}");
                self.fail_locked(&mut state, run, NodeError::Internal(error));
            }
        }
    }

    /// The result of an effect is known, and its commit is under way.
    pub(crate) fn computed_elsewhere(self: &Arc<Self>, computed: Computed) {
        let mut state = self.lock();
        let commit = self.computed(&mut state, computed);
        self.staff(&mut state, 0);
        drop(state);
        commit.serve();
    }

    /// It is not known whether a step was done, and that is on record.
    pub(crate) fn doubted(self: &Arc<Self>, run: RunId, step: u32, reason: String) {
        let mut state = self.lock();
        feed(&state, run, News::Doubted { step, reason });
        self.land(&mut state, run, step);
        self.tell(&mut state, run, Event::Doubted { run, step });
        self.staff(&mut state, 0);
    }

    /// A step that was stopped while it was executed.
    pub(crate) fn abandoned(self: &Arc<Self>, run: RunId, step: u32) {
        let mut state = self.lock();
        self.land(&mut state, run, step);
        self.tell(&mut state, run, Event::Abandoned { run, step });
        self.staff(&mut state, 0);
    }

    /// A step's receipt is durable. Called on the thread that wrote it.
    pub(crate) fn ended(
        self: &Arc<Self>,
        (run, step): (RunId, u32),
        record: Record,
        error: Option<String>,
        because: Option<u32>,
    ) {
        let mut state = self.lock();
        let ending = record.ending();
        let Some(course) = state.runs.get_mut(&run) else {
            // The run has failed meanwhile; whoever waits for the same work finds the receipt.
            self.land(&mut state, run, step);
            let own = state.writing;
            self.staff(&mut state, own);
            return;
        };
        if let Some(slot) = course.kept.get_mut(step as usize) {
            *slot = Some(record.kept());
        }
        let news = News::Ended {
            step,
            record,
            error,
            because,
        };
        feed(&state, run, news);
        self.tell(&mut state, run, Event::Ended { run, step, ending });
        self.land(&mut state, run, step);
        let own = state.writing;
        self.staff(&mut state, own);
        self.ended.notify_all();
    }

    /// The run cannot go on; the others do.
    pub(crate) fn fail(self: &Arc<Self>, run: RunId, error: NodeError) {
        let mut state = self.lock();
        self.fail_locked(&mut state, run, error);
        self.staff(&mut state, 0);
    }

    /// Nothing more is done for a step of a run that has failed.
    pub(crate) fn give_up(self: &Arc<Self>, run: RunId, step: u32) {
        let mut state = self.lock();
        self.land(&mut state, run, step);
        self.staff(&mut state, 0);
    }

    /// Whether a task's effect is being done now.
    pub(crate) fn is_under_way(&self, task: &Cid) -> bool {
        self.lock().flights.is_under_way(task)
    }

    /// Has the scheduler know of a result before it is durable. Its commit is given back.
    fn computed(self: &Arc<Self>, state: &mut State, computed: Computed) -> Enqueued {
        let Computed {
            run,
            step,
            ending,
            value,
            commit,
        } = computed;
        let Some(course) = state.runs.get(&run) else {
            return commit;
        };
        // The disk may have been faster, and then it is all told; and what does not fit into memory, or must not be
        // used yet, is told when it is durable.
        let is_durable = course.kept.get(step as usize).is_some_and(Option::is_some);
        let uses = course.order.plan.graph().dependents(step).len();
        if let Some(value) = value.filter(|_| !is_durable)
            && (uses == 0 || state.values.keep(run, step, uses, value))
        {
            self.tell(state, run, Event::Computed { run, step, ending });
        }
        commit
    }

    /// Has the scheduler decide, and does what it wants.
    fn tell(self: &Arc<Self>, state: &mut State, run: RunId, event: Event) {
        if !state.runs.contains_key(&run) {
            return;
        }
        match state.scheduler.handle(event) {
            Ok(commands) => commands
                .into_iter()
                .for_each(|command| self.obey(state, command)),
            Err(error) => self.fail_locked(state, run, error.into()),
        }
    }

    fn obey(self: &Arc<Self>, state: &mut State, command: Command) {
        match command {
            Command::LookUp { run, step } => state.jobs.push(run, Task::LookUp(step)),
            Command::Settle { run, step, because } => {
                state.jobs.push(run, Task::Settle { step, because });
            }
            // Follows a miss at once, which is where it is obeyed.
            Command::Execute { run, step } => {
                let error = format!("step {step} is to be executed, but was not looked up");
                self.fail_locked(state, run, NodeError::Internal(error));
            }
            Command::Finish { run, verdict } => {
                feed(state, run, News::Over(verdict));
                state.runs.remove(&run);
                state.values.forget(run);
                self.ended.notify_all();
            }
        }
    }

    fn fail_locked(self: &Arc<Self>, state: &mut State, run: RunId, error: NodeError) {
        let Some(course) = state.runs.remove(&run) else {
            return;
        };
        course.order.stop.cancel();
        state.jobs.remove(run);
        state.values.forget(run);
        state.flights.remove_waiting(run);
        let released = state.flights.land_all(run);
        if let Ok(commands) = state.scheduler.handle(Event::Failed { run }) {
            for command in commands {
                self.obey(state, command);
            }
        }
        again(state, released);
        let _ = course.feed.send(News::Failed(error));
        self.ended.notify_all();
    }

    /// Those that waited for an equal computation look again.
    fn land(self: &Arc<Self>, state: &mut State, run: RunId, step: u32) {
        let released = state.flights.land(run, step);
        again(state, released);
    }
}

fn feed(state: &State, run: RunId, news: News) {
    if let Some(course) = state.runs.get(&run) {
        // A caller that is gone has no use for the news.
        let _ = course.feed.send(news);
    }
}

fn again(state: &mut State, released: Vec<Work>) {
    for work in released {
        state.jobs.push(work.run, Task::Again(Box::new(work)));
    }
}

/// Gathers what a step needs.
fn job(state: &mut State, run: RunId, task: Task) -> Result<Job, NodeError> {
    let missing = |what: String| NodeError::Internal(format!("{what} is not there"));
    let course = state.runs.get(&run);
    let course = course.ok_or_else(|| missing("the run of a job".to_owned()))?;
    let kept = |step: u32| course.kept.get(step as usize).copied().flatten();
    let order = Arc::clone(&course.order);
    let step = task.step();
    let what = match task {
        Task::LookUp(step) => {
            let graph = order.plan.graph();
            let mut inputs = Vec::with_capacity(graph.deps(step).len());
            for on in graph.deps(step) {
                let source = state.values.take(run, *on).map(Source::Value);
                let source = source.or_else(|| kept(*on).map(Source::Kept));
                let source = source.ok_or_else(|| missing(format!("the result of step {on}")))?;
                inputs.push((*on, source));
            }
            let twin = graph.twin(step);
            let twin = if twin == step { None } else { kept(twin) };
            let landed = state.flights.landed();
            What::LookUp {
                inputs,
                twin,
                landed,
            }
        }
        Task::Again(work) => What::Again(work),
        Task::Settle { because, .. } => What::Settle {
            because,
            cause: kept(because).ok_or_else(|| missing(format!("the result of step {because}")))?,
        },
    };
    Ok(Job {
        run,
        step,
        order,
        what,
    })
}

/// The edges of a workflow with the branch each awaits; equal tasks wait for the first of them.
fn dag_of(order: &Order) -> Result<Dag, NodeError> {
    let (plan, graph) = (&order.plan, order.plan.graph());
    let mut inputs = Vec::with_capacity(plan.len());
    for step in 0..plan.len() as u32 {
        let mut edges: Vec<(u32, Branch)> = graph.awaited(step).collect();
        let twin = graph.twin(step);
        if twin != step {
            edges.push((twin, Branch::Any));
        }
        edges.sort_unstable();
        edges.dedup();
        inputs.push(edges);
    }
    let dag = Dag::new(&inputs)?;
    // One that repeats another's task notes that one's receipt, which must be on record.
    Ok(dag.eager(|step| {
        order.share_commits && plan.class(step) == Class::Pure && graph.twin(step) == step
    }))
}
