//! The process that compiles: takes on its limits, gives up what it does not need, compiles, answers.

use super::protocol::{self, Order};
use super::{Compiled, Failure, compatible, compile, compiling_engine};
use ipvm_ipld::Cid;
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// Stack of the thread that reads and checks a module, in bytes. It is taken whole before the module is read:
/// one that grows later could not, at the memory limit.
const STACK: usize = 16 << 20;

/// Compiles one module: reads the order and the module, writes the answer. This is all that a program given as
/// [`CompilerProcess`](crate::CompilerProcess) has to do, before anything else: the limits hold for the whole
/// process and cannot be taken back, and files can no longer be opened.
///
/// Returns failure if there is no order, or nobody to answer. A process that runs out of memory or time does not
/// return.
pub fn compile_child(mut input: impl Read, mut output: impl Write) -> ExitCode {
    match serve(&mut input, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    limits::before_order()?;
    let order = Order::read(input)?;
    limits::on(&order)?;
    let module = protocol::bytes(input, order.length)?;
    let compiled = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || answer(&order, &module))
            .map_err(|_| Failure::Memory)?;
        thread
            .join()
            .unwrap_or_else(|panic| Err(Failure::Other(text_of(&*panic))))
    });
    protocol::write_answer(output, &compiled)
}

fn answer(order: &Order, module: &[u8]) -> Result<(Cid, Compiled), Failure> {
    let engine = compiling_engine(order.code, true)?;
    let code = compile(&engine, order.code, module)?;
    if code.bytes().len() as u64 > order.artefact {
        return Err(Failure::Artefact);
    }
    Ok((compatible(&engine), code))
}

/// What a panic said.
fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    format!("it gave up on this module: {text}")
}

#[cfg(unix)]
mod limits {
    //! The operating system's limits. Each is for good: the hard limit goes down with the soft one.

    use super::Order;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use std::io;

    /// What holds whatever is compiled.
    pub(super) fn before_order() -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Signal, set_parent_process_death_signal};
            // Nobody would take the answer.
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // If the machine's memory ends, this process goes first. Not every system has the file.
            let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        }
        // A core dump would put a stranger's module on the disk.
        lower(Resource::Core, 0)?;
        lower(Resource::Fsize, 0)?;
        // The pipes are open already; nothing else can be opened from here on.
        lower(Resource::Nofile, 0)
    }

    pub(super) fn on(order: &Order) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        lower(Resource::As, order.memory)?;
        #[cfg(not(target_os = "linux"))]
        lower(Resource::Data, order.memory)?;
        lower(Resource::Cpu, order.seconds)
    }

    fn lower(resource: Resource, to: u64) -> io::Result<()> {
        let maximum = getrlimit(resource).maximum;
        let to = Some(maximum.map_or(to, |maximum| maximum.min(to)));
        let limit = Rlimit {
            current: to,
            maximum: to,
        };
        Ok(setrlimit(resource, limit)?)
    }
}

#[cfg(not(unix))]
mod limits {
    //! Where processes have no such limits, what is left is the time that the parent gives.

    use super::Order;
    use std::io;

    pub(super) fn before_order() -> io::Result<()> {
        Ok(())
    }

    pub(super) fn on(_: &Order) -> io::Result<()> {
        Ok(())
    }
}
