//! Guests that break rules. Each must end its own task with a typed error, and nothing else: no panic, no memory
//! of the host, no value that IPLD does not have.

use crate::fixture::{LIMITS, call, component, engine, load, load_bytes};
use ipvm_ipld::Ipld;
use ipvm_wasm::CallError;

/// Runs `f` with no arguments.
fn run(types: &str, result: &str, body: &str) -> Result<Result<Ipld, Ipld>, CallError> {
    call(
        &load(&component(types, &format!("(result {result})"), body)),
        "f",
        &[],
    )
}

#[track_caller]
fn traps(types: &str, result: &str, body: &str, expect: &str) {
    let error = run(types, result, body).unwrap_err();
    assert!(matches!(error, CallError::Trap { .. }), "{error}");
    assert_eq!(error.to_string(), format!("trap: {expect}"));
}

/// The texts are in receipts, so they are part of the contract.
#[test]
fn traps_have_stable_texts() {
    let f = |code: &str| format!("(func (export \"f\") (result i32) {code})");
    traps(
        "",
        "u32",
        &f("unreachable"),
        "the guest gave up (unreachable)",
    );
    traps(
        "",
        "u32",
        &f("(i32.load (i32.const -4))"),
        "memory access out of bounds",
    );
    traps(
        "",
        "u32",
        &f("(i32.div_u (i32.const 1) (i32.const 0))"),
        "integer division by zero",
    );
    traps(
        "",
        "u32",
        &f("(i32.div_s (i32.const 0x80000000) (i32.const -1))"),
        "integer overflow",
    );
    traps(
        "",
        "u32",
        &f("(i32.trunc_f32_s (f32.const nan))"),
        "conversion of a float that is no integer",
    );
    let table = |code: &str| {
        format!(
            "(table 2 funcref) (type $t (func (result i32))) {}",
            f(code)
        )
    };
    traps(
        "",
        "u32",
        &table("(call_indirect (type $t) (i32.const 0))"),
        "call of an empty table element",
    );
    traps(
        "",
        "u32",
        &table("(call_indirect (type $t) (i32.const 9))"),
        "table access out of bounds",
    );
}

#[test]
fn floats_that_ipld_does_not_have() {
    for constant in ["nan", "-nan", "inf", "-inf"] {
        for ty in ["f32", "f64"] {
            let body = format!("(func (export \"f\") (result {ty}) ({ty}.const {constant}))");
            let error = run("", ty, &body).unwrap_err();
            assert!(
                matches!(&error, CallError::NotANumber { path } if path.is_empty()),
                "{error}"
            );
        }
    }
    let list = r#"(data (i32.const 0) "\08\00\00\00\02\00\00\00\00\00\00\00\00\00\f0\3f\00\00\00\00\00\00\f8\7f")
        (func (export "f") (result i32) (i32.const 0))"#;
    let error = run("", "(list f64)", list).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the result[1] is not a finite number; IPLD has no NaN and no infinities"
    );
}

#[test]
fn duplicate_keys() {
    // Two entries ("k", 1) and ("k", 2).
    let body = r#"(data (i32.const 0) "\08\00\00\00\02\00\00\00" "\40\00\00\00\01\00\00\00\01\00\00\00"
          "\40\00\00\00\01\00\00\00\02\00\00\00")
        (data (i32.const 64) "k")
        (func (export "f") (result i32) (i32.const 0))"#;
    for ty in ["(list (tuple string u8))", "(map string u8)"] {
        let error = run("", ty, body).unwrap_err();
        assert!(
            matches!(&error, CallError::DuplicateKey { key, .. } if key == "k"),
            "{error}"
        );
    }
}

