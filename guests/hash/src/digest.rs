//! Digests of bytes, and whether bytes have one.

use std::fmt;

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use twox_hash::XxHash64;

use crate::encoding::{self, Encoding};
use crate::problem::{Problem, check_size};

/// Most bytes of one raw block, as every IPFS node takes it.
pub const MAX_BLOCK_BYTES: usize = 1024 * 1024;

/// How a digest is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-2 with 256 bits (FIPS 180-4).
    Sha256,
    /// SHA-2 with 512 bits (FIPS 180-4).
    Sha512,
    /// BLAKE3 with 256 bits.
    Blake3,
    /// SHA-1 (FIPS 180-4); only to check what older tools wrote.
    Sha1,
    /// CRC-32/ISO-HDLC.
    Crc32,
    /// xxHash with 64 bits and seed 0.
    Xxhash64,
}

impl Algorithm {
    /// All of them, in the order of the interface.
    pub const ALL: [Self; 6] = [
        Self::Sha256,
        Self::Sha512,
        Self::Blake3,
        Self::Sha1,
        Self::Crc32,
        Self::Xxhash64,
    ];

    /// Bytes of a digest.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
            Self::Sha1 => 20,
            Self::Crc32 => 4,
            Self::Xxhash64 => 8,
        }
    }

    /// Whether nobody can make two inputs with one digest.
    #[must_use]
    pub fn is_strong(self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha512 | Self::Blake3)
    }

    /// Its code in the multicodec table.
    #[must_use]
    pub fn code(self) -> u64 {
        match self {
            Self::Sha256 => 0x12,
            Self::Sha512 => 0x13,
            Self::Blake3 => 0x1e,
            Self::Sha1 => 0x11,
            Self::Crc32 => 0x0132,
            Self::Xxhash64 => 0xb3e2,
        }
    }

    /// The digest of these parts one after the other.
    #[must_use]
    pub fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => rust_crypto(Sha256::new(), parts),
            Self::Sha512 => rust_crypto(Sha512::new(), parts),
            Self::Sha1 => rust_crypto(Sha1::new(), parts),
            Self::Blake3 => {
                let mut hasher = blake3::Hasher::new();
                parts.iter().for_each(|part| {
                    hasher.update(part);
                });
                hasher.finalize().as_bytes().to_vec()
            }
            Self::Crc32 => {
                let mut hasher = crc32fast::Hasher::new();
                parts.iter().for_each(|part| hasher.update(part));
                hasher.finalize().to_be_bytes().to_vec()
            }
            Self::Xxhash64 => {
                use std::hash::Hasher as _;
                let mut hasher = XxHash64::with_seed(0);
                parts.iter().for_each(|part| hasher.write(part));
                hasher.finish().to_be_bytes().to_vec()
            }
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
            Self::Sha1 => "sha1",
            Self::Crc32 => "crc32",
            Self::Xxhash64 => "xxhash64",
        })
    }
}

fn rust_crypto<D: sha2::Digest>(mut hasher: D, parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_vec()
}

/// A digest, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// How it was made.
    pub algorithm: Algorithm,
    /// Its bytes.
    pub value: Vec<u8>,
}

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(data: &[u8], algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            value: algorithm.of(&[data]),
        }
    }

    /// In small hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        encoding::write(&self.value, Encoding::Hex)
    }

    /// With the code of the algorithm and the length before it, both as unsigned varints.
    #[must_use]
    pub fn multihash(&self) -> Vec<u8> {
        let mut bytes = varint(self.algorithm.code());
        bytes.extend(varint(self.value.len() as u64));
        bytes.extend(&self.value);
        bytes
    }
}

/// An unsigned varint of the multiformats: seven bits a byte, the lowest first.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Whether these bytes have the digest that somebody wrote down in hex or base64.
///
/// # Errors
/// Text that is as long as no digest of that algorithm, or in neither encoding.
pub fn verify(data: &[u8], algorithm: Algorithm, expected: &str) -> Result<bool, Problem> {
    let expected = expected.trim();
    let unpadded = expected.trim_end_matches('=');
    let length = algorithm.length();
    let encoding = match expected.len() {
        // A CRC has 8 characters in either encoding, but padding only in base64.
        given if given == length * 2 && !expected.ends_with('=') => Encoding::Hex,
        given if given == length.div_ceil(3) * 4 && !unpadded.contains(['-', '_']) => {
            Encoding::Base64
        }
        _ if unpadded.len() == (length * 4).div_ceil(3) => Encoding::Base64url,
        given => return Err(Problem::DigestLength { given, algorithm }),
    };
    let text = match encoding {
        Encoding::Base64url => unpadded,
        _ => expected,
    };
    Ok(encoding::decode(text, encoding)? == algorithm.of(&[data]))
}

/// The CID of these bytes as one raw block: CIDv1, codec raw, sha2-256, base32.
///
/// # Errors
/// More bytes than a block may have; their CID would depend on how they are cut into blocks.
pub fn cid(data: &[u8]) -> Result<String, Problem> {
    const VERSION: u8 = 1;
    const RAW: u8 = 0x55;
    check_size(data.len(), MAX_BLOCK_BYTES)?;
    let multihash = Digest::of(data, Algorithm::Sha256).multihash();
    let bytes = [&[VERSION, RAW][..], &multihash].concat();
    Ok(format!("b{}", encoding::write(&bytes, Encoding::Base32)))
}
