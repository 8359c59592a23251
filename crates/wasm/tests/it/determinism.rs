//! The same value, the same error and the same fuel, whatever the code: optimised, not optimised, interpreted.
//! Without this, two honest machines could sign different receipts for one computation.

use crate::fixture::{LIMITS, component, echo, load_bytes};
use crate::generate::typed_values;
use crate::random;
use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use ipvm_wasm::{Call, CallError, Cancel, Code, Engine, Limits, NoContent, Settings, Type};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules from wasm-smith.
const RANDOM_MODULES: u64 = 120;
/// Random types that are sent through a guest.
const ECHOES: usize = 24;
/// Largest module of this repository that is taken, in bytes: larger ones take minutes to compile three times.
const MAX_FILE: u64 = 1 << 20;
/// Fuel of a call; a loop without end is part of the corpus.
const FUEL: u64 = 5_000_000;

struct Subject {
    name: String,
    bytes: Vec<u8>,
    /// Calls to make; empty to call each function with simple arguments.
    args: Vec<Vec<Ipld>>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Value(Ipld),
    OwnError(Ipld),
    Failed(String),
    Stack,
}

type Ends = BTreeMap<String, Result<Vec<(End, u64)>, String>>;

fn wat(name: impl Into<String>, text: &str, args: Vec<Vec<Ipld>>) -> Subject {
    Subject {
        name: name.into(),
        bytes: wat::parse_str(text).unwrap(),
        args,
    }
}

/// Values at which machines differ, if they do.
fn edges(ty: &str) -> Vec<Ipld> {
    let integers = |all: &[i128]| all.iter().copied().map(Ipld::Integer).collect();
    let floats = |all: &[f64]| all.iter().copied().map(Ipld::Float).collect();
    match ty {
        "i32" => integers(&[0, 1, -1, 7, 31, 33, i32::MIN.into(), i32::MAX.into()]),
        "i64" => integers(&[0, 1, -1, 7, 63, 65, i64::MIN.into(), i64::MAX.into()]),
        "f32" => floats(&[0.0, -0.0, 1.5, -2.5, 4.0e9, 1.0e-45, f32::MAX.into()]),
        _ => floats(&[0.0, -0.0, 1.5, -2.5, 1.0e19, 5.0e-324, f64::MAX]),
    }
}

fn wit(core: &str) -> &'static str {
    match core {
        "i32" => "s32",
        "i64" => "s64",
        "f32" => "f32",
        _ => "f64",
    }
}

/// One instruction on all pairs of edges. Floats come back as their bits, so that NaN is seen too.
fn instruction(name: &str, params: &[&str], result: &str) -> Subject {
    let gets: Vec<_> = (0..params.len())
        .map(|n| format!("(local.get {n})"))
        .collect();
    let code = format!("({name} {})", gets.join(" "));
    let (result, code) = match result {
        "f32" => ("i32", format!("(i32.reinterpret_f32 {code})")),
        "f64" => ("i64", format!("(i64.reinterpret_f64 {code})")),
        result => (result, code),
    };
    let body = format!(
        "(func (export \"f\") (param {}) (result {result}) {code})",
        params.join(" ")
    );
    let declared: Vec<_> = params
        .iter()
        .enumerate()
        .map(|(n, ty)| format!("(param \"p{n}\" {})", wit(ty)))
        .collect();
    let signature = format!("{} (result {})", declared.join(" "), wit(result));
    let args = match params {
        [one] => edges(one).into_iter().map(|value| vec![value]).collect(),
        [one, two, ..] => edges(one)
            .into_iter()
            .flat_map(|a| edges(two).into_iter().map(move |b| vec![a.clone(), b]))
            .collect(),
        [] => vec![Vec::new()],
    };
    wat(name, &component("", &signature, &body), args)
}

