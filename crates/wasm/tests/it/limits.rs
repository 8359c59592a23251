//! Every limit ends a task with its own error, and changes nothing else. Without this, a task could take a
//! machine for itself, or a limit could change what a function returns.

use crate::fixture::{LIMITS, call, call_with, component, engine, load, load_bytes};
use ipvm_ipld::Ipld;
use ipvm_wasm::{Call, CallError, Cancel, Engine, Limits, MAX_TABLE_ELEMENTS, NoContent, Settings};
use std::time::{Duration, Instant};

const LOOP: &str = "(func (export \"f\") (loop $l (br $l)))";

/// Grows memory by the pages given, and returns what `memory.grow` says.
fn grower(memory: &str) -> String {
    format!(
        r#"(component
          (core module $m (memory {memory})
            (func (export "f") (param i32) (result i32) (memory.grow (local.get 0))))
          (core instance $i (instantiate $m))
          (func (export "f") (param "pages" u32) (result s32) (canon lift (core func $i "f"))))"#
    )
}

#[test]
fn fuel() {
    let module = load(&component("", "", LOOP));
    let error = call_with(
        &module,
        "f",
        &[],
        Limits {
            fuel: 100_000,
            ..LIMITS
        },
    )
    .unwrap_err();
    assert!(
        matches!(error, CallError::Fuel { limit: 100_000 }),
        "{error}"
    );
    assert_eq!(error.to_string(), "out of fuel: the limit is 100000");
}

/// Receipts say how much fuel was used; two executors must say the same.
#[test]
fn fuel_is_counted_the_same_every_time() {
    let body = "(func (export \"f\") (param i32) (loop $l (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br_if $l (local.get 0))))";
    let module = load(&component("", "(param \"n\" u32)", body));
    let fuel = |n: i128| {
        let args = [Ipld::Integer(n)];
        let call = Call {
            function: "f",
            args: &args,
            limits: LIMITS,
            content: &NoContent,
            cancel: &Cancel::new(),
            seed: [0; 32],
        };
        module.call(&call).unwrap().fuel
    };
    assert_eq!(fuel(1000), fuel(1000));
    assert!(fuel(2000) > fuel(1000));
    let args = [Ipld::Integer(1000)];
    assert!(
        call_with(
            &module,
            "f",
            &args,
            Limits {
                fuel: fuel(1000),
                ..LIMITS
            }
        )
        .is_ok()
    );
    // The engine looks at the fuel where loops turn and functions begin, not at every instruction.
    let failed = call_with(
        &module,
        "f",
        &args,
        Limits {
            fuel: fuel(990),
            ..LIMITS
        },
    );
    assert!(matches!(failed, Err(CallError::Fuel { .. })), "{failed:?}");
}

