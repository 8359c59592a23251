//! Revocations: an issuer takes back a delegation, its own or one that was made below it (UCAN Revocation). A revocation
//! is an invocation of `/ucan/revoke`; it cannot be taken back.

use crate::MAX_CHAIN;
use crate::command::Command;
use crate::delegation::Delegation;
use crate::did::Did;
use crate::envelope::{Reading, Versions};
use crate::error::{EncodeError, Malformed};
use crate::invocation::{Invocation, InvocationPayload};
use crate::keypair::Keypair;
use ipvm_ipld::fields::{Fields, as_link, as_links};
use ipvm_ipld::{Cid, Ipld};
use std::collections::{BTreeMap, HashMap};

/// The command of revocations.
const COMMAND: &str = "/ucan/revoke";
/// Most revocations that a [`Revocations`] holds: about 300 bytes each.
pub const MAX_REVOCATIONS: usize = 1 << 20;

/// What a revocation takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationPayload {
    /// Who revokes: the issuer of one of the delegations of the path.
    pub revoker: Did,
    /// The delegation that is revoked.
    pub revoke: Cid,
    /// The delegations from the root to the revoked one, which is the last.
    pub path: Vec<Cid>,
}

/// A signed revocation. Copies share the bytes.
///
/// ```
/// use ipvm_ucan::{DelegationBuilder, Keypair, Revocation};
///
/// let (owner, agent) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
/// let delegation = DelegationBuilder::new(&owner, agent.did(), "/crud".parse()?)
///     .expires(1_900_000_000)
///     .sign([7; 12])?;
/// let revocation = Revocation::sign(&owner, &[delegation.clone()])?;
/// assert_eq!(revocation.payload().revoke, delegation.cid());
/// assert_eq!(Revocation::decode(revocation.bytes())?.payload(), revocation.payload());
///
/// // Somebody who is not above the delegation has nothing to take back.
/// assert!(Revocation::sign(&agent, &[delegation]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Revocation {
    invocation: Invocation,
    payload: RevocationPayload,
}

impl Revocation {
    /// Revokes the last delegation of a path from the root. The owner of the key must have issued one of the path.
    ///
    /// # Errors
    /// If it did not, the path is empty or too long, or its delegations do not follow each other.
    pub fn sign(key: &Keypair, path: &[Delegation]) -> Result<Self, EncodeError> {
        require_path(path, key.did()).map_err(EncodeError::Form)?;
        let path: Vec<Cid> = path.iter().map(Delegation::cid).collect();
        let revoker = key.did().clone();
        Self::seal(key, revoker, vec![], path)
    }

