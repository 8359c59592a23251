//! Taking a right back.

use ipvm_ipld::Cid;
use ipvm_store::Batch;
use ipvm_ucan::{Container, Delegation, DelegationBuilder, Revocation, Verifier};

use super::chain::{Right, chain_of, path_of};
use super::give::{container_of, pool_of};
use crate::home::nonce;
use crate::{Node, NodeError};

/// The command of revocations.
const REVOKE: &str = "/ucan/revoke";

/// A delegation to be taken back.
#[derive(Clone, Debug)]
pub struct Revoking {
    /// Which.
    pub delegation: Cid,
    /// The delegations from the root to it, in any order; those that this home keeps need not be given.
    pub path: Vec<Delegation>,
}

impl Node {
    /// Signs a revocation, keeps it, and returns it with its path, to be handed to whoever executes for others.
    ///
    /// # Errors
    /// The delegation or its path is not known, or nobody of this home issued it or one above it.
    pub fn revoke(&self, revoking: &Revoking) -> Result<(Revocation, Container), NodeError> {
        let given = pool_of(&revoking.path);
        let (delegation, path) = self.with_known(|known| {
            let cid = &revoking.delegation;
            let found = given.get(cid).or_else(|| known.pool.get(cid));
            let delegation = found.ok_or_else(|| {
                NodeError::Authority(format!(
                    "the delegation {cid} is not known here; import it, or give its chain with --path"
                ))
            })?;
            let path = path_of(known, &given, &delegation, &|_| false);
            Ok((delegation, path))
        })?;
        let path = match path {
            Some(path) => path,
            None => self.path_of_own_powerline(&delegation)?,
        };
        let revocation = self.sign_revocation(&path, &delegation)?;
        let at = self.now();
        let (verified, proofs) = self.with_known(|known| {
            let proofs = |cid: &Cid| {
                let of_path = path.iter().find(|link| link.cid() == *cid).cloned();
                of_path.or_else(|| known.pool.get(cid))
            };
            let context = known.context(at);
            let verified = Verifier::new().revocation(&revocation, &proofs, &context)?;
            let used = revocation.invocation().payload().prf.iter();
            Ok((verified, used.filter_map(&proofs).collect::<Vec<_>>()))
        })?;
        self.keep(&path, &[verified], &[], Batch::new())?;
        let mut container = container_of(&path);
        container.insert(revocation.bytes().to_vec());
        for proof in &proofs {
            container.insert(proof.bytes().to_vec());
        }
        Ok((revocation, container))
    }

    /// A path to a powerline that was given before anything it passes on: from who gave it, who is above it in every chain.
    fn path_of_own_powerline(&self, delegation: &Delegation) -> Result<Vec<Delegation>, NodeError> {
        let payload = delegation.payload();
        let own = match &payload.sub {
            None if payload.iss == *self.owner() => self.keys().owner()?,
            None if payload.iss == *self.agent() => self.keys().agent()?,
            _ => {
                return Err(NodeError::Authority(format!(
                    "the delegations above {} are not all known here; import them, or give them with --path",
                    delegation.cid()
                )));
            }
        };
        let builder = DelegationBuilder::new(own, own.did(), payload.cmd.clone());
        let to_itself = match payload.exp {
            Some(end) => builder.expires(end).sign(nonce()?)?,
            None => builder.never_expires().sign(nonce()?)?,
        };
        Ok(vec![to_itself, delegation.clone()])
    }

    /// Signs with the key that stands nearest to the delegation.
    fn sign_revocation(
        &self,
        path: &[Delegation],
        delegation: &Delegation,
    ) -> Result<Revocation, NodeError> {
        for link in path.iter().rev() {
            let issuer = &link.payload().iss;
            if issuer == self.owner() {
                return Ok(Revocation::sign(self.keys().owner()?, path)?);
            }
            if issuer == self.agent() {
                return Ok(Revocation::sign(self.keys().agent()?, path)?);
            }
            // A key that this home had before has passed on all that it had.
            let is_owner = self.is_own_owner(issuer)?;
            if is_owner || self.is_own_agent(issuer)? {
                let key = match is_owner {
                    true => self.keys().owner()?,
                    false => self.keys().agent()?,
                };
                let cmd = REVOKE.parse()?;
                let right = Right {
                    holder: key.did(),
                    subject: issuer,
                    cmd: &cmd,
                };
                let none = pool_of(&[]);
                let chain = self.with_known(|known| chain_of(known, &none, right, self.now()))?;
                let proofs = chain.iter().map(Delegation::cid).collect();
                return Ok(Revocation::sign_for(key, issuer.clone(), proofs, path)?);
            }
        }
        Err(NodeError::Authority(format!(
            "the delegation {} was issued by {}, and nobody of this home issued it or one above it",
            delegation.cid(),
            delegation.payload().iss
        )))
    }
}
