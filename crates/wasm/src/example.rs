//! An example value of any type, for messages that say what is wanted.

use crate::types::Type;
use ipvm_ipld::{Ipld, cid_of, codec};
use std::collections::BTreeMap;

impl Type {
    /// A value of this type, as an argument would be given. `Null` for what has no values as content.
    ///
    /// Grows with the type: up to a hundred thousand parts.
    #[must_use]
    pub fn example(&self) -> Ipld {
        let text = |text: &str| Ipld::String(text.to_owned());
        match self {
            Self::Bool => Ipld::Bool(true),
            Self::U8
            | Self::S8
            | Self::U16
            | Self::S16
            | Self::U32
            | Self::S32
            | Self::U64
            | Self::S64 => Ipld::Integer(7),
            Self::F32 | Self::F64 => Ipld::Float(1.5),
            Self::Char => text("a"),
            Self::String => text("text"),
            Self::List(_) if self.is_bytes() => Ipld::Bytes(b"bytes".to_vec()),
            Self::List(item) => match self.entry() {
                Some(entry) => keyed("key", entry.types().get(1)),
                None => Ipld::List(vec![item.example()]),
            },
            Self::Map(entry) => keyed("key", entry.types().get(1)),
            Self::Record(record) => {
                let fields = record.fields().iter();
                Ipld::Map(
                    fields
                        .map(|(name, ty)| (name.clone(), ty.example()))
                        .collect(),
                )
            }
            Self::Tuple(tuple) => Ipld::List(tuple.types().iter().map(Self::example).collect()),
            Self::Variant(variant) => variant
                .cases()
                .next()
                .map_or(Ipld::Null, |(name, payload)| keyed(name, payload)),
            Self::Enum(names) => names.list().first().map_or(Ipld::Null, |name| text(name)),
            Self::Flags(names) => {
                Ipld::List(names.list().iter().take(1).map(|n| text(n)).collect())
            }
            Self::Option(inner) if self.is_nested_option() => Ipld::List(vec![inner.example()]),
            Self::Option(inner) => inner.example(),
            Self::Result(sides) => keyed("ok", sides.ok()),
            Self::Cid => Ipld::Link(cid_of(codec::RAW, b"")),
            Self::Request | Self::Effects | Self::Unsupported(_) => Ipld::Null,
        }
    }
}

fn keyed(key: &str, value: Option<&Type>) -> Ipld {
    let value = value.map_or(Ipld::Null, Type::example);
    Ipld::Map(BTreeMap::from([(key.to_owned(), value)]))
}