/// Every numeric instruction of the core specification.
fn instructions() -> Vec<Subject> {
    let mut all = Vec::new();
    for ty in ["i32", "i64"] {
        for name in ["clz", "ctz", "popcnt", "extend8_s", "extend16_s"] {
            all.push(instruction(&format!("{ty}.{name}"), &[ty], ty));
        }
        for name in [
            "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor", "shl",
            "shr_s", "shr_u", "rotl", "rotr",
        ] {
            all.push(instruction(&format!("{ty}.{name}"), &[ty, ty], ty));
        }
        for name in [
            "eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u",
        ] {
            all.push(instruction(&format!("{ty}.{name}"), &[ty, ty], "i32"));
        }
        all.push(instruction(&format!("{ty}.eqz"), &[ty], "i32"));
        for from in ["f32", "f64"] {
            for kind in ["trunc", "trunc_sat"] {
                for sign in ["s", "u"] {
                    all.push(instruction(
                        &format!("{ty}.{kind}_{from}_{sign}"),
                        &[from],
                        ty,
                    ));
                }
            }
        }
    }
    for ty in ["f32", "f64"] {
        for name in ["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"] {
            all.push(instruction(&format!("{ty}.{name}"), &[ty], ty));
        }
        for name in ["add", "sub", "mul", "div", "min", "max", "copysign"] {
            all.push(instruction(&format!("{ty}.{name}"), &[ty, ty], ty));
        }
        for name in ["eq", "ne", "lt", "gt", "le", "ge"] {
            all.push(instruction(&format!("{ty}.{name}"), &[ty, ty], "i32"));
        }
        for from in ["i32", "i64"] {
            for sign in ["s", "u"] {
                all.push(instruction(
                    &format!("{ty}.convert_{from}_{sign}"),
                    &[from],
                    ty,
                ));
            }
        }
    }
    for (name, from, to) in [
        ("i32.wrap_i64", "i64", "i32"),
        ("i64.extend_i32_s", "i32", "i64"),
        ("i64.extend_i32_u", "i32", "i64"),
        ("i64.extend32_s", "i64", "i64"),
        ("f32.demote_f64", "f64", "f32"),
        ("f64.promote_f32", "f32", "f64"),
        ("i32.reinterpret_f32", "f32", "i32"),
        ("f64.reinterpret_i64", "i64", "f64"),
    ] {
        all.push(instruction(name, &[from], to));
    }
    all
}

/// Vector instructions, those whose result the specification leaves to the machine among them.
fn vectors() -> Vec<Subject> {
    let vector = |name: &str, splat: &str, core: &'static str, count: usize| {
        let splats: Vec<_> = (0..count)
            .map(|n| format!("({splat}.splat (local.get {}))", n % 2))
            .collect();
        let body = format!(
            r#"(func (export "f") (param {core} {core}) (result i64) (local v128)
              (local.set 2 ({name} {}))
              (i64.xor (i64x2.extract_lane 0 (local.get 2)) (i64x2.extract_lane 1 (local.get 2))))"#,
            splats.join(" ")
        );
        let ty = wit(core);
        let signature = format!("(param \"a\" {ty}) (param \"b\" {ty}) (result s64)");
        let args = edges(core)
            .into_iter()
            .flat_map(|a| edges(core).into_iter().map(move |b| vec![a.clone(), b]));
        wat(name, &component("", &signature, &body), args.collect())
    };
    let mut all = Vec::new();
    for (shape, core) in [("f32x4", "f32"), ("f64x2", "f64")] {
        for name in [
            "add",
            "div",
            "min",
            "max",
            "pmin",
            "pmax",
            "relaxed_min",
            "relaxed_max",
        ] {
            all.push(vector(&format!("{shape}.{name}"), shape, core, 2));
        }
        for name in ["sqrt", "nearest", "ceil"] {
            all.push(vector(&format!("{shape}.{name}"), shape, core, 1));
        }
        for name in ["relaxed_madd", "relaxed_nmadd"] {
            all.push(vector(&format!("{shape}.{name}"), shape, core, 3));
        }
    }
    for name in ["i8x16.swizzle", "i8x16.relaxed_swizzle"] {
        all.push(vector(name, "i8x16", "i32", 2));
    }
    for name in [
        "i16x8.q15mulr_sat_s",
        "i16x8.relaxed_q15mulr_s",
        "i16x8.relaxed_dot_i8x16_i7x16_s",
    ] {
        all.push(vector(name, "i16x8", "i32", 2));
    }
    for shape in ["i8x16", "i16x8", "i32x4"] {
        all.push(vector(
            &format!("{shape}.relaxed_laneselect"),
            shape,
            "i32",
            3,
        ));
    }
    for name in ["i32x4.relaxed_trunc_f32x4_s", "i32x4.relaxed_trunc_f32x4_u"] {
        all.push(vector(name, "f32x4", "f32", 1));
    }
    for name in [
        "i32x4.relaxed_trunc_f64x2_s_zero",
        "i32x4.relaxed_trunc_f64x2_u_zero",
    ] {
        all.push(vector(name, "f64x2", "f64", 1));
    }
    all
}

