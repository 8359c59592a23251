//! Random types, and random values of a type.

use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use ipvm_wasm::Type;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}")).collect()
}

/// Any type without parts.
pub(crate) fn leaf_types() -> impl Strategy<Value = Type> {
    prop_oneof![
        Just(Type::Bool),
        Just(Type::U8),
        Just(Type::S8),
        Just(Type::U16),
        Just(Type::S16),
        Just(Type::U32),
        Just(Type::S32),
        Just(Type::U64),
        Just(Type::S64),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
        Just(Type::Cid),
        (1usize..300).prop_map(|n| Type::enumeration(names(n))),
        // The engine accepts at most 32 flags.
        (1usize..=32).prop_map(|n| Type::flags(names(n))),
    ]
}

/// Any type that has a form as content.
pub(crate) fn types() -> impl Strategy<Value = Type> {
    leaf_types().prop_recursive(4, 24, 4, |inner| {
        let optional = proptest::option::of(inner.clone());
        prop_oneof![
            inner.clone().prop_map(Type::list),
            inner.clone().prop_map(Type::map),
            inner.clone().prop_map(Type::option),
            inner.clone().prop_map(|ty| Type::option(Type::option(ty))),
            inner
                .clone()
                .prop_map(|ty| Type::list(Type::tuple(vec![Type::String, ty]))),
            proptest::collection::vec(inner.clone(), 1..5).prop_map(Type::tuple),
            proptest::collection::vec(inner, 1..5).prop_map(|types| Type::record(
                names(types.len()).into_iter().zip(types).collect()
            )),
            proptest::collection::vec(optional.clone(), 1..5).prop_map(|types| Type::variant(
                names(types.len()).into_iter().zip(types).collect()
            )),
            (optional.clone(), optional).prop_map(|(ok, error)| Type::result(ok, error)),
        ]
    })
}

/// Any value of a type, in the form in which it comes back.
pub(crate) fn values(ty: &Type) -> BoxedStrategy<Ipld> {
    fn integers<T: Arbitrary<Strategy: 'static> + Into<i128>>() -> BoxedStrategy<Ipld> {
        any::<T>()
            .prop_map(|integer| Ipld::Integer(integer.into()))
            .boxed()
    }
    match ty {
        Type::Bool => any::<bool>().prop_map(Ipld::Bool).boxed(),
        Type::U8 => integers::<u8>(),
        Type::S8 => integers::<i8>(),
        Type::U16 => integers::<u16>(),
        Type::S16 => integers::<i16>(),
        Type::U32 => integers::<u32>(),
        Type::S32 => integers::<i32>(),
        Type::U64 => integers::<u64>(),
        Type::S64 => integers::<i64>(),
        Type::F32 => {
            let floats = proptest::num::f32::NORMAL
                | proptest::num::f32::SUBNORMAL
                | proptest::num::f32::ZERO;
            floats.prop_map(|float| Ipld::Float(float.into())).boxed()
        }
        Type::F64 => {
            let floats = proptest::num::f64::NORMAL
                | proptest::num::f64::SUBNORMAL
                | proptest::num::f64::ZERO;
            floats.prop_map(Ipld::Float).boxed()
        }
        Type::Char => any::<char>().prop_map(|c| Ipld::String(c.into())).boxed(),
        Type::String => ".{0,12}".prop_map(Ipld::String).boxed(),
        Type::List(item) if **item == Type::U8 => any::<Vec<u8>>().prop_map(Ipld::Bytes).boxed(),
        Type::List(item) => match &**item {
            Type::Tuple(entry) if entry.types().len() == 2 && entry.types()[0] == Type::String => {
                maps(&entry.types()[1])
            }
            item => proptest::collection::vec(values(item), 0..4)
                .prop_map(Ipld::List)
                .boxed(),
        },
        Type::Map(entry) => maps(&entry.types()[1]),
        Type::Tuple(tuple) => tuple
            .types()
            .iter()
            .map(values)
            .collect::<Vec<_>>()
            .prop_map(Ipld::List)
            .boxed(),
        Type::Record(record) => {
            let keys: Vec<_> = record
                .fields()
                .iter()
                .map(|(name, _)| name.clone())
                .collect();
            let fields: Vec<_> = record.fields().iter().map(|(_, ty)| values(ty)).collect();
            fields
                .prop_map(move |fields| Ipld::Map(keys.iter().cloned().zip(fields).collect()))
                .boxed()
        }
        Type::Variant(variant) => {
            let cases = variant
                .cases()
                .map(|(name, payload)| keyed(name, payload))
                .collect::<Vec<_>>();
            proptest::strategy::Union::new(cases).boxed()
        }
        Type::Result(sides) => {
            prop_oneof![keyed("ok", sides.ok()), keyed("error", sides.error())].boxed()
        }
        Type::Enum(names) => proptest::sample::select(names.list().to_vec())
            .prop_map(Ipld::String)
            .boxed(),
        Type::Flags(names) => {
            let all = names.list().to_vec();
            let count = all.len();
            let some = proptest::sample::subsequence(all, 0..=count);
            some.prop_map(|some| Ipld::List(some.into_iter().map(Ipld::String).collect()))
                .boxed()
        }
        Type::Option(inner) if matches!(**inner, Type::Option(_)) => {
            proptest::collection::vec(values(inner), 0..2)
                .prop_map(Ipld::List)
                .boxed()
        }
        Type::Option(inner) => prop_oneof![Just(Ipld::Null), values(inner)].boxed(),
        Type::Cid => cids().prop_map(Ipld::Link).boxed(),
        Type::Request | Type::Effects | Type::Unsupported(_) => Just(Ipld::Null).boxed(),
    }
}

