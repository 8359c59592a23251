//! Functions small enough to be written as Wasm text.

/// A component with arithmetic, failures and plain data that looks like a promise:
///
/// - `add(a: u32, b: u32) -> u32`
/// - `halve(n: u32) -> result<u32, string>`: odd numbers are an error
/// - `burn(rounds: u32) -> u32`: as much work as wanted, then `rounds`
/// - `spin()`: never ends
/// - `trap() -> u32`: unreachable
/// - `pairs() -> list<tuple<string, string>>`: the map `{"await/ok": "plain"}`
/// - `echo-pairs(pairs: list<tuple<string, string>>) -> list<tuple<string, string>>`
/// - `total(numbers: list<u32>) -> u32`
/// - `grow(pages: u32) -> u32`: takes memory
/// - `blob(bytes: u32) -> list<u8>`: that many bytes, all `x`
/// - `count(bytes: list<u8>) -> u32`: how many there are
pub const CALC: &str = r#"
(component
  (core module $m
    (memory (export "memory") 16)
    (global $next (mut i32) (i32.const 4096))
    (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (block $fits
        (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.add (i32.shr_u (local.get 3) (i32.const 16)) (i32.const 1)))))
      (local.get $at))
    (func (export "add") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1)))
    (func (export "halve") (param i32) (result i32)
      (if (i32.and (local.get 0) (i32.const 1))
        (then
          (i32.store8 (i32.const 16) (i32.const 1))
          (i32.store (i32.const 20) (i32.const 64))
          (i32.store (i32.const 24) (i32.const 13)))
        (else
          (i32.store8 (i32.const 16) (i32.const 0))
          (i32.store (i32.const 20) (i32.shr_u (local.get 0) (i32.const 1)))))
      (i32.const 16))
    (func (export "burn") (param i32) (result i32)
      (local $left i32)
      (local.set $left (local.get 0))
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $left)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $again)))
      (local.get 0))
    (func (export "spin") (loop $again (br $again)))
    (func (export "trap") (result i32) unreachable)
    (func (export "pairs") (result i32)
      (i32.store (i32.const 128) (i32.const 96))
      (i32.store (i32.const 132) (i32.const 8))
      (i32.store (i32.const 136) (i32.const 104))
      (i32.store (i32.const 140) (i32.const 5))
      (i32.store (i32.const 8) (i32.const 128))
      (i32.store (i32.const 12) (i32.const 1))
      (i32.const 8))
    (func (export "echo-pairs") (param i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1))
      (i32.const 8))
    (func (export "total") (param $at i32) (param $len i32) (result i32)
      (local $sum i32)
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $len)))
          (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (local.set $len (i32.sub (local.get $len) (i32.const 1)))
          (br $again)))
      (local.get $sum))
    (func (export "count") (param i32 i32) (result i32)
      (local.get 1))
    (func (export "grow") (param i32) (result i32)
      (memory.grow (local.get 0)))
    (func (export "blob") (param $len i32) (result i32)
      (local $at i32)
      (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $len)))
      (memory.fill (local.get $at) (i32.const 120) (local.get $len))
      (i32.store (i32.const 8) (local.get $at))
      (i32.store (i32.const 12) (local.get $len))
      (i32.const 8))
    (data (i32.const 64) "the number is")
    (data (i32.const 96) "await/okplain"))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $i "add")))
  (func (export "halve") (param "n" u32) (result (result u32 (error string)))
    (canon lift (core func $i "halve") (memory $memory)))
  (func (export "burn") (param "rounds" u32) (result u32)
    (canon lift (core func $i "burn")))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "trap") (result u32) (canon lift (core func $i "trap")))
  (func (export "pairs") (result (list (tuple string string)))
    (canon lift (core func $i "pairs") (memory $memory)))
  (func (export "echo-pairs") (param "pairs" (list (tuple string string)))
    (result (list (tuple string string)))
    (canon lift (core func $i "echo-pairs") (memory $memory) (realloc (core func $realloc))))
  (func (export "total") (param "numbers" (list u32)) (result u32)
    (canon lift (core func $i "total") (memory $memory) (realloc (core func $realloc))))
  (func (export "count") (param "bytes" (list u8)) (result u32)
    (canon lift (core func $i "count") (memory $memory) (realloc (core func $realloc))))
  (func (export "grow") (param "pages" u32) (result u32)
    (canon lift (core func $i "grow")))
  (func (export "blob") (param "bytes" u32) (result (list u8))
    (canon lift (core func $i "blob") (memory $memory))))
"#;

/// Wasm text as a binary.
pub fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("valid Wasm text")
}
