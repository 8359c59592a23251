//! The IPLD-WIT table, one level at a time: which IPLD value is which value of a WIT type.
//!
//! Checking arguments without an engine and lowering them into a guest both go through [`shape`], so that they
//! cannot disagree.

use crate::path::Step;
use crate::types::{Names, Record, ResultType, Type, Variant};
use ipvm_ipld::{Cid, Ipld, kind_name};
use std::collections::BTreeMap;

/// Longest text of a value quoted in a message, in characters.
const QUOTED: usize = 40;

/// The value of an absent option field.
static ABSENT: Ipld = Ipld::Null;
/// The value of an absent option field whose payload is an option itself.
static ABSENT_NESTED: Ipld = Ipld::List(Vec::new());

/// One level of a value, seen as its WIT type.
#[derive(Debug, PartialEq)]
pub(crate) enum Shape<'t, 'v> {
    /// A number, bool, char or flags: its bits, as the core value that carries it.
    Scalar(u64),
    Text(&'v str),
    Bytes(&'v [u8]),
    /// A list of one type.
    Items {
        item: &'t Type,
        items: &'v [Ipld],
    },
    /// A map: its entries in DAG-CBOR key order (shorter keys first), which every executor can reproduce.
    Entries {
        value: &'t Type,
        entries: Vec<(&'v str, &'v Ipld)>,
    },
    /// The parts of a record or tuple, in declared order.
    Parts(Vec<Part<'t, 'v>>),
    /// One case of a variant, enum, option or result.
    Case {
        position: u32,
        payload: Option<(&'t Type, &'v Ipld)>,
    },
    /// A link that stands for the value.
    Content(&'v Cid),
    /// A link that is the value.
    Link(&'v Cid),
}

/// One part of a record or tuple.
#[derive(Debug, PartialEq)]
pub(crate) struct Part<'t, 'v> {
    /// The field; `None` in a tuple.
    pub(crate) name: Option<&'t str>,
    pub(crate) ty: &'t Type,
    pub(crate) value: &'v Ipld,
}

impl Part<'_, '_> {
    /// The step from the whole to this part, the `index`-th.
    pub(crate) fn step(&self, index: usize) -> Step {
        self.name
            .map_or(Step::Index(index), |name| Step::Key(name.to_owned()))
    }
}

/// Sees `value` as a value of type `ty`, one level deep.
///
/// # Errors
/// A message that says what was expected and what is there.
pub(crate) fn shape<'t, 'v>(ty: &'t Type, value: &'v Ipld) -> Result<Shape<'t, 'v>, String> {
    if let (Ipld::Link(cid), true) = (value, stands_for_content(ty)) {
        return Ok(Shape::Content(cid));
    }
    match ty {
        Type::Bool => match value {
            Ipld::Bool(bit) => Ok(Shape::Scalar(u64::from(*bit))),
            _ => Err(expected("a bool", ty, value)),
        },
        Type::U8 => integer::<u8>(ty, value).map(|i| Shape::Scalar(i.into())),
        Type::U16 => integer::<u16>(ty, value).map(|i| Shape::Scalar(i.into())),
        Type::U32 => integer::<u32>(ty, value).map(|i| Shape::Scalar(i.into())),
        Type::U64 => integer::<u64>(ty, value).map(Shape::Scalar),
        // Narrow signed integers travel as a sign-extended 32-bit core value.
        Type::S8 => {
            integer::<i8>(ty, value).map(|i| Shape::Scalar(i32::from(i).cast_unsigned().into()))
        }
        Type::S16 => {
            integer::<i16>(ty, value).map(|i| Shape::Scalar(i32::from(i).cast_unsigned().into()))
        }
        Type::S32 => integer::<i32>(ty, value).map(|i| Shape::Scalar(i.cast_unsigned().into())),
        Type::S64 => integer::<i64>(ty, value).map(|i| Shape::Scalar(i.cast_unsigned())),
        Type::F32 | Type::F64 => float(ty, value).map(Shape::Scalar),
        Type::Char => scalar_value(ty, value).map(|c| Shape::Scalar(u32::from(c).into())),
        Type::String => match value {
            Ipld::String(text) => Ok(Shape::Text(text)),
            _ => Err(expected("a string", ty, value)),
        },
        Type::List(_) if ty.is_bytes() => match value {
            Ipld::Bytes(bytes) => Ok(Shape::Bytes(bytes)),
            _ => Err(expected("bytes or a link to content", ty, value)),
        },
        Type::List(_) | Type::Map(_) => sequence(ty, value),
        Type::Tuple(tuple) => parts_of_tuple(tuple.types(), ty, value),
        Type::Record(record) => parts_of_record(record, ty, value),
        Type::Variant(variant) => case_of_variant(variant, ty, value),
        Type::Enum(names) => match value {
            Ipld::String(name) => {
                let position = names
                    .position(name)
                    .ok_or_else(|| unknown_name("case", name, names))?;
                Ok(Shape::Case {
                    position,
                    payload: None,
                })
            }
            _ => Err(expected("a string", ty, value)),
        },
        Type::Flags(names) => flags(names, ty, value),
        Type::Option(inner) => case_of_option(inner, ty, value),
        Type::Result(sides) => case_of_result(sides, ty, value),
        Type::Cid => match value {
            Ipld::Link(cid) => Ok(Shape::Link(cid)),
            _ => Err(expected("a link", ty, value)),
        },
        Type::Request | Type::Effects => Err(format!(
            "{ty} of ipvm:guest/effects is what functions return, and cannot be passed to one"
        )),
        Type::Unsupported(name) => Err(format!(
            "{name} has no form as content and cannot be passed"
        )),
    }
}

/// An option passes a link on to its payload, as `T or Null` has no place of its own. A cid is the link itself.
fn stands_for_content(ty: &Type) -> bool {
    match ty {
        Type::Option(_) => ty.is_nested_option(),
        Type::Cid | Type::Request | Type::Effects | Type::Unsupported(_) => false,
        _ => true,
    }
}

fn integer<T: TryFrom<i128>>(ty: &Type, value: &Ipld) -> Result<T, String> {
    let Ipld::Integer(integer) = value else {
        return Err(expected("an int", ty, value));
    };
    T::try_from(*integer).map_err(|_| format!("{integer} is out of range for {ty}"))
}

/// The bits of a finite float; narrowing to `f32` rounds to the nearest.
fn float(ty: &Type, value: &Ipld) -> Result<u64, String> {
    let float = match value {
        Ipld::Float(float) => *float,
        Ipld::Integer(integer) => {
            return Err(format!(
                "expected {ty}, got the int {integer}; write {integer}.0"
            ));
        }
        _ => return Err(expected("a float", ty, value)),
    };
    if !float.is_finite() {
        return Err(format!("{float} is not a finite number"));
    }
    if *ty == Type::F64 {
        return Ok(float.to_bits());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "f32 is what the guest asks for; infinity is refused below"
    )]
    let narrow = float as f32;
    if narrow.is_finite() {
        Ok(narrow.to_bits().into())
    } else {
        Err(format!("{float:?} is out of range for f32"))
    }
}

fn scalar_value(ty: &Type, value: &Ipld) -> Result<char, String> {
    let Ipld::String(text) = value else {
        return Err(expected("a string of one character", ty, value));
    };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(format!(
            "expected a string of one character, got {}",
            quoted(text)
        )),
    }
}

fn sequence<'t, 'v>(ty: &'t Type, value: &'v Ipld) -> Result<Shape<'t, 'v>, String> {
    match (ty.entry().map(|entry| entry.types()), ty, value) {
        (Some([_, entry]), _, Ipld::Map(map)) => Ok(Shape::Entries {
            value: entry,
            entries: in_codec_order(map),
        }),
        (Some(_), ..) => Err(expected("a map", ty, value)),
        (None, Type::List(item), Ipld::List(items)) => Ok(Shape::Items { item, items }),
        _ => Err(expected("a list", ty, value)),
    }
}

fn in_codec_order(map: &BTreeMap<String, Ipld>) -> Vec<(&str, &Ipld)> {
    let mut entries: Vec<_> = map
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    // Stable: keys of one length stay in byte order.
    entries.sort_by_key(|(key, _)| key.len());
    entries
}

fn parts_of_tuple<'t, 'v>(
    types: &'t [Type],
    ty: &Type,
    value: &'v Ipld,
) -> Result<Shape<'t, 'v>, String> {
    let Ipld::List(items) = value else {
        return Err(expected("a list", ty, value));
    };
    if items.len() != types.len() {
        return Err(format!(
            "expected {} items for {}, got {}",
            types.len(),
            brief(ty),
            items.len()
        ));
    }
    Ok(Shape::Parts(
        types
            .iter()
            .zip(items)
            .map(|(ty, value)| Part {
                name: None,
                ty,
                value,
            })
            .collect(),
    ))
}

fn parts_of_record<'t, 'v>(
    record: &'t Record,
    ty: &Type,
    value: &'v Ipld,
) -> Result<Shape<'t, 'v>, String> {
    let Ipld::Map(map) = value else {
        return Err(expected("a map", ty, value));
    };
    let mut found = 0;
    let mut parts = Vec::with_capacity(record.fields().len());
    for (name, ty) in record.fields() {
        let value = match (map.get(name), ty) {
            (Some(value), _) => {
                found += 1;
                value
            }
            (None, Type::Option(_)) if ty.is_nested_option() => &ABSENT_NESTED,
            (None, Type::Option(_)) => &ABSENT,
            (None, _) => return Err(format!("the key {name:?} is missing")),
        };
        parts.push(Part {
            name: Some(name),
            ty,
            value,
        });
    }
    if found == map.len() {
        return Ok(Shape::Parts(parts));
    }
    let unknown = map
        .keys()
        .find(|key| !record.fields().iter().any(|(name, _)| name == *key));
    let known: Vec<_> = record
        .fields()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    Err(format!(
        "unknown key {}; the keys are {}",
        quoted(unknown.map_or("", |key| key)),
        listed(&known)
    ))
}

fn case_of_variant<'t, 'v>(
    variant: &'t Variant,
    ty: &Type,
    value: &'v Ipld,
) -> Result<Shape<'t, 'v>, String> {
    let (key, payload) = single_key(ty, value)?;
    let (position, side) = variant
        .find(key)
        .ok_or_else(|| unknown_name("case", key, variant.names()))?;
    case(position, key, side, payload)
}

fn case_of_result<'t, 'v>(
    sides: &'t ResultType,
    ty: &Type,
    value: &'v Ipld,
) -> Result<Shape<'t, 'v>, String> {
    let (key, payload) = single_key(ty, value)?;
    let (position, side) = match key {
        "ok" => (0, sides.ok()),
        "error" => (1, sides.error()),
        other => {
            return Err(format!(
                "expected the key \"ok\" or \"error\", got {}",
                quoted(other)
            ));
        }
    };
    case(position, key, side, payload)
}

fn case_of_option<'t, 'v>(
    inner: &'t Type,
    ty: &Type,
    value: &'v Ipld,
) -> Result<Shape<'t, 'v>, String> {
    let payload = match (inner, value) {
        (Type::Option(_), Ipld::List(items)) => match items.as_slice() {
            [] => None,
            [item] => Some(item),
            _ => {
                return Err(format!(
                    "expected at most one item for {}, got {}",
                    brief(ty),
                    items.len()
                ));
            }
        },
        (Type::Option(_), _) => return Err(expected("a list of at most one item", ty, value)),
        (_, Ipld::Null) => None,
        _ => Some(value),
    };
    Ok(Shape::Case {
        position: u32::from(payload.is_some()),
        payload: payload.map(|value| (inner, value)),
    })
}

fn case<'t, 'v>(
    position: u32,
    name: &str,
    side: Option<&'t Type>,
    payload: &'v Ipld,
) -> Result<Shape<'t, 'v>, String> {
    match (side, payload) {
        (None, Ipld::Null) => Ok(Shape::Case {
            position,
            payload: None,
        }),
        (None, _) => Err(format!(
            "{name:?} has no payload: expected null, got {}",
            kind_name(payload)
        )),
        (Some(ty), _) => Ok(Shape::Case {
            position,
            payload: Some((ty, payload)),
        }),
    }
}

fn single_key<'v>(ty: &Type, value: &'v Ipld) -> Result<(&'v str, &'v Ipld), String> {
    let Ipld::Map(map) = value else {
        return Err(expected("a map of one key", ty, value));
    };
    let mut entries = map.iter();
    match (entries.next(), entries.next()) {
        (Some((key, payload)), None) => Ok((key, payload)),
        _ => Err(format!(
            "expected a map of one key for {}, got {} keys",
            brief(ty),
            map.len()
        )),
    }
}

fn flags<'t, 'v>(names: &Names, ty: &Type, value: &'v Ipld) -> Result<Shape<'t, 'v>, String> {
    let Ipld::List(items) = value else {
        return Err(expected("a list of strings", ty, value));
    };
    let mut bits = 0;
    let mut next = 0;
    for item in items {
        let Ipld::String(name) = item else {
            return Err(expected("a list of strings", ty, item));
        };
        let position = names
            .position(name)
            .ok_or_else(|| unknown_name("flag", name, names))?;
        // One form for one value: computations are found again by their bytes.
        if position < next {
            return Err(format!(
                "the flag {name:?} is repeated or out of order; the order is {}",
                listed(names.list())
            ));
        }
        next = position + 1;
        bits |= 1 << position;
    }
    Ok(Shape::Scalar(bits))
}

fn expected(what: &str, ty: &Type, value: &Ipld) -> String {
    format!(
        "expected {what} for {}, got {}",
        brief(ty),
        kind_name(value)
    )
}

fn unknown_name(what: &str, name: &str, names: &Names) -> String {
    format!(
        "unknown {what} {}; the {what}s are {}",
        quoted(name),
        listed(names.list())
    )
}

/// A type as it is quoted in messages: large ones are cut.
fn brief(ty: &Type) -> String {
    cut(&ty.to_string(), 2 * QUOTED)
}

fn quoted(text: &str) -> String {
    format!("{:?}", cut(text, QUOTED))
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 12;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(AsRef::as_ref)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(", …");
    }
    text
}
