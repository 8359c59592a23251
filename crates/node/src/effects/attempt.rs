//! Attempts at one effect: with the accounts that serve its subject, one after another, and two at once where that is
//! wanted and does no harm.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ipvm_effects::{Content, Fault, Kind, Limits, Probe, Request, provider_for};
use ipvm_ipld::{Cid, Ipld};
use ipvm_scheduler::effort::{Attempt, Probed};
use ipvm_ucan::{Command, Did};
use ipvm_workflow::{Class, Failure};

use super::accounts::Serving;
use super::drive::{attempt_of, probed_of};
use crate::crew::Work;
use crate::scribe::Scribe;
use crate::{Node, NodeError};

/// Shortest time that an attempt is given, however many are to fit.
const SHORTEST: Duration = Duration::from_secs(1);

/// A question of a provider while it performs.
type Asking<'a> = &'a (dyn Fn() -> bool + Sync);
/// What is asked when a request to the account of this name is about to leave; false holds it back.
pub(super) type Leaving<'a> = &'a (dyn Fn(&str) -> bool + Sync);

/// What the last attempt, or the last probe, gave.
pub(super) enum Last {
    Value(Ipld),
    Fault(Fault),
}

/// The attempts at one effect.
pub(super) struct Attempts {
    kind: Kind,
    command: Command,
    class: Class,
    /// The accounts that serve the subject, in the order in which they are tried.
    accounts: Vec<Serving>,
    /// Which of them is next.
    at: usize,
    deadline: Duration,
    /// For one attempt.
    time: Duration,
    secret: bool,
    last: Option<Last>,
}

impl Attempts {
    /// Finds out who performs an effect; why nobody does, if nobody does.
    pub(super) fn new(
        node: &Node,
        scribe: &Scribe<'_>,
        (subject, command): (&Did, &Command),
        work: &Work,
        deadline: Duration,
    ) -> Result<Result<Self, Failure>, NodeError> {
        let refused = |kind: &str, message: String| {
            Ok(Err(Failure::Refused {
                kind: kind.to_owned(),
                message,
            }))
        };
        if let Err(message) = super::offered(command, &work.args) {
            return Ok(Err(Failure::NotOffered { message }));
        }
        let Some(kind) = provider_for(command, &work.args) else {
            let message = format!("{command} needs the argument `uri`, with text");
            return Ok(Err(Failure::NotOffered { message }));
        };
        let accounts = node.serving(kind, subject, &work.args)?;
        let Some(first) = accounts.first() else {
            let message = format!(
                "no account serves {command} on {kind} for {subject}; add one with `ipvm provider add NAME {kind} --subject \
                 {subject}`"
            );
            return refused("no account", message);
        };
        let provider = node.effects().provider(kind);
        let Some(class) = provider.class(command, &first.account) else {
            let message = format!(
                "{command} is not offered on {kind} with the account {:?}",
                first.name
            );
            return refused("not offered", message);
        };
        let tries = u32::try_from(work.limits.retry).unwrap_or(u32::MAX);
        let time = (deadline / tries.saturating_add(1))
            .max(SHORTEST)
            .min(deadline);
        Ok(Ok(Self {
            kind,
            command: command.clone(),
            class,
            accounts,
            at: 0,
            deadline,
            time,
            secret: scribe.is_secret(),
            last: None,
        }))
    }

    pub(super) fn class(&self) -> Class {
        self.class
    }

    /// Goes on with the account of an earlier effort; false if it is gone.
    pub(super) fn use_account(&mut self, name: Option<&str>) -> bool {
        let Some(name) = name else { return true };
        let at = self
            .accounts
            .iter()
            .position(|serving| serving.name == name);
        self.at = at.unwrap_or(self.at);
        at.is_some()
    }

    /// Makes an attempt, `now` milliseconds after the beginning. `may_move` says whether the next may be made with another
    /// account, should nothing be done in this one.
    pub(super) fn perform(
        &mut self,
        node: &Node,
        work: &Work,
        now: u64,
        may_move: bool,
        leaving: Leaving<'_>,
    ) -> Attempt {
        let left = self.deadline.saturating_sub(Duration::from_millis(now));
        let time = self.time.min(left.max(SHORTEST));
        let hedge = self.account().and_then(|serving| serving.hedge);
        let last = match hedge.filter(|_| self.class.may_race()) {
            Some(hedge) => self.hedged(node, work, time, hedge),
            None => {
                let stop = || work.order.stop.is_cancelled();
                self.once(node, work, self.at, time, (&stop, leaving))
            }
        };
        let attempt = attempt_of(&last);
        // Where nothing was done, another server may do better; where something may have been, only the same one knows.
        let moves = matches!(attempt, Attempt::NotDone { .. }) && may_move
            || (attempt == Attempt::Unknown && self.class.may_race());
        if moves {
            self.at = (self.at + 1) % self.accounts.len().max(1);
        }
        self.last = Some(last);
        attempt
    }

