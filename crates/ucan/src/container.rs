//! Containers: tokens that travel together (UCAN Container 0.1.0), in six encodings.

use crate::delegation::Delegation;
use crate::envelope::{Reading, Tag, Versions};
use crate::error::Malformed;
use crate::invocation::Invocation;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use ipvm_ipld::{Cid, Ipld, Limits, cbor, cid_of, codec};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

/// Largest container, in bytes of CBOR: whatever it is compressed to.
pub const MAX_CONTAINER_BYTES: usize = 1 << 20;
/// Most tokens of a container.
pub const MAX_CONTAINER_TOKENS: usize = 8192;
/// The one key of the map.
const KEY: &str = "ctn-v1";
/// Levels of nesting: map, list, bytes.
const DEPTH: usize = 3;
/// How much longer than its content gzip may be: header, trailer and the heads of stored blocks, with room for a name.
const GZIP_OVERHEAD: usize = 4096;

/// How a container is written: its first byte says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `@`: bytes.
    Raw,
    /// `B`: base64, standard alphabet with padding.
    Base64,
    /// `C`: base64, URL alphabet without padding.
    Base64Url,
    /// `M`: gzip.
    Gzip,
    /// `O`: gzip in base64, standard alphabet with padding.
    GzipBase64,
    /// `P`: gzip in base64, URL alphabet without padding.
    GzipBase64Url,
}

impl Encoding {
    /// All encodings.
    pub const ALL: [Self; 6] = [
        Self::Raw,
        Self::Base64,
        Self::Base64Url,
        Self::Gzip,
        Self::GzipBase64,
        Self::GzipBase64Url,
    ];

    /// The first byte.
    #[must_use]
    pub fn header(self) -> u8 {
        match self {
            Self::Raw => b'@',
            Self::Base64 => b'B',
            Self::Base64Url => b'C',
            Self::Gzip => b'M',
            Self::GzipBase64 => b'O',
            Self::GzipBase64Url => b'P',
        }
    }

    fn is_gzip(self) -> bool {
        matches!(self, Self::Gzip | Self::GzipBase64 | Self::GzipBase64Url)
    }

    fn base(self) -> Option<data_encoding::Encoding> {
        match self {
            Self::Raw | Self::Gzip => None,
            Self::Base64 | Self::GzipBase64 => Some(BASE64),
            Self::Base64Url | Self::GzipBase64Url => Some(BASE64URL_NOPAD),
        }
    }
}

/// Why bytes are not a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// Over the limit, as it came or unpacked.
    #[error("the container is over {limit} bytes long, as it came or unpacked")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Too many tokens.
    #[error("the container holds {0} tokens; at most {MAX_CONTAINER_TOKENS} are accepted")]
    TooMany(usize),
    /// The first byte is none of the six.
    #[error("a container begins with one of @ B C M O P, not with {0}")]
    Header(String),
    /// Not base64.
    #[error("the container is not the base64 that its first byte says: {0}")]
    Base64(String),
    /// Not gzip.
    #[error("the container is not the gzip that its first byte says: {0}")]
    Gzip(String),
    /// Not strict CBOR.
    #[error("the container is not strict CBOR: {0}")]
    Cbor(#[from] cbor::DecodeError),
    /// Not the form of a container.
    #[error("a container is a map with the one key \"ctn-v1\" and a list of tokens as bytes")]
    Form,
    /// Tokens that are there twice.
    #[error("token {0} of the container is there twice")]
    Duplicate(usize),
    /// Tokens out of order.
    #[error("token {0} of the container comes after a greater one; they are sorted bytewise")]
    Order(usize),
    /// A token that is none.
    #[error("token {position} of the container, {cid}: {source}")]
    Token {
        /// Its position.
        position: usize,
        /// Its CID.
        cid: Box<Cid>,
        /// What is wrong.
        source: Box<Malformed>,
    },
}

impl ContainerError {
    /// The kind of refusal that this is.
    #[must_use]
    pub fn kind(&self) -> crate::Kind {
        match self {
            Self::TooLarge { .. } | Self::TooMany(_) => crate::Kind::TooLarge,
            Self::Token { source, .. } => source.kind(),
            _ => crate::Kind::Malformed,
        }
    }
}