#[test]
fn time() {
    let module = load(&component("", "", LOOP));
    let limits = Limits {
        fuel: u64::MAX,
        time: Duration::from_millis(50),
        ..LIMITS
    };
    let started = Instant::now();
    let error = call_with(&module, "f", &[], limits).unwrap_err();
    assert!(matches!(error, CallError::Time { .. }), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!(error.to_string(), "out of time: the limit is 50 ms");
}

/// A guest may loop before its function is even called.
#[test]
fn time_in_the_start_function() {
    let module = load(&component(
        "",
        "",
        "(func (export \"f\")) (func $s (loop $l (br $l))) (start $s)",
    ));
    let limits = Limits {
        fuel: u64::MAX,
        time: Duration::from_millis(20),
        ..LIMITS
    };
    let error = call_with(&module, "f", &[], limits).unwrap_err();
    assert!(matches!(error, CallError::Time { .. }), "{error}");
}

#[test]
fn cancelling() {
    let module = load(&component("", "", LOOP));
    let cancel = Cancel::new();
    let limits = Limits {
        fuel: u64::MAX,
        ..LIMITS
    };
    let error = std::thread::scope(|scope| {
        let cancel = &cancel;
        let running = scope.spawn(move || {
            module
                .call(&Call {
                    function: "f",
                    args: &[],
                    limits,
                    content: &NoContent,
                    cancel,
                    seed: [0; 32],
                })
                .unwrap_err()
                .error
        });
        cancel.cancel();
        running.join().unwrap()
    });
    assert!(matches!(error, CallError::Cancelled), "{error}");
    assert!(cancel.is_cancelled());
}

#[test]
fn memory() {
    let module = load(&grower("1"));
    let limits = Limits {
        memory: 4 << 16,
        ..LIMITS
    };
    assert_eq!(
        call_with(&module, "f", &[Ipld::Integer(3)], limits).unwrap(),
        Ok(Ipld::Integer(1))
    );
    let error = call_with(&module, "f", &[Ipld::Integer(4)], limits).unwrap_err();
    assert!(
        matches!(error, CallError::Memory { limit: 262_144 }),
        "{error}"
    );
    // The first pages count as well, before anything runs.
    let error = call_with(
        &module,
        "f",
        &[Ipld::Integer(0)],
        Limits {
            memory: 0,
            ..LIMITS
        },
    )
    .unwrap_err();
    assert!(matches!(error, CallError::Memory { .. }), "{error}");
}

/// What the guest itself rules out is −1 whatever the limit, or a limit could change an ok result.
#[test]
fn memory_over_its_own_maximum() {
    let module = load(&grower("1 2"));
    for memory in [2 << 16, 256 << 20] {
        let limits = Limits { memory, ..LIMITS };
        assert_eq!(
            call_with(&module, "f", &[Ipld::Integer(2)], limits).unwrap(),
            Ok(Ipld::Integer(-1))
        );
    }
    // Over what 32 bits can address.
    let module = load(&grower("1"));
    for memory in [1 << 16, 256 << 20] {
        let limits = Limits { memory, ..LIMITS };
        assert_eq!(
            call_with(&module, "f", &[Ipld::Integer(65_536)], limits).unwrap(),
            Ok(Ipld::Integer(-1))
        );
    }
}

/// Several memories share one limit.
#[test]
fn memories_together() {
    let module = load(
        r#"(component
          (core module $m (memory 3) (memory 3) (func (export "f")))
          (core instance $i (instantiate $m))
          (func (export "f") (canon lift (core func $i "f"))))"#,
    );
    assert!(
        call_with(
            &module,
            "f",
            &[],
            Limits {
                memory: 6 << 16,
                ..LIMITS
            }
        )
        .is_ok()
    );
    let error = call_with(
        &module,
        "f",
        &[],
        Limits {
            memory: 5 << 16,
            ..LIMITS
        },
    )
    .unwrap_err();
    assert!(matches!(error, CallError::Memory { .. }), "{error}");
}

/// A guest whose allocator keeps asking: the limit ends it while its arguments are written.
#[test]
fn memory_while_arguments_are_written() {
    let module = load(&component(
        "",
        "(param \"b\" (list u8))",
        "(func (export \"f\") (param i32 i32))",
    ));
    let bytes = [Ipld::Bytes(vec![0; 3 << 20])];
    assert!(call(&module, "f", &bytes).is_ok());
    let error = call_with(
        &module,
        "f",
        &bytes,
        Limits {
            memory: 2 << 20,
            ..LIMITS
        },
    )
    .unwrap_err();
    assert!(matches!(error, CallError::Memory { .. }), "{error}");
}

#[test]
fn tables() {
    let table = |table: &str| {
        load(&format!(
            r#"(component
              (core module $m (table $t {table} funcref)
                (func (export "f") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0))))
              (core instance $i (instantiate $m))
              (func (export "f") (param "n" u32) (result s32) (canon lift (core func $i "f"))))"#
        ))
    };
    let most = i128::try_from(MAX_TABLE_ELEMENTS).unwrap();
    let module = table("1");
    assert_eq!(
        call(&module, "f", &[Ipld::Integer(most - 1)]).unwrap(),
        Ok(Ipld::Integer(1))
    );
    let error = call(&module, "f", &[Ipld::Integer(most)]).unwrap_err();
    assert!(matches!(error, CallError::Table { .. }), "{error}");
    assert_eq!(
        call(&table("1 5"), "f", &[Ipld::Integer(5)]).unwrap(),
        Ok(Ipld::Integer(-1))
    );
}

