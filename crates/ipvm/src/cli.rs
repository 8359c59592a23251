//! The words of the command line. What scripts may rely on is in the help texts: each verb has an example.

mod authority;
pub(crate) mod provider;

pub(crate) use authority::{KeyName, KeyType, Name, Ucan};
pub(crate) use provider::Provider;

use crate::units;
use crate::waiting::MAX_SECONDS;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// The verb that the process for compiling is started with.
pub(crate) const COMPILE_VERB: &str = "compile-module";

const AFTER: &str = "\
Examples:
  ipvm run workflow.yaml             run a workflow; again, and it is answered from memory
  ipvm call image.wasm               which functions there are
  ipvm call math.wasm add 2 3        call one

Exit codes: 0 done and right, 1 the work ended in an error, 2 wrong use or bad input, 3 refused (no authority), 4 in doubt, \
130 interrupted.

Environment:
  IPVM_HOME             folder for keys, receipts and content (default: `ipvm` in the platform's data folder)
  IPVM_COMPILE_SECONDS  most time for compiling one module (default: 120)
  IPVM_PASSPHRASE       the passphrase of protected keys (`ipvm key protect`); else it is asked for on a terminal
  NO_COLOR              if set, no colours";

/// Runs Wasm functions and workflows of them; signs what came out, and never computes it twice.
///
/// Results go to stdout; progress and messages go to stderr.
#[derive(Debug, Parser)]
#[command(name = "ipvm", version, after_help = AFTER, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say nothing on stderr but errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Run(Run),
    Call(Call),
    Add(Add),
    Ls(Ls),
    Cat(Cat),
    Get(Get),
    Inspect(Inspect),
    #[command(subcommand)]
    Receipt(Receipt),
    #[command(subcommand)]
    Workflow(Workflow),
    #[command(subcommand)]
    Provider(Provider),
    #[command(subcommand)]
    Key(Key),
    #[command(subcommand)]
    Name(Name),
    #[command(subcommand)]
    Ucan(Ucan),
    Explain(Explain),
    #[command(subcommand)]
    Store(Store),
    #[command(subcommand)]
    Home(Home),
    New(New),
    Completions(Completions),
    Man(Man),
    /// Compile the module on stdin, under limits: what `ipvm` starts for every module that it sees first.
    #[command(name = COMPILE_VERB, hide = true)]
    CompileModule,
}

/// Run workflow files.
///
/// The same file again: what was computed before is answered from memory, and an unfinished run goes on where it
/// stopped. On stdout: the paths of the outputs; without `outputs:` in the file, one line `label<TAB>value` for
/// each task. On stderr: a live tree on a terminal; elsewhere one line per task, once its result is durable. With
/// `--progress json` each of these lines is a JSON object; lines that do not begin with `{` are messages.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm run workflow.yaml
  ipvm run workflow.yaml --set photo=@other.jpg --set sizes=[64,128]
  ipvm run workflow.yaml --out pictures --json | jq .outputs
  ipvm run photos.yaml posts.yaml --json | jq '.[].status'
  ipvm run workflow.yaml --progress json 2>&1 >/dev/null | grep '^{' | jq -r .receipt")]
pub(crate) struct Run {
    /// The workflow: YAML or JSON. Several are run at once.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Folder for the outputs; of several workflows, each has a folder with its name in it [default: ./ipvm-out/NAME,
    /// with the workflow's name].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print the whole report as one JSON document; of several workflows, a list of them in the order of the files.
    #[arg(long)]
    pub(crate) json: bool,
    /// Compute everything again instead of looking results up.
    #[arg(long)]
    pub(crate) no_memo: bool,
    /// Start a new run, even if the last one with mutations is finished.
    #[arg(long)]
    pub(crate) again: bool,
    /// Wait up to SECONDS for results that are awaited and that another process brings into this home, for instance
    /// `ipvm ucan import` [default: such a result is here, or the command ends].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=MAX_SECONDS))]
    pub(crate) wait: Option<u64>,
    /// How progress is told on stderr.
    #[arg(long, value_name = "FORM", default_value = "auto")]
    pub(crate) progress: ProgressForm,
}

/// How progress is told on stderr.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProgressForm {
    /// For people: a live tree on a terminal, lines elsewhere.
    Auto,
    /// For programs: one JSON object per ended task, once its receipt is durable.
    Json,
}

/// How a workflow file is read.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Set a parameter of the workflow; VALUE is YAML, or `@path` for a file.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Let the workflow read files in DIR too, not only in its own folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_path: Vec<PathBuf>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, for instance size=128 or photo=@other.jpg".to_owned()),
    }
}