/// Tokens that travel together: their bytes, sorted, each once. What they are is not looked at until
/// [`Container::tokens`].
///
/// ```
/// use ipvm_ucan::{Container, DelegationBuilder, Encoding, Keypair, Token};
///
/// let (owner, agent) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
/// let delegation = DelegationBuilder::new(&owner, agent.did(), "/crud".parse()?)
///     .expires(1_900_000_000)
///     .sign([7; 12])?;
/// let mut container = Container::new();
/// container.insert(delegation.bytes().to_vec());
///
/// let text = container.encode(Encoding::GzipBase64Url)?; // fits in a URL or a header
/// assert_eq!(text[0], b'P');
/// let read = Container::decode(&text)?;
/// assert!(matches!(&read.tokens()?[0], Token::Delegation(d) if d.cid() == delegation.cid()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    tokens: BTreeSet<Vec<u8>>,
}

/// A token of a container.
#[derive(Clone, Debug)]
pub enum Token {
    /// A delegation.
    Delegation(Delegation),
    /// An invocation; may be a receipt or a revocation.
    Invocation(Invocation),
}

impl Token {
    /// Reads a token of either kind.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn decode(bytes: &[u8], versions: Versions) -> Result<Self, Malformed> {
        Self::decode_in(bytes, &Reading::of(versions))
    }

    pub(crate) fn decode_in(bytes: &[u8], reading: &Reading<'_>) -> Result<Self, Malformed> {
        match Delegation::decode_in(bytes, reading) {
            Ok(delegation) => Ok(Self::Delegation(delegation)),
            Err(Malformed::Tag { ref found, .. })
                if Tag::Invocation.is(found, reading.versions) =>
            {
                Invocation::decode_in(bytes, reading).map(Self::Invocation)
            }
            // Over the limit of delegations it can only be an invocation.
            Err(Malformed::TooLarge { .. }) => match Invocation::decode_in(bytes, reading) {
                Err(Malformed::Tag { found, .. })
                    if Tag::Delegation.is(&found, reading.versions) =>
                {
                    Err(Malformed::TooLarge {
                        bytes: bytes.len(),
                        limit: crate::MAX_DELEGATION_BYTES,
                    })
                }
                other => other.map(Self::Invocation),
            },
            Err(error) => Err(error),
        }
    }

    /// The token's CID.
    #[must_use]
    pub fn cid(&self) -> Cid {
        match self {
            Self::Delegation(delegation) => delegation.cid(),
            Self::Invocation(invocation) => invocation.cid(),
        }
    }

    /// The token's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Delegation(delegation) => delegation.bytes(),
            Self::Invocation(invocation) => invocation.bytes(),
        }
    }
}

impl Container {
    /// An empty container.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a token in, by its bytes; whether it was not there.
    pub fn insert(&mut self, token: Vec<u8>) -> bool {
        self.tokens.insert(token)
    }

