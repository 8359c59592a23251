//! Which steps of a workflow are secret: those that say so, and all that something secret goes into.
//!
//! A step is secret if its configuration or the workflow's defaults say so, if its command gives a secret, if it awaits a secret step or a secret task
//! of another workflow, or if it names secret content. Steps with the same task are secret together: their arguments are
//! the same. `secret: false` is no way out: what it would make known is an input that somebody else wants kept.

use crate::plan::Plan;
use ipvm_ipld::{Cid, Ipld, Limits, MAX_BLOCK_BYTES, MAX_DEPTH, cbor, links_of_value};
use ipvm_ucan::promise::Await;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What makes a step secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taint {
    /// It says so, or the workflow's defaults do.
    Declared,
    /// Its command makes it so: see [`makes_secret`](crate::makes_secret).
    Command,
    /// It awaits this step.
    Step(u32),
    /// It awaits this task of another workflow.
    Task(Cid),
    /// It names this content.
    Content(Cid),
    /// This step, which says so, has the same task.
    Twin(u32),
}

/// What is known to be secret outside a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Tasks of other workflows.
    pub tasks: HashSet<Cid>,
    /// Content.
    pub content: HashSet<Cid>,
}

/// The secret steps of a workflow, and what makes each of them so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrecy(BTreeMap<u32, Taint>);

/// A step says that it is not secret, but something secret goes into it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task `{label}` says `secret: false`, but {because}")]
pub struct NotOpen {
    /// The step.
    pub label: String,
    /// What makes it secret, in words.
    pub because: String,
}

impl Secrecy {
    /// Whether a step is secret.
    #[must_use]
    pub fn has(&self, step: u32) -> bool {
        self.0.contains_key(&step)
    }

    /// What makes a step secret, if it is.
    #[must_use]
    pub fn taint(&self, step: u32) -> Option<&Taint> {
        self.0.get(&step)
    }

    /// Whether no step is secret.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret steps, ascending.
    pub fn steps(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.keys().copied()
    }
}

impl Plan {
    /// Whether a step is said to be secret or not: by itself, else by the workflow's defaults.
    fn said(&self, step: u32) -> Option<bool> {
        let defaults = self.head().defaults.as_ref();
        let own = self.says_secret().get(&step).copied();
        own.or_else(|| defaults.and_then(|config| config.secret))
    }

    /// Whether any step is secret by itself: said to be, or by its command.
    #[must_use]
    pub fn declares_secrets(&self) -> bool {
        let defaults = self.head().defaults.as_ref();
        defaults.is_some_and(|config| config.secret == Some(true))
            || self.says_secret().values().any(|secret| *secret)
            || !self.gives_secret().is_empty()
    }

    /// The secret steps.
    ///
    /// # Errors
    /// A step says that it is not secret, and is.
    pub fn secrecy(&self, known: &Secrets) -> Result<Secrecy, NotOpen> {
        let mut found = Secrecy::default();
        if !self.declares_secrets() && known.tasks.is_empty() && known.content.is_empty() {
            return Ok(found);
        }
        let graph = self.graph();
        let mut declared: HashMap<u32, u32> = HashMap::new();
        for step in 0..self.len() as u32 {
            if self.said(step) == Some(true) {
                declared.entry(graph.twin(step)).or_insert(step);
            }
        }
        for step in graph.order() {
            let Some(taint) = self.taint_of(step, known, &found, &declared) else {
                continue;
            };
            if self.said(step) == Some(false) {
                return Err(NotOpen {
                    label: self.label(step).unwrap_or_default().to_owned(),
                    because: self.words_for(&taint),
                });
            }
            found.0.insert(step, taint);
        }
        Ok(found)
    }

    fn taint_of(
        &self,
        step: u32,
        known: &Secrets,
        found: &Secrecy,
        declared: &HashMap<u32, u32>,
    ) -> Option<Taint> {
        if self.said(step) == Some(true) {
            return Some(Taint::Declared);
        }
        if self.gives_secret().binary_search(&step).is_ok() {
            return Some(Taint::Command);
        }
        let graph = self.graph();
        if let Some(on) = graph.deps(step).iter().find(|on| found.has(**on)) {
            return Some(Taint::Step(*on));
        }
        let mut external = graph.external(step).iter();
        if let Some(task) = external.find(|task| known.tasks.contains(task)) {
            return Some(Taint::Task(*task));
        }
        if !known.content.is_empty() {
            let mut content = self.content_of(step).into_iter();
            if let Some(cid) = content.find(|cid| known.content.contains(cid)) {
                return Some(Taint::Content(cid));
            }
        }
        declared.get(&graph.twin(step)).map(|on| Taint::Twin(*on))
    }

    /// The content that the arguments of a step name: its links, but for those in promises.
    #[must_use]
    pub fn content_of(&self, step: u32) -> Vec<Cid> {
        let Some(task) = self.task(step) else {
            return Vec::new();
        };
        let limits = Limits {
            bytes: MAX_BLOCK_BYTES,
            depth: MAX_DEPTH,
        };
        let args = cbor::decode_mapped(task.args, limits, |map| match Await::from_map(&map) {
            Ok(Some(_)) => Ipld::Null,
            _ => Ipld::Map(map),
        });
        args.map_or_else(|_| Vec::new(), |args| links_of_value(&args))
    }

    /// What makes a step secret, in words that go on after "it is secret: ".
    #[must_use]
    pub fn words_for(&self, taint: &Taint) -> String {
        let label = |step: &u32| self.label(*step).unwrap_or_default().to_owned();
        match taint {
            Taint::Declared => "it says so".to_owned(),
            Taint::Command => "its command gives a secret".to_owned(),
            Taint::Step(on) => format!("it awaits `{}`, which is secret", label(on)),
            Taint::Task(_) => "it awaits a secret task of another workflow".to_owned(),
            Taint::Content(_) => "it names content that is secret in this home".to_owned(),
            Taint::Twin(on) => format!("`{}` is the same task and says `secret: true`", label(on)),
        }
    }
}
