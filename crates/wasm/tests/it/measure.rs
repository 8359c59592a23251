//! Figures, printed and not judged: `cargo test --release -p ipvm-wasm -- --ignored --nocapture measure`.

use crate::fixture::{ALLOCATOR, LIMITS, component, load_bytes};
use ipvm_ipld::Ipld;
use ipvm_wasm::{Call, Cancel, Engine, Module, NoContent, Settings};
use std::hint::black_box;
use std::time::{Duration, Instant};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{
    Config, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
};

/// Times of `count` runs, sorted.
fn times(count: usize, mut run: impl FnMut()) -> Vec<Duration> {
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn print(name: &str, times: &[Duration]) {
    println!(
        "{name:32} p50 {:9.1?}  p99 {:9.1?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
}

fn run(module: &Module, args: &[Ipld]) -> Ipld {
    let call = Call {
        function: "f",
        args,
        limits: LIMITS,
        content: &NoContent,
        cancel: &Cancel::new(),
        seed: [0; 32],
    };
    module.call(&call).unwrap().out.unwrap()
}

/// The engine alone, with the settings that cost time.
fn floor(bytes: &[u8]) -> (wasmtime::Engine, InstancePre<()>) {
    let mut config = Config::new();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_memories(16)
        .total_tables(16)
        .linear_memory_keep_resident(64 << 10);
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(1 << 20)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = wasmtime::Engine::new(&config).unwrap();
    let component = Component::from_binary(&engine, bytes).unwrap();
    let pre = Linker::new(&engine).instantiate_pre(&component).unwrap();
    (engine, pre)
}

fn store(engine: &wasmtime::Engine) -> Store<()> {
    let mut store = Store::new(engine, ());
    store.set_fuel(LIMITS.fuel).unwrap();
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
    store
}

#[test]
#[ignore = "prints figures"]
fn measure() {
    print(
        "engine start",
        &times(20, || {
            drop(black_box(Engine::new(&Settings::default()).unwrap()))
        }),
    );
    let engine = Engine::new(&Settings::default()).unwrap();

    let small =
        "(func (export \"f\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))";
    let small = format!(
        r#"(component (core module $m {ALLOCATOR} {small}) (core instance $i (instantiate $m))
           (func (export "f") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f"))))"#
    );
    let bytes = wat::parse_str(small).unwrap();
    let module = load_bytes(&engine, &bytes).unwrap();
    let (raw, pre) = floor(&bytes);
    let args = [Ipld::Integer(1), Ipld::Integer(2)];
    for _ in 0..2 {
        print(
            "add, engine alone",
            &times(20_000, || {
                let mut store = store(&raw);
                let instance = pre.instantiate(&mut store).unwrap();
                let function = instance
                    .get_typed_func::<(u32, u32), (u32,)>(&mut store, "f")
                    .unwrap();
                assert_eq!(function.call(&mut store, (1, 2)).unwrap().0, 3);
            }),
        );
        print(
            "add, ours",
            &times(20_000, || assert_eq!(run(&module, &args), Ipld::Integer(3))),
        );
    }

    // Returns the place of its pointer and length, which lie on the stack of the allocator.
    let identity = r#"(func (export "f") (param i32 i32) (result i32)
        (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0))"#;
    let bytes = wat::parse_str(component(
        "",
        "(param \"b\" (list u8)) (result (list u8))",
        identity,
    ))
    .unwrap();
    let module = load_bytes(&engine, &bytes).unwrap();
    let (raw, pre) = floor(&bytes);
    let data = vec![7; 4 << 20];
    let args = [Ipld::Bytes(data.clone())];
    for _ in 0..2 {
        print(
            "4 MiB, engine alone, typed",
            &times(300, || {
                let mut store = store(&raw);
                let instance = pre.instantiate(&mut store).unwrap();
                let function = instance
                    .get_typed_func::<(&[u8],), (Vec<u8>,)>(&mut store, "f")
                    .unwrap();
                assert_eq!(
                    function.call(&mut store, (&data,)).unwrap().0.len(),
                    data.len()
                );
            }),
        );
        print(
            "4 MiB, ours",
            &times(300, || {
                let Ipld::Bytes(back) = run(&module, &args) else {
                    panic!()
                };
                assert_eq!(back.len(), data.len());
            }),
        );
    }
}
