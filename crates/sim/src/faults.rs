//! What can go wrong in a simulated run, and how often it did: a fault that never happens tests nothing.

use std::collections::BTreeMap;
use std::fmt;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Something that went wrong, or came at a bad moment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Fault {
            /// All of them: each has to happen somewhere in a sweep of some hundred seeds.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

faults! {
    /// The process crashed while it looked for a receipt.
    CrashOnLookUp,
    /// … before it gave a batch to the store.
    CrashBeforeSubmit,
    /// … while a commit was being written.
    CrashInCommit,
    /// … when a commit was durable, before anybody was told.
    CrashBeforeAcknowledging,
    /// … when some of a commit's batches had been told and others not.
    CrashBetweenAcknowledgements,
    /// … with a connection made, before the note that comes before the request.
    CrashWhileConnecting,
    /// … when a note was durable, before the request that it announces.
    CrashBeforeAttempt,
    /// … while a request was on its way to the far side.
    CrashAfterRequest,
    /// … when an answer had come, before anything was made of it.
    CrashOnAnswer,
    /// … before it asked the far side what it knows.
    CrashBeforeProbe,
    /// … when the far side had told what it knows.
    CrashAfterProbe,
    /// … while it gave a run to the scheduler, after an earlier crash.
    CrashOnRestart,
    /// What waited for its commit was lost with the process.
    QueueLost,
    /// A commit under way was lost with the process.
    CommitLost,
    /// A commit under way had reached the disk, and the process died before it knew.
    CommitUnacknowledged,
    /// A commit failed; the process goes on.
    CommitFailed,
    /// A commit took a hundred times as long.
    CommitSlow,
    /// The far side could not be reached: nothing was done.
    Refused,
    /// The far side asked for a wait: nothing was done.
    Busy,
    /// The far side answered with an error, and did nothing.
    AnsweredWithError,
    /// The answer took seconds.
    AnswerSlow,
    /// The far side did the work, and the answer never came.
    AnswerLost,
    /// The request never came to the far side, and nobody could tell.
    RequestLost,
    /// The request came to the far side after the answer had been given up.
    RequestLate,
    /// The request came twice.
    RequestTwice,
    /// The answer came twice.
    AnswerTwice,
    /// Requests came in another order than they had left.
    RequestsReordered,
    /// An answer came to a process that had not asked for it.
    AnswerAfterCrash,
    /// A far side was out of reach for a while, and an attempt met that.
    Partitioned,
    /// A far side went out of reach with a request under way.
    PartitionCut,
    /// The far side could not be asked what it knows.
    ProbeFailed,
    /// The far side could be asked, and knew nothing.
    ProbeUnknown,
    /// An effect was asked of another far side, since the first could not do it.
    MovedOn,
    /// A process found a note of an earlier one.
    NoteLeft,
    /// A pure task ended at a limit.
    LimitReached,
    /// A result was told to be durable before it was told to be known.
    ComputedAfterEnded,
    /// Work waited for equal work.
    EqualWorkWaited,
    /// Equal work ended between look-up and departure.
    EqualWorkLanded,
    /// A run was stopped while a step waited for equal work.
    StopWhileParked,
    /// … while a step waited for another attempt.
    StopWhileWaiting,
    /// … while an attempt was about to leave.
    StopWhileConnecting,
    /// … while an attempt was at the far side.
    StopWhileAttempting,
    /// … while a pure step was executed.
    StopWhileExecuting,
    /// A run failed while an attempt was at the far side.
    FailedWhileAttempting,
    /// The time of day went forward.
    ClockForward,
    /// The time of day went back.
    ClockBack,
    /// A person settled a doubt: it was done.
    SettledDone,
    /// A person settled a doubt: it was not done.
    SettledNotDone,
    /// A person wanted to settle a doubt while somebody was looking into it.
    SettledTooSoon,
    /// A person left a doubt as it was.
    DoubtLeft,
    /// A person asked for a run in doubt to go on without settling it.
    DoubtTriedAgain,
    /// A person asked for a stopped run to go on.
    StoppedResumed,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How often each fault happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<Fault, u64>);

impl Faults {
    pub(crate) fn hit(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// How often this one happened.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or_default()
    }

    /// Counts those of another run in.
    pub fn add(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }

    /// Those that never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<Fault> {
        let never = |fault: &&Fault| self.of(**fault) == 0;
        Fault::ALL.iter().filter(never).copied().collect()
    }
}

impl fmt::Display for Faults {
    /// One a line, in the order of [`Fault::ALL`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fault::ALL
            .iter()
            .try_for_each(|fault| writeln!(f, "{:>10}  {fault}", self.of(*fault)))
    }
}
