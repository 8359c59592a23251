//! Drivers that are wrong on purpose: a simulation that lets one of them pass proves nothing about the right one.

/// What the driver does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Lets mutations leave without a note.
    SkipsNote,
    /// Lets a mutation leave while its note is being written.
    NotesTooLate,
    /// Takes "it may have been done" for "it was not done".
    RetriesUnknown,
    /// Takes the note back in a commit of its own, before that of the receipt.
    TakesNoteBackFirst,
    /// Does not take the note back with the receipt.
    LeavesNotes,
    /// Draws a key for each attempt instead of using the task's.
    DrawsKeys,
    /// Asks another far side while it is open whether the first did it.
    MovesOn,
    /// Does not know with which far side an earlier process began.
    ForgetsAccount,
    /// Does not hold back equal effects of several runs.
    IgnoresEqualEffects,
    /// Lets others begin the effects of a run that has failed, while attempts of it are still under way.
    LandsFailedEffects,
    /// Settles a doubt while somebody is looking into it.
    SettlesUnderWay,
    /// Tells the person of a receipt that is not durable.
    TellsEarly,
    /// Tells the scheduler that a receipt is durable when it is not.
    EndsEarly,
    /// Remembers pure results by function alone.
    RemembersByFunction,
    /// Remembers pure results by task alone, whatever was awaited this time.
    RemembersByTask,
    /// Remembers results of effects by what they ask for.
    RemembersEffects,
    /// Writes a failure where it is not known whether an effect was done.
    HidesDoubt,
    /// Writes the same failure, and keeps the note to itself.
    KeepsDoubtQuiet,
    /// Takes "it may have been done" for "it was done".
    BelievesInSuccess,
    /// Reports a doubt where an effect was given up with nothing done.
    DoubtsTooMuch,
    /// Takes an error of a later attempt as the answer of an earlier one.
    BelievesErrors,
    /// Forgets the steps that waited for equal work.
    ForgetsParked,
    /// Hears an answer twice.
    HearsTwice,
    /// Takes the time of day for waiting.
    WaitsByTimeOfDay,
    /// Decides something by what is not part of the seed.
    DrawsFromElsewhere,
}

impl Wrong {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::SkipsNote,
        Self::NotesTooLate,
        Self::RetriesUnknown,
        Self::TakesNoteBackFirst,
        Self::LeavesNotes,
        Self::DrawsKeys,
        Self::MovesOn,
        Self::ForgetsAccount,
        Self::IgnoresEqualEffects,
        Self::LandsFailedEffects,
        Self::SettlesUnderWay,
        Self::TellsEarly,
        Self::EndsEarly,
        Self::RemembersByFunction,
        Self::RemembersByTask,
        Self::RemembersEffects,
        Self::HidesDoubt,
        Self::KeepsDoubtQuiet,
        Self::BelievesInSuccess,
        Self::DoubtsTooMuch,
        Self::BelievesErrors,
        Self::ForgetsParked,
        Self::HearsTwice,
        Self::WaitsByTimeOfDay,
        Self::DrawsFromElsewhere,
    ];
}
