//! Managed effects: requests to the world outside that were already allowed, performed at servers, under limits.
//!
//! A function is pure. What a workflow asks of the world (a page read, a record written, a mail sent) is a task of its own,
//! with a capability of its own, and is done here: HTTP(S), mail by SMTP, DNS with dynamic updates, files in granted
//! folders, content of IPFS. Nothing here knows of stores, keys, tokens or runs, and nothing is retried here: what may be
//! repeated follows from the command's [`Class`] and from the [`Fault`], and is decided by whoever asked.
//!
//! # The commands
//!
//! | command | arguments | result |
//! |---|---|---|
//! | `/crud/read` (GET), `create` (POST), `update` (PUT), `delete` (DELETE) on `https:`, `http:` | `uri`, `headers?`, `body?` (create, update), `as?`: `bytes`, `text` or `json`, `only?`: `body` | `{status, headers, body}`, or the body alone |
//! | `/msg/send` | `from`, `to`, `cc?`, `subject`, `body`, `headers?` | `{id, accepted, answer}` |
//! | `/crud/read` on `dns:NAME?TYPE=TXT` | `uri` | `{records, ttl}` |
//! | `/crud/create`, `update` on it | `uri`, `value` (one or a list), `ttl?` in seconds | `{records, ttl}` |
//! | `/crud/delete` on it | `uri` | `{records: [], ttl: 0}` |
//! | `/crud/read` on `file:///path` | `uri` | bytes |
//! | `/crud/read` on `ipfs://CID/path` | `uri` | bytes |
//!
//! Arguments that are not in this table are refused by name. A body that is a link stands for the content it names; one
//! that is neither text nor bytes is sent as DAG-JSON.
//!
//! # What a fault promises
//!
//! [`Fault::NotDone`] is said only of what certainly did not happen: no byte of the request had left, or the far side
//! said that it did not do it. [`Fault::Unknown`] is said of what may have happened: the request (or, of a mail, its end)
//! had left and no answer came. Every provider watches its own connection to know which. Before anything of the kind
//! leaves, [`Request::leaving`] is asked: until then a process can end without a trace, and nothing was done.
//!
//! # Where it goes
//!
//! A request goes only where its [`Account`] allows, and to private addresses (this machine, this network, a cloud's
//! metadata service) only by an explicit grant. The address that is checked is the one that is connected to.
//!
//! ```
//! use ipvm_effects::{Account, Effects, HttpAccount, Limits, NoContent, Request, provider_for};
//! use ipvm_ipld::{Ipld, cid_of, codec};
//! use std::{collections::BTreeMap, time::Duration};
//!
//! let effects = Effects::new();
//! let command = "/crud/read".parse()?;
//! let args = BTreeMap::from([("uri".to_owned(), Ipld::from("http://169.254.169.254/latest/meta-data"))]);
//! let kind = provider_for(&command, &args).ok_or("no provider")?;
//! let fault = effects
//!     .provider(kind)
//!     .perform(&Request {
//!         task: &cid_of(codec::DAG_CBOR, b"the task"),
//!         command: &command,
//!         args: &args,
//!         account: &Account::Http(HttpAccount::default()),
//!         limits: Limits { time: Duration::from_secs(10), output: 1 << 20 },
//!         content: &NoContent,
//!         cancel: &|| false,
//!         leaving: &|| true,
//!     })
//!     .unwrap_err();
//! assert_eq!(fault.problem().map(|p| p.reason), Some("private address"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod body;
mod dns;
mod engine;
mod fault;
mod file;
mod guard;
mod http;
mod ipfs;
mod net;
mod request;
mod smtp;
mod tls;

pub use account::{
    Account, AccountError, DnsAccount, FileAccount, HttpAccount, HttpAuth, IpfsAccount, Secret,
    SmtpAccount, SmtpTls, TsigAlgorithm,
};
pub use fault::{Fault, Probe, Problem};
pub use ipvm_workflow::Class;
pub use request::{Content, Limits, NoContent, Request};

use ipvm_ipld::Ipld;
use ipvm_ucan::Command;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What performs the effects of one kind.
pub trait Provider: Send + Sync {
    /// What repeating the command does; none if it is not offered with this account.
    fn class(&self, command: &Command, account: &Account) -> Option<Class>;

    /// Performs the effect. Blocks the calling thread, for at most [`Limits::time`], and ends within about 100 ms once
    /// `cancel` says so. Must not be called on a thread of a tokio runtime.
    ///
    /// # Errors
    /// See [`Fault`]; which one it is says what may follow.
    fn perform(&self, request: &Request<'_>) -> Result<Ipld, Fault>;

    /// Finds out, as far as that is possible, whether the effect has been done by an earlier attempt of unknown outcome.
    /// Changes nothing.
    ///
    /// # Errors
    /// The question itself could not be asked.
    fn probe(&self, request: &Request<'_>) -> Result<Probe, Fault>;

    /// Tries the account by one harmless exchange, and says in words what was seen.
    ///
    /// # Errors
    /// What does not work.
    fn test(&self, account: &Account) -> Result<String, Problem>;
}

/// The kinds of providers, and of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `/crud/*` on `https:` and `http:`.
    Http,
    /// `/msg/send`.
    Smtp,
    /// `/crud/*` on `dns:`.
    Dns,
    /// `/crud/read` on `file:`.
    File,
    /// `/crud/read` on `ipfs:`.
    Ipfs,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Http, Self::Smtp, Self::Dns, Self::File, Self::Ipfs];

    /// The kind in one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Smtp => "smtp",
            Self::Dns => "dns",
            Self::File => "file",
            Self::Ipfs => "ipfs",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which kind of provider performs a command: by the scheme of its argument `uri`, or by the command itself. None if no
/// kind does.
#[must_use]
pub fn provider_for(command: &Command, args: &BTreeMap<String, Ipld>) -> Option<Kind> {
    match command.as_str() {
        "/msg/send" => Some(Kind::Smtp),
        "/crud/read" | "/crud/create" | "/crud/update" | "/crud/delete" => {
            let Some(Ipld::String(uri)) = args.get("uri") else {
                return None;
            };
            let (scheme, _) = uri.split_once(':')?;
            match scheme.to_ascii_lowercase().as_str() {
                "https" | "http" => Some(Kind::Http),
                "dns" => Some(Kind::Dns),
                "file" => Some(Kind::File),
                "ipfs" => Some(Kind::Ipfs),
                _ => None,
            }
        }
        _ => None,
    }
}

/// All providers. The threads and the trusted certificates behind them are made at first use.
pub struct Effects {
    http: http::Http,
    smtp: smtp::Smtp,
    dns: dns::Dns,
    file: file::Files,
    ipfs: ipfs::Ipfs,
}

impl Effects {
    /// Makes them. Does nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let engine = Arc::new(engine::Engine::default());
        Self {
            http: http::Http::new(Arc::clone(&engine)),
            smtp: smtp::Smtp::new(Arc::clone(&engine)),
            dns: dns::Dns::new(Arc::clone(&engine)),
            file: file::Files,
            ipfs: ipfs::Ipfs::new(engine),
        }
    }

    /// The provider of a kind.
    #[must_use]
    pub fn provider(&self, kind: Kind) -> &dyn Provider {
        match kind {
            Kind::Http => &self.http,
            Kind::File => &self.file,
            Kind::Smtp => &self.smtp,
            Kind::Dns => &self.dns,
            Kind::Ipfs => &self.ipfs,
        }
    }
}

impl Default for Effects {
    fn default() -> Self {
        Self::new()
    }
}
