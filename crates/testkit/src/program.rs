//! A program that looks around: what WASI shows it, as its result and as its output.

use crate::functions::component;

/// A component with the function `look() -> list<u8>`: seconds and nanoseconds of the wall clock, the monotonic clock,
/// a random number, and how many environment variables there are, as they lie in memory (40 bytes). It prints
/// `what I saw` and, on standard error, `a complaint`.
#[must_use]
pub fn program() -> Vec<u8> {
    component(PROGRAM)
}

const PROGRAM: &str = r#"(component
  (import "wasi:clocks/wall-clock@0.2.3" (instance $wall
    (type $datetime (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $dt (eq $datetime)))
    (export "now" (func (result $dt)))))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $monotonic (export "now" (func (result u64)))))
  (import "wasi:random/random@0.2.3" (instance $random (export "get-random-u64" (func (result u64)))))
  (import "wasi:cli/environment@0.2.3" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:io/error@0.2.3" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $e))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (alias outer 1 $e (type $e))
    (export "output-stream" (type $out (sub resource)))
    (type $stream-error (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $se (eq $stream-error)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $se)))))))
  (alias export $streams "output-stream" (type $o))
  (import "wasi:cli/stdout@0.2.3" (instance $stdout (alias outer 1 $o (type $o))
    (export "get-stdout" (func (result (own $o))))))
  (import "wasi:cli/stderr@0.2.3" (instance $stderr (alias outer 1 $o (type $o))
    (export "get-stderr" (func (result (own $o))))))
  (core module $libc-module (memory (export "memory") 1) (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc-module))
  (core func $wall (canon lower (func $wall "now") (memory (core memory $libc "memory"))))
  (core func $monotonic (canon lower (func $monotonic "now")))
  (core func $random (canon lower (func $random "get-random-u64")))
  (core func $environment (canon lower (func $environment "get-environment")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $stdout (canon lower (func $stdout "get-stdout")))
  (core func $stderr (canon lower (func $stderr "get-stderr")))
  (core func $print (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $m
    (import "host" "wall" (func $wall (param i32)))
    (import "host" "monotonic" (func $monotonic (result i64)))
    (import "host" "random" (func $random (result i64)))
    (import "host" "environment" (func $environment (param i32)))
    (import "host" "stdout" (func $stdout (result i32)))
    (import "host" "stderr" (func $stderr (result i32)))
    (import "host" "print" (func $print (param i32 i32 i32 i32)))
    (import "libc" "memory" (memory 1))
    (data (i32.const 256) "what I saw\na complaint\n")
    (func (export "look") (result i32)
      (call $wall (i32.const 64))
      (i64.store (i32.const 80) (call $monotonic))
      (i64.store (i32.const 88) (call $random))
      (call $environment (i32.const 96))
      (i32.store (i32.const 96) (i32.const 0))
      (call $print (call $stdout) (i32.const 256) (i32.const 11) (i32.const 128))
      (call $print (call $stderr) (i32.const 267) (i32.const 12) (i32.const 128))
      (i32.store (i32.const 16) (i32.const 64))
      (i32.store (i32.const 20) (i32.const 40))
      (i32.const 16)))
  (core instance $host
    (export "wall" (func $wall)) (export "monotonic" (func $monotonic)) (export "random" (func $random))
    (export "environment" (func $environment)) (export "stdout" (func $stdout)) (export "stderr" (func $stderr))
    (export "print" (func $print)))
  (core instance $i (instantiate $m (with "host" (instance $host)) (with "libc" (instance $libc))))
  (func (export "look") (result (list u8)) (canon lift (core func $i "look") (memory (core memory $libc "memory")))))"#;
