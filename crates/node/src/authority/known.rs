//! What this home knows of rights: delegations, revocations, and the keys it had before.

use std::sync::{PoisonError, RwLock};

use ipvm_ipld::Cid;
use ipvm_store::{Batch, Former, NewToken, Role};
use ipvm_ucan::{
    Context, Delegation, DelegationStore, Did, DocumentCache, KeyResolver, MemoryStore, Purpose,
    Revocation, Revocations, Token, VerifiedRevocation, Verifier, Versions,
};

use super::chain::path_of;
use super::documents::Document;
use crate::scribe::token;
use crate::{Node, NodeError};

/// By how much clocks may differ, in seconds.
pub(crate) const SKEW_SECONDS: i64 = ipvm_ucan::DEFAULT_SKEW;
/// Most delegations and revocations that a home keeps.
pub(crate) const MAX_TOKENS: usize = 1 << 16;
/// Tokens read at a time.
const PAGE: usize = 1024;

/// What is known, once it was read; and the memory of the verifier.
#[derive(Default)]
pub(crate) struct Authority {
    pub(crate) verifier: Verifier,
    known: RwLock<Option<Known>>,
}

/// What a home knows of rights.
#[derive(Default)]
pub(crate) struct Known {
    /// In the order in which they came.
    pub(crate) delegations: Vec<(Delegation, i64)>,
    pub(crate) revocations: Revocations,
    pub(crate) revoked: Vec<Revocation>,
    pub(crate) former: Vec<Former>,
    /// The keys of `did:web` principals.
    pub(crate) documents: DocumentCache,
    /// The same delegations, by audience.
    pub(crate) pool: MemoryStore,
}

/// Whether a right can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It can.
    Valid,
    /// Not yet.
    Early,
    /// No longer.
    Expired,
    /// Somebody who gave it took it back.
    Revoked,
    /// Whoever gave it is a `did:web` whose document is not here, or too old.
    NoKeys,
}

impl State {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Early => "not yet valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::NoKeys => "issuer's keys unknown",
        }
    }
}

/// A delegation that this home keeps.
#[derive(Clone, Debug)]
pub struct HeldToken {
    /// The delegation.
    pub delegation: Delegation,
    /// Since when it is here, in seconds since the epoch.
    pub since: i64,
    /// Whether it can be used, as far as it decides itself.
    pub state: State,
}

impl Known {
    /// Takes in a delegation.
    fn delegation(&mut self, delegation: Delegation, since: i64) {
        if self.pool.insert(delegation.clone()) {
            self.revocations.note(&delegation);
            self.delegations.push((delegation, since));
        }
    }

    /// Takes in a revocation; whether it is new.
    fn revocation(&mut self, revocation: &VerifiedRevocation) -> Result<bool, NodeError> {
        let is_new = self.revocations.insert(revocation)?;
        if is_new {
            let revocation = revocation.revocation().clone();
            if let Some(delegation) = self.pool.get(&revocation.payload().revoke) {
                self.revocations.note(&delegation);
            }
            self.revoked.push(revocation);
        }
        Ok(is_new)
    }

    /// The circumstances of a verification at a time.
    pub(crate) fn context(&self, at: i64) -> Context<'_> {
        Context::at(at)
            .skew(SKEW_SECONDS)
            .revocations(&self.revocations)
            .resolver(&self.documents)
    }

    /// Whether a delegation can be used at a time, as far as it decides itself.
    pub(crate) fn state(&self, delegation: &Delegation, at: i64) -> State {
        let payload = delegation.payload();
        if self.is_revoked(delegation) {
            return State::Revoked;
        }
        if payload
            .exp
            .is_some_and(|exp| exp.saturating_add(SKEW_SECONDS) < at)
        {
            return State::Expired;
        }
        match payload.nbf {
            Some(nbf) if nbf.saturating_sub(SKEW_SECONDS) > at => State::Early,
            _ if self.has_keys(&payload.iss, at) => State::Valid,
            _ => State::NoKeys,
        }
    }

    /// Whether the keys of an issuer are known at a time.
    fn has_keys(&self, issuer: &Did, at: i64) -> bool {
        let keys = || self.documents.keys(issuer, Purpose::Delegate, at);
        issuer.key().is_some() || keys().is_ok()
    }

    /// Whether an issuer at or above a delegation revoked it, whichever way one looks up from it, as far as that is known.
    fn is_revoked(&self, delegation: &Delegation) -> bool {
        let Some(revokers) = self.revocations.of(&delegation.cid()) else {
            return false;
        };
        let by_revoker = |link: &Delegation| revokers.contains_key(&link.payload().iss);
        if by_revoker(delegation) {
            return true;
        }
        let none = MemoryStore::default();
        path_of(self, &none, delegation, &by_revoker).is_none()
            && path_of(self, &none, delegation, &|_| false).is_some()
    }

    /// Principals that this home was before.
    pub(crate) fn former(&self, role: Role) -> impl Iterator<Item = &str> {
        let of_role = self.former.iter().filter(move |former| former.role == role);
        of_role.map(|former| former.did.as_str())
    }
}

