//! Seeds at large.
//!
//! Without this: a mutation could be done twice, a receipt that was told could be lost, or a run could wait for ever, after
//! a fault that no other test makes happen at just that moment.

use ipvm_sim::{Options, simulate, sweep};

/// Seeds of every run of the tests.
const SEEDS: u64 = 500;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// `IPVM_SIM_SEED=X` replays one seed and prints its trace; `IPVM_SIM_SEEDS=N` takes so many instead of 500.
#[test]
fn seeds() {
    if let Some(seed) = number("IPVM_SIM_SEED") {
        let options = Options {
            keep_trace: true,
            ..Options::default()
        };
        match simulate(seed, &options) {
            Ok(seen) => eprintln!("{}\nseed {seed} keeps all promises", seen.lines.join("\n")),
            Err(violation) => panic!("{violation}"),
        }
        return;
    }
    let seeds = number("IPVM_SIM_SEEDS").unwrap_or(SEEDS);
    let swept = sweep(0..seeds).unwrap_or_else(|violation| panic!("{violation}"));
    eprintln!("{swept}");
    assert_eq!(swept.faults.missing(), [], "never happened");
}
