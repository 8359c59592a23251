//! Target 9: invocations verified, with 0, 1, 3 and 10 proofs, cold and warm, on one core.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use ipvm_ipld::Cid;
use ipvm_ucan::{
    Capability, Context, Delegation, DelegationBuilder, InvocationBuilder, Keypair, Verifier,
};

use super::measure::{Figure, Plan, Row};
use super::setting::Setting;

/// When all is verified, in seconds since the epoch.
const NOW: i64 = 1_800_000_000;
/// Chains that are measured in turn, each with keys of its own.
const CHAINS: usize = 64;
const ROUNDS: usize = 2_000;

/// The bytes of an invocation and its proofs, as they come in.
struct Chain {
    links: Vec<Vec<u8>>,
    invocation: Vec<u8>,
    /// Key, message and signature of each token.
    floor: Vec<([u8; 32], Vec<u8>, [u8; 64])>,
}

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let rounds = setting.count(ROUNDS, 5);
    let mut rows = Vec::new();
    for proofs in [0, 1, 3, 10] {
        let chains: Vec<Chain> = (0..CHAINS)
            .map(|n| Chain::new(n, proofs))
            .collect::<Result<_>>()?;
        rows.push(cold(&chains, proofs, rounds)?.into());
        rows.push(warm(&chains, proofs, rounds)?.into());
    }
    Ok(rows)
}

fn of<T>(all: &[T], round: usize) -> Result<&T> {
    all.get(round % all.len().max(1))
        .ok_or_else(|| anyhow::anyhow!("no chains"))
}

/// Nothing is known: a verifier that remembers nothing, keys and proofs that never came.
fn cold(chains: &[Chain], proofs: usize, rounds: usize) -> Result<Figure> {
    let plan = Plan {
        name: &format!("9 ucan, {proofs} proofs, cold"),
        floor: &format!(
            "{} Ed25519 verifications (strict), each from key bytes",
            proofs + 1
        ),
        target: "≤ 1.18 × floor (85 % of the limit)",
        conditions: "from bytes: read, chain, command, time, policy; one thread",
        rounds,
    };
    Figure::measure(
        &plan,
        |round| of(chains, round)?.verify_signatures(),
        |round| of(chains, round)?.verify(&Verifier::new()),
    )
}

/// The proofs came before: one signature is left.
fn warm(chains: &[Chain], proofs: usize, rounds: usize) -> Result<Figure> {
    let plan = Plan {
        name: &format!("9 ucan, {proofs} proofs, warm"),
        floor: "1 Ed25519 verification (strict), from key bytes",
        target: "≤ 40 µs (25,000/s)",
        conditions: "as cold, with the proofs known to the verifier; one thread",
        rounds,
    };
    let verifier = Verifier::new();
    for chain in chains {
        chain.verify(&verifier)?;
    }
    let figure = Figure::measure(
        &plan,
        |round| of(chains, round)?.verify_last_signature(),
        |round| of(chains, round)?.verify(&verifier),
    )?;
    ensure!(
        verifier.remembered() == CHAINS * proofs,
        "the verifier does not remember the proofs"
    );
    Ok(figure)
}

impl Chain {
    fn new(number: usize, proofs: usize) -> Result<Self> {
        let key = |i: usize| {
            let mut seed = [0; 32];
            seed.iter_mut()
                .zip([number as u8, i as u8, 1])
                .for_each(|(byte, value)| *byte = value);
            Keypair::from_seed(&seed)
        };
        let mut links = Vec::new();
        for i in 0..proofs {
            let link = DelegationBuilder::new(&key(i), key(i + 1).did(), "/crud".parse()?)
                .subject(key(0).did())
                .policy(r#".uri like "https://example.com/*""#.parse()?)
                .expires(NOW + 1000)
                .sign([number as u8; 12])?;
            links.push(link);
        }
        let invocation = InvocationBuilder::new(&key(proofs), "/crud/read".parse()?)
            .with_proofs(&links)
            .arg("uri", "https://example.com/photos/1")
            .expires(NOW + 100)
            .sign([number as u8; 12])?;
        let links: Vec<Vec<u8>> = links.iter().map(|link| link.bytes().to_vec()).collect();
        let invocation = invocation.bytes().to_vec();
        let tokens = links.iter().chain([&invocation]).enumerate();
        let floor = tokens.map(|(i, token)| signature(&key(i), token)).collect();
        Ok(Self {
            links,
            invocation,
            floor,
        })
    }

    fn verify(&self, verifier: &Verifier) -> Result<Capability> {
        let mut proofs: HashMap<Cid, Delegation> = HashMap::with_capacity(self.links.len());
        for link in &self.links {
            let link = verifier.delegation(link)?;
            proofs.insert(link.cid(), link);
        }
        let invocation = verifier.invocation(&self.invocation)?;
        let find = |cid: &Cid| proofs.get(cid).cloned();
        Ok(verifier.verify(&invocation, &find, &Context::at(NOW))?)
    }

    fn verify_signatures(&self) -> Result<()> {
        self.floor.iter().try_for_each(check)
    }

    fn verify_last_signature(&self) -> Result<()> {
        self.floor.last().map_or(Ok(()), check)
    }
}

/// The message of a token is what follows its signature of 64 bytes.
fn signature(key: &Keypair, token: &[u8]) -> ([u8; 32], Vec<u8>, [u8; 64]) {
    let message = token.get(67..).unwrap_or_default().to_vec();
    let public = match key.did().key() {
        Some(ipvm_ucan::PublicKey::Ed25519(bytes)) => *bytes,
        _ => [0; 32],
    };
    let signature = key.sign(&message);
    (public, message, signature)
}

fn check((key, message, signature): &([u8; 32], Vec<u8>, [u8; 64])) -> Result<()> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(key)?;
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    Ok(key.verify_strict(message, &signature)?)
}
