//! Accounts: which servers serve a subject, with which credentials, and what is granted. Settings, no I/O.

use crate::Kind;
use crate::guard::Grants;
use ipvm_ipld::Ipld;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Longest secret, in bytes.
pub(crate) const MAX_SECRET_BYTES: usize = 16 << 10;

/// A secret. It is wiped from memory when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself, for storing it sealed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The account that serves a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// For `https:` and `http:`.
    Http(HttpAccount),
    /// For mail.
    Smtp(SmtpAccount),
    /// For `dns:`.
    Dns(DnsAccount),
    /// For `file:`.
    File(FileAccount),
    /// For `ipfs:`.
    Ipfs(IpfsAccount),
}

/// Why an account cannot be used as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// A grant that is neither host, host:port nor CIDR.
    #[error(
        "{0:?} in allow_private is not understood; write a host name, an address, host:port, or a range such as 10.0.0.0/8"
    )]
    Grant(String),
    /// Credentials without a list of hosts.
    #[error(
        "an account with credentials must name the hosts they are for; otherwise any uri of a workflow would be sent them"
    )]
    CredentialsForAll,
    /// A value that a field cannot have.
    #[error("{field} of the account {what}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what to write.
        what: String,
    },
}

impl Account {
    /// The kind of provider it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Http(_) => Kind::Http,
            Self::Smtp(_) => Kind::Smtp,
            Self::Dns(_) => Kind::Dns,
            Self::File(_) => Kind::File,
            Self::Ipfs(_) => Kind::Ipfs,
        }
    }

    /// Whether the account can be used as it is written. Asks no server.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), AccountError> {
        match self {
            Self::Http(account) => account.check(),
            Self::Smtp(account) => account.check(),
            Self::Dns(account) => account.check(),
            Self::File(account) => account.check(),
            Self::Ipfs(account) => account.check(),
        }
    }
}

impl Account {
    /// Whether it is for what these arguments name: of several accounts of a subject, those that are not are passed over.
    #[must_use]
    pub fn serves(&self, args: &BTreeMap<String, Ipld>) -> bool {
        match (self, args.get("uri")) {
            (Self::Http(account), Some(Ipld::String(uri))) => {
                url::Url::parse(uri).is_ok_and(|url| crate::http::names(account, &url))
            }
            _ => true,
        }
    }
}

/// How an HTTP server is told who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpAuth {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`, of user and secret.
    Basic(String, Secret),
    /// A header of its own, such as `X-Api-Key`, and its value.
    Header(String, Secret),
}

/// Settings for `https:` and `http:`. The default may read and write any public address without credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAccount {
    /// If given, only these hosts are asked: `host`, or `host:port`. Credentials need it.
    pub hosts: Option<Vec<String>>,
    /// Credentials. Never sent to another origin than the one asked for, and over plain `http:` only to private addresses.
    pub auth: HttpAuth,
    /// Private addresses that may be asked: `host`, `host:port`, or a range such as `10.0.0.0/8`.
    pub allow_private: Vec<String>,
    /// Whether the server recognises a request by its `Idempotency-Key`, so that repeating a creation is safe.
    pub idempotency: bool,
    /// If given, only certificates under these authorities are trusted (PEM); otherwise those the system trusts.
    pub roots: Option<String>,
}

impl HttpAccount {
    fn check(&self) -> Result<(), AccountError> {
        Grants::parse(&self.allow_private)?;
        if let Some(pem) = &self.roots {
            crate::tls::check_roots(pem)?;
        }
        crate::http::check_auth(&self.auth)?;
        if self.auth != HttpAuth::None && self.hosts.is_none() {
            return Err(AccountError::CredentialsForAll);
        }
        Ok(())
    }
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all.
    None,
    /// Begins in the clear and must become encrypted before anything is said (port 587).
    #[default]
    StartTls,
    /// From the first byte (port 465).
    Implicit,
}

/// Settings for mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpAccount {
    /// The server's name or address.
    pub server: String,
    /// Its port: 587 with [`SmtpTls::StartTls`], 465 with [`SmtpTls::Implicit`].
    pub port: u16,
    /// Encryption.
    pub tls: SmtpTls,
    /// The user to log in as.
    pub user: Option<String>,
    /// That user's secret.
    pub secret: Option<Secret>,
    /// Addresses that it may send as; empty means any.
    pub from: Vec<String>,
    /// Private addresses that may be connected to, as in [`HttpAccount::allow_private`].
    pub allow_private: Vec<String>,
    /// As in [`HttpAccount::roots`].
    pub roots: Option<String>,
}

impl SmtpAccount {
    fn check(&self) -> Result<(), AccountError> {
        Grants::parse(&self.allow_private)?;
        if let Some(pem) = &self.roots {
            crate::tls::check_roots(pem)?;
        }
        if self.user.is_some() != self.secret.is_some() {
            return Err(AccountError::Field {
                field: "user",
                what: "needs a secret beside it, and a secret needs a user".to_owned(),
            });
        }
        crate::smtp::check_account(self)
    }
}

/// How a DNS update is signed (RFC 8945).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`.
    #[default]
    HmacSha256,
    /// `hmac-sha512`.
    HmacSha512,
}

/// Settings for `dns:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsAccount {
    /// The server, as `host:port` or `host`. Without one, queries go to the system's resolver and nothing can be written.
    pub server: Option<String>,
    /// The zone that updates are for, such as `example.com`.
    pub zone: Option<String>,
    /// Name of the TSIG key.
    pub key: Option<String>,
    /// Its algorithm.
    pub algorithm: TsigAlgorithm,
    /// The key itself, in base64.
    pub secret: Option<Secret>,
    /// Updates may go unsigned, at a server that lets them.
    pub unsigned: bool,
    /// Private addresses that may be connected to, as in [`HttpAccount::allow_private`].
    pub allow_private: Vec<String>,
}

impl DnsAccount {
    fn check(&self) -> Result<(), AccountError> {
        Grants::parse(&self.allow_private)?;
        if self.key.is_some() != self.secret.is_some() {
            return Err(AccountError::Field {
                field: "key",
                what: "needs a secret beside it, and a secret needs a key's name".to_owned(),
            });
        }
        crate::dns::check_account(self)
    }
}

/// Settings for `file:`. Nothing is granted by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileAccount {
    /// Files inside these folders may be read. Absolute paths.
    pub folders: Vec<PathBuf>,
}

impl FileAccount {
    fn check(&self) -> Result<(), AccountError> {
        match self.folders.iter().find(|folder| !folder.is_absolute()) {
            None => Ok(()),
            Some(folder) => Err(AccountError::Field {
                field: "folders",
                what: format!("has {}; write absolute paths", folder.display()),
            }),
        }
    }
}

/// Settings for `ipfs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpfsAccount {
    /// A trustless gateway, such as `https://gateway.example`: what is not here is asked there, and checked block by block.
    pub gateway: Option<String>,
    /// Private addresses that may be connected to, as in [`HttpAccount::allow_private`].
    pub allow_private: Vec<String>,
    /// As in [`HttpAccount::roots`].
    pub roots: Option<String>,
}

impl IpfsAccount {
    fn check(&self) -> Result<(), AccountError> {
        Grants::parse(&self.allow_private)?;
        if let Some(pem) = &self.roots {
            crate::tls::check_roots(pem)?;
        }
        match &self.gateway {
            None => Ok(()),
            Some(text) => match url::Url::parse(text) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
                _ => Err(AccountError::Field {
                    field: "gateway",
                    what: format!("is {text:?}; write a URL such as https://gateway.example"),
                }),
            },
        }
    }
}
