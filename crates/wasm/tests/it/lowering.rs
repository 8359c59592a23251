//! Lowering compared with the engine's own, byte for byte: the crate computes the canonical ABI's layouts itself,
//! and a guest built by any other toolchain relies on them.

use crate::fixture::{Declared, call, component, engine, flat, load_bytes};
use crate::generate::arguments;
use ipvm_ipld::Ipld;
use ipvm_wasm::Type;
use proptest::prelude::*;
use std::collections::BTreeMap;
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Config, Engine, Store};

/// `f: func(…) -> list<u8>`, which returns the core values it was called with and all memory that was asked of it.
fn dump<'a>(types: impl Iterator<Item = &'a Type> + Clone) -> String {
    let mut declared = Declared::default();
    let written: String = types
        .clone()
        .enumerate()
        .map(|(n, ty)| format!("(param \"v{n}\" {}) ", declared.write(ty)))
        .collect();
    let signature = format!("{written} (result (list u8))");
    let mut params: Vec<_> = types.flat_map(flat).collect();
    if params.len() > 16 {
        params = vec!["i32"];
    }
    let stores: String = params
        .iter()
        .enumerate()
        .map(|(n, core)| format!("({core}.store (i32.const {}) (local.get {n}))", n * 8))
        .collect();
    let body = format!(
        r#"(func (export "f") (param {}) (result i32) {stores}
             (i32.store (i32.const 512) (i32.const 0)) (i32.store (i32.const 516) (global.get $next))
             (i32.const 512))"#,
        params.join(" ")
    );
    component(&declared.text, &signature, &body)
}

/// The same value as the engine's own dynamic values have it.
fn val(ty: &Type, value: &Ipld) -> Val {
    match (ty, value) {
        (Type::Bool, Ipld::Bool(bit)) => Val::Bool(*bit),
        (Type::U8, Ipld::Integer(i)) => Val::U8(u8::try_from(*i).unwrap()),
        (Type::S8, Ipld::Integer(i)) => Val::S8(i8::try_from(*i).unwrap()),
        (Type::U16, Ipld::Integer(i)) => Val::U16(u16::try_from(*i).unwrap()),
        (Type::S16, Ipld::Integer(i)) => Val::S16(i16::try_from(*i).unwrap()),
        (Type::U32, Ipld::Integer(i)) => Val::U32(u32::try_from(*i).unwrap()),
        (Type::S32, Ipld::Integer(i)) => Val::S32(i32::try_from(*i).unwrap()),
        (Type::U64, Ipld::Integer(i)) => Val::U64(u64::try_from(*i).unwrap()),
        (Type::S64, Ipld::Integer(i)) => Val::S64(i64::try_from(*i).unwrap()),
        #[allow(clippy::cast_possible_truncation)]
        (Type::F32, Ipld::Float(f)) => Val::Float32(*f as f32),
        (Type::F64, Ipld::Float(f)) => Val::Float64(*f),
        (Type::Char, Ipld::String(s)) => Val::Char(s.chars().next().unwrap()),
        (Type::String, Ipld::String(s)) => Val::String(s.clone()),
        (Type::Cid, Ipld::Link(cid)) => {
            let bytes = cid.to_bytes().into_iter().map(Val::U8).collect();
            Val::Record(vec![("bytes".to_owned(), Val::List(bytes))])
        }
        (Type::List(_), Ipld::Bytes(bytes)) => {
            Val::List(bytes.iter().copied().map(Val::U8).collect())
        }
        (Type::List(item), Ipld::List(items)) => {
            Val::List(items.iter().map(|value| val(item, value)).collect())
        }
        (Type::List(item), Ipld::Map(map)) => {
            let Type::Tuple(entry) = &**item else {
                panic!()
            };
            let entries = in_order(map, &entry.types()[1]);
            Val::List(
                entries
                    .into_iter()
                    .map(|(key, value)| Val::Tuple(vec![key, value]))
                    .collect(),
            )
        }
        (Type::Map(entry), Ipld::Map(map)) => Val::Map(in_order(map, &entry.types()[1])),
        (Type::Tuple(tuple), Ipld::List(items)) => Val::Tuple(
            tuple
                .types()
                .iter()
                .zip(items)
                .map(|(ty, value)| val(ty, value))
                .collect(),
        ),
        (Type::Record(record), Ipld::Map(map)) => Val::Record(
            record
                .fields()
                .iter()
                .map(|(name, ty)| (name.clone(), val(ty, &map[name])))
                .collect(),
        ),
        (Type::Variant(variant), Ipld::Map(map)) => {
            let (name, payload) = map.iter().next().unwrap();
            let (_, ty) = variant.cases().find(|(case, _)| case == name).unwrap();
            Val::Variant(name.clone(), ty.map(|ty| Box::new(val(ty, payload))))
        }
        (Type::Result(sides), Ipld::Map(map)) => match (map.get("ok"), map.get("error")) {
            (Some(value), _) => Val::Result(Ok(sides.ok().map(|ty| Box::new(val(ty, value))))),
            (_, Some(value)) => Val::Result(Err(sides.error().map(|ty| Box::new(val(ty, value))))),
            _ => panic!(),
        },
        (Type::Enum(_), Ipld::String(name)) => Val::Enum(name.clone()),
        (Type::Flags(_), Ipld::List(names)) => Val::Flags(
            names
                .iter()
                .map(|name| {
                    if let Ipld::String(name) = name {
                        name.clone()
                    } else {
                        panic!()
                    }
                })
                .collect(),
        ),
        (Type::Option(inner), Ipld::List(items)) if matches!(**inner, Type::Option(_)) => {
            Val::Option(items.first().map(|value| Box::new(val(inner, value))))
        }
        (Type::Option(_), Ipld::Null) => Val::Option(None),
        (Type::Option(inner), value) => Val::Option(Some(Box::new(val(inner, value)))),
        _ => panic!("{ty} {value:?}"),
    }
}

fn in_order(map: &BTreeMap<String, Ipld>, ty: &Type) -> Vec<(Val, Val)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| (key.len(), key.as_bytes()));
    entries
        .into_iter()
        .map(|(key, value)| (Val::String(key.clone()), val(ty, value)))
        .collect()
}

fn reference(bytes: &[u8], arguments: &[Val]) -> Vec<u8> {
    let engine = Engine::new(Config::new().wasm_component_model_map(true)).unwrap();
    let component = Component::from_binary(&engine, bytes).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine)
        .instantiate(&mut store, &component)
        .unwrap();
    let function = instance.get_func(&mut store, "f").unwrap();
    let mut results = [Val::Bool(false)];
    function.call(&mut store, arguments, &mut results).unwrap();
    let [Val::List(list)] = results else { panic!() };
    list.iter()
        .map(|byte| {
            if let Val::U8(byte) = byte {
                *byte
            } else {
                panic!()
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn lowering_agrees_with_the_engine(arguments in arguments()) {
        let bytes = wat::parse_str(dump(arguments.iter().map(|(ty, _)| ty))).unwrap();
        let module = load_bytes(engine(), &bytes).unwrap();
        let args: Vec<_> = arguments.iter().map(|(_, value)| value.clone()).collect();
        let ours = call(&module, "f", &args).unwrap().unwrap();
        let vals: Vec<_> = arguments.iter().map(|(ty, value)| val(ty, value)).collect();
        prop_assert_eq!(ours, Ipld::Bytes(reference(&bytes, &vals)));
    }
}
