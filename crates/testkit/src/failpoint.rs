//! Crashes after a named step.
//!
//! A crate names its steps by a macro that calls [`reached`] in its own tests and is nothing in every other build. A test
//! runs itself as another process, once to [`count`] the steps and then once for each time one is made, and the process
//! [aborts](std::process::abort) right there: nothing unwinds, nothing is flushed, no destructor runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Where a process is to end: `name#3` for the third time.
const CRASH: &str = "IPVM_TEST_CRASH";
/// File that gets the name of each step made.
const TRACE: &str = "IPVM_TEST_TRACE";
/// Data of the other process's task.
const WORK: &str = "IPVM_TEST_WORK";
/// How a name looks in sources, up to its closing quote.
const IN_SOURCES: &str = "failpoint!(\"";
/// Start of a line that the other process means for its parent; the test harness prints lines of its own.
const SAID: &str = "@@";

/// One crash: after the step of this name was made for the n-th time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crash {
    /// The step.
    pub name: String,
    /// How many times it is made, from 1.
    pub time: u64,
}

struct Asked {
    crash: Option<(String, u64)>,
    trace: Option<PathBuf>,
    times: Mutex<HashMap<&'static str, u64>>,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| Asked {
    crash: std::env::var(CRASH).ok().map(|text| {
        let (name, time) = text.split_once('#').expect("name#time");
        (name.to_owned(), time.parse().expect("a number"))
    }),
    trace: std::env::var_os(TRACE).map(PathBuf::from),
    times: Mutex::default(),
});

/// Told by the crate under test that it has made a step. Ends the process if this is where it is to crash.
pub fn reached(name: &'static str) {
    let asked = &*ASKED;
    if let Some(trace) = &asked.trace {
        let mut file = OpenOptions::new().create(true).append(true).open(trace);
        let file = file.as_mut().expect("a trace file");
        file.write_all(format!("{name}\n").as_bytes())
            .expect("room for the trace");
    }
    let Some((wanted, last)) = &asked.crash else {
        return;
    };
    let mut times = asked.times.lock().unwrap_or_else(PoisonError::into_inner);
    let time = times.entry(name).or_default();
    *time += 1;
    if name == wanted && time == last {
        std::process::abort();
    }
}

/// The names of all steps in the sources below `folder`.
pub fn names_in(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            names.extend(names_in(&path));
        } else {
            let text = fs::read_to_string(&path).expect("a source file");
            let parts = text.split(IN_SOURCES).skip(1);
            names.extend(parts.filter_map(|part| Some(part.split_once('"')?.0.to_owned())));
        }
    }
    names
}

/// What the other process is to work on, if this is that process.
pub fn work() -> Option<PathBuf> {
    std::env::var_os(WORK).map(PathBuf::from)
}

/// Says a line to the parent.
#[allow(clippy::print_stdout, reason = "this is how the two processes talk")]
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{SAID}{line}\n").as_bytes())
        .and_then(|()| out.flush())
        .expect("a parent that listens");
}

/// What another process came to.
#[derive(Debug)]
pub struct Life {
    /// Its whole lines, in order.
    pub said: Vec<String>,
    /// Whether it crashed where it was to crash.
    pub crashed: bool,
}

/// Runs `test` of this very test binary as another process that works on `on`, and crashes it there.
///
/// # Panics
/// If it ends in another way than successfully or by the crash.
pub fn run(test: &str, on: &Path, crash: Option<&Crash>) -> Life {
    let mut command = other_process(test, on);
    if let Some(crash) = crash {
        command.env(CRASH, format!("{}#{}", crash.name, crash.time));
    }
    let output = command.output().expect("another process");
    let crashed = crash.is_some() && aborted(&output);
    assert!(
        crashed || output.status.success(),
        "{crash:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    // The last line may have been cut.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let said = whole.lines().filter_map(|line| line.split_once(SAID));
    Life {
        said: said.map(|(_, said)| said.to_owned()).collect(),
        crashed,
    }
}

/// How often `test`, as another process that works on `on`, makes each step.
pub fn count(test: &str, on: &Path) -> BTreeMap<String, u64> {
    let trace = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = other_process(test, on);
    let output = command.env(TRACE, trace.path()).output();
    let output = output.expect("another process");
    assert!(output.status.success(), "{output:?}");
    let mut times = BTreeMap::new();
    let text = fs::read_to_string(trace.path()).expect("the trace");
    for name in text.lines() {
        *times.entry(name.to_owned()).or_default() += 1;
    }
    times
}

/// The crashes worth trying: of each step the first two times, one in the middle, and the last.
pub fn crashes(times: &BTreeMap<String, u64>) -> Vec<Crash> {
    let mut crashes = BTreeSet::new();
    for (name, count) in times {
        for time in [1, 2, count / 2, *count] {
            if (1..=*count).contains(&time) {
                let name = name.clone();
                crashes.insert(Crash { name, time });
            }
        }
    }
    crashes.into_iter().collect()
}

/// A temporary folder in memory where there is one: a crash of the process leaves the same on every disk, and hundreds of
/// them wait for none.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()),
        false => tempfile::tempdir(),
    };
    made.expect("a temporary folder")
}

fn other_process(test: &str, on: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(WORK, on)
        .env_remove("RUST_BACKTRACE");
    command
}

#[cfg(unix)]
fn aborted(output: &Output) -> bool {
    /// SIGABRT, the same number on all systems.
    const ABORT: i32 = 6;
    std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(ABORT)
}

/// Elsewhere an abort has a code of its own that cannot be told from others; a panic ends with 101.
#[cfg(not(unix))]
fn aborted(output: &Output) -> bool {
    !output.status.success() && output.status.code() != Some(101)
}