    /// Revokes on behalf of the issuer of a delegation of the path, who delegated `/ucan/revoke` to the owner of the key
    /// through `prf`, root first.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_for(
        key: &Keypair,
        revoker: Did,
        prf: Vec<Cid>,
        path: &[Delegation],
    ) -> Result<Self, EncodeError> {
        require_path(path, &revoker).map_err(EncodeError::Form)?;
        let path: Vec<Cid> = path.iter().map(Delegation::cid).collect();
        if prf.is_empty() || revoker == *key.did() {
            return Err(EncodeError::Form(
                "a delegate of the revoker signs with proofs, the revoker itself without",
            ));
        }
        Self::seal(key, revoker, prf, path)
    }

    fn seal(
        key: &Keypair,
        revoker: Did,
        prf: Vec<Cid>,
        path: Vec<Cid>,
    ) -> Result<Self, EncodeError> {
        let Some(revoke) = path.last().copied() else {
            return Err(EncodeError::Form("the path is empty"));
        };
        let links = path.iter().copied().map(Ipld::Link).collect();
        let payload = InvocationPayload {
            iss: key.did().clone(),
            sub: revoker.clone(),
            aud: None,
            cmd: Command::constant(COMMAND),
            args: BTreeMap::from([
                ("revoke".to_owned(), Ipld::Link(revoke)),
                ("path".to_owned(), Ipld::List(links)),
            ]),
            prf,
            nonce: vec![],
            exp: None,
            iat: None,
            cause: None,
            meta: None,
        };
        Ok(Self {
            invocation: Invocation::sign(key, payload)?,
            payload: RevocationPayload {
                revoker,
                revoke,
                path,
            },
        })
    }

    /// Reads a revocation: everything is checked but the signature and the right to revoke
    /// ([`crate::Verifier::revocation`]).
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_invocation(Invocation::decode(bytes)?)
    }

    /// As [`Self::decode`], of more versions.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn decode_versions(bytes: &[u8], versions: Versions) -> Result<Self, Malformed> {
        Self::from_invocation(Invocation::decode_in(bytes, &Reading::of(versions))?)
    }

    /// Takes an invocation as a revocation.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_invocation(invocation: Invocation) -> Result<Self, Malformed> {
        let asked = invocation.payload();
        let wrong = match asked {
            i if i.cmd.as_str() != COMMAND => Some("its command is not /ucan/revoke"),
            i if i.exp.is_some() => Some("it expires, and revocations do not"),
            i if !i.nonce.is_empty() => Some("its nonce is not empty"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Malformed::Revocation(wrong));
        }
        let mut args = Fields::new(Ipld::Map(asked.args.clone()), "revocation")?;
        let payload = RevocationPayload {
            revoker: asked.sub.clone(),
            revoke: args.get("revoke", as_link)?,
            path: args.get("path", as_links)?,
        };
        args.finish()?;
        if payload.path.len() > MAX_CHAIN {
            return Err(Malformed::Chain {
                found: payload.path.len(),
                limit: MAX_CHAIN,
            });
        }
        if payload.path.last() != Some(&payload.revoke) {
            return Err(Malformed::Revocation(
                "its path does not end with the delegation that is revoked",
            ));
        }
        Ok(Self {
            invocation,
            payload,
        })
    }

    /// The invocation that this is.
    #[must_use]
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// The token's bytes, as received or signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.invocation.bytes()
    }

    /// The CID of the whole token.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.invocation.cid()
    }

    /// The content.
    #[must_use]
    pub fn payload(&self) -> &RevocationPayload {
        &self.payload
    }
}

/// Requires that delegations follow each other, and that the revoker issued one of them.
pub(crate) fn require_path(path: &[Delegation], revoker: &Did) -> Result<(), &'static str> {
    if path.is_empty() || path.len() > MAX_CHAIN {
        return Err("the path of a revocation has 1 to 32 delegations");
    }
    let root = path.first().map(Delegation::payload);
    if root.is_none_or(|root| root.sub.as_ref() != Some(&root.iss)) {
        return Err("the path of a revocation begins with a root: a delegation by its subject");
    }
    // A path about something else leads from nobody with a say to what is revoked.
    let subject = root.map(|root| &root.iss);
    let is_about = |link: &Delegation| {
        let sub = link.payload().sub.as_ref();
        sub.is_none_or(|sub| Some(sub) == subject)
    };
    if !path.iter().all(is_about) {
        return Err("the delegations of the path are not all about the same subject");
    }
    let follows = |pair: &[Delegation]| match pair {
        [first, second] => first.payload().aud == second.payload().iss,
        _ => true,
    };
    if !path.windows(2).all(follows) {
        return Err("the delegations of the path do not follow each other");
    }
    if !path.iter().any(|link| link.payload().iss == *revoker) {
        return Err("the revoker issued none of the delegations of the path");
    }
    Ok(())
}

/// A revocation whose signature and right were checked: what [`Revocations`] takes in.
#[derive(Clone, Debug)]
pub struct VerifiedRevocation(pub(crate) Revocation);

impl VerifiedRevocation {
    /// Takes a revocation as verified: one that was verified before it was stored. The proofs of a delegate may have
    /// expired since, which gives nothing back.
    #[must_use]
    pub fn assume(revocation: Revocation) -> Self {
        Self(revocation)
    }

    /// The revocation.
    #[must_use]
    pub fn revocation(&self) -> &Revocation {
        &self.0
    }
}

