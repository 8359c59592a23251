//! One effect, carried to its end: what to do next after an attempt, a probe or a crash.
//!
//! What may follow depends on the command's [`Class`] alone. Reading and repeatable work is tried again after any fault;
//! a mutation only where it is certain that nothing was done. Directly before anything of a mutation leaves that the far side may
//! act on, a note of it must be durable (its *intent*; see [`Effort::needs_note`]), so that a crash leaves a question where it
//! may have been done, and nothing where it cannot have been; a question that the far side cannot answer is a *doubt*, which
//! a person settles.
//!
//! ```
//! use ipvm_scheduler::effort::{Action, Attempt, Effort, Happened, Patience, Probed};
//! use ipvm_workflow::Class;
//!
//! let mut effort = Effort::new(Class::Mutation, Patience::default(), false);
//! assert_eq!(effort.begin(0), Action::Perform);
//! assert!(effort.needs_note(), "before the request leaves");
//! // The connection broke after the request had left: was it done?
//! assert_eq!(effort.after(Happened::Attempted(Attempt::Unknown), 90, 0), Action::Probe);
//! assert_eq!(effort.after(Happened::Probed(Probed::Unknown), 95, 0), Action::Doubt);
//! ```

use ipvm_workflow::Class;

/// Most attempts at one effect, the first included.
pub const MAX_ATTEMPTS: u32 = 101;
/// Milliseconds before the second attempt; each further wait is twice as long.
pub const FIRST_WAIT: u64 = 200;
/// Longest wait between attempts that is not asked for by the far side, in milliseconds.
pub const LONGEST_WAIT: u64 = 30_000;

/// How long an effect is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Further attempts after the first.
    pub retries: u32,
    /// Milliseconds from the beginning after which no further attempt is begun.
    pub deadline: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries: 3,
            deadline: 60_000,
        }
    }
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The far side did what was asked, or said that it had done it before.
    Answered,
    /// The far side answered with an error, or the effect was refused for good: this attempt did nothing and none will. Of
    /// an earlier attempt of which nothing is known, that says nothing.
    Failed,
    /// Nothing was done, and another attempt may do better: not before so many milliseconds.
    NotDone {
        /// What the far side asks for; 0 if nothing.
        wait: u64,
    },
    /// It may have been done.
    Unknown,
    /// It was stopped before anything left.
    Cancelled,
}

/// What the far side knows of an earlier attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It was done, and its result is known.
    Done,
    /// It was not done, and nothing that was sent can still do it; or doing it again changes nothing.
    NotDone,
    /// The far side cannot tell.
    Unknown,
    /// The far side could not be asked. Another time it may.
    Unreachable,
}

/// What happened to an effort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// An attempt has come back.
    Attempted(Attempt),
    /// The far side was asked.
    Probed(Probed),
    /// The wait is over.
    Waited,
    /// The wait was broken off: nothing more is wanted.
    Stopped,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make an attempt; where [`Effort::needs_note`], with a durable note before anything leaves that the far side may act on.
    Perform,
    /// Ask the far side whether an earlier attempt was done.
    Probe,
    /// Wait so many milliseconds.
    Wait(u64),
    /// Write the latest result, or the latest fault, as the receipt, and take back the note with it.
    End,
    /// Nothing was done and nothing will be: take back the note, write no receipt.
    GiveUp,
    /// Leave the note and say that it is not known whether this was done.
    Doubt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Performing,
    Probing,
    Waiting,
    /// Waiting to ask the far side again.
    WaitingToProbe,
    Over,
}

/// One effect under way.
#[derive(Clone, Debug)]
pub struct Effort {
    class: Class,
    patience: Patience,
    /// Whether a note of an earlier process is on record.
    left: bool,
    /// Whether an attempt may have been done, whatever later ones say: doing it again may be safe, but to say that it
    /// was not done is not.
    open: bool,
    began: u64,
    attempts: u32,
    /// How often the far side could not be asked.
    unreached: u32,
    state: State,
}

impl Effort {
    /// An effort that has not begun. `left` says whether an earlier one left a note of its intent.
    #[must_use]
    pub fn new(class: Class, patience: Patience, left: bool) -> Self {
        Self {
            class,
            patience,
            left,
            open: left && class == Class::Mutation,
            began: 0,
            attempts: 0,
            unreached: 0,
            state: State::New,
        }
    }

