//! Promises: the place of a result that is not there yet (Promise v1-rc1). In args, a map with the one key `await/ok`,
//! `await/error` or `await/*` and the link of a task stands for what that task will give.

use ipvm_ipld::{Cid, Ipld, MAX_DEPTH, kind_name};
use std::collections::{BTreeMap, BTreeSet};

/// Which part of a task's outcome is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// `await/*`: the whole outcome, `{"ok": …}` or `{"error": …}`.
    Any,
    /// `await/ok`: the value of its success.
    Ok,
    /// `await/error`: the value of its failure.
    Error,
}

/// A promise: the awaited task and branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Await {
    /// Which part of the outcome.
    pub branch: Branch,
    /// The task.
    pub task: Cid,
}

/// Why args with promises in them are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromiseError {
    /// A reserved key beside others.
    #[error("the key {key:?} is reserved for promises and must be alone in its map")]
    NotAlone {
        /// The key.
        key: &'static str,
    },
    /// A reserved key without a task's link.
    #[error("{key:?} needs the link of a task, not {found}")]
    NotALink {
        /// The key.
        key: &'static str,
        /// What there is instead.
        found: &'static str,
    },
    /// Deeper than any decoder accepts.
    #[error("the args are nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

impl Branch {
    /// All branches.
    pub const ALL: [Self; 3] = [Self::Any, Self::Ok, Self::Error];

    /// The key that stands for the branch in args.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Any => "await/*",
            Self::Ok => "await/ok",
            Self::Error => "await/error",
        }
    }
}

impl Await {
    /// The promise as it stands in args.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        Ipld::Map(BTreeMap::from([(
            self.branch.key().to_owned(),
            Ipld::Link(self.task),
        )]))
    }

    /// Reads a map that may be a promise: `None` if it is ordinary data.
    ///
    /// # Errors
    /// If it has a reserved key, but not the form of a promise.
    pub fn from_map(map: &BTreeMap<String, Ipld>) -> Result<Option<Self>, PromiseError> {
        let Some((branch, value)) = Branch::ALL
            .into_iter()
            .find_map(|b| Some((b, map.get(b.key())?)))
        else {
            return Ok(None);
        };
        let key = branch.key();
        match value {
            _ if map.len() > 1 => Err(PromiseError::NotAlone { key }),
            Ipld::Link(task) => Ok(Some(Self {
                branch,
                task: *task,
            })),
            other => Err(PromiseError::NotALink {
                key,
                found: kind_name(other),
            }),
        }
    }
}

/// All promises in args, each once, in order of appearance.
///
/// # Errors
/// If a reserved key is used for anything but a promise.
pub fn awaits(args: &Ipld) -> Result<Vec<Await>, PromiseError> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    // What is still to be looked at, next last; the levels end the walk before memory does.
    let mut pending = vec![(args, 1)];
    while let Some((value, level)) = pending.pop() {
        if level > MAX_DEPTH {
            return Err(PromiseError::TooDeep);
        }
        match value {
            Ipld::List(items) => pending.extend(items.iter().rev().map(|item| (item, level + 1))),
            Ipld::Map(map) => match Await::from_map(map)? {
                Some(promise) if seen.insert(promise) => found.push(promise),
                Some(_) => {}
                None => pending.extend(map.values().rev().map(|item| (item, level + 1))),
            },
            _ => {}
        }
    }
    Ok(found)
}

/// Args with every promise replaced by what `lookup` gives for it.
///
/// Each place is substituted once: what `lookup` gives is never searched for promises, so data that came out of a
/// receipt stays data. Maps that misuse a reserved key are left as they are; [`awaits`] refuses them. The recursion is as
/// deep as `args`, which decoders bound to [`MAX_DEPTH`].
///
/// # Errors
/// The first error of `lookup`.
pub fn resolve<E>(
    args: &Ipld,
    lookup: &mut dyn FnMut(&Await) -> Result<Ipld, E>,
) -> Result<Ipld, E> {
    match args {
        Ipld::List(items) => items
            .iter()
            .map(|item| resolve(item, lookup))
            .collect::<Result<_, _>>()
            .map(Ipld::List),
        Ipld::Map(map) => match Await::from_map(map) {
            Ok(Some(promise)) => lookup(&promise),
            _ => {
                let entry =
                    |(key, item): (&String, &Ipld)| Ok((key.clone(), resolve(item, &mut *lookup)?));
                map.iter()
                    .map(entry)
                    .collect::<Result<_, _>>()
                    .map(Ipld::Map)
            }
        },
        other => Ok(other.clone()),
    }
}
