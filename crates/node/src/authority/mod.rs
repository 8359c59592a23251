//! Who may do what: what this home knows of rights, and the gate that every request goes through before anything else
//! reads it.
//!
//! - [`known`]: delegations, revocations and former keys, read from the store once.
//! - [`chain`]: finding the chain of delegations behind a right.
//! - [`give`], [`ask`], [`revoke`]: signing delegations, requests and revocations.
//! - [`gate`]: admitting a request; [`readable`]: what content its asker may see; [`limits`]: how much it may use.
//! - [`execute`]: carrying out what was admitted, and the answer.
//! - [`own`]: the authority for this home's own runs on the resources of others.
//! - [`documents`]: the keys of `did:web` principals.
//! - [`exchange`]: tokens in and out of this home.
//! - [`rotate`], [`names`]: the keys of this home, and what people call those of others.

mod ask;
mod chain;
mod documents;
mod exchange;
mod execute;
mod gate;
mod give;
mod known;
mod limits;
mod mandate;
mod names;
mod own;
mod readable;
mod revoke;
mod rotate;

pub use ask::Asking;
pub use chain::Subject;
pub use documents::{DOCUMENT_LIFE, Document, cache_of};
pub use exchange::{Taken, TokenFile};
pub use execute::{Answer, Brought, Foreign};
pub use give::{Given, Giving};
pub use known::{HeldToken, State};
pub use limits::Bounds;
pub use names::{Named, RESERVED_NAMES};
pub use revoke::Revoking;
pub use rotate::{Rotated, WhichKey};

pub(crate) use execute::RECEIPT_READ;
pub(crate) use gate::refuse;
pub(crate) use known::Authority;
pub(crate) use mandate::Mandate;
pub(crate) use rotate::settle as settle_keys;