    /// The first action. Times are milliseconds of a clock that never goes back.
    pub fn begin(&mut self, now: u64) -> Action {
        self.began = now;
        match (self.class, self.left) {
            (Class::Mutation, true) => self.probe(),
            _ => self.perform(),
        }
    }

    /// The next action. `jitter` is a random number, which keeps many from coming back at the same moment.
    ///
    /// Whatever does not belong to the present state is taken for the worst it can mean, which is a doubt for a mutation
    /// and an end for all else: an effect is never repeated by mistake.
    pub fn after(&mut self, happened: Happened, now: u64, jitter: u32) -> Action {
        match (self.state, happened) {
            (State::Waiting, Happened::Waited) => self.perform(),
            (State::WaitingToProbe, Happened::Waited) => self.probe(),
            (State::Waiting | State::WaitingToProbe, Happened::Stopped) => {
                self.leave(Action::GiveUp)
            }
            (State::Performing, Happened::Attempted(attempt)) => match attempt {
                Attempt::Answered => self.over(Action::End),
                Attempt::Failed => self.leave(Action::End),
                Attempt::Cancelled => self.leave(Action::GiveUp),
                Attempt::NotDone { wait } => self.again(wait, now, jitter),
                Attempt::Unknown if self.class == Class::Mutation => {
                    self.open = true;
                    self.probe()
                }
                Attempt::Unknown => self.again(0, now, jitter),
            },
            (State::Probing, Happened::Probed(probed)) => match probed {
                Probed::Done => self.over(Action::End),
                Probed::Unknown => self.over(Action::Doubt),
                Probed::Unreachable => self.ask_again(now, jitter),
                Probed::NotDone if self.attempts == 0 => self.perform(),
                Probed::NotDone => self.again(0, now, jitter),
            },
            _ if self.class == Class::Mutation => self.over(Action::Doubt),
            _ => self.over(Action::End),
        }
    }

    /// Whether another far side may be asked next. While it is open whether one did a mutation, it alone can tell, and it
    /// alone recognises a repeat; the note has to say which it was, for the next process.
    #[must_use]
    pub fn may_move(&self) -> bool {
        !self.open
    }

    /// Whether a note has to be durable that says who is asked, before anything leaves in an attempt that the far side may
    /// act on. Of an attempt that comes to its end without that, nothing can have been done.
    #[must_use]
    pub fn needs_note(&self) -> bool {
        self.class == Class::Mutation
    }

    /// Attempts so far.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn perform(&mut self) -> Action {
        self.attempts += 1;
        self.state = State::Performing;
        Action::Perform
    }

    fn probe(&mut self) -> Action {
        self.state = State::Probing;
        Action::Probe
    }

    fn over(&mut self, action: Action) -> Action {
        self.state = State::Over;
        action
    }

    /// Ends as said if it is certain that nothing was done.
    fn leave(&mut self, action: Action) -> Action {
        let open = self.open;
        self.over(if open { Action::Doubt } else { action })
    }

    /// Another attempt after a wait, if one is left and would begin in time.
    fn again(&mut self, wait: u64, now: u64, jitter: u32) -> Action {
        let wait = wait_after(self.attempts, jitter).max(wait);
        if !self.has_more(self.attempts, now, wait) {
            return self.leave(Action::End);
        }
        self.state = State::Waiting;
        Action::Wait(wait)
    }

    /// The same question after a wait, as often as an attempt would be made.
    fn ask_again(&mut self, now: u64, jitter: u32) -> Action {
        self.unreached += 1;
        let wait = wait_after(self.unreached, jitter);
        if !self.has_more(self.unreached, now, wait) {
            return self.over(Action::Doubt);
        }
        self.state = State::WaitingToProbe;
        Action::Wait(wait)
    }

    fn has_more(&self, times: u32, now: u64, wait: u64) -> bool {
        let most = self.patience.retries.saturating_add(1).min(MAX_ATTEMPTS);
        let past = now.saturating_sub(self.began).saturating_add(wait);
        times < most && past <= self.patience.deadline
    }
}

/// Twice as long after each time, of which a random half is left out.
fn wait_after(times: u32, jitter: u32) -> u64 {
    let doublings = times.saturating_sub(1).min(16);
    let whole = (FIRST_WAIT << doublings).min(LONGEST_WAIT);
    let half = whole / 2;
    half + u64::from(jitter) % (half + 1)
}
