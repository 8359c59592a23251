//! Models of those whom effects are asked of. Each remembers what it has really done, by task, whatever it has answered.

use std::collections::{BTreeMap, BTreeSet};

use ipvm_scheduler::Ending;
use ipvm_scheduler::effort::Probed;

use crate::chance::mix;
use crate::plan::Far;
use crate::queue::Time;
use crate::store::{Kind, Outcome};

/// Longest that a request takes to the far side, if it comes there at all and is not late.
pub(crate) const ARRIVAL: Time = 100_000;
/// Those of a kind, any of which can serve a task. They know nothing of one another.
pub(crate) const ACCOUNTS: u8 = 2;

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) far: Far,
    /// Which of its kind.
    pub(crate) account: u8,
    pub(crate) task: u64,
    /// By which repeats are recognised where they are.
    pub(crate) key: u64,
    /// The far side is to answer with an error, and do nothing.
    pub(crate) turned_away: bool,
    /// How many requests had left before.
    pub(crate) number: u64,
}

/// All far sides.
#[derive(Debug, Default)]
pub(crate) struct FarSides {
    /// How often each task was done, and with which account.
    done: BTreeMap<(u64, u8), u32>,
    /// What a keyed far side answered, by key.
    keys: BTreeMap<(u64, u8), Outcome>,
    /// Counts all changes.
    version: u64,
    /// Requests on their way, by task.
    in_air: BTreeMap<u64, u32>,
    unreachable: BTreeSet<(Far, u8)>,
    last: u64,
}

impl FarSides {
    pub(crate) fn leaves(&mut self, task: u64) {
        *self.in_air.entry(task).or_default() += 1;
    }

    pub(crate) fn is_in_air(&self, task: u64) -> bool {
        self.in_air.get(&task).is_some_and(|count| *count > 0)
    }

    /// Whether one that left later has come already.
    pub(crate) fn is_overtaken(&mut self, request: &Request) -> bool {
        let overtaken = request.number < self.last;
        self.last = self.last.max(request.number);
        overtaken
    }

    /// A request comes: what is done, and the answer.
    pub(crate) fn arrive(&mut self, request: &Request) -> Outcome {
        if let Some(count) = self.in_air.get_mut(&request.task) {
            *count -= 1;
        }
        if request.turned_away {
            return Outcome::error(Kind::Result);
        }
        let (task, account) = (request.task, request.account);
        match request.far {
            Far::Reading => answer(self.version),
            Far::Conditional if self.did(task, account) => result_of(task),
            Far::Keyed => {
                let key = (request.key, account);
                if let Some(known) = self.keys.get(&key) {
                    return *known;
                }
                let outcome = self.work(task, account);
                self.keys.insert(key, outcome);
                outcome
            }
            _ => self.work(task, account),
        }
    }

    fn work(&mut self, task: u64, account: u8) -> Outcome {
        *self.done.entry((task, account)).or_default() += 1;
        self.version += 1;
        result_of(task)
    }

    /// What an honest far side of this kind says of a task.
    pub(crate) fn probe(&self, far: Far, account: u8, task: u64) -> (Probed, Option<Outcome>) {
        match far {
            Far::Mute => (Probed::Unknown, None),
            // Doing it again changes nothing.
            Far::Keyed | Far::Reading | Far::Updating => (Probed::NotDone, None),
            Far::Telling | Far::Conditional if self.did(task, account) => {
                (Probed::Done, Some(result_of(task)))
            }
            Far::Telling | Far::Conditional => (Probed::NotDone, None),
        }
    }

    /// How often a task was done.
    pub(crate) fn done(&self, task: u64) -> u32 {
        let accounts = (0..ACCOUNTS).filter_map(|account| self.done.get(&(task, account)));
        accounts.sum()
    }

    fn did(&self, task: u64, account: u8) -> bool {
        self.done.contains_key(&(task, account))
    }

    /// Every task that was done.
    pub(crate) fn all_done(&self) -> impl Iterator<Item = u64> + '_ {
        self.done.keys().map(|(task, _)| *task)
    }

    pub(crate) fn set_reachable(&mut self, far: Far, account: u8, reachable: bool) {
        if reachable {
            self.unreachable.remove(&(far, account));
        } else {
            self.unreachable.insert((far, account));
        }
    }

    pub(crate) fn is_reachable(&self, far: Far, account: u8) -> bool {
        !self.unreachable.contains(&(far, account))
    }
}

/// What doing a task gives.
pub(crate) fn result_of(task: u64) -> Outcome {
    answer(mix(&[task]) % 5)
}

fn answer(value: u64) -> Outcome {
    Outcome {
        ending: Ending::Ok,
        value,
        kind: Kind::Result,
    }
}