fn cids() -> impl Strategy<Value = Cid> {
    let codecs = prop_oneof![Just(codec::RAW), Just(codec::DAG_PB), Just(codec::DAG_CBOR)];
    (codecs, any::<[u8; 4]>()).prop_map(|(codec, bytes)| cid_of(codec, &bytes))
}

fn maps(value: &Type) -> BoxedStrategy<Ipld> {
    proptest::collection::btree_map(".{0,6}", values(value), 0..4)
        .prop_map(Ipld::Map)
        .boxed()
}

fn keyed(name: &str, payload: Option<&Type>) -> BoxedStrategy<Ipld> {
    let name = name.to_owned();
    let payload = payload.map_or_else(|| Just(Ipld::Null).boxed(), values);
    payload
        .prop_map(move |payload| Ipld::Map(BTreeMap::from([(name.clone(), payload)])))
        .boxed()
}

/// A type and a value of it.
pub(crate) fn typed_values() -> impl Strategy<Value = (Type, Ipld)> {
    types().prop_flat_map(|ty| (Just(ty.clone()), values(&ty)))
}

/// The types of a function's parameters, and a value of each. Half of them are more core values than are passed
/// directly.
pub(crate) fn arguments() -> impl Strategy<Value = Vec<(Type, Ipld)>> {
    let leaf_values = leaf_types().prop_flat_map(|ty| (Just(ty.clone()), values(&ty)));
    prop_oneof![
        proptest::collection::vec(typed_values(), 1..4),
        proptest::collection::vec(leaf_values, 1..24),
    ]
}

/// Any value without links, of few different keys and strings, so that many fit some type.
pub(crate) fn any_values() -> impl Strategy<Value = Ipld> {
    let words = prop_oneof!["n[0-4]", "ok|error", ".{0,2}"];
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        (-300i128..300).prop_map(Ipld::Integer),
        proptest::num::f64::NORMAL.prop_map(Ipld::Float),
        words.clone().prop_map(Ipld::String),
        any::<[u8; 2]>().prop_map(|bytes| Ipld::Bytes(bytes.to_vec())),
    ];
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Ipld::List),
            proptest::collection::btree_map(words.clone(), inner, 0..3).prop_map(Ipld::Map),
        ]
    })
}
