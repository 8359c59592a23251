//! `ipvm provider`: which accounts serve whom.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Accounts for effects: which server, with which credentials and grants, serves whom.
///
/// A workflow names what it wants (`cmd: /msg/send`) and on whose resource (`subject:`); the account says where and how. It is
/// kept in this home, sealed under the owner's key. Without any account the owner's workflows reach public addresses by
/// HTTP(S) and look names up; mail, DNS updates, files and private addresses need one.
#[derive(Debug, Subcommand)]
pub(crate) enum Provider {
    /// Add an account, or replace the one with this name.
    #[command(
        subcommand_value_name = "KIND",
        subcommand_help_heading = "Kinds",
        after_help = "\
Examples:
  ipvm provider add web http --host api.example.com --bearer-file token.txt
  ipvm provider add local http --allow-private 127.0.0.1:8080
  ipvm provider add mail smtp --subject alice-mail --server mail.example.com --user alice --secret-file password.txt
  ipvm provider add zone dns --server ns1.example.com:53 --zone example.com --key ddns. --secret-file key.txt
  ipvm provider add papers file --folder ~/papers
  ipvm provider add api-key secret --secret-file key.txt"
    )]
    Add {
        /// What to call it.
        name: String,
        /// Whose effects it performs: a DID or a name from `ipvm name list` [default: the owner of this home].
        #[arg(long, value_name = "DID|NAME", global = true)]
        subject: Option<String>,
        #[command(subcommand)]
        kind: Box<Kind>,
    },
    /// List accounts. Secrets are never shown.
    #[command(after_help = "Example:\n  ipvm provider list")]
    List {
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Try an account by one harmless exchange with its server.
    #[command(after_help = "Example:\n  ipvm provider test mail")]
    Test {
        /// The account's name.
        name: String,
    },
    /// Take an account away.
    #[command(after_help = "Example:\n  ipvm provider remove mail")]
    Remove {
        /// The account's name.
        name: String,
    },
}

/// The kinds of accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum Kind {
    /// `/crud/*` on https: and http:.
    Http(Http),
    /// `/msg/send`.
    Smtp(Smtp),
    /// `/crud/*` on dns:.
    Dns(Dns),
    /// `/crud/read` on file:.
    File {
        /// Files inside this folder may be read. May be given several times.
        #[arg(long = "folder", value_name = "DIR", required = true)]
        folders: Vec<PathBuf>,
    },
    /// `/crud/read` on ipfs:.
    Ipfs {
        /// A trustless gateway, which is asked for what is not here; each block is checked.
        #[arg(long, value_name = "URL")]
        gateway: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// A secret that `/secret/get` gives to the subject's tasks, which are secret then.
    Secret {
        /// File with the secret; `-` for stdin. One line break at its end does not count.
        #[arg(long, value_name = "FILE")]
        secret_file: PathBuf,
    },
}

/// Where connections may go.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// A private address that may be reached: a host, host:port, or a range as 10.0.0.0/8. May be given several times.
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_private: Vec<String>,
    /// Trust only certificates under the authorities in this PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) roots: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Http {
    /// Ask only this host (or host:port). May be given several times; needed with credentials.
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// File with a token for `Authorization: Bearer`; `-` for stdin.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "header"])]
    pub(crate) bearer_file: Option<PathBuf>,
    /// User for `Authorization: Basic`, with --secret-file.
    #[arg(
        long,
        value_name = "USER",
        conflicts_with = "header",
        requires = "secret_file"
    )]
    pub(crate) user: Option<String>,
    /// A header, as X-Api-Key, whose value is in --secret-file.
    #[arg(long, value_name = "NAME", requires = "secret_file")]
    pub(crate) header: Option<String>,
    /// File with the secret; `-` for stdin.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The server recognises a request by its Idempotency-Key: one of unknown outcome is then safely sent again.
    #[arg(long)]
    pub(crate) idempotent: bool,
    /// Milliseconds without an answer after which a query is asked a second time; the first answer counts.
    #[arg(long, value_name = "MS")]
    pub(crate) hedge: Option<u64>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Debug, Args)]
pub(crate) struct Smtp {
    /// The server: host, or host:port [default port: 587, with --tls implicit 465].
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) server: String,
    /// How the connection is encrypted.
    #[arg(long, value_enum, default_value = "starttls")]
    pub(crate) tls: Tls,
    /// User to log in as, with --secret-file.
    #[arg(long, value_name = "USER", requires = "secret_file")]
    pub(crate) user: Option<String>,
    /// File with the user's password; `-` for stdin.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) secret_file: Option<PathBuf>,
    /// An address that it may send as [default: any]. May be given several times.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Vec<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Encryption of a connection to a mail server.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Tls {
    /// None: in the clear.
    None,
    /// Begins in the clear, and must become encrypted.
    Starttls,
    /// From the first byte.
    Implicit,
}

#[derive(Debug, Args)]
pub(crate) struct Dns {
    /// The server: host or host:port [default: the system's resolver, for queries].
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) server: Option<String>,
    /// The zone that may be updated.
    #[arg(long, requires = "server")]
    pub(crate) zone: Option<String>,
    /// Name of the TSIG key that updates are signed with, with --secret-file.
    #[arg(long, value_name = "NAME", requires = "secret_file")]
    pub(crate) key: Option<String>,
    /// The key's algorithm.
    #[arg(long, value_enum, default_value = "hmac-sha256")]
    pub(crate) algorithm: Algorithm,
    /// File with the key in base64; `-` for stdin.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Updates go unsigned, to a server that lets them.
    #[arg(long, conflicts_with = "key")]
    pub(crate) unsigned: bool,
    /// A private address that may be reached: a host, host:port, or a range as 10.0.0.0/8. May be given several times.
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_private: Vec<String>,
    /// Milliseconds without an answer after which a query is asked a second time; the first answer counts.
    #[arg(long, value_name = "MS")]
    pub(crate) hedge: Option<u64>,
}

/// Algorithms of TSIG keys.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Algorithm {
    HmacSha256,
    HmacSha512,
}
