//! The side that has a module compiled: starts the process, feeds it, and ends it.

use super::protocol::{self, NoAnswer, Order};
use super::{Code, Compiled, CompilerProcess, Failure};
use crate::engine::LoadError;
use ipvm_ipld::Cid;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Most threads that compile one module.
const MAX_THREADS: usize = 8;
/// Stack of each, in bytes: deeply nested code is compiled by recursion.
const THREAD_STACK: usize = 8 << 20;
/// Bytes kept of what a process says on standard error.
const MAX_COMPLAINT: u64 = 4 << 10;
/// Time for the last words of a process that is already dead. They are in the pipe, unless something else has it
/// open too.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// What Rust's allocator says before it ends a process.
const NO_MEMORY: &str = "memory allocation of ";

type Answer = Result<Result<Compiled, Failure>, NoAnswer>;

/// A process that does not outlive this value.
struct Running(Child);

impl CompilerProcess {
    /// # Errors
    /// If the module is at fault, a limit is reached, or the process is no compiler.
    pub(super) fn compile(
        &self,
        compatible: &Cid,
        code: Code,
        module: Vec<u8>,
    ) -> Result<Compiled, LoadError> {
        let deadline = Instant::now() + self.limits.time;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(MAX_THREADS);
        let order = Order {
            code,
            memory: self.limits.memory,
            // Only a bound for a process that nobody waits for any more: a second more than could ever be used.
            seconds: (self.limits.time.as_secs() + 2) * threads as u64,
            artefact: self.limits.artefact,
            length: module.len() as u64,
        };
        let failed = |error: io::Error| LoadError::Compiler {
            message: format!("it cannot be started ({}): {error}", self.program.display()),
        };
        let mut running = self.start(threads).map_err(failed)?;
        let (answer, complaint) = running
            .talk(order, module, *compatible, self.limits.artefact)
            .map_err(failed)?;
        let answer = answer.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        // Whatever it still does, nobody waits for it. One that ended by itself keeps its status.
        let status = running.end();
        match answer {
            Ok(Ok(compiled)) => compiled.map_err(|failure| failure.into_load_error(&self.limits)),
            Ok(Err(no_answer)) => {
                let complaint = complaint.recv_timeout(LAST_WORDS).unwrap_or_default();
                Err(self.explain(&no_answer, status.ok(), &complaint))
            }
            Err(RecvTimeoutError::Timeout) => Err(LoadError::CompileTime {
                limit: self.limits.time,
            }),
            Err(RecvTimeoutError::Disconnected) => Err(LoadError::Compiler {
                message: "its answer was lost".to_owned(),
            }),
        }
    }

    fn start(&self, threads: usize) -> io::Result<Running> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            // The engine compiles with rayon's threads.
            .env("RAYON_NUM_THREADS", threads.to_string())
            .env("RUST_MIN_STACK", THREAD_STACK.to_string())
            // Each arena of the allocator takes 64 MiB of address space.
            .env("MALLOC_ARENA_MAX", threads.to_string())
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C is for this process, which ends the other when it wants to.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map(Running)
    }

    /// What it means that a process gave no answer.
    fn explain(
        &self,
        no_answer: &NoAnswer,
        status: Option<ExitStatus>,
        complaint: &str,
    ) -> LoadError {
        let message = match no_answer {
            NoAnswer::Foreign => format!(
                "what it answered is no answer; is {} the program that was meant?",
                self.program.display()
            ),
            NoAnswer::Incompatible => {
                "it is of another version than this process; start this one again".to_owned()
            }
            NoAnswer::Ended => match ending(status) {
                Ending::Aborted if complaint.contains(NO_MEMORY) => {
                    return LoadError::CompileMemory {
                        limit: self.limits.memory,
                    };
                }
                Ending::Aborted => with("it ended itself", complaint),
                Ending::Killed => with(
                    "it was killed, as happens where the machine has no memory left",
                    complaint,
                ),
                Ending::Other(how) => with(&how, complaint),
            },
        };
        LoadError::Compiler { message }
    }
}

/// How a process ended that was still expected to answer.
enum Ending {
    /// By itself, at once.
    Aborted,
    Killed,
    Other(String),
}

#[cfg(unix)]
fn ending(status: Option<ExitStatus>) -> Ending {
    use rustix::process::Signal;
    let signal = status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
    match signal {
        Some(signal) if signal == Signal::ABORT.as_raw() => Ending::Aborted,
        Some(signal) if signal == Signal::KILL.as_raw() => Ending::Killed,
        _ => other_ending(status),
    }
}

#[cfg(not(unix))]
fn ending(status: Option<ExitStatus>) -> Ending {
    other_ending(status)
}

fn other_ending(status: Option<ExitStatus>) -> Ending {
    Ending::Other(match status {
        Some(status) => format!("it ended without an answer ({status})"),
        None => "it ended without an answer".to_owned(),
    })
}

/// Adds what a process said last.
fn with(message: &str, complaint: &str) -> String {
    let mut lines = complaint.lines().map(str::trim);
    match lines.find(|line| !line.is_empty() && !line.starts_with("note: ")) {
        Some(line) => format!("{message}: {line}"),
        None => message.to_owned(),
    }
}

impl Running {
    /// Sends the order and the module, and takes what comes back: its answer, and what it says on standard error.
    ///
    /// Each pipe has a thread, as none may wait for another. Nobody waits for the threads: they end with the
    /// pipes, which something else than the process could keep open.
    fn talk(
        &mut self,
        order: Order,
        module: Vec<u8>,
        compatible: Cid,
        limit: u64,
    ) -> io::Result<(Receiver<Answer>, Receiver<String>)> {
        let missing = || io::Error::other("no pipe");
        let mut stdin = self.0.stdin.take().ok_or_else(missing)?;
        let mut stdout = self.0.stdout.take().ok_or_else(missing)?;
        let stderr = self.0.stderr.take().ok_or_else(missing)?;
        let (answered, answer) = mpsc::channel();
        let (complained, complaint) = mpsc::channel();
        thread("order", move || {
            // A process that does not read to the end says why in its answer, or by how it ends.
            let _ = stdin
                .write_all(&order.encode())
                .and_then(|()| stdin.write_all(&module));
        })?;
        thread("answer", move || {
            let _ = answered.send(protocol::read_answer(&mut stdout, &compatible, limit));
        })?;
        thread("complaint", move || {
            let mut kept = Vec::new();
            let mut stderr = stderr.take(MAX_COMPLAINT);
            let _ = stderr.read_to_end(&mut kept);
            let _ = complained.send(String::from_utf8_lossy(&kept).into_owned());
            let _ = io::copy(&mut stderr.into_inner(), &mut io::sink());
        })?;
        Ok((answer, complaint))
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        // Fails only if it has ended.
        let _ = self.0.kill();
        self.0.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .name(format!("ipvm-{name}"))
        .spawn(work)
        .map(drop)
}