    /// Asks the far side whether an earlier attempt was done.
    pub(super) fn probe(&mut self, node: &Node, work: &Work) -> Probed {
        let stop = || work.order.stop.is_cancelled();
        let Some(serving) = self.account() else {
            return Probed::Unknown;
        };
        let content = Linked {
            node,
            secret: self.secret,
        };
        // A question changes nothing.
        let request = self.request(serving, work, self.time, (&content, &stop, &|| true));
        let probe = node.effects().provider(self.kind).probe(&request);
        let probed = probed_of(&probe);
        if let Ok(Probe::Done(value)) = probe {
            self.last = Some(Last::Value(value));
        }
        probed
    }

    pub(super) fn into_last(self) -> Option<Last> {
        self.last
    }

    /// Why it is not known whether the effect was done; `before` is what an earlier effort said of it.
    pub(super) fn doubt(&self, before: Option<&str>) -> String {
        match (&self.last, before) {
            (Some(Last::Fault(fault)), _) => fault.to_string(),
            (_, Some(reason)) => reason.to_owned(),
            _ => "it was begun by a process that ended before it could say what came of it"
                .to_owned(),
        }
    }

    fn account(&self) -> Option<&Serving> {
        self.accounts.get(self.at)
    }

    fn request<'a>(
        &'a self,
        serving: &'a Serving,
        work: &'a Work,
        time: Duration,
        (content, cancel, leaving): (&'a dyn Content, Asking<'a>, Asking<'a>),
    ) -> Request<'a> {
        Request {
            task: &work.ran,
            command: &self.command,
            args: &work.args,
            account: &serving.account,
            limits: Limits {
                time,
                output: work.limits.output,
            },
            content,
            cancel,
            leaving,
        }
    }

    fn once(
        &self,
        node: &Node,
        work: &Work,
        at: usize,
        time: Duration,
        (cancel, leaving): (Asking<'_>, Leaving<'_>),
    ) -> Last {
        let Some(serving) = self.accounts.get(at) else {
            return Last::Fault(Fault::Cancelled);
        };
        let content = Linked {
            node,
            secret: self.secret,
        };
        let leaving = || leaving(&serving.name);
        let request = self.request(serving, work, time, (&content, cancel, &leaving));
        match node.effects().provider(self.kind).perform(&request) {
            Ok(value) => Last::Value(value),
            Err(fault) => Last::Fault(fault),
        }
    }

    /// Two attempts at what changes nothing, of which the second begins when the first is late: the first answer counts, and the other attempt is
    /// broken off. The second goes to the next account, if there are several.
    fn hedged(&self, node: &Node, work: &Work, time: Duration, after: Duration) -> Last {
        let won = AtomicBool::new(false);
        let cancel = || won.load(Ordering::SeqCst) || work.order.stop.is_cancelled();
        let (answer, answers) = channel();
        let second = (self.at + 1) % self.accounts.len().max(1);
        thread::scope(|scope| {
            let attempt = |at: usize| {
                let (answer, cancel) = (answer.clone(), &cancel);
                scope.spawn(move || {
                    // Whoever waits has had enough.
                    let _ = answer.send(self.once(node, work, at, time, (cancel, &|_| true)));
                });
            };
            attempt(self.at);
            let mut last = match answers.recv_timeout(after) {
                Ok(last) => return last,
                Err(_) => {
                    attempt(second);
                    None
                }
            };
            for _ in 0..2 {
                let Ok(next) = answers.recv() else { break };
                let is_answer = matches!(attempt_of(&next), Attempt::Answered | Attempt::Failed);
                last = Some(next);
                if is_answer {
                    break;
                }
            }
            won.store(true, Ordering::SeqCst);
            last.unwrap_or(Last::Fault(Fault::Cancelled))
        })
    }
}

/// The store as the source of content that a request sends.
struct Linked<'a> {
    node: &'a Node,
    secret: bool,
}

impl Content for Linked<'_> {
    fn read(&self, cid: &Cid, limit: u64) -> Result<Vec<u8>, String> {
        self.node
            .bytes_for(cid, limit, self.secret)
            .map_err(|error| error.to_string())
    }

    fn block(&self, cid: &Cid) -> Result<Vec<u8>, String> {
        self.node
            .block_for(cid, self.secret)
            .map_err(|error| error.to_string())
    }
}
