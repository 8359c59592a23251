//! Attacks through the virtual world: floods of calls, of output and of handles, endless sleep, and doors that are
//! not there.

use super::{BY_THE_CLOCK, End, Hostile, component};

pub(super) fn kinds() -> Vec<Hostile> {
    [randomness(), output(), waiting(), doors()].concat()
}

/// Memory, an allocator that never frees, and one call for the core function `f` to make.
const LIBC: &str = r#"(core module $libc-module (memory (export "memory") 1) (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (block $fits (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get 3) (i32.const 16))))))
      (local.get $at)))
  (core instance $libc (instantiate $libc-module))"#;

/// A guest with these imports, lowered to the core imports `lowered`, running `body`.
fn guest(imports: &str, lowered: &[(&str, &str, &str)], body: &str) -> Vec<u8> {
    let mut funcs = String::new();
    let mut given = String::new();
    let mut taken = String::new();
    for (name, lower, ty) in lowered {
        funcs += &format!("(core func ${name} (canon {lower}))\n");
        given += &format!("(export \"{name}\" (func ${name}))");
        taken += &format!("(import \"host\" \"{name}\" (func ${name} {ty}))\n");
    }
    component(&format!(
        r#"(component {imports} {LIBC} {funcs}
          (core module $m {taken} (import "libc" "memory" (memory 1))
            (func (export "f") (result i32) (local $n i32) {body} (i32.const 7)))
          (core instance $host {given})
          (core instance $i (instantiate $m (with "host" (instance $host)) (with "libc" (instance $libc))))
          (func (export "f") (result u32) (canon lift (core func $i "f"))))"#
    ))
}

const MEMORY: &str = r#"(memory (core memory $libc "memory"))"#;
const REALLOC: &str = r#"(realloc (core func $libc "realloc"))"#;

/// How it ends to ask for more random bytes than are given at once.
const TOO_MUCH: End = End::Error("trap", "random bytes were asked for at once");

fn randomness() -> Vec<Hostile> {
    let imports = r#"(import "wasi:random/random@0.2.0" (instance $random
        (export "get-random-u64" (func (result u64)))
        (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))"#;
    let bytes = format!(r#"lower (func $random "get-random-bytes") {MEMORY} {REALLOC}"#);
    let guest = |body: &str| {
        let number = (
            "u64",
            r#"lower (func $random "get-random-u64")"#,
            "(result i64)",
        );
        let bytes = ("bytes", bytes.as_str(), "(param i64 i32)");
        guest(imports, &[number, bytes], body)
    };
    let flood = "(loop $again (drop (call $u64)) (br $again))";
    let much = "(call $bytes (i64.const 0xffffffff) (i32.const 16))";
    let absurd = "(call $bytes (i64.const -1) (i32.const 16))";
    vec![
        Hostile::new("draws for ever", guest(flood), End::Limit("fuel")),
        Hostile::new(
            "draws for ever, against the clock",
            guest(flood),
            End::Limit("time"),
        )
        .with(BY_THE_CLOCK),
        Hostile::new("draws 4 GiB", guest(much), TOO_MUCH),
        Hostile::new("draws more than there is", guest(absurd), TOO_MUCH),
    ]
}

const STREAMS: &str = r#"(import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $e))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $e (type $e))
    (export "output-stream" (type $out (sub resource)))
    (type $stream-error (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $se (eq $stream-error)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $se)))))
    (export "[method]output-stream.write"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $se)))))))
  (alias export $streams "output-stream" (type $o))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout (alias outer 1 $o (type $o))
    (export "get-stdout" (func (result (own $o))))))"#;

