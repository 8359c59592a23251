//! The virtual world: what guests built for WASI find, and that none of it comes from the machine. Without this,
//! two executors could disagree about a result, or a guest could reach, fill or stall the machine under it.

use crate::fixture::{LIMITS, engine, load_bytes};
use crate::wasi::{component, load, names, printed, result, run};
use ipvm_ipld::{Ipld, cid_of, codec};
use ipvm_wasm::{CallError, Failed, Limits, LoadError, SWITCH_COST, Stream};
use std::time::{Duration, Instant};

const HOUR: i128 = 3_600_000_000_000;
const START: i128 = 946_684_800;

/// `f`, which returns a number, with locals `$a`, `$b` and `$s` to use.
fn number(core: &str, code: &str) -> String {
    format!(
        "(func (export \"f\") (result {core}) (local $a i32) (local $b i32) (local $s i32) {code})"
    )
}

/// Calls and their results, by WIT's and by core type.
const VALUES: &[(&str, &str, &str, i128)] = &[
    ("now", "u64", "(call $now)", 0),
    ("resolution", "u64", "(call $resolution)", 1),
    (
        "wall",
        "u64",
        "(call $wall (i32.const 16)) (i64.load (i32.const 16))",
        START,
    ),
    (
        "wall-resolution",
        "u32",
        "(call $wall-resolution (i32.const 16)) (i32.load (i32.const 24))",
        1,
    ),
    (
        "after",
        "u64",
        "(call $block (call $after (i64.const 3600000000000))) (call $now)",
        HOUR,
    ),
    (
        "at",
        "u64",
        "(call $block (call $at (i64.const 7))) (call $block (call $at (i64.const 5))) (call $now)",
        7,
    ),
    (
        "block",
        "u64",
        "(call $block (call $after (i64.const 3600000000000)))
         (call $wall (i32.const 16)) (i64.load (i32.const 16))",
        START + 3600,
    ),
    (
        "ready",
        "u32",
        "(local.set $a (call $after (i64.const 5))) (local.set $b (call $after (i64.const 9)))
         (i32.mul (i32.const 100) (call $ready (local.get $a))) (call $block (local.get $a))
         (i32.add (i32.mul (i32.const 10) (call $ready (local.get $a)))) (i32.add (call $ready (local.get $b)))",
        10,
    ),
    (
        "after",
        "u64",
        "(call $block (call $after (i64.const -1))) (call $block (call $after (i64.const 9)))
         (i64.add (call $now) (i64.const 10))",
        9,
    ),
    (
        "environment",
        "u32",
        "(call $environment (i32.const 16)) (i32.load (i32.const 20))",
        0,
    ),
    (
        "arguments",
        "u32",
        "(call $arguments (i32.const 16)) (i32.load (i32.const 20))",
        0,
    ),
    (
        "cwd",
        "u32",
        "(call $cwd (i32.const 16)) (i32.load8_u (i32.const 16))",
        0,
    ),
    (
        "terminal-stdin",
        "u32",
        "(call $terminal-stdin (i32.const 16)) (i32.load8_u (i32.const 16))",
        0,
    ),
    (
        "terminal-stdout",
        "u32",
        "(call $terminal-stdout (i32.const 16)) (i32.load8_u (i32.const 16))",
        0,
    ),
    (
        "terminal-stderr",
        "u32",
        "(call $terminal-stderr (i32.const 16)) (i32.load8_u (i32.const 16))",
        0,
    ),
    (
        "directories",
        "u32",
        "(call $directories (i32.const 16)) (i32.load (i32.const 20))",
        0,
    ),
    // `err(closed)`: the case of the result, and 10 times that of the error behind it.
    (
        "read",
        "u32",
        "(call $read (call $stdin) (i64.const 8) (i32.const 16))
         (i32.add (i32.load8_u (i32.const 16)) (i32.mul (i32.const 10) (i32.load8_u (i32.const 20))))",
        11,
    ),
    (
        "blocking-read",
        "u32",
        "(call $blocking-read (call $stdin) (i64.const 0) (i32.const 16))
         (i32.add (i32.load8_u (i32.const 16)) (i32.mul (i32.const 10) (i32.load8_u (i32.const 20))))",
        11,
    ),
    (
        "skip",
        "u32",
        "(call $skip (call $stdin) (i64.const 8) (i32.const 16))
         (i32.add (i32.load8_u (i32.const 16)) (i32.mul (i32.const 10) (i32.load8_u (i32.const 24))))",
        11,
    ),
    (
        "blocking-skip",
        "u32",
        "(call $blocking-skip (call $stdin) (i64.const 8) (i32.const 16))
         (i32.add (i32.load8_u (i32.const 16)) (i32.mul (i32.const 10) (i32.load8_u (i32.const 24))))",
        11,
    ),
    (
        "splice",
        "u32",
        "(call $splice (call $stdout) (call $stdin) (i64.const 8) (i32.const 16))
         (i32.add (i32.load8_u (i32.const 16)) (i32.mul (i32.const 10) (i32.load8_u (i32.const 24))))",
        11,
    ),
    (
        "blocking-splice",
        "u32",
        "(call $blocking-splice (call $stderr) (call $stdin) (i64.const 8) (i32.const 16))
         (i32.add (i32.load8_u (i32.const 16)) (i32.mul (i32.const 10) (i32.load8_u (i32.const 24))))",
        11,
    ),
    (
        "subscribe-in",
        "u32",
        "(call $ready (call $subscribe-in (call $stdin)))",
        1,
    ),
    (
        "subscribe-out",
        "u32",
        "(call $ready (call $subscribe-out (call $stdout)))",
        1,
    ),
    (
        "check-write",
        "u64",
        "(call $check-write (call $stdout) (i32.const 16)) (i64.load (i32.const 24))",
        65_536,
    ),
];