/// A set of revocations that only grows, but for those that expiry made pointless. Storing it is the caller's.
///
/// A revocation may come before the delegation that it is about: it waits.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    by_delegation: HashMap<Cid, Revoked>,
    count: usize,
}

#[derive(Clone, Debug, Default)]
struct Revoked {
    /// Who revoked it, by which token. As many as there are: of those who have no say there may be any number, and they
    /// must not keep out the one who has.
    by: HashMap<Did, Cid>,
    /// When the delegation ends by itself, once it is known: `Some(None)`, never.
    ends: Option<Option<i64>>,
}

/// Why a revocation was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationsError {
    /// No room.
    #[error("there are {MAX_REVOCATIONS} revocations; evict those of expired delegations first")]
    Full,
}

impl Revocations {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a revocation; whether it is new.
    ///
    /// # Errors
    /// If there is no room. What is there stays.
    pub fn insert(&mut self, revocation: &VerifiedRevocation) -> Result<bool, RevocationsError> {
        let RevocationPayload {
            revoker, revoke, ..
        } = revocation.0.payload();
        if self.count >= MAX_REVOCATIONS {
            return Err(RevocationsError::Full);
        }
        let revoked = self.by_delegation.entry(*revoke).or_default();
        if revoked.by.contains_key(revoker) {
            return Ok(false);
        }
        revoked.by.insert(revoker.clone(), revocation.0.cid());
        self.count += 1;
        Ok(true)
    }

    /// Takes in all of another set.
    ///
    /// # Errors
    /// If there is no room. What was taken in stays.
    pub fn merge(&mut self, other: &Self) -> Result<(), RevocationsError> {
        for (delegation, theirs) in &other.by_delegation {
            let ours = self.by_delegation.entry(*delegation).or_default();
            ours.ends = ours.ends.or(theirs.ends);
            for (revoker, token) in &theirs.by {
                if ours.by.contains_key(revoker) {
                    continue;
                }
                if self.count >= MAX_REVOCATIONS {
                    return Err(RevocationsError::Full);
                }
                ours.by.insert(revoker.clone(), *token);
                self.count += 1;
            }
        }
        Ok(())
    }

    /// Tells the set when a delegation ends, so that its revocations can be evicted afterwards.
    pub fn note(&mut self, delegation: &Delegation) {
        if let Some(revoked) = self.by_delegation.get_mut(&delegation.cid()) {
            revoked.ends = Some(delegation.payload().exp);
        }
    }

    /// Forgets the revocations of delegations that expired more than `skew` seconds before `now`; gives how many. What
    /// never expires, or is not known yet, stays.
    pub fn evict(&mut self, now: i64, skew: i64) -> usize {
        let before = self.count;
        self.by_delegation.retain(|_, revoked| {
            let over = matches!(revoked.ends, Some(Some(end)) if end.saturating_add(skew) < now);
            if over {
                self.count -= revoked.by.len();
            }
            !over
        });
        before - self.count
    }

    /// Whether a delegation of a chain is revoked by the issuer of one at or above it: the first such, by its position, and
    /// the revocation's CID.
    #[must_use]
    pub fn find(&self, chain: &[Delegation]) -> Option<(usize, Cid)> {
        if self.by_delegation.is_empty() {
            return None;
        }
        chain.iter().enumerate().find_map(|(i, link)| {
            let revoked = self.by_delegation.get(&link.cid())?;
            let above = chain.get(..=i).unwrap_or_default();
            let mut by = above.iter();
            let token = by.find_map(|link| revoked.by.get(&link.payload().iss))?;
            Some((i, *token))
        })
    }

    /// Who revoked a delegation, if anybody did, each with the token; whether that counts depends on the chain.
    #[must_use]
    pub fn of(&self, delegation: &Cid) -> Option<&HashMap<Did, Cid>> {
        self.by_delegation
            .get(delegation)
            .map(|revoked| &revoked.by)
    }

    /// How many revocations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
