//! The WIT interface `ipvm:jwt/jwt` of this component.

use crate::check::{validate, verify_did};
use crate::key::Algorithm;
use crate::refusal::Refusal;
use crate::report::report;

wit_bindgen::generate!({ world: "tokens", path: "wit" });

use exports::ipvm::jwt::jwt as wit;

struct Tokens;

export!(Tokens);

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(what) => Self::Malformed(what),
            Refusal::Unsecured => Self::Unsecured,
            Refusal::UnsupportedAlgorithm(name) => Self::UnsupportedAlgorithm(name),
            Refusal::AlgorithmMismatch { token, key } => {
                let key = key.to_owned();
                Self::AlgorithmMismatch(wit::Mismatch { token, key })
            }
            Refusal::CriticalHeader(names) => Self::CriticalHeader(names),
            Refusal::UnknownKey(what) => Self::UnknownKey(what),
            Refusal::BadKey(what) => Self::BadKey(what),
            Refusal::BadSignature => Self::BadSignature,
            Refusal::Expired { expired, now } => {
                let claimed = expired;
                Self::Expired(wit::Moment { claimed, now })
            }
            Refusal::NotYetValid { starts, now } => {
                let claimed = starts;
                Self::NotYetValid(wit::Moment { claimed, now })
            }
            Refusal::WrongAudience(audiences) => Self::WrongAudience(audiences),
        }
    }
}

impl From<wit::Refusal> for Refusal {
    fn from(refusal: wit::Refusal) -> Self {
        match refusal {
            wit::Refusal::Malformed(what) => Self::Malformed(what),
            wit::Refusal::Unsecured => Self::Unsecured,
            wit::Refusal::UnsupportedAlgorithm(name) => Self::UnsupportedAlgorithm(name),
            wit::Refusal::AlgorithmMismatch(wit::Mismatch { token, key }) => {
                let key = Algorithm::named(&key).map_or("another", Algorithm::name);
                Self::AlgorithmMismatch { token, key }
            }
            wit::Refusal::CriticalHeader(names) => Self::CriticalHeader(names),
            wit::Refusal::UnknownKey(what) => Self::UnknownKey(what),
            wit::Refusal::BadKey(what) => Self::BadKey(what),
            wit::Refusal::BadSignature => Self::BadSignature,
            wit::Refusal::Expired(wit::Moment { claimed, now }) => {
                let expired = claimed;
                Self::Expired { expired, now }
            }
            wit::Refusal::NotYetValid(wit::Moment { claimed, now }) => {
                let starts = claimed;
                Self::NotYetValid { starts, now }
            }
            wit::Refusal::WrongAudience(audiences) => Self::WrongAudience(audiences),
        }
    }
}

impl wit::Guest for Tokens {
    fn validate_jwt(
        token: Vec<u8>,
        jwks: Vec<u8>,
        now: u64,
        audience: String,
    ) -> Result<String, wit::Refusal> {
        Ok(validate(&token, &jwks, now, &audience)?)
    }

    fn verify_did_jwt(
        token: Vec<u8>,
        now: Option<u64>,
        audience: Option<String>,
    ) -> Result<String, wit::Refusal> {
        Ok(verify_did(&token, now, audience.as_deref())?)
    }

    fn report(verdicts: Vec<Result<String, wit::Refusal>>) -> Result<Vec<u8>, wit::Refusal> {
        let verdicts: Vec<_> = verdicts
            .into_iter()
            .map(|verdict| verdict.map_err(Refusal::from))
            .collect();
        Ok(report(&verdicts)?)
    }
}