    /// The bytes of the tokens, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.tokens.iter().map(Vec::as_slice)
    }

    /// How many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The tokens, read.
    ///
    /// # Errors
    /// The first that is none, with its position.
    pub fn tokens(&self) -> Result<Vec<Token>, ContainerError> {
        self.tokens_versions(Versions::Stable)
    }

    /// As [`Self::tokens`], of more versions.
    ///
    /// # Errors
    /// The first that is none, with its position.
    pub fn tokens_versions(&self, versions: Versions) -> Result<Vec<Token>, ContainerError> {
        let each = self.tokens.iter().enumerate();
        each.map(|(position, bytes)| {
            Token::decode(bytes, versions).map_err(|source| ContainerError::Token {
                position,
                cid: Box::new(cid_of(codec::DAG_CBOR, bytes)),
                source: Box::new(source),
            })
        })
        .collect()
    }

    /// Writes the container.
    ///
    /// # Errors
    /// If it is over [`MAX_CONTAINER_BYTES`] or [`MAX_CONTAINER_TOKENS`].
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, ContainerError> {
        if self.tokens.len() > MAX_CONTAINER_TOKENS {
            return Err(ContainerError::TooMany(self.tokens.len()));
        }
        let limit = MAX_CONTAINER_BYTES;
        if self.tokens.iter().map(Vec::len).sum::<usize>() > limit {
            return Err(ContainerError::TooLarge { limit });
        }
        let tokens = self.tokens.iter().cloned().map(Ipld::Bytes).collect();
        let map = Ipld::Map(BTreeMap::from([(KEY.to_owned(), Ipld::List(tokens))]));
        let plain = cbor::encode(&map).map_err(|_| ContainerError::Form)?;
        if plain.len() > limit {
            return Err(ContainerError::TooLarge { limit });
        }
        let packed = if encoding.is_gzip() {
            gzip(&plain)?
        } else {
            plain
        };
        let mut bytes = vec![encoding.header()];
        match encoding.base() {
            None => bytes.extend_from_slice(&packed),
            Some(base) => bytes.extend_from_slice(base.encode(&packed).as_bytes()),
        }
        Ok(bytes)
    }

    /// Reads a container: sorted, without duplicates.
    ///
    /// # Errors
    /// See [`ContainerError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ContainerError> {
        let tokens = unpack(bytes)?;
        let pairs = tokens.iter().zip(tokens.iter().skip(1)).enumerate();
        for (i, (token, next)) in pairs {
            match token.cmp(next) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(ContainerError::Duplicate(i + 1)),
                std::cmp::Ordering::Greater => return Err(ContainerError::Order(i + 1)),
            }
        }
        Ok(Self {
            tokens: tokens.into_iter().collect(),
        })
    }

    /// As [`Self::decode`], with the tokens in any order: as some other implementations write them. Their order has no
    /// meaning.
    ///
    /// # Errors
    /// See [`ContainerError`].
    pub fn decode_unsorted(bytes: &[u8]) -> Result<Self, ContainerError> {
        let mut container = Self::new();
        for (i, token) in unpack(bytes)?.into_iter().enumerate() {
            if !container.insert(token) {
                return Err(ContainerError::Duplicate(i));
            }
        }
        Ok(container)
    }
}

fn gzip(plain: &[u8]) -> Result<Vec<u8>, ContainerError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let wrong = |e: std::io::Error| ContainerError::Gzip(e.to_string());
    encoder.write_all(plain).map_err(wrong)?;
    encoder.finish().map_err(wrong)
}

/// Unpacks at most [`MAX_CONTAINER_BYTES`], whatever the input would become.
fn gunzip(packed: &[u8]) -> Result<Vec<u8>, ContainerError> {
    let limit = MAX_CONTAINER_BYTES;
    let mut decoder = GzDecoder::new(packed);
    let mut plain = Vec::new();
    (&mut decoder)
        .take(limit as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|e| ContainerError::Gzip(e.to_string()))?;
    if plain.len() > limit {
        return Err(ContainerError::TooLarge { limit });
    }
    if !decoder.into_inner().is_empty() {
        return Err(ContainerError::Gzip("bytes follow its end".into()));
    }
    Ok(plain)
}

/// The tokens of a container, in the order they are in.
fn unpack(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ContainerError> {
    let limit = MAX_CONTAINER_BYTES;
    let Some((header, body)) = bytes.split_first() else {
        return Err(ContainerError::Header("nothing".into()));
    };
    let Some(encoding) = Encoding::ALL
        .into_iter()
        .find(|encoding| encoding.header() == *header)
    else {
        return Err(ContainerError::Header(format!("{header:#04x}")));
    };
    let packed_limit = if encoding.is_gzip() {
        limit + GZIP_OVERHEAD
    } else {
        limit
    };
    let longest = encoding
        .base()
        .map_or(packed_limit, |base| base.encode_len(packed_limit));
    if body.len() > longest {
        return Err(ContainerError::TooLarge { limit });
    }
    let packed = match encoding.base() {
        None => body.to_vec(),
        Some(base) => base
            .decode(body)
            .map_err(|e| ContainerError::Base64(e.to_string()))?,
    };
    let plain = if encoding.is_gzip() {
        gunzip(&packed)?
    } else {
        packed
    };
    let limits = Limits {
        bytes: limit,
        depth: DEPTH,
    };
    let Ipld::Map(mut map) = cbor::decode(&plain, limits)? else {
        return Err(ContainerError::Form);
    };
    let (Some(Ipld::List(tokens)), true) = (map.remove(KEY), map.is_empty()) else {
        return Err(ContainerError::Form);
    };
    if tokens.len() > MAX_CONTAINER_TOKENS {
        return Err(ContainerError::TooMany(tokens.len()));
    }
    tokens
        .into_iter()
        .map(|token| match token {
            Ipld::Bytes(bytes) => Ok(bytes),
            _ => Err(ContainerError::Form),
        })
        .collect()
}