fn core_of(ty: &str) -> &'static str {
    if ty == "u64" { "i64" } else { "i32" }
}

#[test]
fn values() {
    for (name, ty, code, expect) in VALUES {
        let done = result(&format!("(result {ty})"), &number(core_of(ty), code)).unwrap();
        assert_eq!(done.out, Ok(Ipld::Integer(*expect)), "{name}");
        assert!(done.log.pieces.is_empty(), "{name}");
    }
}

/// Functions of WASI that no test calls would be functions that nobody knows to work.
#[test]
fn every_function_is_called_somewhere() {
    let tests = include_str!("world.rs");
    for name in names() {
        assert!(tests.contains(&format!("call ${name}")), "{name}");
    }
}

/// A guest names the version it was built with; they are all the same.
#[test]
fn any_patch_version() {
    let body = number("i64", "(drop (call $stdout)) (call $now)");
    for version in ["0.2.0", "0.2.3", "0.2.12", "0.2.99"] {
        let bytes = wat::parse_str(component(version, "(result u64)", &body)).unwrap();
        let module = load_bytes(engine(), &bytes).unwrap();
        let done = run(&module, LIMITS, 0, &[]).unwrap();
        assert_eq!(done.out, Ok(Ipld::Integer(0)), "{version}");
    }
}

/// Waits for `wakes` together, and returns what is there and the time.
fn polled(wakes: &[u64]) -> (Vec<i128>, i128) {
    let subscribe: String = wakes
        .iter()
        .enumerate()
        .map(|(index, wake)| {
            format!(
                "(i32.store (i32.const {}) (call $at (i64.const {wake})))",
                100 + 4 * index
            )
        })
        .collect();
    let count = wakes.len();
    let poll =
        format!("{subscribe} (call $poll (i32.const 100) (i32.const {count}) (i32.const 16))");
    let there = result(
        "(result (list u32))",
        &number("i32", &format!("{poll} (i32.const 16)")),
    );
    let Ok(Ipld::List(there)) = there.unwrap().out else {
        panic!()
    };
    let there = there.into_iter().map(|index| match index {
        Ipld::Integer(index) => index,
        other => panic!("{other:?}"),
    });
    let time = result(
        "(result u64)",
        &number("i64", &format!("{poll} (call $now)")),
    );
    let Ok(Ipld::Integer(time)) = time.unwrap().out else {
        panic!()
    };
    (there.collect(), time)
}

#[test]
fn polls() {
    assert_eq!(polled(&[9, 5, 7, 5]), (vec![1, 3], 5));
    assert_eq!(polled(&[9, 0]), (vec![1], 0));
    assert_eq!(
        polled(&[u64::MAX >> 1]),
        (vec![0], i128::from(u64::MAX >> 1))
    );
}

