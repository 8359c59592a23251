//! Principals at hand: those that were read lately, so that a text is not parsed again nor its key found again.

use crate::bounded::Bounded;
use crate::did::{Did, DidError};
use std::sync::Mutex;

/// Most principals that are kept at hand; each takes about 500 bytes.
const MAX_PRINCIPALS: usize = 8192;

/// A bounded set of principals by text.
pub(crate) struct Principals(Mutex<Bounded<Box<str>, Did>>);

impl Default for Principals {
    fn default() -> Self {
        Self(Mutex::new(Bounded::new(MAX_PRINCIPALS)))
    }
}

impl Principals {
    /// Parses a principal, unless it is at hand.
    pub(crate) fn parse(&self, text: &str) -> Result<Did, DidError> {
        if let Some(did) = crate::bounded::lock(&self.0).get(text) {
            return Ok(did);
        }
        let did: Did = text.parse()?;
        crate::bounded::lock(&self.0).insert(text.into(), did.clone());
        Ok(did)
    }
}
