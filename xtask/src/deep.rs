//! `cargo xtask-release deep`: what the tests do with some hundred seeds, with as many as wanted, on all cores.

use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};
use ipvm_sim::{Swept, sweep};

/// What to simulate.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seeds
    #[arg(long, value_name = "NUMBER", default_value_t = 50_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    from: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let began = Instant::now();
    let end = options.from.saturating_add(options.seeds);
    let threads = thread::available_parallelism()?.get();
    let parts: Vec<_> = thread::scope(|scope| {
        let sweep = |first: u64| scope.spawn(move || sweep((first..end).step_by(threads)));
        let parts: Vec<_> = (options.from..).take(threads).map(sweep).collect();
        parts.into_iter().map(|part| part.join()).collect()
    });
    let mut swept = Swept::default();
    for part in parts {
        match part {
            Ok(Ok(part)) => swept.add(&part),
            Ok(Err(violation)) => bail!("{violation}"),
            Err(_) => bail!("the simulator has panicked; its message is above"),
        }
    }
    print!("{swept}");
    println!(
        "each seed twice and once more with a steady clock, in {:.0} s on {threads} cores",
        began.elapsed().as_secs_f64()
    );
    let missing = swept.faults.missing();
    if !missing.is_empty() {
        bail!(
            "faults that never happened: {missing:?}; with so few seeds they may not, else the simulator is at fault"
        );
    }
    Ok(())
}