/// Control flow, memory and tables, and the ways to fail.
fn fixtures() -> Vec<Subject> {
    let n = |n: i128| vec![Ipld::Integer(n)];
    let f = |code: &str| {
        let body = format!("(func (export \"f\") (param i32) (result i32) {code})");
        component("", "(param \"n\" u32) (result u32)", &body)
    };
    let recursive = component(
        "",
        "(param \"n\" u32) (result u32)",
        r#"(func $f (export "f") (param i32) (result i32)
          (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
            (else (i32.add (call $f (i32.sub (local.get 0) (i32.const 1)))
                           (call $f (i32.sub (local.get 0) (i32.const 2)))))))"#,
    );
    let collatz = f(r#"(local $steps i32)
        (block $done (loop $l
          (br_if $done (i32.le_u (local.get 0) (i32.const 1)))
          (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
          (local.set 0 (select (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const 1))
            (i32.shr_u (local.get 0) (i32.const 1)) (i32.and (local.get 0) (i32.const 1))))
          (br $l)))
        (local.get $steps)"#);
    let switch = f(
        r#"(block $c (block $b (block $a (br_table $a $b $c (local.get 0)))
        (return (i32.const 10))) (return (i32.const 20))) (i32.const 30)"#,
    );
    let deep = component(
        "",
        "(param \"n\" u32) (result u32)",
        "(func $f (export \"f\") (param i32) (result i32) (call $f (i32.add (local.get 0) (i32.const 1)))
           (drop) (local.get 0))",
    );
    vec![
        wat("fibonacci", &recursive, vec![n(1), n(2), n(15)]),
        wat("collatz", &collatz, vec![n(0), n(27), n(837_799)]),
        wat("switch", &switch, vec![n(0), n(1), n(2), n(9)]),
        wat("endless recursion", &deep, vec![n(1)]),
        wat(
            "endless loop",
            &f("(loop $l (br $l)) (i32.const 0)"),
            vec![n(0)],
        ),
        wat("unreachable", &f("unreachable"), vec![n(0)]),
        wat(
            "memory",
            &f(
                "(memory.fill (i32.const 8) (i32.const 7) (local.get 0)) (i32.load (i32.const 100))",
            ),
            vec![n(0), n(200), n(70_000)],
        ),
        wat(
            "copies",
            &f("(memory.copy (i32.const 60000) (i32.const 0) (local.get 0)) (memory.size)"),
            vec![n(0), n(5_536), n(5_537)],
        ),
        wat(
            "growth",
            &f("(drop (memory.grow (local.get 0))) (memory.size)"),
            vec![n(0), n(10), n(65_536), n(100_000)],
        ),
        wat(
            "unaligned",
            &f("(i64.store (i32.const 3) (i64.const -2)) (i32.load16_s (local.get 0))"),
            vec![n(0), n(4), n(9), n(65_535)],
        ),
    ]
}

fn echoes() -> Vec<Subject> {
    let mut runner = TestRunner::deterministic();
    let mut sample = || typed_values().new_tree(&mut runner).unwrap().current();
    (0..ECHOES)
        .map(|n| {
            let (ty, value) = sample();
            let mut args = vec![value];
            args.extend((0..16).map(Ipld::Integer));
            wat(format!("echo {n} of {ty}"), &echo(&ty), vec![args])
        })
        .collect()
}

/// The modules in this repository, where they are built.
fn files() -> Vec<Subject> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in ["guests", "examples"] {
        collect(&root.join(folder), &mut found);
    }
    found.sort();
    let mut seen: BTreeSet<Cid> = BTreeSet::new();
    let mut all = Vec::new();
    for path in found {
        let bytes = std::fs::read(&path).unwrap();
        if seen.insert(cid_of(codec::RAW, &bytes)) {
            all.push(Subject {
                name: path.display().to_string(),
                bytes,
                args: Vec::new(),
            });
        }
    }
    all
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let (path, about) = (entry.path(), entry.metadata().unwrap());
        if about.is_dir() && entry.file_name() != "target" && entry.file_name() != "node_modules" {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "wasm") && about.len() <= MAX_FILE {
            found.push(path);
        }
    }
}

fn random_modules() -> impl Iterator<Item = Subject> {
    (0..RANDOM_MODULES).map(|seed| Subject {
        name: format!("wasm-smith {seed}"),
        bytes: random::module(seed),
        args: Vec::new(),
    })
}

