//! One effect, from the question whether it is allowed to its receipt, or to a doubt.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipvm_effects::{Fault, Probe};
use ipvm_ipld::{Block, Cid};
use ipvm_scheduler::effort::{Action, Attempt, Effort, Happened, Patience, Probed};
use ipvm_store::{Batch, Intent};
use ipvm_ucan::{Delegation, Invocation, Outcome, verify_in};
use ipvm_workflow::{Failure, TaskParts};

use super::attempt::{Attempts, Last};
use super::local;
use super::refusals::NO_CAPABILITY;
use crate::crew::{Shared, Work};
use crate::home::fill_random;
use crate::scribe::{Entry, Scribe};
use crate::worker::{awaited_by, spill};
use crate::{Node, NodeError};

/// How an effort ended.
enum End {
    /// With a result, or an error that is one.
    Result(Outcome),
    /// Nothing was done, and nobody wants it any more.
    Abandoned,
    /// It is not known whether it was done.
    Doubt(String),
}

/// Performs the effect of a step to its end. The run is told what came of it.
pub(crate) fn perform(node: &Node, shared: &Arc<Shared>, work: Work) -> Result<(), NodeError> {
    let (run, step, order) = (work.run, work.step, Arc::clone(&work.order));
    let scribe = Scribe {
        node,
        shared,
        order: &order,
        run,
        step,
    };
    let started = node.now();
    let clock = Instant::now();
    let mut performance = Performance::new(node, scribe, work, started)?;
    // A version that is read must still be there when the next one is written.
    let alone = local::changes_values(&performance.task()?.cmd).then(|| node.alone_with_values());
    let end = match performance.refused()? {
        Some(refusal) => performance.not_begun(&refusal),
        None => performance.carry_out()?,
    };
    let ran = performance.work.ran;
    match end {
        End::Abandoned => {
            performance.forget()?;
            shared.abandoned(run, step);
        }
        End::Doubt(reason) => {
            let account = performance.noted().account.take();
            performance.note(account, Some(reason.clone()))?;
            failpoint!("effect.doubted");
            shared.doubted(run, step, reason);
        }
        End::Result(out) => {
            let (out, blocks) = spill(out);
            let took = i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX);
            let entry = Entry {
                out,
                blocks,
                log: None,
                computation: None,
                run: None,
                memo: None,
                because: None,
                fuel: 0,
                started,
                took,
            };
            let effect = performance.settled();
            failpoint!("effect.ended");
            let computed = scribe.write_effect(ran, entry, performance.invocation, effect)?;
            shared.computed_elsewhere(computed);
            if alone.is_some() {
                // Commits are made in turn: the change is durable when this returns.
                node.store().commit(Batch::new())?;
            }
        }
    }
    Ok(())
}

/// An effect under way.
struct Performance<'a> {
    node: &'a Node,
    scribe: Scribe<'a>,
    work: Work,
    /// The request, signed.
    invocation: Block,
    /// When it began, in seconds since the epoch.
    started: i64,
    /// The name under which its intent is kept.
    name: Cid,
    /// The note of an earlier effort.
    left: Option<Intent>,
    noted: Mutex<Noted>,
    /// Changes of the store that belong to its receipt.
    settled: Batch,
}

/// What the note of the intent says.
#[derive(Default)]
struct Noted {
    is_durable: bool,
    /// With which account it is done.
    account: Option<String>,
    /// Why it could not be written: nothing has left.
    failed: Option<NodeError>,
}

impl<'a> Performance<'a> {
    fn new(
        node: &'a Node,
        scribe: Scribe<'a>,
        work: Work,
        started: i64,
    ) -> Result<Self, NodeError> {
        let name = match scribe.is_secret() {
            true => node.vault()?.name(&work.ran),
            false => work.ran,
        };
        let left = node.store().intent(&name)?;
        let noted = Noted {
            is_durable: left.is_some(),
            account: left.as_ref().and_then(|left| left.account.clone()),
            failed: None,
        };
        Ok(Self {
            invocation: scribe.invocation(started)?,
            node,
            scribe,
            work,
            started,
            name,
            left,
            noted: Mutex::new(noted),
            settled: Batch::new(),
        })
    }

