//! Random modules and random values against the whole path: read, compile, introspect, call. Nothing may panic.
//!
//! An ordinary run takes a few seconds and always the same seed. `IPVM_FUZZ_SECONDS=60` runs longer, with a seed
//! of its own that is printed; `IPVM_FUZZ_SEED` repeats one.

use crate::fixture::{ALLOCATOR, LIMITS, call_with, component, echo, engine, load, load_bytes};
use crate::generate::types;
use crate::random::{self, Random};
use ipvm_ipld::{Ipld, cid_of, codec};
use ipvm_wasm::{ArgError, CallError, Code, Engine, Limits, Settings};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time of one fuzz test in an ordinary run.
const ORDINARY: Duration = Duration::from_secs(3);
/// Iterations after which an ordinary run ends early.
const ENOUGH: u64 = 4_000;

const SMALL: Limits = Limits {
    fuel: 100_000,
    memory: 16 << 20,
    time: Duration::from_secs(5),
    output: 1 << 20,
    log: 1 << 16,
};

/// Repeats until the time is over, with a seed for each turn. A panic fails with the seed to repeat it by.
fn repeat(mut turn: impl FnMut(u64)) {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seconds: Option<u64> = variable("IPVM_FUZZ_SECONDS");
    let first = variable("IPVM_FUZZ_SEED").unwrap_or_else(|| match seconds {
        Some(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos()) + now.as_secs() * 1_000_000_007
        }
        None => 1,
    });
    println!("seed {first}");
    let end = Instant::now() + seconds.map_or(ORDINARY, Duration::from_secs);
    let mut turns = 0;
    while Instant::now() < end && (seconds.is_some() || turns < ENOUGH) {
        let seed = first.wrapping_add(turns);
        if catch_unwind(AssertUnwindSafe(|| turn(seed))).is_err() {
            panic!("panicked: IPVM_FUZZ_SEED={seed} repeats it");
        }
        turns += 1;
    }
    println!("{turns} turns");
    assert!(turns > 0);
}

fn seeds() -> Vec<Vec<u8>> {
    let mut texts = vec![
        component(
            "",
            "(result u32)",
            "(func (export \"f\") (result i32) (i32.const 7))",
        ),
        component(
            "(type $r (record (field \"a\" string) (field \"b\" (list u64)))) (export $r2 \"r\" (type $r))",
            "(result $r2)",
            "(func (export \"f\") (result i32) (i32.const 16))",
        ),
        component(
            "(type $v (variant (case \"a\" string) (case \"b\"))) (export $v2 \"v\" (type $v))",
            "(result (result $v2 (error string)))",
            "(func (export \"f\") (result i32) (i32.const 0))",
        ),
        format!(
            r#"(component
              (core module $m {ALLOCATOR} (table 4 funcref) (elem (i32.const 0) $g) (global (mut i64) (i64.const 1))
                (data (i32.const 8) "text") (func $g (result i32) (memory.grow (i32.const 1)))
                (func (export "f") (result i32) (call_indirect (result i32) (i32.const 0))))
              (core instance $i (instantiate $m))
              (component $inner (import "g" (func $g (result u32))) (export "h" (func $g)))
              (func $f (result u32) (canon lift (core func $i "f")))
              (instance $j (instantiate $inner (with "g" (func $f))))
              (export "x:y/z" (instance $j)))"#
        ),
    ];
    texts.push(
        r#"(component
          (type $r' (resource (rep i32))) (export $r "r" (type $r'))
          (core module $m (func (export "f") (result i32) (i32.const 7)))
          (core instance $i (instantiate $m))
          (core func $new (canon resource.new $r'))
          (func (export "g") (result (own $r)) (canon lift (core func $i "f"))))"#
            .to_owned(),
    );
    let mut all: Vec<_> = texts
        .iter()
        .map(|text| wat::parse_str(text).unwrap())
        .collect();
    all.extend((0..12).map(random::module));
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/image.wasm");
    all.extend(std::fs::read(real));
    all
}

