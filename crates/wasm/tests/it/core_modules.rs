//! Core modules of numeric functions, as a small compiler or a few lines of text make them. Users call their
//! functions by the names that these have in the module.

use crate::fixture::{LIMITS, call, call_with, engine, load, load_bytes};
use ipvm_ipld::{Ipld, Limits, cid_of, codec, json};
use ipvm_wasm::{CallError, CoreModuleError, Engine, LoadError, Module, Settings};
use proptest::prelude::*;
use std::convert::Infallible;

const MATHS: &str = r#"(module
  (memory (export "memory") 1)
  (global (export "count") i32 (i32.const 0))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "addOne") (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
  (func (export "addone") (param i64) (result i64) (i64.sub (local.get 0) (i64.const 1)))
  (func (export "half") (param f32) (result f32) (f32.div (local.get 0) (f32.const 2)))
  (func (export "foo bar") (param f64) (result f64) (f64.neg (local.get 0)))
  (func (export "größe") (result i32) (i32.const 5))
  (func (export "_start"))
  (func (export "x-nab") (result i32) (i32.const 1))
  (func (export "a#b") (result i32) (i32.const 2))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "two") (result i32 i32) (i32.const 1) (i32.const 2))
  (func (export "vector") (param v128))
  (func (export "reference") (param funcref))
  (func (export "\1b[2J"))
  (func (export "")))"#;