#[test]
fn stack() {
    let module = load(&component("", "", "(func $f (export \"f\") (call $f))"));
    let error = call(&module, "f", &[]).unwrap_err();
    assert!(matches!(error, CallError::Stack { .. }), "{error}");
}

/// Returns `n` bytes, or `n` numbers.
fn output(result: &str) -> String {
    let body = r#"(func (export "f") (param i32) (result i32) (drop (memory.grow (i32.const 100)))
        (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (local.get 0)) (i32.const 0))"#;
    component("", &format!("(param \"n\" u32) (result {result})"), body)
}

#[test]
fn outputs() {
    let limits = Limits {
        output: 10_000,
        ..LIMITS
    };
    let check = |result: &str, fits: i128, over: i128| {
        let module = load(&output(result));
        assert!(
            call_with(&module, "f", &[Ipld::Integer(fits)], limits).is_ok(),
            "{result}"
        );
        let error = call_with(&module, "f", &[Ipld::Integer(over)], limits).unwrap_err();
        assert!(
            matches!(error, CallError::Output { limit: 10_000 }),
            "{error}"
        );
    };
    check("(list u8)", 9_936, 9_937);
    check("string", 9_936, 9_937);
    check("(list u16)", 155, 156);
    check("(list (tuple u8 u8))", 51, 52);
}

/// Many tasks at once: each gets its own instance, and one that is stopped stops no other.
#[test]
fn neighbours_keep_running() {
    let looping = load(&component("", "", LOOP));
    let adding = load(&component(
        "",
        "(param \"n\" u32) (result u32)",
        "(func (export \"f\") (param i32) (result i32) (local.get 0))",
    ));
    let limits = Limits {
        fuel: u64::MAX,
        time: Duration::from_millis(100),
        ..LIMITS
    };
    std::thread::scope(|scope| {
        let stopped: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| call_with(&looping, "f", &[], limits)))
            .collect();
        for n in 0..200 {
            assert_eq!(
                call(&adding, "f", &[Ipld::Integer(n)]).unwrap(),
                Ok(Ipld::Integer(n))
            );
        }
        for stopped in stopped {
            assert!(matches!(
                stopped.join().unwrap(),
                Err(CallError::Time { .. })
            ));
        }
    });
}

/// More calls at once than there are slots: the surplus is the machine's fault, and is told from a guest's.
#[test]
fn slots_run_out() {
    let engine = Engine::new(&Settings::default()).unwrap();
    let bytes = wat::parse_str(component("", "", LOOP)).unwrap();
    let module = load_bytes(&engine, &bytes).unwrap();
    let cancel = Cancel::new();
    let limits = Limits {
        fuel: u64::MAX,
        ..LIMITS
    };
    let (ended, first) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..140 {
            let (ended, module, cancel) = (ended.clone(), &module, &cancel);
            scope.spawn(move || {
                let call = Call {
                    function: "f",
                    args: &[],
                    limits,
                    content: &NoContent,
                    cancel,
                    seed: [0; 32],
                };
                ended.send(module.call(&call).unwrap_err().error).unwrap();
            });
        }
        let error = first.recv().unwrap();
        cancel.cancel();
        assert!(matches!(error, CallError::Machine(_)), "{error}");
    });
    drop(ended);
    // All others were running, and the slots are free again.
    assert!(
        first
            .iter()
            .any(|error| matches!(error, CallError::Cancelled))
    );
    let limits = Limits { fuel: 1, ..limits };
    assert!(matches!(
        call_with(&module, "f", &[], limits),
        Err(CallError::Fuel { .. })
    ));
}

/// A call must not see what an earlier call left behind.
#[test]
fn instances_are_fresh() {
    let body = r#"(func (export "f") (result i32)
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (i32.load (i32.const 0)))"#;
    let module = load(&component("", "(result u32)", body));
    for _ in 0..3 {
        assert_eq!(call(&module, "f", &[]).unwrap(), Ok(Ipld::Integer(1)));
    }
    assert!(engine().stats().compiled > 0);
}
