//! What all providers share: the threads that wait for sockets, the system's trusted certificates, and the rule by which
//! time and cancellation become a fault.

use crate::fault::{Fault, Problem};
use crate::request::Request;
use crate::tls;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::rustls::ClientConfig;

/// How often a request is asked whether it is cancelled.
pub(crate) const CANCEL_EVERY: Duration = Duration::from_millis(50);
/// Threads that wait for sockets. The work itself is done on the callers' threads.
const THREADS: usize = 1;
/// Threads that look up names at the system, at most; others wait for their turn.
const LOOKUP_THREADS: usize = 16;
/// Longest test of an account.
pub(crate) const TEST_TIME: Duration = Duration::from_secs(15);

/// What is asked before anything leaves that the far side may act on: see [`Request::leaving`].
pub(crate) type Leaving<'a> = &'a (dyn Fn() -> bool + Sync);

/// Whether something that the far side may act on has left. One for each request; set by its connection, which lets
/// nothing of that kind pass that was not announced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    announced: AtomicBool,
    left: AtomicBool,
}

impl Left {
    /// Says that something is about to leave that the far side may act on, and waits until that is allowed.
    pub(crate) fn announce(&self, leaving: Leaving<'_>) -> Result<(), Fault> {
        if !leaving() {
            return Err(Fault::Cancelled);
        }
        self.0.announced.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.0.announced.load(Ordering::Acquire)
    }

    /// From now on the far side may be acting.
    pub(crate) fn set(&self) {
        self.0.left.store(true, Ordering::Release);
    }

    /// The far side has answered that it did not act: the next attempt starts anew.
    pub(crate) fn clear(&self) {
        self.0.left.store(false, Ordering::Release);
    }

    /// The fault of a problem that is no answer: perhaps done if something has left, certainly not if nothing has.
    pub(crate) fn fault(&self, problem: Problem) -> Fault {
        if self.0.left.load(Ordering::Acquire) {
            Fault::Unknown(problem)
        } else {
            Fault::NotDone(problem, None)
        }
    }
}

/// How long somebody waits: until a time, or until they cancel.
pub(crate) struct Patience<'a> {
    time: Duration,
    /// None if it is further away than time goes.
    until: Option<Instant>,
    cancel: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Patience<'a> {
    /// That of a request, from now on.
    pub(crate) fn of(request: &Request<'a>) -> Self {
        Self {
            time: request.limits.time,
            until: Instant::now().checked_add(request.limits.time),
            cancel: request.cancel,
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        (self.cancel)()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// The problem of not having been done in time.
    pub(crate) fn out_of_time(&self) -> Problem {
        out_of_time(self.time)
    }
}

/// Threads and trusted certificates, made at first use.
#[derive(Default)]
pub(crate) struct Engine {
    runtime: OnceLock<Result<Runtime, String>>,
    system: OnceLock<Result<Arc<ClientConfig>, Problem>>,
}

impl Engine {
    fn runtime(&self) -> Result<&Runtime, Problem> {
        let made = self.runtime.get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(THREADS)
                .max_blocking_threads(LOOKUP_THREADS)
                .thread_name("ipvm-effects")
                .enable_all()
                .build()
                .map_err(|error| error.to_string())
        });
        made.as_ref().map_err(|error| {
            Problem::new("no threads", format!("no thread could be started: {error}"))
        })
    }

    /// The TLS client for an account with these roots.
    pub(crate) fn tls(&self, roots: Option<&str>) -> Result<Arc<ClientConfig>, Problem> {
        match roots {
            Some(_) => tls::client(roots),
            None => self.system.get_or_init(|| tls::client(None)).clone(),
        }
    }

    /// Waits for `work`, as long as patience lasts. `work` is dropped then, and with it its connection.
    pub(crate) fn run<T>(
        &self,
        patience: &Patience<'_>,
        left: &Left,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        if patience.is_cancelled() {
            return Err(Fault::Cancelled);
        }
        let runtime = self
            .runtime()
            .map_err(|problem| Fault::NotDone(problem, None))?;
        runtime.block_on(async {
            tokio::select! {
                biased;
                result = work => result,
                () = cancelled(patience.cancel) => {
                    let problem = Problem::new("cancelled", "cancelled after the request had left");
                    match left.fault(problem) {
                        Fault::NotDone(..) => Err(Fault::Cancelled),
                        fault => Err(fault),
                    }
                }
                () = reached(patience.until) => Err(left.fault(patience.out_of_time())),
            }
        })
    }

    /// As [`Engine::run`], for the test of an account.
    pub(crate) fn test<T>(
        &self,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        self.runtime()?.block_on(async {
            tokio::time::timeout(TEST_TIME, work)
                .await
                .unwrap_or_else(|_| Err(out_of_time(TEST_TIME)))
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A name look-up that the system does not end must not keep the process.
        if let Some(Ok(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn out_of_time(time: Duration) -> Problem {
    Problem::new("timeout", format!("no answer within {time:?}")).with(
        "milliseconds",
        i128::try_from(time.as_millis()).unwrap_or(i128::MAX),
    )
}

async fn cancelled(cancel: &(dyn Fn() -> bool + Sync)) {
    let mut tick = tokio::time::interval(CANCEL_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if cancel() {
            return;
        }
    }
}

/// Ends at the deadline; never, if that is further away than time goes.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