/// Sleeping costs no time of the machine.
#[test]
fn nothing_really_sleeps() {
    let started = Instant::now();
    let code = "(call $block (call $after (i64.const 3600000000000))) (i32.const 1)";
    result("(result u32)", &number("i32", code)).unwrap();
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[track_caller]
fn trapped(code: &str, text: &str) -> Failed {
    let failed = result("(result u32)", &number("i32", code)).unwrap_err();
    assert!(matches!(failed.error, CallError::Trap { .. }), "{failed}");
    assert!(failed.to_string().contains(text), "{failed}");
    failed
}

#[test]
fn what_cannot_be_asked_for() {
    trapped(
        "(call $poll (i32.const 100) (i32.const 0) (i32.const 16)) (i32.const 0)",
        "a poll waits for nothing",
    );
    trapped(
        "(call $poll (i32.const 100) (i32.const 10001) (i32.const 16)) (i32.const 0)",
        "a poll waits for 10001 things; at most 10000 are allowed",
    );
    trapped(
        "(drop (memory.grow (i32.const 1)))
         (call $write (call $stdout) (i32.const 0) (i32.const 65537) (i32.const 16)) (i32.const 0)",
        "65537 bytes were written at once",
    );
    trapped(
        "(call $zeroes (call $stdout) (i64.const -1) (i32.const 16)) (i32.const 0)",
        "18446744073709551615 bytes were written at once; at most 65536 may be",
    );
    trapped(
        "(call $random (i64.const 16777217) (i32.const 16)) (i32.const 0)",
        "16777217 random bytes were asked for at once; at most 16777216 may be",
    );
}

/// A guest makes numbers up: they lead nowhere.
#[test]
fn forged_and_dropped_handles() {
    let broken = "the guest broke a rule of the component model";
    for code in [
        "(call $flush (i32.const 77) (i32.const 16)) (i32.const 0)",
        "(call $flush (call $stdin) (i32.const 16)) (i32.const 0)",
        "(call $debug-string (i32.const 1) (i32.const 16)) (i32.const 0)",
        "(call $error-code (i32.const 1) (i32.const 16)) (i32.const 0)",
        "(call $sync (i32.const 1))",
        "(local.set $a (call $stdout)) (call $drop-output (local.get $a))
         (call $flush (local.get $a) (i32.const 16)) (i32.const 0)",
        "(local.set $a (call $stdout)) (call $drop-output (local.get $a)) (call $drop-output (local.get $a))
         (i32.const 0)",
        "(i32.store (i32.const 100) (call $at (i64.const 0))) (i32.store (i32.const 104) (i32.const 9))
         (call $poll (i32.const 100) (i32.const 2) (i32.const 16)) (i32.const 0)",
    ] {
        trapped(code, broken);
    }
    // A list that is not in its memory.
    trapped(
        "(call $write (call $stdout) (i32.const -8) (i32.const 100) (i32.const 16)) (i32.const 0)",
        broken,
    );
}

/// Does something as often as the argument says.
fn repeated(step: &str) -> String {
    format!(
        "(func (export \"f\") (param $n i32) (local $s i32) (local.set $s (i32.const 0))
           (loop $l {step}
             (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $l (local.get $n))))"
    )
}

#[test]
fn handles_are_limited() {
    let held = load("(param \"n\" u32)", &repeated("(drop (call $stdout))"));
    assert!(run(&held, LIMITS, 0, &[Ipld::Integer(10_000)]).is_ok());
    let failed = run(&held, LIMITS, 0, &[Ipld::Integer(10_001)]).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "trap: more than 10000 streams and pollables were held at once"
    );
    let dropped = load(
        "(param \"n\" u32)",
        &repeated("(call $drop-pollable (call $after (i64.const 1)))"),
    );
    assert!(run(&dropped, LIMITS, 0, &[Ipld::Integer(50_000)]).is_ok());
}