fn listing(module: &Module) -> Vec<String> {
    let functions = &module.interface().functions;
    functions.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(module: &Module, function: &str, args: &str, expect: &str) {
    let read = |text: &str| json::from_str(text, Limits::default()).unwrap();
    let Ipld::List(args) = read(args) else {
        panic!()
    };
    assert_eq!(
        call(module, function, &args).unwrap(),
        Ok(read(expect)),
        "{function}"
    );
}

#[test]
fn functions_of_numbers() {
    let module = load(MATHS);
    assert_eq!(
        listing(&module),
        [
            "add: func(p1: s32, p2: s32) -> s32",
            "addOne: func(p1: s64) -> s64",
            "addone: func(p1: s64) -> s64",
            "half: func(p1: f32) -> f32",
            "foo bar: func(p1: f64) -> f64",
            "größe: func() -> s32",
            "_start: func()",
            "x-nab: func() -> s32",
            "b: func() -> s32",
            "divide: func(p1: s32, p2: s32) -> s32",
        ]
    );
    check(&module, "add", "[2, -3]", "-1");
    check(
        &module,
        "addOne",
        "[9223372036854775806]",
        "9223372036854775807",
    );
    check(&module, "addone", "[0]", "-1");
    check(&module, "half", "[0.5]", "0.25");
    check(&module, "foo bar", "[1.5]", "-1.5");
    check(&module, "größe", "[]", "5");
    check(&module, "_start", "[]", "null");
    check(&module, "x-nab", "[]", "1");
    check(&module, "a#b", "[]", "2");
    let error = call(&module, "divide", &[Ipld::Integer(1), Ipld::Integer(0)]).unwrap_err();
    assert_eq!(error.to_string(), "trap: integer division by zero");
    let error = call(&module, "add", &[Ipld::Integer(1 << 31), Ipld::Integer(0)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "argument 1 (p1): 2147483648 is out of range for s32"
    );
    let error = call(&module, "half", &[Ipld::Float(1e300)]).unwrap_err();
    assert!(matches!(error, CallError::Argument(_)), "{error}");
    let error = call(&module, "addOn", &[]).unwrap_err().to_string();
    assert!(error.contains("did you mean \"addOne\"?"), "{error}");
}

/// A module without its initialisation would compute with memory that is not yet what its language expects.
#[test]
fn initialisation_comes_first() {
    let text = r#"(module (global $n (mut i32) (i32.const 1))
      (func (export "_initialize") (global.set $n (i32.const 7)))
      (func (export "get") (result i32) (global.get $n)))"#;
    let module = load(text);
    assert_eq!(listing(&module), ["get: func() -> s32"]);
    check(&module, "get", "[]", "7");
    // What it does is part of the call.
    let endless = text.replace("(global.set $n (i32.const 7))", "(loop $l (br $l))");
    let mut limits = LIMITS;
    limits.fuel = 100_000;
    let error = call_with(&load(&endless), "get", &[], limits).unwrap_err();
    assert!(matches!(error, CallError::Fuel { .. }), "{error}");
    let trapping = text.replace("(global.set $n (i32.const 7))", "unreachable");
    let error = call(&load(&trapping), "get", &[]).unwrap_err();
    assert!(matches!(error, CallError::Trap { .. }), "{error}");
    // Of another type it is a function like others.
    let other = text.replace(
        r#""_initialize") (global.set $n (i32.const 7))"#,
        r#""_initialize") (param i32) (global.set $n (local.get 0))"#,
    );
    let module = load(&other);
    assert_eq!(
        listing(&module),
        ["_initialize: func(p1: s32)", "get: func() -> s32"]
    );
    check(&module, "get", "[]", "1");
}

/// Sixteen parameters are passed directly; one more would need memory that a module of numbers may not have.
#[test]
fn the_longest_parameter_list() {
    let function = |count: usize| {
        let params = "i32 ".repeat(count);
        format!(
            "(module (func (export \"f\") (param {params}) (result i32) (local.get 15)) (func (export \"g\")))"
        )
    };
    let numbers: Vec<_> = (0..16).map(Ipld::Integer).collect();
    assert_eq!(
        call(&load(&function(16)), "f", &numbers).unwrap(),
        Ok(Ipld::Integer(15))
    );
    assert_eq!(listing(&load(&function(17))), ["g: func()"]);
}

#[track_caller]
fn refused(text: &str) -> LoadError {
    load_bytes(engine(), &wat::parse_str(text).unwrap()).unwrap_err()
}

/// The messages are all that the author of a module sees.
#[test]
fn what_cannot_be_called_is_refused_by_name() {
    for text in [
        "(module)",
        r#"(module (memory (export "memory") 1))"#,
        r#"(module (func (export "f") (param v128)))"#,
        r#"(module (func (export "_initialize")))"#,
        r#"(module (func (export "\0a")))"#,
        &format!(r#"(module (func (export "{}")))"#, "n".repeat(257)),
    ] {
        let error = refused(text);
        assert!(
            matches!(error, LoadError::CoreModule(CoreModuleError::NoFunctions)),
            "{error}"
        );
    }
    let error = refused(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
           (func (export "f")))"#,
    );
    assert!(matches!(
        error,
        LoadError::CoreModule(CoreModuleError::Preview1)
    ));
    assert!(error.to_string().contains("--adapt"), "{error}");
    let error = refused(
        r#"(module (import "env" "print" (func)) (import "env" "memory" (memory 1)) (func (export "f")))"#,
    );
    assert!(
        error
            .to_string()
            .contains("imports env.print, env.memory, which"),
        "{error}"
    );
    let imports: String = (0..1_000)
        .map(|n| format!("(import \"env\" \"f{n}\" (func))"))
        .collect();
    let error = refused(&format!("(module {imports})")).to_string();
    assert!(error.len() < 1_000, "{error}");
    let error = refused(
        r#"(module (@custom "component-type:images" "\00") (func (export "ipvm:image/image@0.1.0#blur")))"#,
    );
    assert!(matches!(
        error,
        LoadError::CoreModule(CoreModuleError::Unfinished)
    ));
}

#[test]
fn many_functions() {
    let functions = |count: usize| -> String {
        let functions: String = (0..count)
            .map(|n| format!("(export \"f{n}\" (func $f))"))
            .collect();
        format!("(module (func $f (result i32) (i32.const 3)) {functions})")
    };
    check(&load(&functions(1_000)), "f999", "[]", "3");
    let error = refused(&functions(10_001));
    assert!(matches!(
        error,
        LoadError::CoreModule(CoreModuleError::TooManyFunctions)
    ));
}

/// Kept on disk, a module is a compiled component: its functions must still have their own names.
#[test]
fn names_outlast_the_compiled_file() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = wat::parse_str(MATHS).unwrap();
    let cid = cid_of(codec::RAW, &bytes);
    let settings = Settings {
        cache: Some(folder.path().to_owned()),
        ..Settings::default()
    };
    let engine = || Engine::new(&settings).unwrap();
    let first = engine();
    let fresh = load_bytes(&first, &bytes).unwrap();
    let second = engine();
    let kept = second
        .load(&cid, &mut || -> Result<Vec<u8>, Infallible> {
            panic!("it is on disk")
        })
        .unwrap();
    assert_eq!(second.stats().from_disk, 1);
    assert_eq!(kept.interface(), fresh.interface());
    check(&kept, "addOne", "[1]", "2");
}

/// A real component may use the interface's name; then its functions are just named strangely.
#[test]
fn a_component_in_disguise() {
    let text = r#"(component
      (core module $m (func (export "f") (result i32) (i32.const 1)))
      (core instance $i (instantiate $m))
      (func $f (result u32) (canon lift (core func $i "f")))
      (instance $e (export "x-nzz" (func $f)) (export "f" (func $f)))
      (export "ipvm:core/functions" (instance $e)))"#;
    let module = load(text);
    let names: Vec<_> = module
        .interface()
        .functions
        .iter()
        .map(|f| &f.name[..])
        .collect();
    assert_eq!(names, ["ipvm:core/functions#x-nzz", "f"]);
    check(&module, "f", "[]", "1");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Modules come from anyone: a damaged one is refused or runs, and nothing else.
    #[test]
    fn damaged_modules_do_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = wat::parse_str(MATHS).unwrap();
        let at = 8 + at.index(bytes.len() - 8);
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        if let Ok(module) = load_bytes(engine(), &bytes) {
            for function in &module.interface().functions {
                let args: Vec<_> = function.params.iter().map(|(_, ty)| ty.example()).collect();
                let mut limits = LIMITS;
                limits.fuel = 100_000;
                call_with(&module, &function.name, &args, limits).ok();
            }
        }
    }
}
