//! The WIT interface `ipvm:hash/hash` of this component.

use crate::digest::{self, Algorithm, Digest};
use crate::encoding::{self, Encoding};
use crate::merkle;
use crate::problem::Problem;

wit_bindgen::generate!({ world: "hashes", path: "wit" });

use exports::ipvm::hash::hash as wit;

struct Hashes;

export!(Hashes);

impl From<wit::Algorithm> for Algorithm {
    fn from(algorithm: wit::Algorithm) -> Self {
        match algorithm {
            wit::Algorithm::Sha256 => Self::Sha256,
            wit::Algorithm::Sha512 => Self::Sha512,
            wit::Algorithm::Blake3 => Self::Blake3,
            wit::Algorithm::Sha1 => Self::Sha1,
            wit::Algorithm::Crc32 => Self::Crc32,
            wit::Algorithm::Xxhash64 => Self::Xxhash64,
        }
    }
}

impl From<Algorithm> for wit::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256,
            Algorithm::Sha512 => Self::Sha512,
            Algorithm::Blake3 => Self::Blake3,
            Algorithm::Sha1 => Self::Sha1,
            Algorithm::Crc32 => Self::Crc32,
            Algorithm::Xxhash64 => Self::Xxhash64,
        }
    }
}

impl From<wit::Encoding> for Encoding {
    fn from(encoding: wit::Encoding) -> Self {
        match encoding {
            wit::Encoding::Hex => Self::Hex,
            wit::Encoding::Base32 => Self::Base32,
            wit::Encoding::Base64 => Self::Base64,
            wit::Encoding::Base64url => Self::Base64url,
        }
    }
}

impl From<Digest> for wit::Fingerprint {
    fn from(digest: Digest) -> Self {
        Self {
            algorithm: digest.algorithm.into(),
            hex: digest.hex(),
            multihash: digest.multihash(),
            value: digest.value,
        }
    }
}

impl From<Problem> for wit::Problem {
    fn from(problem: Problem) -> Self {
        let excess = |given, most| wit::Excess { given, most };
        let told = problem.to_string();
        match problem {
            Problem::TooLarge { given, most } => Self::TooLarge(excess(given, most)),
            Problem::TooManyLeaves { given, most } => Self::TooManyLeaves(excess(given, most)),
            Problem::NoLeaves => Self::NoLeaves,
            Problem::NoSuchLeaf { given, most } => Self::NoSuchLeaf(excess(given, most)),
            Problem::Weak(algorithm) => Self::Weak(algorithm.into()),
            Problem::NotEncoded(_) => Self::NotEncoded(told),
            Problem::DigestLength { .. } => Self::DigestLength(told),
        }
    }
}

impl wit::Guest for Hashes {
    fn digest(data: Vec<u8>, algorithm: wit::Algorithm) -> wit::Fingerprint {
        Digest::of(&data, algorithm.into()).into()
    }

    fn verify(
        data: Vec<u8>,
        algorithm: wit::Algorithm,
        expected: String,
    ) -> Result<bool, wit::Problem> {
        Ok(digest::verify(&data, algorithm.into(), &expected)?)
    }

    fn cid(data: Vec<u8>) -> Result<String, wit::Problem> {
        Ok(digest::cid(&data)?)
    }

    fn encode(data: Vec<u8>, encoding: wit::Encoding) -> Result<String, wit::Problem> {
        Ok(encoding::encode(&data, encoding.into())?)
    }

    fn decode(text: String, encoding: wit::Encoding) -> Result<Vec<u8>, wit::Problem> {
        Ok(encoding::decode(&text, encoding.into())?)
    }

    fn merkle_root(
        leaves: Vec<Vec<u8>>,
        algorithm: wit::Algorithm,
    ) -> Result<wit::Fingerprint, wit::Problem> {
        Ok(merkle::root(&leaves, algorithm.into())?.into())
    }

    fn merkle_proof(
        leaves: Vec<Vec<u8>>,
        index: u32,
        algorithm: wit::Algorithm,
    ) -> Result<Vec<Vec<u8>>, wit::Problem> {
        Ok(merkle::proof(&leaves, index, algorithm.into())?)
    }

    fn merkle_verify(
        root: Vec<u8>,
        count: u32,
        index: u32,
        leaf: Vec<u8>,
        proof: Vec<Vec<u8>>,
        algorithm: wit::Algorithm,
    ) -> Result<bool, wit::Problem> {
        let place = (index, count);
        Ok(merkle::verify(
            &root,
            place,
            &leaf,
            &proof,
            algorithm.into(),
        )?)
    }
}
