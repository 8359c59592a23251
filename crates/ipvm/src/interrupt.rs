//! Ctrl-C: the first stops the work cleanly, the second ends the process at once.

use crate::fault::Code;
use crate::ui::term;
use anyhow::Context as _;
use ipvm_node::Cancel;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether the user has asked the process to stop.
pub(crate) struct Interrupt {
    cancel: Cancel,
}

impl Interrupt {
    /// From now on a first SIGINT or SIGTERM only stops the work; a second one ends the process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let cancel = Cancel::new();
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
        let theirs = cancel.clone();
        let listen = move || {
            for _ in signals.forever() {
                if theirs.is_cancelled() {
                    term::note("");
                    std::process::exit(Code::Interrupted as i32);
                }
                theirs.cancel();
            }
        };
        let thread = std::thread::Builder::new().name("ipvm-signals".into());
        thread.spawn(listen).context("cannot start a thread")?;
        Ok(Self { cancel })
    }

    /// What stops the work.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    pub(crate) fn was_asked(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
