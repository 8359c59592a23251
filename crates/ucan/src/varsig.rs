//! Varsig 1.0.0 headers: which algorithm and encoding a signature is of.
//!
//! A header is a run of varints: `0x34`, the version `1`, the algorithm with its curve and hash, and the encoding of what
//! was signed. Three are known; any other is refused by the name of the part that is not.
//!
//! ```
//! use ipvm_ucan::{Algorithm, varsig};
//!
//! let header = varsig::header(Algorithm::Ed25519);
//! assert_eq!(header, [0x34, 0x01, 0xed, 0x01, 0xed, 0x01, 0x13, 0x71]);
//! assert_eq!(varsig::read(&header), Ok(Algorithm::Ed25519));
//!
//! // RSASSA-PKCS #1 v1.5 over DAG-CBOR.
//! let error = varsig::read(&[0x34, 0x01, 0x85, 0x24, 0x12, 0x80, 0x02, 0x71]).unwrap_err();
//! assert_eq!(error.to_string(), "signatures with RSA (varsig code 0x1205) are not supported");
//! ```

use std::fmt;

/// Of the varsig format.
const PREFIX: u64 = 0x34;
const VERSION: u64 = 1;
/// Codes of signature algorithms, as varsig lists them.
const ECDSA: u64 = 0xec;
const EDDSA: u64 = 0xed;
/// Codes of curves, hashes and encodings (multicodec).
const CURVE_ED25519: u64 = 0xed;
const CURVE_P256: u64 = 0x1200;
const CURVE_SECP256K1: u64 = 0xe7;
const SHA2_256: u64 = 0x12;
const SHA2_512: u64 = 0x13;
const DAG_CBOR: u64 = 0x71;
/// Longest header that is looked at, in bytes: all that are known have 8.
const MAX_HEADER_BYTES: usize = 64;

/// An algorithm of signatures: those that UCAN requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), verified strictly.
    Ed25519,
    /// ECDSA over NIST P-256 with SHA-256; only signatures with a low s.
    P256,
    /// ECDSA over secp256k1 with SHA-256; only signatures with a low s.
    Secp256k1,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::P256, Self::Secp256k1];

    /// The name of the curve.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "P-256",
            Self::Secp256k1 => "secp256k1",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why bytes are not a header that is known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VarsigError {
    /// Not varints one after the other, each in its shortest form, or not the prefix of varsig.
    #[error("the header {0} is not a varsig header")]
    Form(String),
    /// Another version of varsig.
    #[error("the header is of varsig version {0}; version 1 is supported")]
    Version(u64),
    /// An algorithm that is not supported.
    #[error("signatures with {name} (varsig code {code:#x}) are not supported")]
    Algorithm {
        /// Its code.
        code: u64,
        /// Its name, as far as it is known.
        name: &'static str,
    },
    /// A curve that is not supported.
    #[error("signatures with {algorithm} over the curve {code:#x} are not supported")]
    Curve {
        /// The algorithm.
        algorithm: &'static str,
        /// The curve's code.
        code: u64,
    },
    /// A hash that is not supported.
    #[error("signatures with {algorithm} and the hash {code:#x} are not supported")]
    Hash {
        /// The algorithm.
        algorithm: Algorithm,
        /// The hash's code.
        code: u64,
    },
    /// An encoding that is not supported.
    #[error("signatures over the encoding {code:#x} are not supported; DAG-CBOR, 0x71, is")]
    Encoding {
        /// The encoding's code.
        code: u64,
    },
}

/// The header of signatures with an algorithm over DAG-CBOR.
#[must_use]
pub fn header(algorithm: Algorithm) -> [u8; 8] {
    match algorithm {
        Algorithm::Ed25519 => [0x34, 0x01, 0xed, 0x01, 0xed, 0x01, 0x13, 0x71],
        Algorithm::P256 => [0x34, 0x01, 0xec, 0x01, 0x80, 0x24, 0x12, 0x71],
        Algorithm::Secp256k1 => [0x34, 0x01, 0xec, 0x01, 0xe7, 0x01, 0x12, 0x71],
    }
}

/// Reads a header.
///
/// # Errors
/// Names the first part that is not supported.
pub fn read(bytes: &[u8]) -> Result<Algorithm, VarsigError> {
    if let Some(known) = Algorithm::ALL
        .into_iter()
        .find(|known| header(*known) == bytes)
    {
        return Ok(known);
    }
    Err(wrong(bytes))
}

/// As [`read`], and the headers of Ed25519 in the drafts before varsig 1.0.0, which had no version.
pub(crate) fn read_draft(bytes: &[u8]) -> Result<Algorithm, VarsigError> {
    const DRAFTS: [&[u8]; 2] = [&[0x34, 0xed, 0x01, 0x71], &[0x34, 0xed, 0x01, 0x13, 0x71]];
    if DRAFTS.contains(&bytes) {
        return Ok(Algorithm::Ed25519);
    }
    read(bytes)
}

/// What is wrong with a header that is none of those that are known.
fn wrong(bytes: &[u8]) -> VarsigError {
    let form = || VarsigError::Form(hex(bytes));
    let Some(parts) = varints(bytes) else {
        return form();
    };
    let [PREFIX, version, rest @ ..] = parts.as_slice() else {
        return form();
    };
    if *version != VERSION {
        return VarsigError::Version(*version);
    }
    let (algorithm, hash, encoding) = match rest {
        [EDDSA, CURVE_ED25519, hash, encoding] => (Algorithm::Ed25519, *hash, *encoding),
        [ECDSA, CURVE_P256, hash, encoding] => (Algorithm::P256, *hash, *encoding),
        [ECDSA, CURVE_SECP256K1, hash, encoding] => (Algorithm::Secp256k1, *hash, *encoding),
        [EDDSA, curve, _, ..] if *curve != CURVE_ED25519 => {
            return VarsigError::Curve {
                algorithm: "EdDSA",
                code: *curve,
            };
        }
        [ECDSA, curve, _, ..] if ![CURVE_P256, CURVE_SECP256K1].contains(curve) => {
            return VarsigError::Curve {
                algorithm: "ECDSA",
                code: *curve,
            };
        }
        [code, ..] if ![EDDSA, ECDSA].contains(code) => {
            return VarsigError::Algorithm {
                code: *code,
                name: name(*code),
            };
        }
        _ => return form(),
    };
    let expected = match algorithm {
        Algorithm::Ed25519 => SHA2_512,
        Algorithm::P256 | Algorithm::Secp256k1 => SHA2_256,
    };
    if hash != expected {
        return VarsigError::Hash {
            algorithm,
            code: hash,
        };
    }
    if encoding != DAG_CBOR {
        return VarsigError::Encoding { code: encoding };
    }
    form()
}

fn name(code: u64) -> &'static str {
    match code {
        0xb1 => "BLS12-381",
        0x1205 => "RSA",
        _ => "an unknown algorithm",
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.get(..MAX_HEADER_BYTES).unwrap_or(bytes);
    data_encoding::HEXLOWER.encode(shown)
}

/// The varints of a header; `None` if one is cut off, over 64 bits, or not in its shortest form.
fn varints(bytes: &[u8]) -> Option<Vec<u64>> {
    if bytes.len() > MAX_HEADER_BYTES {
        return None;
    }
    let mut parts = Vec::new();
    let (mut value, mut shift) = (0_u64, 0);
    for byte in bytes {
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 || shift > 63 || *byte == 0 && shift > 0 {
            return None;
        }
        value |= bits << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            parts.push(value);
            (value, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(parts)
}
