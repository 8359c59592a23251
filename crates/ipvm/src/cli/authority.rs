//! The words for rights, names and keys.

use crate::waiting::MAX_SECONDS;
use crate::when;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// Rights: pass on, look at, check, use and take back.
///
/// A right is a delegation: signed, checked offline, and passed on without asking anybody. Principals are written as DIDs,
/// as names of `ipvm name list`, or as `owner` or `agent` of this home; tokens as files, `-` for stdin, CIDs, or the first
/// 8 characters or more of a CID that is known here.
#[derive(Debug, Subcommand)]
pub(crate) enum Ucan {
    /// Give somebody a right, or pass on part of one that was given to you.
    ///
    /// The delegations behind it are found by themselves. What comes out is a container with the whole chain: bytes into a
    /// file or pipe, text on a terminal. It is kept here too, so that it can be revoked.
    #[command(after_help = "\
Examples:
  ipvm ucan delegate --to bob --cmd /wasm/run --policy '.fun == \"add\"' --expires 7d -o bob.ucan
  ipvm ucan delegate --to carol --cmd /wasm/run --sub alice-machine --expires 1d > carol.ucan")]
    Delegate {
        /// To whom.
        #[arg(long, value_name = "DID|NAME")]
        to: String,
        /// The right to what, and to all below it: `/wasm` covers `/wasm/run`.
        #[arg(long, value_name = "COMMAND")]
        cmd: String,
        /// On whose resources; `powerline` for whatever was or will be delegated to you [default: this home's agent for
        /// /wasm and /workflow, else its owner].
        #[arg(long, value_name = "DID|NAME|powerline")]
        sub: Option<String>,
        /// A condition on the arguments, as `.fun == "add"` or as JSON. Several must all be met.
        #[arg(long, value_name = "POLICY")]
        policy: Vec<String>,
        /// Until when: `7d`, a time in seconds since the epoch or RFC 3339, or `never`.
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = when::until)]
        expires: when::Until,
        /// From when, likewise.
        #[arg(long, value_name = "TIME", value_parser = when::time)]
        not_before: Option<i64>,
        /// Delegations behind it that are not kept here.
        #[arg(long, value_name = "FILE")]
        proof: Vec<String>,
        /// The file to write, or `-` for stdout [default: stdout].
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show what tokens say: who may do what for whom until when, and whether that holds now.
    #[command(after_help = "\