    /// What follows where it cannot be begun: an error, unless an earlier effort may have done it.
    fn not_begun(&self, why: &Failure) -> End {
        match self.left {
            None => End::Result(Outcome::Error(why.to_ipld())),
            Some(_) => End::Doubt(format!(
                "an earlier attempt may have done it, and now: {why}"
            )),
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn task(&self) -> Result<TaskParts<'_>, NodeError> {
        let task = self.work.order.plan.task(self.work.step);
        task.ok_or_else(|| NodeError::Internal("an effect of no step".into()))
    }

    /// Why it is not allowed, directly before it is done (wire-formats, "Validation", steps 5 to 9): what was valid when the
    /// run began may have ended or been revoked since, and what a promise brought in was not known then.
    fn refused(&self) -> Result<Option<Failure>, NodeError> {
        let node = self.node;
        let order = &self.work.order;
        let warrant = order.mandate.warrant(self.work.step);
        if let Some(message) = warrant.and_then(|warrant| warrant.refusal.clone()) {
            return Ok(Some(Failure::Refused {
                kind: NO_CAPABILITY.to_owned(),
                message,
            }));
        }
        let checked = match warrant {
            None => self.verify(std::slice::from_ref(&node.keys().delegation)),
            Some(warrant) => {
                let awaited = awaited_by(order, self.work.step);
                let verified = match warrant.invocation {
                    // Verified when it was admitted, with the proofs that came along.
                    Some(_) => Ok(()),
                    None => self.verify(&warrant.proofs),
                };
                verified.and_then(|()| warrant.check(node, &awaited, &self.work.args))
            }
        };
        match checked {
            Ok(()) => Ok(None),
            Err(NodeError::Refused(refusal)) => Ok(Some(Failure::Refused {
                kind: refusal.kind.to_string(),
                message: refusal.message,
            })),
            Err(error) => Err(error),
        }
    }

    fn verify(&self, proofs: &[Delegation]) -> Result<(), NodeError> {
        let invocation = Invocation::decode(self.invocation.data())?;
        let find = |cid: &Cid| proofs.iter().find(|proof| proof.cid() == *cid).cloned();
        self.node
            .in_context(self.started, |context| {
                verify_in(&invocation, &find, context)
            })?
            .map(drop)
            .map_err(NodeError::from)
    }

    fn carry_out(&mut self) -> Result<End, NodeError> {
        let task = self.task()?;
        let (subject, command) = (task.sub, task.cmd);
        if local::is_local(&command) {
            let out = local::perform(
                self.node,
                (&subject, &command, &self.work.args),
                self.scribe.is_secret(),
                &mut self.settled,
            )?;
            return Ok(End::Result(out));
        }
        let deadline = Duration::from_millis(self.work.limits.time);
        let attempts = Attempts::new(
            self.node,
            &self.scribe,
            (&subject, &command),
            &self.work,
            deadline,
        )?;
        match attempts {
            Ok(attempts) => self.effort(attempts, deadline),
            Err(failure) => Ok(self.not_begun(&failure)),
        }
    }

    /// Does what the effort says until it is over.
    fn effort(&mut self, mut attempts: Attempts, deadline: Duration) -> Result<End, NodeError> {
        let patience = Patience {
            retries: u32::try_from(self.work.limits.retry).unwrap_or(u32::MAX),
            deadline: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        };
        let mut effort = Effort::new(attempts.class(), patience, self.left.is_some());
        if let Some(left) = &self.left
            && !attempts.use_account(left.account.as_deref())
        {
            let account = left.account.as_deref().unwrap_or_default();
            return Ok(End::Doubt(format!(
                "an earlier attempt with the account {account:?} may have done it, and that account is gone"
            )));
        }
        let clock = Instant::now();
        let now = || u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut action = effort.begin(0);
        loop {
            let happened = match action {
                Action::Perform => {
                    let needs_note = effort.needs_note();
                    let leaving = |account: &str| !needs_note || self.leaving(account);
                    let (now, may_move) = (now(), effort.may_move());
                    let attempt = attempts.perform(self.node, &self.work, now, may_move, &leaving);
                    failpoint!("effect.performed");
                    if let Some(error) = self.noted().failed.take() {
                        return Err(error);
                    }
                    Happened::Attempted(attempt)
                }
                Action::Probe => {
                    let probed = attempts.probe(self.node, &self.work);
                    failpoint!("effect.probed");
                    Happened::Probed(probed)
                }
                Action::Wait(wait) => self.wait(Duration::from_millis(wait)),
                Action::End => {
                    let last = attempts.into_last();
                    return Ok(End::Result(outcome(last, effort.attempts())));
                }
                Action::GiveUp => return Ok(End::Abandoned),
                Action::Doubt => {
                    let before = self.left.as_ref().and_then(|left| left.doubt.as_deref());
                    return Ok(End::Doubt(attempts.doubt(before)));
                }
            };
            let mut jitter = [0; 4];
            fill_random(&mut jitter)?;
            action = effort.after(happened, now(), u32::from_le_bytes(jitter));
        }
    }

    /// Waits between attempts, unless the run is stopped.
    fn wait(&self, time: Duration) -> Happened {
        let (stop, stopped) = channel();
        let _told = self.work.order.stop.when_set(move || {
            // Whoever waits has had enough.
            let _ = stop.send(());
        });
        match stopped.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Happened::Waited,
            _ => Happened::Stopped,
        }
    }