/// Call one function of a module, or list its functions.
///
/// Without FUNCTION, the functions with their types. The result is printed as one line of DAG-JSON; bytes go to
/// the file named by -o. An ARG is DAG-JSON (`-1`, `"text"`, `[1, 2]`), a bare word where the function takes
/// text, or `@path` for the content of a file. An ARG that begins with `-` and is not a number goes after `--`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm call image.wasm
  ipvm call image.wasm thumbnail @photo.jpg 128 128 -o small.jpg
  ipvm call math.wasm add -1 2
  ipvm call text.wasm upper -- --not-a-flag")]
pub(crate) struct Call {
    /// The module: a path or a CID.
    pub(crate) module: String,
    /// The function: its short name if that is unique, else the full one.
    pub(crate) function: Option<String>,
    /// The arguments, one for each parameter.
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,
    /// Write the bytes of the result to FILE.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print receipt, task, time and result as one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Add a file or a folder and print its CID.
///
/// Prints `CID size path`, where the size of a folder is that of all files in it; with --quiet the CID alone. The CID is
/// the one that IPFS tools give under the import profile `unixfs-v1-2025` (CIDv1, raw leaves, 1 MiB chunks). As there, what
/// has a name that begins with a dot is left out of a folder unless --hidden is given, empty folders are kept, symbolic
/// links are kept as links wherever they point, and permissions and times are not. What was interrupted goes on where it
/// stopped when it is added again: nothing is written twice. The content is pinned: it stays until
/// `ipvm store unpin`. It also stays on this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm add photo.jpg
  ipvm add photos/
  cid=$(ipvm add --quiet photo.jpg)
  curl -s https://example.com/ | ipvm add -
  ipvm add --car photos.car
  ipvm add --secret diagnosis.pdf")]
pub(crate) struct Add {
    /// Mark the content as public. Nothing is given to anybody yet; listings show it.
    #[arg(long)]
    pub(crate) public: bool,
    /// The file or folder, or `-` for stdin.
    pub(crate) path: PathBuf,
    /// Take files and folders whose names begin with a dot, too.
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Keep it sealed under the owner's key: every task that it goes into is secret, and it does not leave this home.
    #[arg(long, conflicts_with_all = ["public", "car"])]
    pub(crate) secret: bool,
    /// PATH is a CAR file (version 1, or 2 around 1): add its blocks, and print `CID path` for each root.
    ///
    /// Each block is checked against its CID. Of a CAR that is cut off, the blocks that are whole are kept.
    #[arg(long, conflicts_with = "hidden")]
    pub(crate) car: bool,
}

/// List what is in a folder.
///
/// Type, size in bytes, CID and name of each entry. The size of a folder is that of all its blocks. Type `?`: its root is
/// not in this home.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm ls bafybeidboda5yxticw34miw7d22sduor25zliv4fxjakdg5csa3erqzuka
  ipvm ls bafybeidboda5yxti/2025/summer --json | jq -r '.[].name'")]
pub(crate) struct Ls {
    /// The folder: a CID, or the first 8 characters or more of one that is known here; and a path in it.
    #[arg(value_name = "CID[/PATH]")]
    pub(crate) path: String,
    /// Print the entries as one JSON document: name, type, size, cid, and the target of a symbolic link.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write the bytes of a file to stdout.
///
/// With a range, only the blocks in it are read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm cat bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy > photo.jpg
  ipvm cat bafybeidboda5yxti/2025/notes.txt
  ipvm cat bafybeidboda5yxti/film.mp4 --offset 1000000 --length 65536 > part")]
pub(crate) struct Cat {
    /// The file: a CID, or the first 8 characters or more of one that is known here; and a path in it, if it is a folder.
    #[arg(value_name = "CID[/PATH]")]
    pub(crate) path: String,
    /// Bytes to leave out at the beginning.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: u64,
    /// Most bytes to write [default: all].
    #[arg(long, value_name = "N")]
    pub(crate) length: Option<u64>,
}

/// Write a file or a folder to disk and print its path.
///
/// A file appears whole or not at all; one that is there is replaced. In a folder that is there, equal files are left
/// alone, and others are replaced with --force only; so what was interrupted is completed when it is run again. Nothing
/// is written outside the folder: a name or a symbolic link that leads out of it is refused by name.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm get bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy -o photo.jpg
  ipvm get bafybeidboda5yxti/2025/summer -o photos
  ipvm get bafybeidboda5yxti --car -o photos.car")]
pub(crate) struct Get {
    /// The content: a CID, or the first 8 characters or more of one that is known here; and a path in it, if it is a
    /// folder.
    #[arg(value_name = "CID[/PATH]")]
    pub(crate) path: String,
    /// The file or folder to write [default: the last part of the path, in this folder].
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Write one CAR file (version 1) with all blocks, of any kind of root [default name: the CID and `.car`].
    #[arg(long, conflicts_with = "force")]
    pub(crate) car: bool,
    /// In a folder that is there, replace files that differ.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Say what a CID or a file is, and show it.
///
/// Knows workflows, chunks, tasks, delegations, invocations, receipts, files, folders, Wasm components and DAG-CBOR values.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm inspect image.wasm
  ipvm inspect bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq --json")]
pub(crate) struct Inspect {
    /// A file, a CID, or the first 8 characters or more of a CID that is known here.
    #[arg(value_name = "CID|FILE")]
    pub(crate) what: String,
    /// Print it as one JSON document, values as DAG-JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Look at receipts: signed results.
#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// List receipts, newest first.
    #[command(
        after_help = "Example:\n  ipvm receipt list --limit 100 --json | jq -r '.[].receipt'"
    )]
    List {
        /// Most receipts to list.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Show one receipt.
    #[command(after_help = "\
Examples:
  ipvm receipt show bafyreigxvfrad
  ipvm receipt show bafyreigxvfrad -o small.jpg")]
    Show {
        #[command(flatten)]
        one: OneReceipt,
        /// Write the bytes of the result to FILE too, as `ipvm call -o` does.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Walk from a result to everything it was made of.
    #[command(after_help = "Example:\n  ipvm receipt trace bafyreigxvfrad")]
    Trace(OneReceipt),
    /// Execute the task of a receipt again and compare the results; exit code 1 if they differ.
    ///
    /// An effect cannot be done again: of its receipt, signature and authority are checked.
    #[command(after_help = "Example:\n  ipvm receipt verify bafyreigxvfrad && echo the same")]
    Verify(OneReceipt),
    /// Show what the function printed when the result was computed.
    ///
    /// What it wrote to its standard output comes on stdout, what it wrote to its standard error on stderr.
    #[command(after_help = "Example:\n  ipvm receipt logs bafyreigxvfrad 2>errors.txt")]
    Logs(OneReceipt),
}

#[derive(Debug, Args)]
pub(crate) struct OneReceipt {
    /// The receipt, or its task (then the newest receipt of it): a CID, or the first 8 characters or more of it.
    pub(crate) cid: String,
    /// Print it as one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Look at workflows that were run here.
#[derive(Debug, Subcommand)]
pub(crate) enum Workflow {
    /// List runs, newest first.
    #[command(after_help = "Example:\n  ipvm workflow list --json | jq -r '.[0].workflow'")]
    List {
        /// Most runs to list.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Show a run with all its tasks, as `run --json` does.
    ///
    /// Of secret tasks only labels and how they ended are shown, unless --reveal is given.
    #[command(
        after_help = "Examples:\n  ipvm workflow show thumbnails\n  ipvm workflow show secret-7 --reveal"
    )]
    Show {
        /// CID of the workflow or the run, the first 8 characters or more of it, or the workflow's name (its latest run);
        /// of a secret run its whole CID, or the name in `ipvm workflow list`.
        id: String,
        /// Show CIDs, results and errors of secret tasks too. Only the owner's key opens them.
        #[arg(long)]
        reveal: bool,
        /// Print it as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// What was to be done at most once, and of which it is not known whether it was.
    #[command(subcommand)]
    Doubt(Doubt),
    /// Cancel an unfinished run. A process that works on it stops.
    #[command(after_help = "Example:\n  ipvm workflow cancel thumbnails")]
    Cancel {
        /// CID of the workflow or the run, the first 8 characters or more of it, or the workflow's name (its latest run).
        id: String,
    },
}

/// Doubts: a crash, or a connection that broke, after an effect had left.
#[derive(Debug, Subcommand)]
pub(crate) enum Doubt {
    /// List them.
    #[command(after_help = "Example:\n  ipvm workflow doubt list --json | jq -r '.[].task'")]
    List {
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Say whether it was done, after looking at the far side. Then run the workflow again: it goes on.
    #[command(
        after_help = "Examples:\n  ipvm workflow doubt resolve bafyreib --done\n  ipvm workflow doubt resolve bafyreib --done --result '{\"status\": 201}'\n  ipvm workflow doubt resolve bafyreib --not-done"
    )]
    Resolve {
        /// CID of the task, or the first 8 characters or more of it.
        task: String,
        /// It was done: a receipt says so, and it is never done again.
        #[arg(
            long,
            conflicts_with = "not_done",
            required_unless_present = "not_done"
        )]
        done: bool,
        /// Its result, for whoever awaits it; null, if nobody does and none is given.
        #[arg(long, value_name = "JSON", conflicts_with = "not_done")]
        result: Option<String>,
        /// It was not done: the next run of the workflow does it.
        #[arg(long)]
        not_done: bool,
    },
}

/// The keys of this home: the owner's (the person) and the agent's (this machine).
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make the keys of a new home. Any other verb does so too, when it is the first.
    #[command(
        after_help = "Example:\n  IPVM_HOME=~/work-home ipvm key new\n  IPVM_HOME=~/work-home ipvm key new --type p256"
    )]
    New {
        /// Of which type both are.
        #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t = KeyType::Ed25519)]
        key_type: KeyType,
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// List the keys.
    #[command(after_help = "Example:\n  ipvm key list")]
    List {
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Show who owns this home and which agent works for them.
    #[command(after_help = "Example:\n  ipvm key show --json | jq -r .owner")]
    Show {
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Seal both keys under a passphrase, or under another one. It is needed from then on whenever something is signed.
    ///
    /// The passphrase is asked for on a terminal; without one, the new one is read from IPVM_NEW_PASSPHRASE. There is no
    /// way to the keys without it.
    #[command(after_help = "Example:\n  ipvm key protect")]
    Protect,
    /// Take the passphrase away: the keys are readable for whoever reads your files.
    #[command(after_help = "Example:\n  ipvm key unprotect")]
    Unprotect,
    /// Replace a key by a new one.
    ///
    /// The old key passes on all that it has, and all that it will be given, to the new one; then its secret is gone.
    /// Receipts by the old agent stay this home's own, and answer as before. Rights that the old key gave to others stay
    /// good; `ipvm ucan revoke` ends them.
    #[command(after_help = "Example:\n  ipvm key rotate agent")]
    Rotate {
        /// Which of the two.
        which: KeyName,
        /// Of which type the new one is [default: that of the old one].
        #[arg(long = "type", value_name = "TYPE", value_enum)]
        key_type: Option<KeyType>,
        /// Print the old and the new principal as one JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// Say why a result is answered from memory or not, and which effects are done.
///
/// Names the input that differs. Does nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm explain workflow.yaml
  ipvm explain workflow.yaml --set photo=@other.jpg --json
  ipvm explain bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq")]
pub(crate) struct Explain {
    /// A workflow file, or the CID of a task (or the first 8 characters or more of it).
    #[arg(value_name = "FILE|TASK")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Print it as one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The store of this home.
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// How much there is.
    #[command(after_help = "Example:\n  ipvm store stat --json | jq .receipts")]
    Stat {
        /// Print it as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Check everything in the store: every hash, every signature, the index, pins and links; exit code 1 if something
    /// is damaged or missing.
    ///
    /// Content that arguments or results only name, and that was never here, is listed and no damage.
    #[command(after_help = "Example:\n  ipvm store verify && echo sound")]
    Verify {
        /// Print the findings as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Keep something, with all that it links to, whatever refers to it. `ipvm add` pins what it adds.
    #[command(
        after_help = "Example:\n  ipvm store pin bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
    )]
    Pin {
        /// What to keep: a CID, or the first 8 characters or more of one that is known here.
        cid: String,
        /// Mark it as public too. Nothing is given to anybody yet; listings show it.
        #[arg(long)]
        public: bool,
    },
    /// Take a pin away. What nothing else keeps goes with the next `ipvm store gc`.
    #[command(
        after_help = "Example:\n  ipvm store unpin bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
    )]
    Unpin {
        /// What was pinned: a CID, or the first 8 characters or more of one that is known here.
        cid: String,
    },
    /// List the pins, newest first.
    #[command(after_help = "Example:\n  ipvm store pins --json | jq -r '.[].cid'")]
    Pins {
        /// Most pins to list [default: all].
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Print them as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Delete what nothing refers to, and return the space to the system.
    ///
    /// Kept are the runs with everything they used and made, what is pinned, and every receipt that may answer later
    /// work: what was computed once is not computed again. With --keep or --keep-runs, older finished runs go, and with
    /// them the receipts that nothing kept refers to; those that changed the world are done anew with `run --again` only.
    /// Unfinished runs are always kept.
    #[command(after_help = "\
Examples:
  ipvm store gc --dry-run
  ipvm store gc --keep 30d
  ipvm store gc --keep-runs 100 --json | jq .freed")]
    Gc {
        /// Only say what would be deleted.
        #[arg(long)]
        dry_run: bool,
        /// Drop finished runs that ended longer ago than AGE: a number and `s`, `m`, `h`, `d` or `w`.
        #[arg(long, value_name = "AGE", value_parser = units::age, conflicts_with = "keep_runs")]
        keep: Option<i64>,
        /// Drop finished runs except the newest N.
        #[arg(long, value_name = "N")]
        keep_runs: Option<u64>,
        /// Print what was deleted as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Show or set how much the home may hold.
    ///
    /// When it would grow beyond, results, logs and compiled modules that can be computed again are given up, oldest
    /// first. Receipts, arguments and pins never are; when they alone fill the limit, `run` and `add` refuse to begin.
    #[command(after_help = "\
Examples:
  ipvm store limit
  ipvm store limit 20GiB
  ipvm store limit none")]
    Limit {
        /// The limit: bytes, or a number and `KiB`, `MiB`, `GiB`, `TiB`, `kB`, `MB`, `GB`, `TB`; or `none`.
        #[arg(value_parser = units::limit)]
        size: Option<units::Limit>,
        /// Print limit and use as one JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// The whole home: keys, receipts, runs and content.
#[derive(Debug, Subcommand)]
pub(crate) enum Home {
    /// Write everything of this home into one file, a tar archive. It holds the keys: guard it like them.
    ///
    /// Left out is what can be made anew: the index and compiled modules. FILE must not exist; only you can read it.
    #[command(after_help = "\
Examples:
  ipvm home export backup.tar
  ipvm home export - | ssh other-machine 'cat > backup.tar'")]
    Export {
        /// The file to write, or `-` for stdout.
        file: PathBuf,
    },
    /// Make a home of an exported one. Nothing appears before every hash and signature in it is checked.
    ///
    /// There must be no home yet, or an empty folder. Do not work with two copies of one home: they have the same agent.
    #[command(after_help = "\
Examples:
  IPVM_HOME=~/restored ipvm home import backup.tar
  ssh other-machine 'ipvm home export -' | ipvm home import -")]
    Import {
        /// The file to read, or `-` for stdin.
        file: PathBuf,
    },
}

/// Make a folder with a function to start from, which builds and runs as it is.
///
/// In the folder are the types (wit/world.wit), the source, build.sh, a workflow that uses the function, and a README.
/// The folder must not be there yet, or be empty.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  ipvm new my-function --lang python
  cd my-function && ./build.sh && ipvm run workflow.yaml")]
pub(crate) struct New {
    /// Name of the function and its folder: small letters, digits and `-`.
    pub(crate) name: String,
    /// The language.
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) lang: Language,
}

/// A language that functions can be written in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Language {
    Rust,
    C,
    Js,
    Python,
}

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm completions bash > ~/.local/share/bash-completion/completions/ipvm
  ipvm completions zsh > ~/.zfunc/_ipvm")]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: Shell,
}

/// Print the manual page of all verbs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ipvm man | man -l -
  ipvm man > ~/.local/share/man/man1/ipvm.1")]
pub(crate) struct Man {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_words_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_call_work_before_and_after_arguments() {
        for words in [
            "ipvm call -o f --json m fun -1 -2.5 w",
            "ipvm call m fun -1 -2.5 w -o f --json",
            "ipvm call m fun -1 --json -2.5 w -o f",
        ] {
            let Verb::Call(call) = Cli::try_parse_from(words.split(' ')).unwrap().verb else {
                continue;
            };
            assert_eq!(call.args, ["-1", "-2.5", "w"], "{words}");
            assert_eq!(call.output, Some(PathBuf::from("f")), "{words}");
            assert!(call.json, "{words}");
        }
        let Verb::Call(call) = Cli::try_parse_from("ipvm call m f -- --json -x".split(' '))
            .unwrap()
            .verb
        else {
            return;
        };
        assert_eq!(
            (call.args, call.json),
            (vec!["--json".to_owned(), "-x".to_owned()], false)
        );
    }

    #[test]
    fn a_setting_needs_a_key() {
        assert_eq!(key_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(key_value("a="), Ok(("a".to_owned(), String::new())));
        assert!(key_value("=a").is_err());
        assert!(key_value("a").is_err());
    }
}