Examples:
  ipvm ucan inspect bob.ucan
  ipvm ucan inspect bafyreigxvfrad --json")]
    Inspect {
        /// A container, a token, or a delegation that is kept here.
        #[arg(value_name = "FILE|CID")]
        what: String,
        /// Print it as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Check an invocation: signatures, chain, commands, times, policies and known revocations. Exit code 0 or 3.
    ///
    /// JSON: `{"valid", "error": {"kind", "link", "message"} or null, "capability": … or null}`; `link` is the position of
    /// the delegation in the chain, 0 for the root, null for the invocation itself.
    #[command(after_help = "\
Examples:
  ipvm ucan verify request.ucan && echo valid
  ipvm ucan verify --at 2027-01-15T08:00:00Z --skew 0 --proof bob.ucan --json request.ucan")]
    Verify {
        /// At this time instead of now: seconds since the epoch, or RFC 3339.
        #[arg(long, value_name = "TIME", value_parser = when::time)]
        at: Option<i64>,
        /// By how many seconds clocks may differ.
        #[arg(long, value_name = "SECONDS", default_value_t = ipvm_ucan::DEFAULT_SKEW)]
        skew: i64,
        /// Require that it is addressed to this principal.
        #[arg(long, value_name = "DID|NAME")]
        audience: Option<String>,
        /// Delegations that the invocation names and that are not in FILE.
        #[arg(long, value_name = "FILE")]
        proof: Vec<String>,
        /// The DID document of a did:web principal in the chain, for this verdict alone; those that were imported count too.
        #[arg(long, value_name = "FILE")]
        did_document: Vec<String>,
        /// Print the verdict as one JSON document.
        #[arg(long)]
        json: bool,
        /// A container with an invocation, or an invocation alone; `-` for stdin.
        file: String,
    },
    /// Ask for work: sign an invocation and put the delegations that give the right to it beside it.
    ///
    /// Hand the result to whoever is to do it; there, `ipvm ucan execute` does it and answers.
    #[command(after_help = "\
Examples:
  ipvm ucan invoke /wasm/run --sub alice-machine -o request.ucan \\
    --args '{\"mod\": {\"/\": \"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy\"}, \"fun\": \"add\", \"args\": [2, 3]}'
  ipvm ucan invoke /msg/send --sub alice --nonce 6d61696c2d0001ff --args @mail.json -o request.ucan
  ipvm ucan invoke /receipt/read --sub alice --audience alice-machine --args @args.json > request.ucan")]
    Invoke {
        /// What is to be done.
        #[arg(value_name = "COMMAND")]
        cmd: String,
        /// On whose resources [default: your own].
        #[arg(long, value_name = "DID|NAME")]
        sub: Option<String>,
        /// By whom, if not by the subject itself.
        #[arg(long, value_name = "DID|NAME")]
        audience: Option<String>,
        /// The arguments as DAG-JSON, or `@FILE`. For /wasm/run, `fun` may be the short name of a function if the module is
        /// here.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        args: String,
        /// Most fuel that the work may use.
        #[arg(long, value_name = "N")]
        fuel: Option<u64>,
        /// Most memory, in bytes.
        #[arg(long, value_name = "BYTES")]
        memory: Option<u64>,
        /// Most time, in milliseconds.
        #[arg(long, value_name = "MS")]
        time: Option<u64>,
        /// Until when the request is good: `1h`, a time in seconds since the epoch or RFC 3339, or `never`.
        #[arg(long, value_name = "TIME", default_value = "1d", value_parser = when::until)]
        expires: when::Until,
        /// What tells this task from others with the same arguments, in hexadecimal: with the nonce of an earlier request
        /// the same task is asked for again, and what it does is done once [default: drawn].
        #[arg(long, value_name = "HEX")]
        nonce: Option<String>,
        /// Delegations that are not kept here: for the right to the work, or to the machine that is to do it.
        #[arg(long, value_name = "FILE")]
        proof: Vec<String>,
        /// The file to write, or `-` for stdout [default: stdout].
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Do what a request asks for, if it has the right to it, and answer with the receipt.
    ///
    /// Nothing is done, and nothing is kept, of a request that is refused (exit code 3). Exit code 1: it was done, and
    /// ended in an error; the receipt says which.
    #[command(after_help = "\
Examples:
  ipvm ucan execute request.ucan -o answer.ucan
  ipvm ucan execute request.ucan --content photo.car --result result.car -o answer.ucan
  ipvm ucan execute --json - < request.ucan | jq .out")]
    Execute {
        /// The request: a container, or `-` for stdin.
        file: String,
        /// A CAR file with content that came with the request.
        #[arg(long, value_name = "CAR")]
        content: Option<PathBuf>,
        /// Write the content of the result, as far as whoever asked may have it, into this CAR file.
        #[arg(long, value_name = "CAR")]
        result: Option<PathBuf>,
        /// The file for the answer, or `-` for stdout [default: stdout].
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Wait up to SECONDS for results that the request awaits and that another process brings into this home, for
        /// instance `ipvm ucan import` [default: they are here, or the command ends].
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=MAX_SECONDS))]
        wait: Option<u64>,
        /// The DID document of a did:web principal in the chain: it is kept if the request is let in, and counts for 30 days.
        #[arg(long, value_name = "FILE")]
        did_document: Vec<String>,
        /// Print what happened as one JSON document; the answer then goes to -o only.
        #[arg(long)]
        json: bool,
    },
    /// Take a right back, with all that was passed on below it.
    ///
    /// It counts here at once. What comes out is for whoever executes for others: they import it. A revocation cannot be
    /// taken back.
    #[command(after_help = "Example:\n  ipvm ucan revoke bafyreigxvfrad -o revoked.ucan")]
    Revoke {
        /// The delegation: its CID, the first 8 characters or more of it, or a file whose last delegation it is.
        #[arg(value_name = "CID|FILE")]
        delegation: String,
        /// Delegations above it that are not kept here.
        #[arg(long, value_name = "FILE")]
        path: Vec<String>,
        /// The file to write, or `-` for stdout [default: stdout].
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List the delegations that are kept here, newest first.
    #[command(
        after_help = "Example:\n  ipvm ucan list --json | jq -r '.[] | select(.state == \"valid\") | .delegation'"
    )]
    List {
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Take in delegations, revocations and receipts. Each signature is checked; one that is wrong refuses the file.
    ///
    /// A receipt of another counts here if you asked its executor for that task, or with --accept.
    #[command(after_help = "\
Examples:
  ipvm ucan import bob.ucan
  ipvm ucan import answer.ucan --accept alice-machine
  curl https://example.com/.well-known/did.json > did.json && ipvm ucan import right.ucan --did-document did.json")]
    Import {
        /// A container or a token, or `-` for stdin.
        #[arg(required_unless_present = "did_document")]
        file: Option<String>,
        /// Let the receipts of this executor in this file count like your own.
        #[arg(long, value_name = "DID|NAME")]
        accept: Option<String>,
        /// The DID document of a did:web principal, as its site has it: it is kept, and counts for 30 days. Nothing is
        /// fetched from the network.
        #[arg(long, value_name = "FILE")]
        did_document: Vec<String>,
        /// Print what was taken in as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Write delegations with all above them, and their revocations, into one container.
    #[command(after_help = "\
Examples:
  ipvm ucan export bafyreigxvfrad -o right.ucan
  ipvm ucan export > all.ucan")]
    Export {
        /// The delegations [default: everything that is kept here].
        #[arg(value_name = "CID")]
        delegations: Vec<String>,
        /// The file to write, or `-` for stdout [default: stdout].
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Names for principals: only here, only yours.
#[derive(Debug, Subcommand)]
pub(crate) enum Name {
    /// Call a principal something. The name can be written wherever a DID can.
    #[command(
        after_help = "Example:\n  ipvm name add bob did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX"
    )]
    Add {
        /// The name: letters, digits, `-`, `_` and `.`.
        name: String,
        /// The principal.
        did: String,
    },
    /// List the names.
    #[command(after_help = "Example:\n  ipvm name list --json | jq -r '.[].name'")]
    List {
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Take a name away.
    #[command(after_help = "Example:\n  ipvm name remove bob")]
    Remove {
        /// The name.
        name: String,
    },
}

/// One of the two keys of a home.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyName {
    /// The person's.
    Owner,
    /// The home's own.
    Agent,
}

/// A type of keys.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyType {
    /// Ed25519.
    Ed25519,
    /// ECDSA on NIST's P-256.
    P256,
    /// ECDSA on secp256k1.
    Secp256k1,
}