/// Some value of a type; `None` where there is none that is simple.
fn simple(ty: &Type) -> Option<Ipld> {
    Some(match ty {
        Type::Bool => Ipld::Bool(true),
        Type::F32 | Type::F64 => Ipld::Float(1.5),
        Type::Char => Ipld::String("x".to_owned()),
        Type::String => Ipld::String("an example of text, twice: an example".to_owned()),
        Type::List(item) if **item == Type::U8 => Ipld::Bytes((0..200).collect()),
        Type::List(item) => Ipld::List(vec![simple(item)?; 2]),
        Type::Tuple(tuple) => Ipld::List(tuple.types().iter().map(simple).collect::<Option<_>>()?),
        Type::Record(record) => {
            let fields = record.fields().iter();
            Ipld::Map(
                fields
                    .map(|(name, ty)| Some((name.clone(), simple(ty)?)))
                    .collect::<Option<_>>()?,
            )
        }
        Type::Option(inner) if matches!(**inner, Type::Option(_)) => Ipld::List(Vec::new()),
        Type::Option(_) => Ipld::Null,
        Type::Enum(names) => Ipld::String(names.list().first()?.clone()),
        Type::Flags(_) => Ipld::List(Vec::new()),
        Type::Map(_) => Ipld::Map(BTreeMap::new()),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ipld::Integer(100),
        Type::S8 | Type::S16 | Type::S32 | Type::S64 => Ipld::Integer(-3),
        _ => return None,
    })
}

fn run(code: Code, corpus: &[Subject]) -> Ends {
    let settings = Settings {
        code,
        ..Settings::default()
    };
    let engine = Engine::new(&settings).unwrap();
    let mut ends = Ends::new();
    for subject in corpus {
        let outcome = match load_bytes(&engine, &subject.bytes) {
            Err(error) => Err(error.to_string()),
            Ok(module) => {
                let mut all = Vec::new();
                for function in &module.interface().functions {
                    let types = function.params.iter().map(|(_, ty)| simple(ty));
                    let guessed: Option<Vec<_>> = types.collect();
                    let calls = match guessed {
                        Some(args) if subject.args.is_empty() => vec![args],
                        _ => subject.args.clone(),
                    };
                    for args in calls {
                        all.push(end(&module, &function.name, &args));
                    }
                }
                Ok(all)
            }
        };
        ends.insert(subject.name.clone(), outcome);
    }
    ends
}

fn end(module: &ipvm_wasm::Module, function: &str, args: &[Ipld]) -> (End, u64) {
    let call = Call {
        function,
        args,
        limits: Limits {
            fuel: FUEL,
            ..LIMITS
        },
        content: &NoContent,
        cancel: &Cancel::new(),
        seed: [7; 32],
    };
    match module.call(&call) {
        Ok(done) => match done.out {
            Ok(value) => (End::Value(value), done.fuel),
            Err(error) => (End::OwnError(error), done.fuel),
        },
        Err(failed) if matches!(failed.error, CallError::Stack { .. }) => (End::Stack, 0),
        Err(failed) => (End::Failed(failed.error.to_string()), failed.fuel),
    }
}

/// Whether two ends are equal, as far as they have to be: how deep calls may nest is a limit of the machine code,
/// so that one may have overflowed its stack where the other came to another end.
fn agree(a: &(End, u64), b: &(End, u64)) -> bool {
    a == b || a.0 == End::Stack || b.0 == End::Stack
}

#[test]
fn all_code_agrees() {
    let mut corpus = instructions();
    corpus.extend(vectors());
    corpus.extend(fixtures());
    corpus.extend(echoes());
    corpus.extend(files());
    corpus.extend(random_modules());
    let (fast, plain, interpreted) = std::thread::scope(|scope| {
        let start = |code| {
            scope.spawn({
                let corpus = &corpus;
                move || run(code, corpus)
            })
        };
        let runs = [Code::Fast, Code::Plain, Code::Interpreted].map(start);
        let [fast, plain, interpreted] = runs.map(|run| run.join().unwrap());
        (fast, plain, interpreted)
    });
    let (mut modules, mut calls, mut values, mut differ) = (0, 0, 0, 0);
    for (name, ends) in &fast {
        let others = [&plain[name], &interpreted[name]];
        let Ok(ends) = ends else {
            // What cannot be loaded, cannot be loaded anywhere.
            assert!(
                others.iter().all(|other| *other == ends),
                "{name}: {ends:?} {others:?}"
            );
            continue;
        };
        modules += 1;
        for (n, end) in ends.iter().enumerate() {
            let others = others.map(|other| &other.as_ref().unwrap()[n]);
            assert!(
                others.iter().all(|other| agree(end, other)),
                "{name}, call {n}: {end:?} {others:?}"
            );
            calls += 1;
            values += usize::from(matches!(end.0, End::Value(_)));
            differ += usize::from(others.iter().any(|other| *other != end));
        }
    }
    println!(
        "{modules} modules, {calls} calls, {values} values, {differ} where only some code overflowed its stack"
    );
    assert!(modules >= 200 && modules + 20 >= corpus.len(), "{modules}");
    assert!(values * 2 > calls, "{values} of {calls}");
    assert!(differ * 100 < calls, "{differ} of {calls}");
}