/// Delegations from two places.
pub(crate) struct Both<'a>(pub(crate) &'a MemoryStore, pub(crate) &'a MemoryStore);

impl DelegationStore for Both<'_> {
    fn delegations(&self, audience: &Did, subject: &Did) -> Vec<Delegation> {
        let mut found = self.0.delegations(audience, subject);
        found.extend(self.1.delegations(audience, subject));
        found
    }
}

impl Node {
    /// Reads what is known, if that was not done yet, and looks at it.
    pub(crate) fn with_known<R>(
        &self,
        look: impl FnOnce(&Known) -> Result<R, NodeError>,
    ) -> Result<R, NodeError> {
        let known = &self.authority().known;
        let read = known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.as_ref() {
            return look(known);
        }
        drop(read);
        let mut write = known.write().unwrap_or_else(PoisonError::into_inner);
        let known = match write.as_mut() {
            Some(known) => known,
            None => write.insert(self.load_known()?),
        };
        look(known)
    }

    fn load_known(&self) -> Result<Known, NodeError> {
        let mut known = Known {
            former: self.store().former()?,
            documents: self.load_documents()?,
            ..Known::default()
        };
        let mut after = 0;
        loop {
            let page = self.store().tokens(after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for stored in &page {
                let unreadable = |error: ipvm_ucan::Malformed| {
                    NodeError::Authority(format!("token {} in this home: {error}", stored.cid))
                };
                match Token::decode(&stored.block, Versions::Stable).map_err(unreadable)? {
                    Token::Delegation(delegation) => known.delegation(delegation, stored.since),
                    Token::Invocation(invocation) => {
                        let revocation =
                            Revocation::from_invocation(invocation).map_err(unreadable)?;
                        // It was verified before it was stored; the proofs of a delegate may have expired since.
                        known.revocation(&VerifiedRevocation::assume(revocation))?;
                    }
                }
            }
        }
        // A revocation may have come before its delegation.
        let Known {
            pool,
            revocations,
            revoked,
            ..
        } = &mut known;
        for revocation in revoked.iter() {
            if let Some(delegation) = pool.get(&revocation.payload().revoke) {
                revocations.note(&delegation);
            }
        }
        Ok(known)
    }

    /// Keeps delegations and revocations, whose signatures are verified, and DID documents; and forgets revocations that are pointless by
    /// now. How many of each are new.
    pub(crate) fn keep(
        &self,
        delegations: &[Delegation],
        revocations: &[VerifiedRevocation],
        documents: &[Document],
        mut batch: Batch,
    ) -> Result<(usize, usize), NodeError> {
        // Reads what is there before it is changed.
        self.with_known(|_| Ok(()))?;
        let mut lock = self
            .authority()
            .known
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(known) = lock.as_mut() else {
            return Err(NodeError::Internal("what is known is gone".into()));
        };
        let since = self.now();
        let is_new = |delegation: &&Delegation| known.pool.get(&delegation.cid()).is_none();
        let given: Vec<&Delegation> = delegations.iter().filter(is_new).collect();
        let count = known.delegations.len() + known.revoked.len() + given.len();
        if count + revocations.len() > MAX_TOKENS {
            return Err(NodeError::Authority(format!(
                "this home would keep more than {MAX_TOKENS} delegations and revocations"
            )));
        }
        let with_these = known.documents_with(documents, since)?;
        self.put_documents(documents, since, &mut batch)?;
        let mut taken = Vec::new();
        for revocation in revocations {
            let payload = revocation.revocation().payload();
            let known_by = known.revocations.of(&payload.revoke);
            if known_by.is_none_or(|known| !known.contains_key(&payload.revoker)) {
                taken.push(revocation);
            }
        }
        let bytes = given.iter().map(|given| given.bytes());
        let bytes = bytes.chain(taken.iter().map(|taken| taken.revocation().bytes()));
        for bytes in bytes {
            batch.token(NewToken {
                block: token(bytes),
                since,
            });
        }
        for pointless in known.pointless(since) {
            batch.forget_token(pointless);
        }
        if !batch.is_empty() {
            self.store().commit(batch)?;
        }
        let counts = (given.len(), taken.len());
        // Durable, so that it may be believed.
        known.documents = with_these;
        let given: Vec<Delegation> = given.into_iter().cloned().collect();
        for delegation in given {
            known.delegation(delegation, since);
        }
        for revocation in taken {
            known.revocation(revocation)?;
        }
        known.revocations.evict(since, SKEW_SECONDS);
        Ok(counts)
    }

    /// Forgets what is known, to be read again.
    pub(crate) fn forget_known(&self) {
        let known = &self.authority().known;
        known.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether a principal is this home, now or before.
    pub(crate) fn is_own_agent(&self, did: &Did) -> Result<bool, NodeError> {
        self.is_own(did, Role::Agent)
    }

    /// Whether a principal is this home's person, now or before.
    pub(crate) fn is_own_owner(&self, did: &Did) -> Result<bool, NodeError> {
        self.is_own(did, Role::Owner)
    }

    /// Whether a principal is this home or its person, now or before.
    pub(crate) fn is_ours(&self, did: &Did) -> Result<bool, NodeError> {
        Ok(self.is_own_agent(did)? || self.is_own_owner(did)?)
    }

    fn is_own(&self, did: &Did, role: Role) -> Result<bool, NodeError> {
        let current = match role {
            Role::Owner => self.owner(),
            Role::Agent => self.agent(),
        };
        if did == current {
            return Ok(true);
        }
        self.with_known(|known| Ok(known.former(role).any(|former| former == did.as_str())))
    }

    /// The delegations that this home keeps, newest first.
    ///
    /// # Errors
    /// The store fails.
    pub fn delegations(&self) -> Result<Vec<HeldToken>, NodeError> {
        let at = self.now();
        self.with_known(|known| {
            let held = known.delegations.iter().rev();
            Ok(held
                .map(|(delegation, since)| HeldToken {
                    delegation: delegation.clone(),
                    since: *since,
                    state: known.state(delegation, at),
                })
                .collect())
        })
    }

    /// The revocations that this home keeps, newest first.
    ///
    /// # Errors
    /// The store fails.
    pub fn revocations(&self) -> Result<Vec<Revocation>, NodeError> {
        self.with_known(|known| Ok(known.revoked.iter().rev().cloned().collect()))
    }

    /// Whether a delegation can be used now, as far as it decides itself and this home knows.
    ///
    /// # Errors
    /// The store fails.
    pub fn state_of(&self, delegation: &Delegation, at: i64) -> Result<State, NodeError> {
        self.with_known(|known| Ok(known.state(delegation, at)))
    }

    /// Looks at a verification's circumstances here and at a time: the revocations and DID documents that this home knows
    /// count.
    ///
    /// # Errors
    /// The store fails.
    pub fn in_context<R>(
        &self,
        at: i64,
        look: impl FnOnce(&Context<'_>) -> R,
    ) -> Result<R, NodeError> {
        self.with_known(|known| Ok(look(&known.context(at))))
    }
}

impl Known {
    /// Revocations of delegations that have ended by themselves.
    fn pointless(&self, at: i64) -> Vec<Cid> {
        let over = |revocation: &&Revocation| {
            let delegation = self.pool.get(&revocation.payload().revoke);
            let ends = delegation.and_then(|delegation| delegation.payload().exp);
            ends.is_some_and(|end| end.saturating_add(SKEW_SECONDS) < at)
        };
        let tokens = self.revoked.iter().filter(over);
        tokens.map(Revocation::cid).collect()
    }
}
