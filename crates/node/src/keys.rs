//! The two keys of a home: who they are, without a secret; and the secrets, once somebody signs.
//!
//! ```text
//! ipvm ed25519 seed                      ipvm ed25519 seed, sealed
//! <64 hexadecimal digits>                did:key:z6Mk…
//!                                        argon2id <KiB> <passes> <lanes> <salt>
//!                                        xchacha20poly1305 <nonce>
//!                                        <sealed seed, 96 hexadecimal digits>
//! ```
//!
//! Of the other types, `ipvm p256 secret` and `ipvm secp256k1 secret`, the same with these words.
//!
//! The lines above the last are bound to it: a file that says another principal, or asks for less work, does not open.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use argon2::{Algorithm as Stretching, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key as CipherKey, XChaCha20Poly1305, XNonce};
use ipvm_ucan::{Algorithm, Delegation, Did, Keypair};
use zeroize::Zeroizing;

use crate::NodeError;
use crate::home::fill_random;

/// The types of keys, with the first lines of their files: as it is, and under a passphrase.
const TYPES: [(Algorithm, &str, &str); 3] = [
    (
        Algorithm::Ed25519,
        "ipvm ed25519 seed",
        "ipvm ed25519 seed, sealed",
    ),
    (
        Algorithm::P256,
        "ipvm p256 secret",
        "ipvm p256 secret, sealed",
    ),
    (
        Algorithm::Secp256k1,
        "ipvm secp256k1 secret",
        "ipvm secp256k1 secret, sealed",
    ),
];
/// Largest key file, in bytes.
pub(crate) const MAX_KEY_FILE: u64 = 1024;
/// Work of making a key of a passphrase: memory in KiB, passes, lanes. About a tenth of a second.
const WORK: (u32, u32, u32) = (64 << 10, 3, 1);
/// Most work that a file may ask for.
const MAX_WORK: (u32, u32, u32) = (1 << 20, 16, 16);
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const SEED_BYTES: usize = 32;
/// Bytes that sealing adds.
const TAG_BYTES: usize = 16;

/// Asked for the passphrase of the keys, at most once; none if there is nobody to ask.
pub type AskPassphrase = Arc<dyn Fn() -> io::Result<Option<Zeroizing<String>>> + Send + Sync>;

/// What a key file holds.
pub(crate) enum KeyFile {
    Plain(Keypair),
    Sealed(Sealed),
}

/// A seed under a passphrase.
#[derive(Debug)]
pub(crate) struct Sealed {
    algorithm: Algorithm,
    did: Did,
    /// The lines above the last.
    head: String,
    work: (u32, u32, u32),
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
    seed: Vec<u8>,
}

impl KeyFile {
    /// Reads a key file; what it should be otherwise.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        for (algorithm, plain, sealed) in TYPES {
            if first == plain {
                let seed = from_hex::<SEED_BYTES>(rest.trim_end());
                let seed = seed.ok_or_else(|| {
                    format!("expected the line `{plain}` and 64 hexadecimal digits")
                })?;
                let pair = Keypair::from_secret(algorithm, &seed);
                return pair.map(Self::Plain).map_err(|error| error.to_string());
            }
            if first == sealed {
                return Sealed::parse(algorithm, text).map(Self::Sealed);
            }
        }
        let firsts = TYPES.map(|(_, plain, _)| format!("`{plain}`")).join(", ");
        Err(format!(
            "expected one of the lines {firsts} and 64 hexadecimal digits, or that line with `, sealed`"
        ))
    }

    pub(crate) fn did(&self) -> &Did {
        match self {
            Self::Plain(pair) => pair.did(),
            Self::Sealed(sealed) => &sealed.did,
        }
    }
}

