//! Everything that a token can be refused for.

/// Why a token does not count; the cases are those of `refusal` in `wit/jwt.wit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a JWS in compact form with a JSON object inside, or over a limit.
    #[error("not a token: {0}")]
    Malformed(String),
    /// `alg: none`.
    #[error("the token is not signed: its algorithm is `none`")]
    Unsecured,
    /// An algorithm other than EdDSA, ES256, ES256K and RS256.
    #[error("the algorithm {0} is not offered: sign with EdDSA, ES256, ES256K or RS256")]
    UnsupportedAlgorithm(String),
    /// The token wants its key used with another algorithm than the key is for (RFC 8725, 2.1).
    #[error("the token says {token}, but its key is for {key}")]
    AlgorithmMismatch {
        /// What the token's header says.
        token: String,
        /// What the key is for.
        key: &'static str,
    },
    /// A header that must be understood and is not (RFC 7515, 4.1.11).
    #[error("the header {0} must be understood, and is not")]
    CriticalHeader(String),
    /// No key is named that is there, or none can be told from the others.
    #[error("unknown key: {0}")]
    UnknownKey(String),
    /// The key that is named cannot be used.
    #[error("bad key: {0}")]
    BadKey(String),
    /// The signature is not that of the key over these bytes.
    #[error("the signature is not that of the key")]
    BadSignature,
    /// `exp` has passed.
    #[error("the token expired at {expired}, and now is {now}")]
    Expired {
        /// The first second in which it no longer counts.
        expired: u64,
        /// The time that was given.
        now: u64,
    },
    /// `nbf` is still to come.
    #[error("the token counts from {starts} on, and now is {now}")]
    NotYetValid {
        /// The first second in which it counts.
        starts: u64,
        /// The time that was given.
        now: u64,
    },
    /// The token is for others.
    #[error("the token is for {0:?}")]
    WrongAudience(Vec<String>),
}

impl Refusal {
    /// The name of the case, as WIT has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Unsecured => "unsecured",
            Self::UnsupportedAlgorithm(_) => "unsupported-algorithm",
            Self::AlgorithmMismatch { .. } => "algorithm-mismatch",
            Self::CriticalHeader(_) => "critical-header",
            Self::UnknownKey(_) => "unknown-key",
            Self::BadKey(_) => "bad-key",
            Self::BadSignature => "bad-signature",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::WrongAudience(_) => "wrong-audience",
        }
    }
}

/// A [`Refusal::Malformed`] that says this.
pub(crate) fn malformed(what: impl Into<String>) -> Refusal {
    Refusal::Malformed(what.into())
}

/// The start of a text that a message quotes.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
