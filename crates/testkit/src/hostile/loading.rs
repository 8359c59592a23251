//! Attacks by the module itself: what is no module, what asks for what functions do not get, what is cut off.

use super::{End, Hostile, bare, component};

pub(super) fn kinds() -> Vec<Hostile> {
    let good = bare(r#"(func (export "f") (result i32) (i32.const 7))"#);
    let cut = good.get(..good.len() - 5).unwrap_or_default().to_vec();
    let longer = [good.as_slice(), &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    let import = r#"(component (import "acme:rockets/launch@1.0.0" (instance $i (export "fire" (func))))
        (core func $fire (canon lower (func $i "fire")))
        (core module $m (import "" "fire" (func)) (func (export "f") (result i32) (i32.const 7)))
        (core instance $a (export "fire" (func $fire)))
        (core instance $b (instantiate $m (with "" (instance $a))))
        (func (export "f") (result u32) (canon lift (core func $b "f"))))"#;
    let shared = r#"(memory 1 2 shared) (func (export "f") (result i32) (i32.const 7))"#;
    let wide = r#"(memory i64 1) (func (export "f") (result i32) (i32.const 7))"#;
    let refused = |name, module, words| Hostile::new(name, module, End::Refused(words));
    vec![
        refused("is empty", Vec::new(), "an empty file"),
        refused("is text", b"print('hello')".to_vec(), "a text file"),
        refused("is cut off", cut, "cut off"),
        refused("has rubbish behind it", longer, "cut off"),
        refused(
            "asks for what nobody has",
            component(import),
            "acme:rockets/launch@1.0.0",
        ),
        refused("shares its memory", bare(shared), "not a valid component"),
        refused("has 64-bit memory", bare(wide), "not a valid component"),
    ]
}