impl Sealed {
    fn parse(algorithm: Algorithm, text: &str) -> Result<Self, String> {
        let lines: Vec<&str> = text.lines().collect();
        let [first, did, work, cipher, seed] = lines.as_slice() else {
            return Err("a sealed key has five lines".into());
        };
        let head = format!("{first}\n{did}\n{work}\n{cipher}\n");
        let did = did.parse().map_err(|error| format!("line 2: {error}"))?;
        let work: Vec<&str> = work.split(' ').collect();
        let ["argon2id", memory, passes, lanes, salt] = work.as_slice() else {
            return Err("line 3: expected `argon2id`, three numbers and a salt".into());
        };
        let number = |text: &str, most: u32| {
            let number = text.parse::<u32>().ok();
            number
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| format!("line 3: {text} is not a number from 1 to {most}"))
        };
        let work = (
            number(memory, MAX_WORK.0)?,
            number(passes, MAX_WORK.1)?,
            number(lanes, MAX_WORK.2)?,
        );
        let salt = from_hex::<SALT_BYTES>(salt).ok_or("line 3: the salt has 32 digits")?;
        let nonce = cipher.strip_prefix("xchacha20poly1305 ").and_then(from_hex);
        let nonce: Zeroizing<[u8; NONCE_BYTES]> =
            nonce.ok_or("line 4: expected `xchacha20poly1305` and 48 digits")?;
        let seed = from_hex::<{ SEED_BYTES + TAG_BYTES }>(seed)
            .ok_or("line 5: expected 96 hexadecimal digits")?;
        Ok(Self {
            algorithm,
            did,
            head,
            work,
            salt: *salt,
            nonce: *nonce,
            seed: seed.to_vec(),
        })
    }

    /// Seals a key.
    pub(crate) fn seal(pair: &Keypair, passphrase: &str) -> Result<Zeroizing<String>, NodeError> {
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
        fill_random(&mut salt)?;
        fill_random(&mut nonce)?;
        let (memory, passes, lanes) = WORK;
        let (_, first) = firsts_of(pair);
        let head = format!(
            "{first}\n{}\nargon2id {memory} {passes} {lanes} {}\nxchacha20poly1305 {}\n",
            pair.did(),
            to_hex(&salt),
            to_hex(&nonce)
        );
        let cipher = cipher(passphrase, &salt, WORK)?;
        let payload = Payload {
            msg: &*pair.seed(),
            aad: head.as_bytes(),
        };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| NodeError::Internal("a key was not sealed".into()))?;
        Ok(Zeroizing::new(format!("{head}{}\n", to_hex(&sealed))))
    }

    /// Opens it; none if the passphrase is another, or the file was changed.
    fn open(&self, passphrase: &str) -> Result<Option<Keypair>, NodeError> {
        let cipher = cipher(passphrase, &self.salt, self.work)?;
        let payload = Payload {
            msg: &self.seed,
            aad: self.head.as_bytes(),
        };
        let Ok(seed) = cipher.decrypt(&XNonce::from(self.nonce), payload) else {
            return Ok(None);
        };
        let seed = Zeroizing::new(seed);
        let Ok(seed) = <&[u8; SEED_BYTES]>::try_from(seed.as_slice()) else {
            return Ok(None);
        };
        let pair = Keypair::from_secret(self.algorithm, seed).ok();
        Ok(pair.filter(|pair| *pair.did() == self.did))
    }
}