    /// Makes sure that the note on the disk names the account that is asked, directly before the request leaves; false if it
    /// must not leave.
    fn leaving(&self, account: &str) -> bool {
        if self.work.order.stop.is_cancelled() {
            return false;
        }
        failpoint!("effect.leaving");
        let mut noted = self.noted();
        if noted.is_durable && noted.account.as_deref() == Some(account) {
            return true;
        }
        match self.note(Some(account.to_owned()), None) {
            Ok(()) => {
                noted.is_durable = true;
                noted.account = Some(account.to_owned());
                failpoint!("effect.noted");
            }
            Err(error) => noted.failed = Some(error),
        }
        noted.failed.is_none()
    }

    /// Makes the intent durable, with the request that it is about.
    fn note(&self, account: Option<String>, doubt: Option<String>) -> Result<(), NodeError> {
        let mut batch = Batch::new();
        self.scribe.keep_invocation(&mut batch, &self.invocation)?;
        batch.intend(Intent {
            task: self.name,
            run: self.work.order.run,
            index: self.work.step,
            since: self.started,
            account,
            doubt,
        });
        Ok(self.node.store().commit(batch)?)
    }

    /// What belongs to the end of it: its changes, and that the note is taken back.
    fn settled(&mut self) -> Batch {
        let mut settled = std::mem::take(&mut self.settled);
        if self.noted().is_durable {
            settled.settle(self.name);
        }
        settled
    }

    /// Takes the intent back: nothing was done.
    fn forget(&mut self) -> Result<(), NodeError> {
        let settled = self.settled();
        match settled.is_empty() {
            true => Ok(()),
            false => Ok(self.node.store().commit(settled)?),
        }
    }
}

/// What the receipt says of the last attempt.
fn outcome(last: Option<Last>, attempts: u32) -> Outcome {
    let attempts = u64::from(attempts);
    let failure = match last {
        Some(Last::Value(value)) => return Outcome::Ok(value),
        Some(Last::Fault(Fault::Failed(problem))) => return Outcome::Error(problem.to_ipld()),
        Some(Last::Fault(Fault::Refused(problem))) => Failure::Refused {
            kind: problem.reason.to_owned(),
            message: match problem.reason {
                "private address" => format!(
                    "{}: `ipvm provider add NAME KIND --allow-private HOST:PORT`",
                    problem.message
                ),
                _ => problem.message,
            },
        },
        Some(Last::Fault(Fault::NotDone(problem, _))) => Failure::NotDone {
            cause: problem.reason.to_owned(),
            message: problem.message,
            attempts,
        },
        Some(Last::Fault(Fault::Unknown(problem))) => Failure::NoAnswer {
            cause: problem.reason.to_owned(),
            message: problem.message,
            attempts,
        },
        Some(Last::Fault(Fault::Cancelled)) | None => Failure::Cancelled,
    };
    Outcome::Error(failure.to_ipld())
}

/// How an attempt ended, as far as it matters for what follows.
pub(super) fn attempt_of(last: &Last) -> Attempt {
    match last {
        Last::Value(_) => Attempt::Answered,
        Last::Fault(Fault::Refused(_) | Fault::Failed(_)) => Attempt::Failed,
        Last::Fault(Fault::NotDone(_, wait)) => Attempt::NotDone {
            wait: wait.map_or(0, |wait| {
                u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
            }),
        },
        Last::Fault(Fault::Unknown(_)) => Attempt::Unknown,
        Last::Fault(Fault::Cancelled) => Attempt::Cancelled,
    }
}

/// What a probe found out, as far as it matters for what follows.
pub(super) fn probed_of(probe: &Result<Probe, Fault>) -> Probed {
    match probe {
        Ok(Probe::Done(_)) => Probed::Done,
        Ok(Probe::NotDone) => Probed::NotDone,
        Ok(Probe::Unknown) | Err(Fault::Refused(_) | Fault::Failed(_)) => Probed::Unknown,
        Err(Fault::NotDone(..) | Fault::Unknown(_) | Fault::Cancelled) => Probed::Unreachable,
    }
}
