//! Randomness that follows from the call (`wasi:random`).
//!
//! Each source is the SHA-256 digests of the seed, the source's name, and a counter: 8 bytes, big-endian, one
//! higher for every 32 bytes. A request begins with a digest of its own.

use super::define::{Caller, Definer, charge, trap};
use ipvm_ipld::{cid_of, codec};

/// Most bytes of one request.
const MAX_BYTES: u64 = 16 << 20;
/// Fuel of a random byte.
const BYTE_FUEL: u64 = 4;
/// Bytes drawn between two looks at the clock.
const CHUNK: usize = 64 << 10;
/// Bytes of a digest.
const BLOCK: usize = 32;

/// What is left to draw.
pub(super) struct Random {
    seed: [u8; 32],
    secure: u64,
    insecure: u64,
}

#[derive(Clone, Copy)]
enum Source {
    Secure,
    Insecure,
}

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            secure: 0,
            insecure: 0,
        }
    }

    fn block(&mut self, source: Source) -> [u8; BLOCK] {
        let (name, counter) = match source {
            Source::Secure => ("random", &mut self.secure),
            Source::Insecure => ("insecure", &mut self.insecure),
        };
        let block = block(&self.seed, name, *counter);
        *counter += 1;
        block
    }

    fn number(&mut self, source: Source) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.block(source);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

fn block(seed: &[u8; 32], name: &str, counter: u64) -> [u8; BLOCK] {
    let text = [&seed[..], name.as_bytes(), &counter.to_be_bytes()].concat();
    let cid = cid_of(codec::RAW, &text);
    let mut block = [0; BLOCK];
    block
        .iter_mut()
        .zip(cid.hash().digest())
        .for_each(|(byte, digest)| *byte = *digest);
    block
}

pub(super) fn define(definer: &mut Definer<'_>) -> wasmtime::Result<()> {
    let mut random = definer.interface("wasi:random/random")?;
    random.function("get-random-bytes", |caller, (length,)| {
        Ok((bytes(caller, Source::Secure, length)?,))
    })?;
    random.function("get-random-u64", |caller, ()| {
        Ok((caller.data_mut().random.number(Source::Secure),))
    })?;

    let mut insecure = definer.interface("wasi:random/insecure")?;
    insecure.function("get-insecure-random-bytes", |caller, (length,)| {
        Ok((bytes(caller, Source::Insecure, length)?,))
    })?;
    insecure.function("get-insecure-random-u64", |caller, ()| {
        Ok((caller.data_mut().random.number(Source::Insecure),))
    })?;

    let mut seed = definer.interface("wasi:random/insecure-seed")?;
    seed.function("insecure-seed", |caller, ()| {
        let block = block(&caller.data().random.seed, "insecure-seed", 0);
        let (halves, _) = block.as_chunks::<8>();
        let [first, second, ..] = halves else {
            return Err(trap("a digest is too short"));
        };
        Ok(((u64::from_le_bytes(*first), u64::from_le_bytes(*second)),))
    })
}

fn bytes(caller: &mut Caller<'_>, source: Source, length: u64) -> wasmtime::Result<Vec<u8>> {
    if length > MAX_BYTES {
        return Err(trap(format!(
            "{length} random bytes were asked for at once; at most {MAX_BYTES} may be"
        )));
    }
    charge(caller, length.saturating_mul(BYTE_FUEL))?;
    let mut bytes = vec![0; usize::try_from(length)?];
    for chunk in bytes.chunks_mut(CHUNK) {
        caller.data().check()?;
        for part in chunk.chunks_mut(BLOCK) {
            let block = caller.data_mut().random.block(source);
            part.iter_mut()
                .zip(block)
                .for_each(|(byte, random)| *byte = random);
        }
    }
    Ok(bytes)
}
