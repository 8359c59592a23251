//! A crash at every single step, one after the other.
//!
//! Without this: the one moment at which a crash does harm could be one that chance does not come upon.

use ipvm_sim::{Fault, Faults, Options, simulate};

/// Seeds of which every step is tried.
const SEEDS: u64 = 8;

/// Crashes that chance brings about, as opposed to one at a given step: there is none while a process starts that is the
/// first.
fn is_crash(fault: &&Fault) -> bool {
    format!("{fault:?}").starts_with("Crash") && **fault != Fault::CrashOnRestart
}

#[test]
fn at_every_step() {
    let (mut tried, mut faults) = (0, Faults::default());
    for seed in 0..SEEDS {
        let crash_at = |step| Options {
            crash_at: Some(step),
            ..Options::default()
        };
        let whole = simulate(seed, &crash_at(0)).unwrap_or_else(|violation| panic!("{violation}"));
        for step in 1..=whole.steps {
            let seen = simulate(seed, &crash_at(step))
                .unwrap_or_else(|violation| panic!("with a crash at step {step}: {violation}"));
            let crashes = Fault::ALL.iter().filter(is_crash);
            let crashes: u64 = crashes.map(|crash| seen.faults.of(*crash)).sum();
            assert_eq!(crashes, 1, "seed {seed}, step {step}");
            faults.add(&seen.faults);
            tried += 1;
        }
    }
    eprintln!("{tried} crashes, each at another step");
    let never: Vec<_> = Fault::ALL
        .iter()
        .filter(is_crash)
        .filter(|crash| faults.of(**crash) == 0)
        .collect();
    assert!(never.is_empty(), "{never:?}");
}
