//! What a verified invocation has the right to.

use super::{Kind, Refusal};
use crate::command::Command;
use crate::delegation::Delegation;
use crate::did::Did;
use crate::invocation::Invocation;
use crate::policy::Policy;
use crate::time::utc;
use ipvm_ipld::{Cid, Ipld};

/// What a verified invocation has the right to: exactly what it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The command.
    pub cmd: Command,
    /// On whose resources.
    pub sub: Did,
    /// Who asks.
    pub iss: Did,
    /// Who is asked.
    pub aud: Did,
    /// When the right begins, in seconds since the epoch: the latest beginning of the chain. `None`: it always was.
    pub nbf: Option<i64>,
    /// When the right ends, in seconds since the epoch: the earliest end of the chain. `None`: never.
    pub exp: Option<i64>,
    /// Who passed the right on, from the subject to the one before the invoker.
    pub via: Vec<Did>,
    /// The delegations that ask something of the args: position in the chain, CID, policy.
    pub policies: Vec<(usize, Cid, Policy)>,
    /// Whether a policy depends on promises in the args, so that [`Capability::recheck`] decides.
    pub pending: bool,
}

impl Capability {
    pub(super) fn new(
        invocation: &Invocation,
        chain: &[Delegation],
        nbf: Option<i64>,
        exp: Option<i64>,
        pending: bool,
    ) -> Self {
        let payload = invocation.payload();
        let asks = |(i, link): (usize, &Delegation)| {
            let policy = &link.payload().pol;
            (!policy.is_empty()).then(|| (i, link.cid(), policy.clone()))
        };
        Self {
            cmd: payload.cmd.clone(),
            sub: payload.sub.clone(),
            iss: payload.iss.clone(),
            aud: payload.audience().clone(),
            nbf,
            exp,
            via: chain
                .iter()
                .map(|link| link.payload().iss.clone())
                .collect(),
            policies: chain.iter().enumerate().filter_map(asks).collect(),
            pending,
        }
    }

    /// Checks the policies of the chain again, on args whose promises were all replaced (wire-formats, "Validation" 9): a
    /// promise cannot bring in what a policy forbids. To be done directly before execution.
    ///
    /// # Errors
    /// The first policy that is not met.
    pub fn recheck(&self, resolved_args: &Ipld) -> Result<(), Refusal> {
        for (i, cid, policy) in &self.policies {
            if let Err(not_met) = policy.check_resolved(resolved_args) {
                return Err(Refusal {
                    kind: if not_met.too_large {
                        Kind::TooLarge
                    } else {
                        Kind::MatchError
                    },
                    link: Some(*i),
                    cid: Some(Box::new(*cid)),
                    field: Some("pol"),
                    message: format!(
                        "delegation {i} of the chain, with promises resolved: {not_met}"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Who may do what on whose behalf until when under which conditions, in plain words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { cmd, sub, iss, .. } = self;
        let mut words = if iss == sub {
            format!("{iss} may do {cmd} with what is its own")
        } else {
            format!("{iss} may do {cmd} on behalf of {sub}")
        };
        if self.aud != *sub {
            words.push_str(&format!(", by asking {}", self.aud));
        }
        match self.exp {
            Some(exp) => words.push_str(&format!(", until {}", utc(exp))),
            None => words.push_str(", without an end"),
        }
        if let [_, between @ ..] = self.via.as_slice()
            && !between.is_empty()
        {
            let names: Vec<_> = between.iter().map(Did::as_str).collect();
            words.push_str(&format!(", passed on by {}", names.join(", ")));
        }
        for (i, (_, _, policy)) in self.policies.iter().enumerate() {
            let lead = if i == 0 {
                ", provided that "
            } else {
                "; and that "
            };
            words.push_str(lead);
            words.push_str(&policy.in_words());
        }
        if self.pending {
            words.push_str(" (part of this is known only when what is awaited is there)");
        }
        words
    }
}