fn cipher(
    passphrase: &str,
    salt: &[u8; SALT_BYTES],
    (memory, passes, lanes): (u32, u32, u32),
) -> Result<XChaCha20Poly1305, NodeError> {
    let failed = |error: argon2::Error| NodeError::Internal(format!("argon2: {error}"));
    let params = Params::new(memory, passes, lanes, Some(SEED_BYTES)).map_err(failed)?;
    let mut key = Zeroizing::new([0; SEED_BYTES]);
    Argon2::new(Stretching::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .map_err(failed)?;
    Ok(XChaCha20Poly1305::new(&CipherKey::from(*key)))
}

/// The text of a key file without a passphrase.
pub(crate) fn plain(pair: &Keypair) -> Zeroizing<String> {
    let digits = Zeroizing::new(to_hex(&*pair.seed()));
    let (first, _) = firsts_of(pair);
    Zeroizing::new(format!("{first}\n{}\n", *digits))
}

/// The first lines of a key's file: as it is, and under a passphrase.
fn firsts_of(pair: &Keypair) -> (&'static str, &'static str) {
    let mut types = TYPES.into_iter();
    let found = types.find(|(algorithm, ..)| *algorithm == pair.algorithm());
    found.map_or(("", ""), |(_, plain, sealed)| (plain, sealed))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(digits: &str) -> Option<Zeroizing<[u8; N]>> {
    if digits.len() != N * 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = Zeroizing::new([0u8; N]);
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// One key of a home.
pub(crate) struct Key {
    did: Did,
    path: PathBuf,
    sealed: Option<Sealed>,
    pair: OnceLock<Keypair>,
}

impl Key {
    pub(crate) fn new(path: &Path, file: KeyFile) -> Self {
        let did = file.did().clone();
        let (sealed, pair) = match file {
            KeyFile::Plain(pair) => (None, OnceLock::from(pair)),
            KeyFile::Sealed(sealed) => (Some(sealed), OnceLock::new()),
        };
        Self {
            did,
            path: path.to_path_buf(),
            sealed,
            pair,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The two keys of a home and what binds them.
pub(crate) struct Keys {
    pub(crate) owner: Key,
    pub(crate) agent: Key,
    /// Owner → agent, command `/`, no expiry.
    pub(crate) delegation: Delegation,
    ask: AskPassphrase,
    passphrase: OnceLock<Zeroizing<String>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keys")
            .field("owner", &self.owner.did)
            .field("agent", &self.agent.did)
            .finish_non_exhaustive()
    }
}

impl Keys {
    pub(crate) fn new(
        owner: Key,
        agent: Key,
        delegation: Delegation,
        ask: AskPassphrase,
    ) -> Result<Self, NodeError> {
        let payload = delegation.payload();
        if payload.iss != owner.did || payload.aud != agent.did {
            return Err(NodeError::Key {
                path: agent.path.with_extension("dlg"),
                message: "it does not delegate from this home's owner to its agent".into(),
            });
        }
        Ok(Self {
            owner,
            agent,
            delegation,
            ask,
            passphrase: OnceLock::new(),
        })
    }

    /// The person.
    pub(crate) fn owner_did(&self) -> &Did {
        &self.owner.did
    }

    /// The home.
    pub(crate) fn agent_did(&self) -> &Did {
        &self.agent.did
    }

    /// Whether a passphrase is needed to sign.
    pub(crate) fn are_sealed(&self) -> bool {
        self.owner.sealed.is_some() || self.agent.sealed.is_some()
    }

    /// The person's key, to sign with.
    pub(crate) fn owner(&self) -> Result<&Keypair, NodeError> {
        self.open(&self.owner)
    }

    /// The home's key, to sign with.
    pub(crate) fn agent(&self) -> Result<&Keypair, NodeError> {
        self.open(&self.agent)
    }

    fn open<'k>(&self, key: &'k Key) -> Result<&'k Keypair, NodeError> {
        if let Some(pair) = key.pair.get() {
            return Ok(pair);
        }
        let Some(sealed) = &key.sealed else {
            return Err(NodeError::Internal("a key has no secret".into()));
        };
        let passphrase = self.passphrase(&key.path)?;
        let opened = sealed.open(passphrase)?;
        let pair = opened.ok_or_else(|| NodeError::WrongPassphrase(key.path.clone()))?;
        Ok(key.pair.get_or_init(|| pair))
    }

    /// The passphrase of the keys, asked for once.
    pub(crate) fn passphrase(&self, path: &Path) -> Result<&str, NodeError> {
        if let Some(known) = self.passphrase.get() {
            return Ok(known);
        }
        let asked = (self.ask)().map_err(|source| NodeError::io("ask for", path, source))?;
        let given = asked.ok_or_else(|| NodeError::NoPassphrase(path.to_path_buf()))?;
        Ok(self.passphrase.get_or_init(|| given))
    }
}

#[cfg(test)]
mod tests {
    //! Without these a sealed key could be lost, or opened by somebody else.
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn sealed(text: &str) -> Sealed {
        match KeyFile::parse(text) {
            Ok(KeyFile::Sealed(sealed)) => sealed,
            Ok(KeyFile::Plain(_)) => panic!("not sealed"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn only_the_passphrase_opens_a_sealed_key() {
        let pair = Keypair::from_seed(&[7; 32]);
        let text = Sealed::seal(&pair, "correct horse").unwrap();
        assert!(!text.contains(&"07".repeat(4)));
        let key = sealed(&text);
        assert_eq!(key.did, *pair.did());
        let opened = key.open("correct horse").unwrap().unwrap();
        assert_eq!(*opened.seed(), [7; 32]);
        assert!(key.open("correct horsf").unwrap().is_none());
        // Another principal, another salt, other work: bound to the seed.
        let other = Keypair::from_seed(&[8; 32]).did().to_string();
        for changed in [
            text.replace(pair.did().as_str(), &other),
            text.replace(" 3 1 ", " 2 1 "),
        ] {
            assert_ne!(changed, **text);
            assert!(sealed(&changed).open("correct horse").unwrap().is_none());
        }
    }

    #[test]
    fn a_file_that_would_take_for_ever_is_refused() {
        let pair = Keypair::from_seed(&[7; 32]);
        let text = Sealed::seal(&pair, "x").unwrap();
        for (from, to) in [
            (" 65536 3 1 ", " 4294967295 3 1 "),
            (" 65536 3 1 ", " 65536 99 1 "),
            (" 65536 3 1 ", " 0 3 1 "),
            ("argon2id", "argon2i"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, **text);
            assert!(KeyFile::parse(&changed).is_err(), "{changed}");
        }
    }
}