/// Handles of a component's own resources are in the engine's memory, not in the guest's.
#[test]
fn handles_of_own_resources_are_limited() {
    let text = r#"(component
      (type $r (resource (rep i32)))
      (core func $new (canon resource.new $r))
      (core module $m (import "" "new" (func $new (param i32) (result i32)))
        (func (export "f") (param $n i32)
          (loop $l (drop (call $new (i32.const 1)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $l (local.get $n)))))
      (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
      (func (export "f") (param "n" u32) (canon lift (core func $i "f"))))"#;
    let module = load_bytes(engine(), &wat::parse_str(text).unwrap()).unwrap();
    assert!(run(&module, LIMITS, 0, &[Ipld::Integer(30_000)]).is_ok());
    let failed = run(&module, LIMITS, 0, &[Ipld::Integer(30_001)]).unwrap_err();
    assert!(matches!(failed.error, CallError::Trap { .. }), "{failed}");
}

fn random(name: &str, seed: u8, length: i128) -> Vec<u8> {
    let body = format!(
        "(func (export \"f\") (param i64) (result i32)
           (call ${name} (i64.const 1) (i32.const 16)) (call ${name} (local.get 0) (i32.const 16)) (i32.const 16))"
    );
    let module = load("(param \"n\" u64) (result (list u8))", &body);
    let Ok(Ipld::Bytes(bytes)) = run(&module, LIMITS, seed, &[Ipld::Integer(length)])
        .unwrap()
        .out
    else {
        panic!()
    };
    bytes
}

/// What the randomness is has to be the same in every version, or receipts of one are not those of another.
#[test]
fn randomness_follows_from_the_seed() {
    let block = |seed: u8, name: &str, counter: u64| {
        let text = [&[seed; 32], name.as_bytes(), &counter.to_be_bytes()].concat();
        cid_of(codec::RAW, &text).hash().digest().to_vec()
    };
    // "call $random" and "call $insecure", the second time they are called.
    for name in ["random", "insecure"] {
        let expected = [block(7, name, 1), block(7, name, 2), block(7, name, 3)].concat();
        assert_eq!(random(name, 7, 70), expected[..70], "{name}");
        assert_eq!(random(name, 8, 32), block(8, name, 1), "{name}");
        assert!(random(name, 8, 0).is_empty(), "{name}");
    }
    let first = |bytes: &[u8]| i128::from(u64::from_le_bytes(bytes[..8].try_into().unwrap()));
    let drawn = |code: &str| result("(result u64)", &number("i64", code)).unwrap().out;
    for (code, expect) in [
        ("(call $random-u64)", first(&block(0, "random", 0))),
        (
            "(drop (call $random-u64)) (call $random-u64)",
            first(&block(0, "random", 1)),
        ),
        ("(call $insecure-u64)", first(&block(0, "insecure", 0))),
        (
            "(call $seed (i32.const 16)) (call $seed (i32.const 16)) (i64.load (i32.const 16))",
            first(&block(0, "insecure-seed", 0)),
        ),
        (
            "(call $seed (i32.const 16)) (i64.load (i32.const 24))",
            first(&block(0, "insecure-seed", 0)[8..]),
        ),
    ] {
        assert_eq!(drawn(code), Ok(Ipld::Integer(expect)), "{code}");
    }
}

/// A core function that prints, and what it prints: `abc` lies at 200, `$a` is standard output, `$b` error.
fn printing(code: &str) -> String {
    let streams = "(local.set $a (call $stdout)) (local.set $b (call $stderr))";
    format!(
        "(data (i32.const 200) \"abc\") {}",
        number(
            "i32",
            &format!("{streams} {code} (i32.load8_u (i32.const 16))")
        )
    )
}

const OUT: &str = "(call $write (local.get $a) (i32.const 200) (i32.const 3) (i32.const 16))";
const ERR: &str =
    "(call $blocking-write (local.get $b) (i32.const 200) (i32.const 3) (i32.const 16))";

#[test]
fn prints_in_order() {
    let zeroes = "(call $zeroes (local.get $a) (i64.const 2) (i32.const 16))
                  (call $blocking-zeroes (local.get $b) (i64.const 1) (i32.const 16))";
    let flush = "(call $flush (local.get $a) (i32.const 16)) (call $blocking-flush (local.get $b) (i32.const 16))";
    // A second handle is the same stream.
    let again = "(local.set $b (call $stderr))";
    let code = [OUT, OUT, ERR, again, ERR, flush, OUT, zeroes].join(" ");
    let done = result("(result u32)", &printing(&code)).unwrap();
    assert_eq!(done.out, Ok(Ipld::Integer(0)));
    let expected = [
        (Stream::Out, "abcabc"),
        (Stream::Err, "abcabc"),
        (Stream::Out, "abc\0\0"),
        (Stream::Err, "\0"),
    ];
    let expected = expected.map(|(stream, text)| (stream, text.to_owned()));
    assert_eq!(printed(&done.log), expected);
}

