//! Values that do not fit, made from values that do: one accepted would be guessed at, and two executors could
//! guess differently.

use crate::fixture::{call, echo, load, padded};
use crate::generate::{any_values, typed_values, types};
use ipvm_ipld::Ipld;
use ipvm_wasm::{ArgError, CallError, Function, Type};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;

/// Whether a value is one of a type, without an engine.
pub(crate) fn fits(ty: &Type, value: &Ipld) -> Result<(), ArgError> {
    let function = Function {
        name: "f".to_owned(),
        params: vec![("v".to_owned(), ty.clone())],
        result: None,
    };
    function.check(std::slice::from_ref(value))
}

/// Choices made by the test's random numbers.
struct Choices<'a>(std::slice::Iter<'a, Index>);

impl Choices<'_> {
    fn one_of(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |index| index.index(count))
    }
}

fn text(text: &str) -> Ipld {
    Ipld::String(text.to_owned())
}

fn map(entries: &[(&str, Ipld)]) -> Ipld {
    let entries = entries.iter().cloned();
    Ipld::Map(
        entries
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn step(key: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(plain) {
        format!(".{key}")
    } else {
        format!("[{key:?}]")
    }
}

/// The value with one part of it replaced by what does not fit there, and the place of that part.
fn spoil(ty: &Type, value: &Ipld, choices: &mut Choices<'_>) -> (Ipld, String) {
    if let Type::Option(inner) = ty
        && !matches!(**inner, Type::Option(_))
    {
        return match value {
            Ipld::Null => (wrong(inner, &inner.example(), choices), String::new()),
            some => spoil(inner, some, choices),
        };
    }
    let parts = parts(ty, value);
    if parts.is_empty() || choices.one_of(4) == 0 {
        return (wrong(ty, value, choices), String::new());
    }
    let (at, ty) = &parts[choices.one_of(parts.len())];
    let mut whole = value.clone();
    let (part, here) = match (&mut whole, at) {
        (Ipld::List(items), Step::Index(index)) => (&mut items[*index], format!("[{index}]")),
        (Ipld::Map(map), Step::Key(key)) => (map.get_mut(key).unwrap(), step(key)),
        _ => panic!("{value:?}"),
    };
    let (spoilt, inside) = spoil(ty, part, choices);
    *part = spoilt;
    (whole, here + &inside)
}

enum Step {
    Index(usize),
    Key(String),
}

/// The parts of a value, with their types.
fn parts<'t>(ty: &'t Type, value: &Ipld) -> Vec<(Step, &'t Type)> {
    let key = |key: &str| Step::Key(key.to_owned());
    match (ty, value) {
        (Type::List(item), Ipld::List(items)) => (0..items.len())
            .map(|n| (Step::Index(n), &**item))
            .collect(),
        (Type::List(item), Ipld::Map(map)) => {
            let Type::Tuple(entry) = &**item else {
                panic!()
            };
            map.keys().map(|k| (key(k), &entry.types()[1])).collect()
        }
        (Type::Map(entry), Ipld::Map(map)) => {
            map.keys().map(|k| (key(k), &entry.types()[1])).collect()
        }
        (Type::Tuple(tuple), _) => {
            let types = tuple.types().iter().enumerate();
            types.map(|(n, ty)| (Step::Index(n), ty)).collect()
        }
        (Type::Record(record), _) => {
            let fields = record.fields().iter();
            fields.map(|(name, ty)| (key(name), ty)).collect()
        }
        (Type::Variant(variant), Ipld::Map(map)) => {
            let cases = variant
                .cases()
                .filter(|(name, _)| map.contains_key(*name))
                .filter_map(|(name, payload)| Some((key(name), payload?)));
            cases.collect()
        }
        (Type::Result(sides), Ipld::Map(map)) => {
            let side = if map.contains_key("ok") {
                sides.ok().map(|ty| (key("ok"), ty))
            } else {
                sides.error().map(|ty| (key("error"), ty))
            };
            side.into_iter().collect()
        }
        (Type::Option(inner), Ipld::List(items)) => {
            items.iter().map(|_| (Step::Index(0), &**inner)).collect()
        }
        _ => Vec::new(),
    }
}

/// What is no value of this type, though it may resemble the one given.
fn wrong(ty: &Type, value: &Ipld, choices: &mut Choices<'_>) -> Ipld {
    let mut all = wrong_values(ty, value);
    all.swap_remove(choices.one_of(all.len()))
}

fn wrong_values(ty: &Type, value: &Ipld) -> Vec<Ipld> {
    let integers = |least: i128, most: i128| {
        let outside = [least - 1, most + 1].map(Ipld::Integer);
        outside
            .into_iter()
            .chain([Ipld::Float(1.0), text("1"), Ipld::Bool(true)])
            .collect()
    };
    match ty {
        Type::Bool => vec![Ipld::Integer(1), text("true"), Ipld::List(vec![])],
        Type::U8 => integers(0, u8::MAX.into()),
        Type::S8 => integers(i8::MIN.into(), i8::MAX.into()),
        Type::U16 => integers(0, u16::MAX.into()),
        Type::S16 => integers(i16::MIN.into(), i16::MAX.into()),
        Type::U32 => integers(0, u32::MAX.into()),
        Type::S32 => integers(i32::MIN.into(), i32::MAX.into()),
        Type::U64 => integers(0, u64::MAX.into()),
        Type::S64 => integers(i64::MIN.into(), i64::MAX.into()),
        Type::F32 => vec![Ipld::Integer(1), Ipld::Float(1e300), text("1.0")],
        Type::F64 => vec![Ipld::Integer(1), Ipld::Float(f64::NAN), text("1.0")],
        Type::Char => vec![text(""), text("ab"), Ipld::Integer(97)],
        Type::String => vec![Ipld::Integer(1), Ipld::Bytes(vec![97]), Ipld::Bool(true)],
        Type::List(item) if **item == Type::U8 => {
            vec![Ipld::List(vec![Ipld::Integer(1)]), text("AQ")]
        }
        Type::List(_) if matches!(value, Ipld::List(_)) => {
            vec![map(&[]), Ipld::Bytes(vec![]), text("a")]
        }
        Type::List(_) | Type::Map(_) => vec![Ipld::List(vec![]), text("a"), Ipld::Bytes(vec![])],
        Type::Record(_) | Type::Tuple(_) => wrong_products(ty, value),
        Type::Variant(_) | Type::Result(_) => wrong_cases(ty, value),
        Type::Enum(_) => vec![
            text("no-such"),
            Ipld::Integer(0),
            map(&[("n0", Ipld::Null)]),
        ],
        Type::Flags(names) => {
            let first = text(&names.list()[0]);
            let mut all: Vec<_> = names.list().iter().map(|name| text(name)).collect();
            all.push(first.clone());
            vec![
                Ipld::List(vec![text("no-such")]),
                Ipld::List(all),
                Ipld::Integer(0),
                first,
            ]
        }
        Type::Option(inner) => {
            let one = inner.example();
            vec![Ipld::Null, Ipld::List(vec![one.clone(), one]), map(&[])]
        }
        Type::Cid => {
            let Ipld::Link(cid) = value else { panic!() };
            vec![
                Ipld::Bytes(cid.to_bytes()),
                text(&cid.to_string()),
                map(&[("bytes", Ipld::Bytes(cid.to_bytes()))]),
            ]
        }
        Type::Request | Type::Effects | Type::Unsupported(_) => vec![value.clone()],
    }
}

fn wrong_products(ty: &Type, value: &Ipld) -> Vec<Ipld> {
    match (ty, value) {
        (Type::Record(record), Ipld::Map(fields)) => {
            let mut more = fields.clone();
            more.insert("no-such".to_owned(), Ipld::Null);
            let needed = record
                .fields()
                .iter()
                .find(|(_, ty)| !matches!(ty, Type::Option(_)));
            let less = needed.map(|(name, _)| {
                let mut less = fields.clone();
                less.remove(name);
                Ipld::Map(less)
            });
            let values = fields.values().cloned().collect();
            let others = [Ipld::Map(more), Ipld::List(values)];
            others.into_iter().chain(less).collect()
        }
        (_, Ipld::List(items)) => {
            let more = items.iter().cloned().chain([Ipld::Null]).collect();
            let less = items[1..].to_vec();
            vec![Ipld::List(more), Ipld::List(less), map(&[])]
        }
        _ => panic!("{value:?}"),
    }
}

fn wrong_cases(ty: &Type, value: &Ipld) -> Vec<Ipld> {
    let Ipld::Map(one) = value else { panic!() };
    let (name, payload) = one.iter().next().unwrap();
    let mut two: BTreeMap<_, _> = one.clone();
    two.insert("no-such".to_owned(), Ipld::Null);
    let mut all = vec![
        map(&[]),
        Ipld::Map(two),
        map(&[("no-such", payload.clone())]),
        text(name),
    ];
    let empty = match ty {
        Type::Variant(variant) => variant.cases().find(|(_, payload)| payload.is_none()),
        Type::Result(sides) => [("ok", sides.ok()), ("error", sides.error())]
            .into_iter()
            .find(|(_, payload)| payload.is_none()),
        _ => panic!("{ty}"),
    };
    all.extend(empty.map(|(name, _)| map(&[(name, Ipld::Integer(1))])));
    all
}

/// A type, a value of it with one part spoilt, and the place of that part.
fn spoilt() -> impl Strategy<Value = (Type, Ipld, String)> {
    let choices = proptest::collection::vec(any::<Index>(), 24);
    (typed_values(), choices).prop_map(|((ty, value), choices)| {
        let (spoilt, path) = spoil(&ty, &value, &mut Choices(choices.iter()));
        (ty, spoilt, path)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// What does not fit is refused at its place.
    #[test]
    fn spoilt_values_are_refused((ty, value, path) in spoilt()) {
        let error = fits(&ty, &value).unwrap_err();
        prop_assert_eq!(error.path.to_string(), path, "{}", error);
        prop_assert!(!error.message.is_empty() && error.message.len() < 1_000, "{}", error);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// A call refuses it with the same words as the check before.
    #[test]
    fn calls_refuse_spoilt_values((ty, value, _) in spoilt()) {
        let error = call(&load(&echo(&ty)), "f", &padded(std::slice::from_ref(&value))).unwrap_err();
        prop_assert!(matches!(error, CallError::Argument(_)), "{}", error);
        prop_assert_eq!(error.to_string(), fits(&ty, &value).unwrap_err().to_string());
    }

    /// Whatever is passed to whatever: the check and the call agree, and what comes back is the value's one form.
    #[test]
    fn checks_and_calls_agree(ty in types(), values in proptest::collection::vec(any_values(), 24)) {
        let ty = Type::tuple(vec![ty]);
        let module = load(&echo(&ty));
        for value in values {
            let value = Ipld::List(vec![value]);
            match (fits(&ty, &value), call(&module, "f", &padded(std::slice::from_ref(&value)))) {
                (Ok(()), Ok(Ok(out))) => {
                    prop_assert!(fits(&ty, &out).is_ok());
                    let again = call(&module, "f", &padded(std::slice::from_ref(&out))).unwrap();
                    prop_assert_eq!(again, Ok(out));
                }
                (Err(refused), Err(CallError::Argument(error))) => prop_assert_eq!(refused, error),
                (checked, called) => prop_assert!(false, "{:?} {:?}", checked, called),
            }
        }
    }
}