/// A result at any address: never a panic, never a byte from outside the guest's memory.
#[test]
fn results_that_point_anywhere() {
    let types =
        "(type $v (variant (case \"a\" (list u32)) (case \"b\" u64))) (export $v2 \"v\" (type $v))
        (type $r (record (field \"s\" string) (field \"n\" u64))) (export $r2 \"r\" (type $r))";
    let addresses = [
        0,
        1,
        4,
        65_528,
        65_532,
        65_535,
        65_536,
        0x7fff_ffff,
        0xffff_fff8,
        0xffff_ffff,
    ];
    for result in [
        "string",
        "(list u8)",
        "(list u64)",
        "(list string)",
        "(map string string)",
        "(option u64)",
        "$v2",
        "$r2",
    ] {
        // Fills its memory with one number, and says that its result is at an address.
        let body = r#"(func (export "f") (param $fill i32) (param $at i32) (result i32) (local $i i32)
            (loop $l (i32.store (local.get $i) (local.get $fill))
              (local.set $i (i32.add (local.get $i) (i32.const 4)))
              (br_if $l (i32.lt_u (local.get $i) (i32.const 65536))))
            (local.get $at))"#;
        let signature = format!("(param \"fill\" u32) (param \"at\" u32) (result {result})");
        let module = load(&component(types, &signature, body));
        for address in addresses {
            for fill in [0, 1, 0x0101_0101, 0xffff_fff8, 0xffff_ffff, 0x8000_0000] {
                match call(&module, "f", &[Ipld::Integer(fill), Ipld::Integer(address)]) {
                    Ok(_)
                    | Err(
                        CallError::Trap { .. }
                        | CallError::Output { .. }
                        | CallError::DuplicateKey { .. },
                    ) => {}
                    Err(error) => panic!("{result} {address} {fill}: {error}"),
                }
            }
        }
    }
}

#[test]
fn results_that_are_no_values() {
    traps(
        "",
        "char",
        "(func (export \"f\") (result i32) (i32.const 0xd800))",
        "the result has an invalid char",
    );
    let bad_case = "the result is a case that its type does not have";
    traps(
        "",
        "(result)",
        "(func (export \"f\") (result i32) (i32.const 2))",
        bad_case,
    );
    traps(
        "",
        "(result)",
        "(func (export \"f\") (result i32) (i32.const 256))",
        bad_case,
    );
    let types = "(type $e (enum \"a\" \"b\")) (export $e2 \"e\" (type $e))";
    traps(
        types,
        "$e2",
        "(func (export \"f\") (result i32) (i32.const -1))",
        bad_case,
    );
    let option = "(data (i32.const 0) \"\\02\") (func (export \"f\") (result i32) (i32.const 0))";
    traps("", "(option u8)", option, bad_case);
    let text = r#"(data (i32.const 0) "\08\00\00\00\01\00\00\00\ff") (func (export "f") (result i32) (i32.const 0))"#;
    traps("", "string", text, "the result has an invalid string");
    // Any number that is not 0 is true.
    assert_eq!(
        run(
            "",
            "bool",
            "(func (export \"f\") (result i32) (i32.const 256))"
        )
        .unwrap(),
        Ok(Ipld::Bool(true))
    );
}

/// An allocator that answers nonsense.
#[test]
fn allocators_that_lie() {
    for answer in [
        "(i32.const -1)",
        "(i32.const 65535)",
        "(i32.const 0x7fffffff)",
        "unreachable",
        "(loop $l (br $l)) (i32.const 0)",
    ] {
        let module = load(&format!(
            r#"(component
              (core module $m (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) {answer})
                (func (export "f") (param i32 i32)))
              (core instance $i (instantiate $m))
              (func (export "f") (param "v" (list u32)) (canon lift (core func $i "f")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
        ));
        let error = call(&module, "f", &[Ipld::List(vec![Ipld::Integer(1); 100])]).unwrap_err();
        assert!(
            matches!(error, CallError::Trap { .. } | CallError::Fuel { .. }),
            "{answer}: {error}"
        );
    }
}

/// A short name and a long list: the host must not copy the name more often than is paid for.
#[test]
fn names_are_paid_for() {
    let name = format!("n{}", "a".repeat(90_000));
    let types = format!("(type $r (record (field {name:?} u8))) (export $r2 \"r\" (type $r))");
    // 60,000 records of one byte would be 5 GB of names.
    let body = r#"(data (i32.const 0) "\00\01\00\00\60\ea\00\00") (func (export "f") (result i32) (i32.const 0))"#;
    let error = run(&types, "(list $r2)", body).unwrap_err();
    assert!(matches!(error, CallError::Output { .. }), "{error}");
}

/// A file of a few hundred bytes can describe a type of millions of parts.
#[test]
fn types_that_unfold() {
    let mut types = "(type $a0 (tuple u8 u8))".to_owned();
    for n in 1..18 {
        types += &format!("(type $a{n} (tuple $a{} $a{}))", n - 1, n - 1);
    }
    let body = "(func (export \"f\") (param i32))";
    let module = load(&component(&types, "(param \"v\" $a17)", body));
    let function = &module.interface().functions[0];
    assert!(function.unsupported().is_some());
    let error = call(&module, "f", &[Ipld::Null]).unwrap_err();
    assert!(matches!(error, CallError::Unsupported { .. }), "{error}");
}

#[test]
fn types_that_are_deep() {
    let mut ty = "u8".to_owned();
    for _ in 0..60 {
        ty = format!("(option {ty})");
    }
    let module = load(&component(
        "",
        &format!("(param \"v\" {ty})"),
        "(func (export \"f\") (param i32))",
    ));
    assert_eq!(
        module.interface().functions[0].unsupported(),
        Some("a type nested deeper than 32 levels")
    );
}

#[test]
fn resources_have_no_form() {
    let module = load(
        r#"(component
          (type $r' (resource (rep i32)))
          (export $r "r" (type $r'))
          (core module $m (func (export "f") (param i32)) (func (export "g") (result i32) (i32.const 7)))
          (core instance $i (instantiate $m))
          (func (export "f") (param "v" (own $r)) (canon lift (core func $i "f")))
          (func (export "g") (result u32) (canon lift (core func $i "g"))))"#,
    );
    let error = call(&module, "f", &[Ipld::Integer(0)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the function \"f\" cannot be called: resource has no form as content"
    );
    // Its neighbour can be called.
    assert_eq!(call(&module, "g", &[]).unwrap(), Ok(Ipld::Integer(7)));
}

/// A handle to a resource is a number that a guest can make up.
#[test]
fn handles_that_are_made_up() {
    let module = load(
        r#"(component
          (type $r (resource (rep i32)))
          (core func $drop (canon resource.drop $r))
          (core module $m (import "" "drop" (func $drop (param i32)))
            (func (export "f") (param i32) (call $drop (local.get 0))))
          (core instance $i (instantiate $m (with "" (instance (export "drop" (func $drop))))))
          (func (export "f") (param "handle" u32) (canon lift (core func $i "f"))))"#,
    );
    for handle in [0, 1, 7, u32::MAX] {
        let error = call(&module, "f", &[Ipld::Integer(handle.into())]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "trap: the guest broke a rule of the component model",
            "{handle}"
        );
    }
}

/// What is left of a guest's data after a call, its cleaning-up, must not hurt either.
#[test]
fn cleaning_up_that_traps() {
    let module = load(
        r#"(component
          (core module $m (memory (export "memory") 1)
            (func (export "f") (result i32) (i32.const 0))
            (func (export "after") (param i32) unreachable))
          (core instance $i (instantiate $m))
          (func (export "f") (result string) (canon lift (core func $i "f") (memory (core memory $i "memory"))
            (post-return (core func $i "after")))))"#,
    );
    assert!(matches!(
        call(&module, "f", &[]),
        Err(CallError::Trap { .. })
    ));
}

/// Cleaning up happens after the result was read, not before.
#[test]
fn cleaning_up_comes_last() {
    let module = load(
        r#"(component
          (core module $m (memory (export "memory") 1)
            (data (i32.const 0) "\08\00\00\00\02\00\00\00ok")
            (func (export "f") (result i32) (i32.const 0))
            (func (export "after") (param i32) (i32.store (i32.const 8) (i32.const 0)) (i32.store (i32.const 4) (i32.const 0))))
          (core instance $i (instantiate $m))
          (func (export "f") (result string) (canon lift (core func $i "f") (memory (core memory $i "memory"))
            (post-return (core func $i "after")))))"#,
    );
    assert_eq!(
        call(&module, "f", &[]).unwrap(),
        Ok(Ipld::String("ok".to_owned()))
    );
}

/// Deeply nested code is compiled, or refused, but does not overflow the compiler's stack.
#[test]
fn code_that_is_deep() {
    let depth = 20_000;
    let body = format!(
        "(func (export \"f\") {} {})",
        "block ".repeat(depth),
        "end ".repeat(depth)
    );
    let bytes = wat::parse_str(component("", "", &body)).unwrap();
    if let Ok(module) = load_bytes(engine(), &bytes) {
        assert!(call(&module, "f", &[]).is_ok());
    }
}

#[test]
fn wrong_number_of_arguments() {
    let module = load(&component(
        "",
        "(param \"a\" u8) (param \"b\" u8)",
        "(func (export \"f\") (param i32 i32))",
    ));
    for count in [0, 1, 3] {
        let error = call(&module, "f", &vec![Ipld::Integer(1); count]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("expected 2 arguments (a, b), got {count}")),
            "{error}"
        );
    }
    assert_eq!(LIMITS.output, 64 << 20);
}