#[test]
fn the_log_is_limited() {
    let module = load("(result u32)", &printing(&[OUT, OUT, ERR].join(" ")));
    let with = |log| run(&module, Limits { log, ..LIMITS }, 0, &[]);
    let enough = 9 + SWITCH_COST;
    assert!(with(enough).is_ok());
    let failed = with(5).unwrap_err();
    assert!(
        matches!(failed.error, CallError::Log { limit: 5 }),
        "{failed}"
    );
    assert_eq!(
        failed.to_string(),
        "what it printed is over the limit of 5 bytes"
    );
    assert_eq!(printed(&failed.log), [(Stream::Out, "abcab".to_owned())]);
}

/// The guest must not see its limits, or one could change an ok result.
#[test]
fn limits_are_not_seen() {
    let code = "(call $check-write (local.get $a) (i32.const 16)) (i32.store (i32.const 16) (i32.load (i32.const 24)))";
    let module = load("(result u32)", &printing(&format!("{OUT} {code}")));
    let outcomes =
        [3, 1 << 20].map(|log| run(&module, Limits { log, ..LIMITS }, 0, &[]).unwrap().out);
    assert_eq!(outcomes[0], outcomes[1]);
}

/// What a function printed before it failed is what its author wants to see.
#[test]
fn the_log_of_failures() {
    let text = [(Stream::Out, "abc".to_owned())];
    let failed = trapped_printing("unreachable");
    assert!(matches!(failed.error, CallError::Trap { .. }), "{failed}");
    assert_eq!(printed(&failed.log), text);
    let failed = trapped_printing("(loop $l (br $l))");
    assert!(matches!(failed.error, CallError::Fuel { .. }), "{failed}");
    assert_eq!(printed(&failed.log), text);
}

fn trapped_printing(code: &str) -> Failed {
    let module = load("(result u32)", &printing(&format!("{OUT} {code}")));
    let limits = Limits {
        fuel: 1_000_000,
        ..LIMITS
    };
    run(&module, limits, 0, &[]).unwrap_err()
}

/// `exit` is how programs end; functions that have a result must return it.
#[test]
fn exits() {
    let [ok, err] = ["(call $exit (i32.const 0))", "(call $exit (i32.const 1))"];
    let [zero, three] = [
        "(call $exit-code (i32.const 0))",
        "(call $exit-code (i32.const 3))",
    ];
    let check = |signature: &str, core: &str, code: &str, expect: Result<Result<(), ()>, &str>| {
        let body = format!(
            "(data (i32.const 200) \"abc\") (func (export \"f\") {core} (local $a i32)
               (local.set $a (call $stdout)) {OUT} {code} unreachable)"
        );
        let (out, log) = match result(signature, &body) {
            Ok(done) => (Ok(done.out), done.log),
            Err(failed) => (Err(failed.to_string()), failed.log),
        };
        let expect = expect.map(|out| out.map(|()| Ipld::Null).map_err(|()| Ipld::Null));
        assert_eq!(out, expect.map_err(str::to_owned), "{signature} {code}");
        assert_eq!(printed(&log), [(Stream::Out, "abc".to_owned())]);
    };
    let plain = ("(result (result))", "(result i32)");
    check(plain.0, plain.1, ok, Ok(Ok(())));
    check(plain.0, plain.1, err, Ok(Err(())));
    check(plain.0, plain.1, zero, Ok(Ok(())));
    check(plain.0, plain.1, three, Ok(Err(())));
    check("", "", ok, Ok(Ok(())));
    let message = |code| {
        format!("trap: the function ended its program with exit code {code} and has no result")
    };
    check("", "", three, Err(&message(3)));
    check("(result u32)", "(result i32)", ok, Err(&message(0)));
    check(
        "(result (result u32))",
        "(result i32)",
        err,
        Err(&message(1)),
    );
}

