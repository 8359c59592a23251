//! Everything that can be wrong with a call.

use crate::digest::Algorithm;

/// Why a function gave no answer; the cases are those of `problem` in `wit/hash.wit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More bytes than the function takes.
    #[error("{given} bytes are too many: at most {most} are allowed")]
    TooLarge {
        /// Bytes given.
        given: u64,
        /// Bytes allowed.
        most: u64,
    },
    /// More leaves than a tree takes.
    #[error("{given} leaves are too many: at most {most} are allowed")]
    TooManyLeaves {
        /// Leaves given.
        given: u64,
        /// Leaves allowed.
        most: u64,
    },
    /// A tree of nothing.
    #[error("there are no leaves: a tree needs at least one")]
    NoLeaves,
    /// A place beyond the last leaf.
    #[error("there is no leaf {given}: the last one is {most}")]
    NoSuchLeaf {
        /// The place asked for, from 0.
        given: u64,
        /// The last place there is.
        most: u64,
    },
    /// An algorithm for which two trees with one root can be made.
    #[error("{0} is too weak for a tree: use sha256, sha512 or blake3")]
    Weak(Algorithm),
    /// Text that is not in the encoding it is said to be in.
    #[error("{0}")]
    NotEncoded(String),
    /// Text that cannot be a digest of this algorithm.
    #[error(
        "{given} characters are no digest of {algorithm}, which has {} in hex and {} in base64",
        algorithm.length() * 2, algorithm.length().div_ceil(3) * 4
    )]
    DigestLength {
        /// Characters given.
        given: usize,
        /// The algorithm asked for.
        algorithm: Algorithm,
    },
}

/// Checks that a number of bytes is allowed.
pub(crate) fn check_size(bytes: usize, most: usize) -> Result<(), Problem> {
    if bytes > most {
        return Err(Problem::TooLarge {
            given: bytes as u64,
            most: most as u64,
        });
    }
    Ok(())
}
