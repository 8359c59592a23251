//! Components that import WASI, made as text: a table of its functions, and a component around those that a test
//! calls.

use crate::fixture::{ALLOCATOR, LIMITS, engine, load_bytes};
use ipvm_ipld::Ipld;
use ipvm_wasm::{Call, Cancel, Done, Failed, Limits, Module, NoContent, Stream};

/// An interface: its name, its types, the types it makes known to the others, and its functions.
struct Interface(
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [Function],
);
/// A function: what tests call it, its name, its type, and its core type.
struct Function(&'static str, &'static str, &'static str, &'static str);

const READ: &str = r#"(param "self" (borrow $in)) (param "len" u64) (result $bytes)"#;
const SKIP: &str = r#"(param "self" (borrow $in)) (param "len" u64) (result $count)"#;
const WRITE: &str =
    r#"(param "self" (borrow $out)) (param "contents" (list u8)) (result $nothing)"#;
const ZEROES: &str = r#"(param "self" (borrow $out)) (param "len" u64) (result $nothing)"#;
const FLUSH: &str = r#"(param "self" (borrow $out)) (result $nothing)"#;
const SPLICE: &str =
    r#"(param "self" (borrow $out)) (param "src" (borrow $in)) (param "len" u64) (result $count)"#;

const STREAM_TYPES: &str = r#"
    (export "pollable" (type $pollable' (eq $pollable)))
    (export "error" (type $error' (eq $error)))
    (type $failure-d (variant (case "last-operation-failed" (own $error')) (case "closed")))
    (export "stream-error" (type $failure (eq $failure-d)))
    (type $bytes (result (list u8) (error $failure)))
    (type $count (result u64 (error $failure)))
    (type $nothing (result (error $failure)))
    (export "input-stream" (type $in (sub resource)))
    (export "output-stream" (type $out (sub resource)))"#;
const INPUT: &str = r#"(export "input-stream" (type $in (eq $input)))"#;
const OUTPUT: &str = r#"(export "output-stream" (type $out (eq $output)))"#;
const DATETIME: &str = r#"
    (type $datetime-d (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime-d)))"#;
const FILE_TYPES: &str = r#"
    (export "error" (type $error' (eq $error)))
    (export "descriptor" (type $descriptor (sub resource)))
    (export "directory-entry-stream" (type $entries (sub resource)))"#;

const INTERFACES: &[Interface] = &[
    Interface(
        "wasi:io/error",
        r#"(export "error" (type $e (sub resource)))"#,
        &[("error", "error")],
        &[Function(
            "debug-string",
            "[method]error.to-debug-string",
            r#"(param "self" (borrow $e)) (result string)"#,
            "i32 i32",
        )],
    ),
    Interface(
        "wasi:io/poll",
        r#"(export "pollable" (type $p (sub resource)))"#,
        &[("pollable", "pollable")],
        &[
            Function(
                "ready",
                "[method]pollable.ready",
                r#"(param "self" (borrow $p)) (result bool)"#,
                "i32 -> i32",
            ),
            Function(
                "block",
                "[method]pollable.block",
                r#"(param "self" (borrow $p))"#,
                "i32",
            ),
            Function(
                "poll",
                "poll",
                r#"(param "in" (list (borrow $p))) (result (list u32))"#,
                "i32 i32 i32",
            ),
        ],
    ),
    Interface(
        "wasi:io/streams",
        STREAM_TYPES,
        &[("input-stream", "input"), ("output-stream", "output")],
        &[
            Function("read", "[method]input-stream.read", READ, "i32 i64 i32"),
            Function(
                "blocking-read",
                "[method]input-stream.blocking-read",
                READ,
                "i32 i64 i32",
            ),
            Function("skip", "[method]input-stream.skip", SKIP, "i32 i64 i32"),
            Function(
                "blocking-skip",
                "[method]input-stream.blocking-skip",
                SKIP,
                "i32 i64 i32",
            ),
            Function(
                "subscribe-in",
                "[method]input-stream.subscribe",
                r#"(param "self" (borrow $in)) (result (own $pollable'))"#,
                "i32 -> i32",
            ),
            Function(
                "check-write",
                "[method]output-stream.check-write",
                r#"(param "self" (borrow $out)) (result $count)"#,
                "i32 i32",
            ),
            Function(
                "write",
                "[method]output-stream.write",
                WRITE,
                "i32 i32 i32 i32",
            ),
            Function(
                "blocking-write",
                "[method]output-stream.blocking-write-and-flush",
                WRITE,
                "i32 i32 i32 i32",
            ),
            Function("flush", "[method]output-stream.flush", FLUSH, "i32 i32"),
            Function(
                "blocking-flush",
                "[method]output-stream.blocking-flush",
                FLUSH,
                "i32 i32",
            ),
            Function(
                "subscribe-out",
                "[method]output-stream.subscribe",
                r#"(param "self" (borrow $out)) (result (own $pollable'))"#,
                "i32 -> i32",
            ),
            Function(
                "zeroes",
                "[method]output-stream.write-zeroes",
                ZEROES,
                "i32 i64 i32",
            ),
            Function(
                "blocking-zeroes",
                "[method]output-stream.blocking-write-zeroes-and-flush",
                ZEROES,
                "i32 i64 i32",
            ),
            Function(
                "splice",
                "[method]output-stream.splice",
                SPLICE,
                "i32 i32 i64 i32",
            ),
            Function(
                "blocking-splice",
                "[method]output-stream.blocking-splice",
                SPLICE,
                "i32 i32 i64 i32",
            ),
        ],
    ),
    Interface(
        "wasi:clocks/monotonic-clock",
        r#"(export "pollable" (type $p (eq $pollable)))"#,
        &[],
        &[
            Function("now", "now", "(result u64)", "-> i64"),
            Function("resolution", "resolution", "(result u64)", "-> i64"),
            Function(
                "at",
                "subscribe-instant",
                r#"(param "when" u64) (result (own $p))"#,
                "i64 -> i32",
            ),
            Function(
                "after",
                "subscribe-duration",
                r#"(param "when" u64) (result (own $p))"#,
                "i64 -> i32",
            ),
        ],
    ),
    Interface(
        "wasi:clocks/wall-clock",
        DATETIME,
        &[],
        &[
            Function("wall", "now", "(result $datetime)", "i32"),
            Function("wall-resolution", "resolution", "(result $datetime)", "i32"),
        ],
    ),
    Interface(
        "wasi:random/random",
        "",
        &[],
        &[
            Function(
                "random",
                "get-random-bytes",
                r#"(param "len" u64) (result (list u8))"#,
                "i64 i32",
            ),
            Function("random-u64", "get-random-u64", "(result u64)", "-> i64"),
        ],
    ),
    Interface(
        "wasi:random/insecure",
        "",
        &[],
        &[
            Function(
                "insecure",
                "get-insecure-random-bytes",
                r#"(param "len" u64) (result (list u8))"#,
                "i64 i32",
            ),
            Function(
                "insecure-u64",
                "get-insecure-random-u64",
                "(result u64)",
                "-> i64",
            ),
        ],
    ),
    Interface(
        "wasi:random/insecure-seed",
        "",
        &[],
        &[Function(
            "seed",
            "insecure-seed",
            "(result (tuple u64 u64))",
            "i32",
        )],
    ),
    Interface(
        "wasi:cli/environment",
        "",
        &[],
        &[
            Function(
                "environment",
                "get-environment",
                "(result (list (tuple string string)))",
                "i32",
            ),
            Function(
                "arguments",
                "get-arguments",
                "(result (list string))",
                "i32",
            ),
            Function("cwd", "initial-cwd", "(result (option string))", "i32"),
        ],
    ),
    Interface(
        "wasi:cli/exit",
        "",
        &[],
        &[
            Function("exit", "exit", r#"(param "status" (result))"#, "i32"),
            Function(
                "exit-code",
                "exit-with-code",
                r#"(param "status-code" u8)"#,
                "i32",
            ),
        ],
    ),
    Interface(
        "wasi:cli/stdin",
        INPUT,
        &[],
        &[Function(
            "stdin",
            "get-stdin",
            "(result (own $in))",
            "-> i32",
        )],
    ),
    Interface(
        "wasi:cli/stdout",
        OUTPUT,
        &[],
        &[Function(
            "stdout",
            "get-stdout",
            "(result (own $out))",
            "-> i32",
        )],
    ),
    Interface(
        "wasi:cli/stderr",
        OUTPUT,
        &[],
        &[Function(
            "stderr",
            "get-stderr",
            "(result (own $out))",
            "-> i32",
        )],
    ),
    Interface(
        "wasi:cli/terminal-input",
        r#"(export "terminal-input" (type (sub resource)))"#,
        &[("terminal-input", "t-in")],
        &[],
    ),
    Interface(
        "wasi:cli/terminal-output",
        r#"(export "terminal-output" (type (sub resource)))"#,
        &[("terminal-output", "t-out")],
        &[],
    ),
    Interface(
        "wasi:cli/terminal-stdin",
        r#"(export "terminal-input" (type $t (eq $t-in)))"#,
        &[],
        &[Function(
            "terminal-stdin",
            "get-terminal-stdin",
            "(result (option (own $t)))",
            "i32",
        )],
    ),
    Interface(
        "wasi:cli/terminal-stdout",
        r#"(export "terminal-output" (type $t (eq $t-out)))"#,
        &[],
        &[Function(
            "terminal-stdout",
            "get-terminal-stdout",
            "(result (option (own $t)))",
            "i32",
        )],
    ),
    Interface(
        "wasi:cli/terminal-stderr",
        r#"(export "terminal-output" (type $t (eq $t-out)))"#,
        &[],
        &[Function(
            "terminal-stderr",
            "get-terminal-stderr",
            "(result (option (own $t)))",
            "i32",
        )],
    ),
    Interface(
        "wasi:filesystem/types",
        FILE_TYPES,
        &[("descriptor", "descriptor")],
        &[
            Function(
                "sync",
                "[method]descriptor.sync",
                r#"(param "self" (borrow $descriptor)) (result bool)"#,
                "i32 -> i32",
            ),
            Function(
                "error-code",
                "filesystem-error-code",
                r#"(param "err" (borrow $error')) (result (option u8))"#,
                "i32 i32",
            ),
        ],
    ),
    Interface(
        "wasi:filesystem/preopens",
        r#"(export "descriptor" (type $d (eq $descriptor)))"#,
        &[],
        &[Function(
            "directories",
            "get-directories",
            "(result (list (tuple (own $d) string)))",
            "i32",
        )],
    ),
];

/// Every name under which tests can call a function.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    INTERFACES
        .iter()
        .flat_map(|Interface(_, _, _, functions)| functions.iter().map(|function| function.0))
}

/// A component whose function `f` is the core function of that name in `body`, which calls WASI's functions by
/// the names above, and `$drop-…` for resources. Results larger than a number go to places in memory below 1024.
pub(crate) fn component(version: &str, signature: &str, body: &str) -> String {
    let used = |name: &str| {
        let call = format!("call ${name}");
        body.match_indices(&call).any(|(at, _)| {
            let rest = body[at + call.len()..].chars().next();
            !rest.is_some_and(|next| next.is_ascii_alphanumeric() || next == '-')
        })
    };
    let [mut imports, mut lowered, mut core, mut given] = [const { String::new() }; 4];
    for (index, Interface(name, types, shared, functions)) in INTERFACES.iter().enumerate() {
        let functions: Vec<_> = functions
            .iter()
            .filter(|function| used(function.0))
            .collect();
        if functions.is_empty() && shared.is_empty() {
            continue;
        }
        let exports: String = functions
            .iter()
            .map(|Function(_, name, ty, _)| format!("(export {name:?} (func {ty}))\n"))
            .collect();
        imports +=
            &format!("(import \"{name}@{version}\" (instance $i{index} {types} {exports}))\n");
        for (name, known) in *shared {
            imports += &format!("(alias export $i{index} {name:?} (type ${known}))\n");
            let drop = format!("drop-{known}");
            if used(&drop) {
                lowered += &format!("(core func ${drop} (canon resource.drop ${known}))\n");
                core += &format!("(import \"w\" {drop:?} (func ${drop} (param i32)))\n");
                given += &format!("(export {drop:?} (func ${drop}))\n");
            }
        }
        for Function(short, name, _, ty) in functions {
            lowered += &format!(
                "(core func ${short} (canon lower (func $i{index} {name:?})
                   (memory (core memory $libc \"memory\")) (realloc (core func $libc \"realloc\"))))\n"
            );
            core += &format!(
                "(import \"w\" {short:?} (func ${short} {}))\n",
                core_type(ty)
            );
            given += &format!("(export {short:?} (func ${short}))\n");
        }
    }
    format!(
        r#"(component
          {imports}
          (core module $libc {ALLOCATOR})
          (core instance $libc (instantiate $libc))
          {lowered}
          (core module $m (import "libc" "memory" (memory 1)) {core} {body})
          (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "w" (instance {given}))))
          (func $f (export "f") {signature} (canon lift (core func $i "f")
            (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))"#
    )
}

/// `i32 i64 -> i32` in the words of the text format.
fn core_type(ty: &str) -> String {
    let (params, result) = ty.split_once("->").unwrap_or((ty, ""));
    format!("(param {params}) (result {result})")
}

#[track_caller]
pub(crate) fn load(signature: &str, body: &str) -> Module {
    let bytes = wat::parse_str(component("0.2.0", signature, body)).unwrap();
    load_bytes(engine(), &bytes).unwrap()
}

pub(crate) fn run(
    module: &Module,
    limits: Limits,
    seed: u8,
    args: &[Ipld],
) -> Result<Done, Failed> {
    module.call(&Call {
        function: "f",
        args,
        limits,
        content: &NoContent,
        cancel: &Cancel::new(),
        seed: [seed; 32],
    })
}

/// Calls `f` of a component made of this, without arguments.
#[track_caller]
pub(crate) fn result(signature: &str, body: &str) -> Result<Done, Failed> {
    run(&load(signature, body), LIMITS, 0, &[])
}

/// What was printed, as text.
pub(crate) fn printed(log: &ipvm_wasm::Log) -> Vec<(Stream, String)> {
    let pieces = log.pieces.iter();
    pieces
        .map(|(stream, bytes)| (*stream, String::from_utf8(bytes.clone()).unwrap()))
        .collect()
}