/// A program's main function is a function like others.
#[test]
fn commands() {
    let text = component("0.2.0", "(result (result))", &printing(OUT));
    let exported = "(instance $run (export \"run\" (func $f))) (export \"wasi:cli/run@0.2.0\" (instance $run)))";
    let text = format!("{} {exported}", text.strip_suffix(')').unwrap());
    let module = load_bytes(engine(), &wat::parse_str(text).unwrap()).unwrap();
    for name in ["wasi:cli/run@0.2.0#run", "run"] {
        let call = ipvm_wasm::Call {
            function: name,
            args: &[],
            limits: LIMITS,
            content: &ipvm_wasm::NoContent,
            cancel: &ipvm_wasm::Cancel::new(),
            seed: [0; 32],
        };
        let done = module.call(&call).unwrap();
        assert_eq!(done.out, Ok(Ipld::Null));
        assert_eq!(printed(&done.log), [(Stream::Out, "abc".to_owned())]);
    }
}

/// The world's part of a call is paid for like the guest's, and the same everywhere.
#[test]
fn floods_end_by_fuel() {
    for step in [
        "(drop (call $now))",
        "(call $random (i64.const 65536) (i32.const 16))",
        "(local.set $s (call $after (i64.const 1))) (call $block (local.get $s)) (call $drop-pollable (local.get $s))",
    ] {
        let module = load("(param \"n\" u32)", &repeated(step));
        let limits = Limits {
            fuel: 2_000_000,
            ..LIMITS
        };
        let [first, second] =
            [(); 2].map(|()| run(&module, limits, 0, &[Ipld::Integer(0)]).unwrap_err());
        assert!(matches!(first.error, CallError::Fuel { .. }), "{first}");
        assert_eq!(first.fuel, second.fuel);
        assert!(first.fuel >= 2_000_000 - 10, "{}", first.fuel);
        let count = Ipld::Integer(3);
        let [first, second] =
            [(); 2].map(|()| run(&module, limits, 0, std::slice::from_ref(&count)).unwrap());
        assert_eq!(first.fuel, second.fuel);
        assert!(first.fuel > 3 * 500);
    }
}

#[test]
fn floods_end_by_time() {
    let module = load("(param \"n\" u32)", &repeated("(drop (call $now))"));
    let limits = Limits {
        fuel: u64::MAX,
        time: Duration::from_millis(50),
        ..LIMITS
    };
    let failed = run(&module, limits, 0, &[Ipld::Integer(0)]).unwrap_err();
    assert!(matches!(failed.error, CallError::Time { .. }), "{failed}");
}

/// Bytes cost more than the call alone.
#[test]
fn bytes_cost_fuel() {
    let used = |code: &str| {
        let done = result(
            "(result u32)",
            &number("i32", &format!("{code} (i32.const 0)")),
        );
        done.unwrap().fuel
    };
    let written = |count: u32| {
        used(&format!(
            "(call $write (call $stdout) (i32.const 0) (i32.const {count}) (i32.const 16))"
        ))
    };
    assert_eq!(written(1000) - written(0), 1000);
    let zeroes = |count: u32| {
        used(&format!(
            "(call $zeroes (call $stdout) (i64.const {count}) (i32.const 16))"
        ))
    };
    assert_eq!(zeroes(1000) - zeroes(0), 1000);
    let drawn = |count: u32| {
        used(&format!(
            "(call $random (i64.const {count}) (i32.const 16))"
        ))
    };
    assert!(drawn(1000) - drawn(0) >= 4000);
}

fn load_text(text: &str) -> Result<ipvm_wasm::Module, LoadError> {
    load_bytes(engine(), &wat::parse_str(text).unwrap())
}