fn output() -> Vec<Hostile> {
    let print = format!(
        r#"lower (func $streams "[method]output-stream.blocking-write-and-flush") {MEMORY} {REALLOC}"#
    );
    let write =
        format!(r#"lower (func $streams "[method]output-stream.write") {MEMORY} {REALLOC}"#);
    let guest = |body: &str| {
        let stdout = (
            "stdout",
            r#"lower (func $stdout "get-stdout")"#,
            "(result i32)",
        );
        let print = ("print", print.as_str(), "(param i32 i32 i32 i32)");
        let write = ("write", write.as_str(), "(param i32 i32 i32 i32)");
        let forget = ("forget", "resource.drop $o", "(param i32)");
        guest(STREAMS, &[stdout, print, write, forget], body)
    };
    let flood = "(local.set $n (call $stdout))
        (loop $again (call $print (local.get $n) (i32.const 0) (i32.const 4096) (i32.const 16)) (br $again))";
    let much = "(drop (memory.grow (i32.const 480)))
        (call $write (call $stdout) (i32.const 0) (i32.const 31000000) (i32.const 16))";
    let handles = "(loop $again (drop (call $stdout)) (br $again))";
    let forged = "(call $write (i32.const 12345) (i32.const 0) (i32.const 5) (i32.const 16))";
    let twice =
        "(local.set $n (call $stdout)) (call $forget (local.get $n)) (call $forget (local.get $n))";
    let outside = "(call $print (call $stdout) (i32.const 65530) (i32.const 4096) (i32.const 16))";
    vec![
        Hostile::new("prints for ever", guest(flood), End::Limit("log"))
            .with("fuel: 10_000_000_000, memory: 32MiB, time: 5s"),
        Hostile::new(
            "prints too much at once",
            guest(much),
            End::Error("trap", "written at once"),
        ),
        Hostile::new("hoards handles", guest(handles), End::Error("trap", "")),
        Hostile::new("forges a handle", guest(forged), End::Error("trap", "")),
        Hostile::new(
            "gives a handle back twice",
            guest(twice),
            End::Error("trap", ""),
        ),
        Hostile::new(
            "prints what lies outside",
            guest(outside),
            End::Error("trap", ""),
        ),
    ]
}

fn waiting() -> Vec<Hostile> {
    let imports = r#"(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type $p (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $p))))
        (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
      (alias export $poll "pollable" (type $p))
      (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (alias outer 1 $p (type $p))
        (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))"#;
    let poll = format!(r#"lower (func $poll "poll") {MEMORY} {REALLOC}"#);
    let guest = |body: &str| {
        let block = (
            "block",
            r#"lower (func $poll "[method]pollable.block")"#,
            "(param i32)",
        );
        let wait = (
            "wait",
            r#"lower (func $clock "subscribe-duration")"#,
            "(param i64) (result i32)",
        );
        let poll = ("poll", poll.as_str(), "(param i32 i32 i32)");
        let forget = ("forget", "resource.drop $p", "(param i32)");
        guest(imports, &[block, wait, poll, forget], body)
    };
    let sleep = "(call $block (call $wait (i64.const 0x7fffffffffffffff)))";
    let for_ever = "(loop $again (local.set $n (call $wait (i64.const 1000000000)))
        (call $block (local.get $n)) (call $forget (local.get $n)) (br $again))";
    vec![
        // Nothing really waits: virtual time passes at once.
        Hostile::new("sleeps 292 years", guest(sleep), End::Ok),
        Hostile::new("sleeps for ever", guest(for_ever), End::Limit("fuel")),
        Hostile::new(
            "waits for nothing",
            guest("(call $poll (i32.const 0) (i32.const 0) (i32.const 16))"),
            End::Error("trap", ""),
        ),
        Hostile::new(
            "waits for what it has not",
            guest(
                "(i32.store (i32.const 64) (i32.const 999)) (call $poll (i32.const 64) (i32.const 1) (i32.const 16))",
            ),
            End::Error("trap", ""),
        ),
    ]
}

fn doors() -> Vec<Hostile> {
    let network = r#"(import "wasi:sockets/network@0.2.0" (instance $network (export "network" (type (sub resource)))))
      (alias export $network "network" (type $n))
      (import "wasi:sockets/instance-network@0.2.0" (instance $instance (alias outer 1 $n (type $n))
        (export "instance-network" (func (result (own $n))))))"#;
    let lower = (
        "network",
        r#"lower (func $instance "instance-network")"#,
        "(result i32)",
    );
    let exit = r#"(import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))"#;
    let leave = ("exit", r#"lower (func $exit "exit")"#, "(param i32)");
    vec![
        Hostile::new(
            "opens a socket",
            guest(network, &[lower], "(drop (call $network))"),
            End::Error("trap", "instance-network"),
        ),
        Hostile::new(
            "exits instead of answering",
            guest(exit, &[leave], "(call $exit (i32.const 0))"),
            End::Error("trap", "exit"),
        ),
    ]
}