/// The sections of a module or component: where each begins and ends.
fn sections(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut all = Vec::new();
    let mut at = 8;
    while at + 1 < bytes.len() {
        let (mut length, mut used) = (0usize, 0);
        for byte in bytes[at + 1..].iter().take(4) {
            length |= usize::from(byte & 0x7f) << (7 * used);
            used += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let end = (at + 1 + used + length).min(bytes.len());
        all.push(at..end);
        at = end;
    }
    all
}

fn mutate(random: &mut Random, all: &[Vec<u8>]) -> Vec<u8> {
    // The large ones are real, and take as long as a hundred others.
    let choice = if random.below(200) == 0 {
        all.len() - 1
    } else {
        random.below(all.len() - 1)
    };
    let mut bytes = all[choice].clone();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => {
                let other = &all[random.below(all.len() - 1)];
                let from = random.below(other.len());
                let to = (from + random.below(64)).min(other.len());
                let end = (at + random.below(64)).min(bytes.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            2 => {
                let sections = sections(&bytes);
                if !sections.is_empty() {
                    let one = bytes[sections[random.below(sections.len())].clone()].to_vec();
                    let place = sections[random.below(sections.len())].start;
                    bytes.splice(place..place, one);
                }
            }
            3 => {
                let sections = sections(&bytes);
                if !sections.is_empty() {
                    bytes.drain(sections[random.below(sections.len())].clone());
                }
            }
            4 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn modules() {
    let all = seeds();
    // Half the time of each turn would be the optimiser's, which is not what is tested.
    let settings = Settings {
        code: Code::Plain,
        ..Settings::default()
    };
    let engine = Engine::new(&settings).unwrap();
    repeat(|seed| {
        let mut random = Random::new(seed);
        let bytes = mutate(&mut random, &all);
        let Ok(module) = load_bytes(&engine, &bytes) else {
            return;
        };
        let interface = module.interface();
        let kept = interface.to_ipld();
        assert_eq!(&ipvm_wasm::Interface::from_ipld(kept).unwrap(), interface);
        for function in &interface.functions {
            if function.params.is_empty() {
                let _ = call_with(&module, &function.name, &[], SMALL);
            }
        }
    });
}

/// Any IPLD value, mostly small.
fn value(random: &mut Random, depth: usize) -> Ipld {
    match random.below(if depth == 0 { 7 } else { 9 }) {
        0 => Ipld::Null,
        1 => Ipld::Bool(random.below(2) == 0),
        2 => Ipld::Integer(match random.below(4) {
            0 => i128::from(random.next()),
            1 => -i128::from(random.next()) - 1,
            _ => i128::from(random.next() % 300) - 100,
        }),
        3 => match f64::from_bits(random.next()) {
            float if float.is_finite() => Ipld::Float(float),
            _ => Ipld::Float(0.5),
        },
        4 => {
            let names = ["n0", "n1", "ok", "error", "x", "", "grüße"];
            Ipld::String(names[random.below(names.len())].to_owned())
        }
        5 => {
            let count = random.below(20);
            Ipld::Bytes(random.bytes(count))
        }
        6 => Ipld::Link(cid_of(codec::RAW, &random.bytes(2))),
        7 => Ipld::List(
            (0..random.below(4))
                .map(|_| value(random, depth - 1))
                .collect(),
        ),
        _ => {
            let names = ["n0", "n1", "n2", "n3", "ok", "error"];
            let entries = 0..random.below(4);
            Ipld::Map(
                entries
                    .map(|_| {
                        (
                            names[random.below(names.len())].to_owned(),
                            value(random, depth - 1),
                        )
                    })
                    .collect(),
            )
        }
    }
}

/// What a function says of its arguments before it is called, it says when it is called; and what goes in as it
/// is comes out as it is.
#[test]
fn values() {
    repeat(|seed| {
        let mut random = Random::new(seed);
        let bytes: [u8; 32] = random.bytes(32).try_into().unwrap();
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let ty = types().new_tree(&mut runner).unwrap().current();
        let module = load(&echo(&ty));
        let function = &module.interface().functions[0];
        for _ in 0..100 {
            let mut args = vec![value(&mut random, 4)];
            args.extend((0..16).map(Ipld::Integer));
            let checked = function.check(&args);
            match (checked, call_with(&module, "f", &args, LIMITS)) {
                (Ok(()), Ok(Ok(out) | Err(out))) => {
                    let mut again = args.clone();
                    again[0] = out.clone();
                    // A result comes back as one side of itself.
                    if !matches!(ty, ipvm_wasm::Type::Result(_)) {
                        assert_eq!(
                            call_with(&module, "f", &again, LIMITS).unwrap(),
                            Ok(out),
                            "{ty}"
                        );
                    }
                }
                // Content is looked up only by the call, on its way to what else is wrong.
                (_, Err(CallError::Content { .. })) => {}
                (Err(refused), Err(CallError::Argument(error))) => {
                    let text = |error: &ArgError| error.to_string();
                    assert_eq!(text(&refused), text(&error), "{ty}");
                }
                (checked, called) => panic!("{ty}: {args:?}: {checked:?} {called:?}"),
            }
        }
    });
    assert!(engine().stats().compiled > 0);
}