/// Builds of JavaScript and Python import networks that they do not use.
#[test]
fn networks_are_there_only_in_name() {
    let text = r#"(component
      (import "wasi:http/types@0.2.3" (instance $types
        (export "fields" (type $fields (sub resource)))
        (export "outgoing-request" (type $request (sub resource)))
        (export "[constructor]fields" (func (result (own $fields))))
        (export "[constructor]outgoing-request" (func (param "headers" (own $fields)) (result (own $request))))
        (export "[static]fields.from-list" (func (param "entries" (list (list u8))) (result (own $fields))))))
      (alias export $types "outgoing-request" (type $request))
      (import "wasi:http/outgoing-handler@0.2.3" (instance $handler
        (export "outgoing-request" (type $r (eq $request)))
        (export "handle" (func (param "request" (own $r)) (result bool)))))
      (import "wasi:sockets/instance-network@0.2.0" (instance $network
        (export "network" (type $n (sub resource)))
        (export "instance-network" (func (result (own $n))))))
      (core module $libc (memory (export "memory") 100))
      (core instance $libc (instantiate $libc))
      (core func $fields (canon lower (func $types "[constructor]fields")))
      (core func $list (canon lower (func $types "[static]fields.from-list")
        (memory (core memory $libc "memory"))))
      (core func $handle (canon lower (func $handler "handle")))
      (core func $network (canon lower (func $network "instance-network")))
      (core module $m
        (import "" "fields" (func $fields (result i32)))
        (import "" "list" (func $list (param i32 i32) (result i32)))
        (import "" "handle" (func $handle (param i32) (result i32)))
        (import "" "network" (func $network (result i32)))
        (func (export "nothing") (result i32) (i32.const 1))
        (func (export "fields") (result i32) (call $fields))
        (func (export "list") (result i32) (call $list (i32.const 0) (i32.const 2)))
        (func (export "huge") (result i32) (call $list (i32.const 0) (i32.const 800000)))
        (func (export "handle") (result i32) (call $handle (i32.const 1)))
        (func (export "network") (result i32) (call $network)))
      (core instance $i (instantiate $m (with "" (instance
        (export "fields" (func $fields)) (export "list" (func $list))
        (export "handle" (func $handle)) (export "network" (func $network))))))
      (func (export "nothing") (result u32) (canon lift (core func $i "nothing")))
      (func (export "fields") (result u32) (canon lift (core func $i "fields")))
      (func (export "list") (result u32) (canon lift (core func $i "list")))
      (func (export "huge") (result u32) (canon lift (core func $i "huge")))
      (func (export "handle") (result u32) (canon lift (core func $i "handle")))
      (func (export "network") (result u32) (canon lift (core func $i "network"))))"#;
    let module = load_text(text).unwrap();
    let limits = Limits {
        output: 1 << 20,
        ..LIMITS
    };
    let call = |name| crate::fixture::call_with(&module, name, &[], limits);
    assert_eq!(call("nothing").unwrap(), Ok(Ipld::Integer(1)));
    for (name, text) in [
        (
            "fields",
            "trap: wasi:http/types@0.2.3#[constructor]fields was called; functions have no network",
        ),
        (
            "list",
            "trap: wasi:http/types@0.2.3#[static]fields.from-list was called; functions have no network",
        ),
        (
            "network",
            "trap: wasi:sockets/instance-network@0.2.0#instance-network was called; functions have no network",
        ),
        // Nobody has a request. A list that would take much more memory here than in the guest is not taken.
        (
            "handle",
            "trap: the guest broke a rule of the component model",
        ),
        (
            "huge",
            "trap: the guest broke a rule of the component model",
        ),
    ] {
        assert_eq!(call(name).unwrap_err().to_string(), text);
    }
}

#[test]
fn what_is_refused_before_it_runs() {
    let refused = |text: &str, expect: &str| {
        let error = load_text(text).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
        error
    };
    for (import, inner) in [
        ("wasi:keyvalue/store@0.2.0", "open"),
        ("wasi:clocks/wall-clock@0.2.0", "later"),
        ("wasi:clocks/wall-clock@0.3.0", "now"),
        ("wasi:clocks/wall-clock@0.2.0-rc-2023-12-05", "now"),
        ("wasi:clocks/wall-clock", "now"),
        ("wasi:http/types@0.3.0", "fetch"),
    ] {
        let text = format!("(component (import {import:?} (instance (export {inner:?} (func)))))");
        let error = refused(&text, &format!("imports {import}#{inner}, which"));
        assert!(matches!(error, LoadError::UnknownImport { .. }), "{error}");
    }
    let resource = r#"(component (import "wasi:cli/exit@0.2.0" (instance (export "r" (type (sub resource))))))"#;
    refused(resource, "imports wasi:cli/exit@0.2.0#r, which");
    let nested = r#"(component (import "wasi:http/types@0.2.0" (instance (export "i" (instance (export "f" (func)))))))"#;
    refused(nested, "imports wasi:http/types@0.2.0#i, which");
    let many: String = (0..40)
        .map(|n| format!("(import \"f{n}\" (func))"))
        .collect();
    refused(&format!("(component {many})"), "f8, f9 and 30 more, which");
    // The right name with another type.
    let other = r#"(component (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func (param "x" u8))))))"#;
    let error = refused(other, "wasi:cli/exit@0.2.0");
    assert!(matches!(error, LoadError::Invalid { .. }), "{error}");
}
