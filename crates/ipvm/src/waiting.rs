//! Waiting for what others do: a result that another process brings into this home, and the home itself while another
//! process writes there. The home is not held meanwhile.

use crate::context::{self, Context};
use crate::fault::Fault;
use crate::ui::human::counted;
use ipvm_ipld::Cid;
use ipvm_node::{Cancel, Node, NodeError};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often is looked whether another process brought a result: the store is the only word between them.
const LOOK: Duration = Duration::from_millis(200);
/// Longest wait, in seconds: a year.
pub(crate) const MAX_SECONDS: u64 = 365 * 24 * 60 * 60;

/// For how long somebody is ready to wait.
pub(crate) struct Patience {
    seconds: u64,
    until: Instant,
    cancel: Cancel,
}

impl Patience {
    /// From now on, if somebody is ready to wait at all.
    pub(crate) fn of(seconds: Option<u64>, cancel: &Cancel) -> Option<Self> {
        seconds.map(|seconds| Self {
            seconds,
            until: Instant::now() + Duration::from_secs(seconds),
            cancel: cancel.clone(),
        })
    }

    /// The node for writing, as soon as no other process writes.
    pub(crate) fn writer(&self, context: &Context) -> anyhow::Result<Node> {
        let (bell, _told) = bell(&self.cancel);
        loop {
            match context.writer() {
                Err(error) if context::is_locked(&error) => {
                    if !self.pause(&bell)? {
                        return Err(error);
                    }
                }
                opened => return opened,
            }
        }
    }

    /// Waits until each of these tasks has a result here that counts.
    pub(crate) fn wait_for(
        &self,
        context: &Context,
        tasks: &[Cid],
        for_owner: bool,
    ) -> anyhow::Result<()> {
        let (bell, _told) = bell(&self.cancel);
        let node = context.reader()?;
        let mut told = false;
        while let Some(unmet) = node.first_unmet(tasks, for_owner)? {
            if !told && let NodeError::Unmet { task, .. } = &unmet {
                let time = counted(self.seconds, "second");
                context.note(&format!(
                    "waiting for the result of {task}, {time} at most …"
                ));
                told = true;
            }
            if !self.pause(&bell)? {
                return Err(self.given_up(&unmet));
            }
        }
        Ok(())
    }

    /// Whether there is time left.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// The end of waiting for a result.
    pub(crate) fn given_up(&self, unmet: &NodeError) -> anyhow::Error {
        let time = counted(self.seconds, "second");
        Fault::failed(
            format!("{unmet}; waited {time} for it"),
            "nothing was begun: run its workflow, or `ipvm ucan import` the answer that has its receipt, then give the same \
             command again",
        )
        .into()
    }

    /// Lets some time pass; false when there is none left.
    fn pause(&self, bell: &Receiver<()>) -> anyhow::Result<bool> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        match bell.recv_timeout(left.min(LOOK)) {
            Err(RecvTimeoutError::Timeout) => Ok(true),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(NodeError::Interrupted.into()),
        }
    }
}

/// What rings when the user interrupts, as long as the second value is held.
fn bell(cancel: &Cancel) -> (Receiver<()>, impl Sized) {
    let (ring, rung) = channel();
    let told = cancel.when_set(move || {
        let _ = ring.send(());
    });
    (rung, told)
}
