//! The types of a component's functions, as a tree that needs no engine.
//!
//! Aggregates carry their canonical-ABI layout, computed once when they are made: a value may hold millions of
//! elements of one type, and a type may have thousands of parts.

use crate::layout::{Layout, MAX_FLAGS};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// A WIT type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `u8`
    U8,
    /// `s8`
    S8,
    /// `u16`
    U16,
    /// `s16`
    S16,
    /// `u32`
    U32,
    /// `s32`
    S32,
    /// `u64`
    U64,
    /// `s64`
    S64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`: one Unicode scalar value
    Char,
    /// `string`
    String,
    /// `list<T>`; of `u8` it is bytes, of `tuple<string, V>` it is a map
    List(Box<Type>),
    /// `map<string, V>`, as the `tuple<string, V>` of its entries
    Map(Box<Tuple>),
    /// `record`
    Record(Box<Record>),
    /// `tuple`
    Tuple(Box<Tuple>),
    /// `variant`
    Variant(Box<Variant>),
    /// `enum`
    Enum(Box<Names>),
    /// `flags`
    Flags(Box<Names>),
    /// `option<T>`
    Option(Box<Type>),
    /// `result<T, E>`
    Result(Box<ResultType>),
    /// `cid` of the package `ipvm:guest`: a link that is passed as itself, whatever it leads to
    Cid,
    /// `request` of the package `ipvm:guest`: one request for an effect
    Request,
    /// `effects` of the package `ipvm:guest`: what a function returns to ask for effects, see [`Type::record_of_effects`]
    Effects,
    /// What has no form as content (resource, stream, future …), by its name. A function that uses it cannot be
    /// called.
    Unsupported(String),
}

/// A record's fields, in declared order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    fields: Vec<(String, Type)>,
    layout: Layout,
}

/// A tuple's types, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuple {
    types: Vec<Type>,
    layout: Layout,
}

/// A variant's cases, in declared order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    names: Names,
    payloads: Vec<Option<Type>>,
    layout: Layout,
}

/// The two sides of a result; a side without payload is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultType {
    ok: Option<Type>,
    error: Option<Type>,
    layout: Layout,
}

/// Names in declared order, with their positions at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    list: Vec<String>,
    positions: BTreeMap<String, u32>,
}

impl Type {
    /// `list<T>`
    #[must_use]
    pub fn list(item: Type) -> Self {
        Self::List(Box::new(item))
    }

    /// `map<string, V>`
    #[must_use]
    pub fn map(value: Type) -> Self {
        Self::Map(Box::new(Tuple::new(vec![Self::String, value])))
    }

    /// `record { … }`
    #[must_use]
    pub fn record(fields: Vec<(String, Type)>) -> Self {
        let layout = Layout::sequence(fields.iter().map(|(_, ty)| ty.layout()));
        Self::Record(Box::new(Record { fields, layout }))
    }

    /// `tuple<…>`
    #[must_use]
    pub fn tuple(types: Vec<Type>) -> Self {
        Self::Tuple(Box::new(Tuple::new(types)))
    }

    /// `variant { … }`
    #[must_use]
    pub fn variant(cases: Vec<(String, Option<Type>)>) -> Self {
        let (names, payloads): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
        let layout = Layout::cases(payloads.len(), payloads.iter().flatten().map(Type::layout));
        Self::Variant(Box::new(Variant {
            names: Names::new(names),
            payloads,
            layout,
        }))
    }

    /// `enum { … }`
    #[must_use]
    pub fn enumeration(names: Vec<String>) -> Self {
        Self::Enum(Box::new(Names::new(names)))
    }

    /// `flags { … }`, of at most 32 names, as the component model has it.
    #[must_use]
    pub fn flags(names: Vec<String>) -> Self {
        if names.len() > MAX_FLAGS {
            return Self::Unsupported(format!("flags of more than {MAX_FLAGS} names"));
        }
        Self::Flags(Box::new(Names::new(names)))
    }

    /// `option<T>`
    #[must_use]
    pub fn option(inner: Type) -> Self {
        Self::Option(Box::new(inner))
    }

    /// `result<T, E>`
    #[must_use]
    pub fn result(ok: Option<Type>, error: Option<Type>) -> Self {
        let layout = Layout::cases(2, [&ok, &error].into_iter().flatten().map(Type::layout));
        Self::Result(Box::new(ResultType { ok, error, layout }))
    }

    /// Whether a value of this type can have a link in it that is passed as itself.
    #[must_use]
    pub fn has_cid(&self) -> bool {
        match self {
            Self::Cid => true,
            Self::List(inner) | Self::Option(inner) => inner.has_cid(),
            Self::Map(entry) => entry.types.iter().any(Self::has_cid),
            Self::Record(record) => record.fields.iter().any(|(_, ty)| ty.has_cid()),
            Self::Tuple(tuple) => tuple.types.iter().any(Self::has_cid),
            Self::Variant(variant) => variant.payloads.iter().flatten().any(Self::has_cid),
            Self::Result(sides) => [&sides.ok, &sides.error]
                .into_iter()
                .flatten()
                .any(Self::has_cid),
            _ => false,
        }
    }

    /// How a value of this type lies in a guest's memory and arguments.
    pub(crate) fn layout(&self) -> Layout {
        match self {
            Self::Bool | Self::U8 | Self::S8 => Layout::scalar(1),
            Self::U16 | Self::S16 => Layout::scalar(2),
            Self::U32 | Self::S32 | Self::F32 | Self::Char => Layout::scalar(4),
            Self::U64 | Self::S64 | Self::F64 => Layout::scalar(8),
            // A cid is a record of one list.
            Self::String | Self::List(_) | Self::Map(_) | Self::Cid => Layout::POINTER_PAIR,
            Self::Record(record) => record.layout,
            Self::Tuple(tuple) => tuple.layout,
            Self::Variant(variant) => variant.layout,
            Self::Enum(names) => Layout::cases(names.len(), std::iter::empty()),
            Self::Flags(names) => Layout::flags(names.len()),
            Self::Option(inner) => Layout::cases(2, std::iter::once(inner.layout())),
            Self::Result(sides) => sides.layout,
            Self::Request => Self::record_of_request().layout,
            Self::Effects => Self::record_of_effects().layout,
            Self::Unsupported(_) => Layout::EMPTY,
        }
    }

    /// The record that a `request` is.
    pub(crate) fn record_of_request() -> &'static Record {
        static RECORD: LazyLock<Record> = LazyLock::new(|| {
            record_of([
                ("role", Type::String),
                ("cmd", Type::String),
                ("args", Type::list(Type::U8)),
            ])
        });
        &RECORD
    }

    /// The record that `effects` are.
    pub(crate) fn record_of_effects() -> &'static Record {
        static RECORD: LazyLock<Record> = LazyLock::new(|| {
            record_of([
                ("fork", Type::list(Type::Request)),
                ("join", Type::option(Type::Request)),
            ])
        });
        &RECORD
    }

    /// For what is a map in IPLD (`map<string, V>`, `list<tuple<string, V>>`): its entry, a `tuple<string, V>`.
    pub(crate) fn entry(&self) -> Option<&Tuple> {
        match self {
            Self::Map(entry) => Some(entry),
            Self::List(item) => match item.as_ref() {
                Self::Tuple(tuple) if matches!(tuple.types.as_slice(), [Self::String, _]) => {
                    Some(tuple)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether this is `list<u8>`: bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self, Self::List(item) if **item == Self::U8)
    }

    /// Whether this is an option of an option, which is a list of at most one item in IPLD.
    pub(crate) fn is_nested_option(&self) -> bool {
        matches!(self, Self::Option(inner) if matches!(**inner, Self::Option(_)))
    }

    /// The first part of this type that has no form as content, if any.
    #[must_use]
    pub fn unsupported(&self) -> Option<&str> {
        match self {
            Self::Unsupported(name) => Some(name),
            // Only where they are all that a function asks for, which is not looked for here.
            Self::Request => {
                Some("request of ipvm:guest/effects outside of what the function returns")
            }
            Self::Effects => Some("effects of ipvm:guest/effects inside another type"),
            Self::List(inner) | Self::Option(inner) => inner.unsupported(),
            Self::Map(tuple) | Self::Tuple(tuple) => tuple.types.iter().find_map(Self::unsupported),
            Self::Record(record) => record.fields.iter().find_map(|(_, ty)| ty.unsupported()),
            Self::Variant(variant) => variant
                .payloads
                .iter()
                .flatten()
                .find_map(Self::unsupported),
            Self::Result(sides) => [&sides.ok, &sides.error]
                .into_iter()
                .flatten()
                .find_map(Self::unsupported),
            _ => None,
        }
    }
}

impl Record {
    /// The fields, in declared order.
    #[must_use]
    pub fn fields(&self) -> &[(String, Type)] {
        &self.fields
    }
}

impl Tuple {
    fn new(types: Vec<Type>) -> Self {
        let layout = Layout::sequence(types.iter().map(Type::layout));
        Self { types, layout }
    }

    /// The types, in order.
    #[must_use]
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }
}

impl Variant {
    /// The cases, in declared order.
    pub fn cases(&self) -> impl ExactSizeIterator<Item = (&str, Option<&Type>)> + Clone {
        self.names
            .list
            .iter()
            .zip(&self.payloads)
            .map(|(name, payload)| (name.as_str(), payload.as_ref()))
    }

    /// The case with this name: its position and payload.
    pub(crate) fn find(&self, name: &str) -> Option<(u32, Option<&Type>)> {
        let position = self.names.position(name)?;
        Some((position, self.case(position)?.1))
    }

    /// The case at this position: its name and payload.
    pub(crate) fn case(&self, position: u32) -> Option<(&str, Option<&Type>)> {
        let payload = self.payloads.get(usize::try_from(position).ok()?)?;
        Some((self.names.name(position)?, payload.as_ref()))
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }
}

impl ResultType {
    /// The payload of `ok`.
    #[must_use]
    pub fn ok(&self) -> Option<&Type> {
        self.ok.as_ref()
    }

    /// The payload of `err`.
    #[must_use]
    pub fn error(&self) -> Option<&Type> {
        self.error.as_ref()
    }
}

impl Names {
    fn new(list: Vec<String>) -> Self {
        let positions = list.iter().cloned().zip(0..).collect();
        Self { list, positions }
    }

    /// The names, in declared order.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.list
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn position(&self, name: &str) -> Option<u32> {
        self.positions.get(name).copied()
    }

    pub(crate) fn name(&self, position: u32) -> Option<&str> {
        self.list
            .get(usize::try_from(position).ok()?)
            .map(String::as_str)
    }
}

impl fmt::Display for Type {
    /// WIT syntax. The names of records and the like are not part of a component's types: they are written out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::U8 => f.write_str("u8"),
            Self::S8 => f.write_str("s8"),
            Self::U16 => f.write_str("u16"),
            Self::S16 => f.write_str("s16"),
            Self::U32 => f.write_str("u32"),
            Self::S32 => f.write_str("s32"),
            Self::U64 => f.write_str("u64"),
            Self::S64 => f.write_str("s64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("string"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Map(entry) => write!(f, "map<{}>", Joined(entry.types.iter())),
            Self::Tuple(tuple) => write!(f, "tuple<{}>", Joined(tuple.types.iter())),
            Self::Record(record) => {
                write!(
                    f,
                    "record {{ {} }}",
                    Joined(
                        record
                            .fields
                            .iter()
                            .map(|(name, ty)| format!("{name}: {ty}"))
                    )
                )
            }
            Self::Variant(variant) => write!(
                f,
                "variant {{ {} }}",
                Joined(variant.cases().map(case_text))
            ),
            Self::Enum(names) => write!(f, "enum {{ {} }}", Joined(names.list.iter())),
            Self::Flags(names) => write!(f, "flags {{ {} }}", Joined(names.list.iter())),
            Self::Option(inner) => write!(f, "option<{inner}>"),
            Self::Result(sides) => match (&sides.ok, &sides.error) {
                (None, None) => f.write_str("result"),
                (Some(ok), None) => write!(f, "result<{ok}>"),
                (None, Some(error)) => write!(f, "result<_, {error}>"),
                (Some(ok), Some(error)) => write!(f, "result<{ok}, {error}>"),
            },
            Self::Cid => f.write_str("cid"),
            Self::Request => f.write_str("request"),
            Self::Effects => f.write_str("effects"),
            Self::Unsupported(name) => f.write_str(name),
        }
    }
}

fn record_of<const N: usize>(fields: [(&str, Type); N]) -> Record {
    let fields = fields.map(|(name, ty)| (name.to_owned(), ty)).to_vec();
    let layout = Layout::sequence(fields.iter().map(|(_, ty)| ty.layout()));
    Record { fields, layout }
}

fn case_text((name, payload): (&str, Option<&Type>)) -> String {
    payload.map_or_else(|| name.to_owned(), |ty| format!("{name}({ty})"))
}

/// Items with commas between them.
pub(crate) struct Joined<I>(pub(crate) I);

impl<I: Iterator<Item: fmt::Display> + Clone> fmt::Display for Joined<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, item) in self.0.clone().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}
