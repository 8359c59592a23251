//! Interfaces as IPLD, to be kept beside a module and read without an engine.
//!
//! ```ipldsch
//! type Interface struct { functions [Function] }
//! type Function struct { name String, params [[Any]], result optional Type }   # params: [name, Type]
//! # Type: "u8" and the like, or a map of one key: {"list": Type}, {"map": Type} (of the values),
//! #   {"option": Type}, {"tuple": [Type]}, {"record": [[name, Type]]}, {"variant": [[name, Type] or [name]]},
//! #   {"enum": [name]}, {"flags": [name]}, {"result": {"ok": Type, "error": Type}} (each optional),
//! #   {"unsupported": name}
//! ```

use crate::interface::{Function, Interface};
use crate::types::Type;
use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{FieldError, Fields, as_list, as_list_of, as_map, as_string};
use std::collections::BTreeMap;

/// The types that are only a name.
const PLAIN: [(&str, Type); 16] = [
    ("bool", Type::Bool),
    ("u8", Type::U8),
    ("s8", Type::S8),
    ("u16", Type::U16),
    ("s16", Type::S16),
    ("u32", Type::U32),
    ("s32", Type::S32),
    ("u64", Type::U64),
    ("s64", Type::S64),
    ("f32", Type::F32),
    ("f64", Type::F64),
    ("char", Type::Char),
    ("string", Type::String),
    ("cid", Type::Cid),
    ("request", Type::Request),
    ("effects", Type::Effects),
];

/// Why a value is not an interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    /// A field is wrong.
    #[error("this is not a module's interface: {0}")]
    Field(#[from] FieldError),
    /// A type is none.
    #[error("this is not a module's interface: {0} is not a type")]
    Type(String),
}

impl Interface {
    /// As IPLD.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        map([(
            "functions",
            Ipld::List(self.functions.iter().map(function_to_ipld).collect()),
        )])
    }

    /// From IPLD.
    ///
    /// # Errors
    /// If it is something else. The value's own depth and size are what its decoder allowed.
    pub fn from_ipld(value: Ipld) -> Result<Self, InterfaceError> {
        let mut fields = Fields::new(value, "interface")?;
        let functions = fields.get("functions", as_list)?;
        fields.finish()?;
        let functions = functions
            .into_iter()
            .map(function_from_ipld)
            .collect::<Result<_, _>>()?;
        Ok(Self { functions })
    }
}

fn function_to_ipld(function: &Function) -> Ipld {
    let params = function
        .params
        .iter()
        .map(|(name, ty)| pair(name, Some(ty)))
        .collect();
    let mut fields = BTreeMap::from([
        ("name".to_owned(), Ipld::String(function.name.clone())),
        ("params".to_owned(), Ipld::List(params)),
    ]);
    fields.extend(
        function
            .result
            .as_ref()
            .map(|ty| ("result".to_owned(), to_ipld(ty))),
    );
    Ipld::Map(fields)
}

fn function_from_ipld(value: Ipld) -> Result<Function, InterfaceError> {
    let mut fields = Fields::new(value, "function")?;
    let name = fields.get("name", as_string)?;
    let params = fields
        .get("params", as_list)?
        .into_iter()
        .map(full_pair)
        .collect::<Result<_, _>>()?;
    let result = fields.optional("result").map(from_ipld).transpose()?;
    fields.finish()?;
    Ok(Function {
        name,
        params,
        result,
    })
}

fn to_ipld(ty: &Type) -> Ipld {
    let names = |names: &[String]| Ipld::List(names.iter().cloned().map(Ipld::String).collect());
    let (key, value) = match ty {
        Type::List(item) => ("list", to_ipld(item)),
        Type::Map(entry) => ("map", entry.types().get(1).map_or(Ipld::Null, to_ipld)),
        Type::Option(inner) => ("option", to_ipld(inner)),
        Type::Tuple(tuple) => (
            "tuple",
            Ipld::List(tuple.types().iter().map(to_ipld).collect()),
        ),
        Type::Record(record) => (
            "record",
            Ipld::List(
                record
                    .fields()
                    .iter()
                    .map(|(name, ty)| pair(name, Some(ty)))
                    .collect(),
            ),
        ),
        Type::Variant(variant) => (
            "variant",
            Ipld::List(variant.cases().map(|(name, ty)| pair(name, ty)).collect()),
        ),
        Type::Enum(cases) => ("enum", names(cases.list())),
        Type::Flags(flags) => ("flags", names(flags.list())),
        Type::Result(sides) => {
            let sides = [("ok", sides.ok()), ("error", sides.error())];
            (
                "result",
                map(sides
                    .into_iter()
                    .filter_map(|(key, ty)| Some((key, to_ipld(ty?))))),
            )
        }
        Type::Unsupported(name) => ("unsupported", Ipld::String(name.clone())),
        plain => return Ipld::String(plain.to_string()),
    };
    map([(key, value)])
}

fn from_ipld(value: Ipld) -> Result<Type, InterfaceError> {
    let fields = match value {
        Ipld::String(name) => {
            let plain = PLAIN.into_iter().find(|(plain, _)| *plain == name);
            return plain.map(|(_, ty)| ty).ok_or(InterfaceError::Type(name));
        }
        other => as_map(other, "type")?,
    };
    let mut fields = fields.into_iter();
    let (Some((key, value)), None) = (fields.next(), fields.next()) else {
        return Err(InterfaceError::Type("a map of not one key".to_owned()));
    };
    Ok(match key.as_str() {
        "list" => Type::list(from_ipld(value)?),
        "map" => Type::map(from_ipld(value)?),
        "option" => Type::option(from_ipld(value)?),
        "tuple" => Type::tuple(
            as_list(value, "tuple")?
                .into_iter()
                .map(from_ipld)
                .collect::<Result<_, _>>()?,
        ),
        "record" => Type::record(
            as_list(value, "record")?
                .into_iter()
                .map(full_pair)
                .collect::<Result<_, _>>()?,
        ),
        "variant" => Type::variant(
            as_list(value, "variant")?
                .into_iter()
                .map(pair_from_ipld)
                .collect::<Result<_, _>>()?,
        ),
        "enum" => Type::enumeration(as_list_of(value, "enum", as_string)?),
        "flags" => Type::flags(as_list_of(value, "flags", as_string)?),
        "result" => {
            let mut sides = Fields::new(value, "result")?;
            let mut side = |key| sides.optional(key).map(from_ipld).transpose();
            let (ok, error) = (side("ok")?, side("error")?);
            sides.finish()?;
            Type::result(ok, error)
        }
        "unsupported" => Type::Unsupported(as_string(value, "unsupported")?),
        _ => return Err(InterfaceError::Type(key)),
    })
}

/// `[name, Type]`, or `[name]`.
fn pair(name: &str, ty: Option<&Type>) -> Ipld {
    let name = Ipld::String(name.to_owned());
    Ipld::List(std::iter::once(name).chain(ty.map(to_ipld)).collect())
}

fn pair_from_ipld(value: Ipld) -> Result<(String, Option<Type>), InterfaceError> {
    let mut items = as_list(value, "pair")?.into_iter();
    match (items.next(), items.next(), items.next()) {
        (Some(name), ty, None) => Ok((as_string(name, "name")?, ty.map(from_ipld).transpose()?)),
        _ => Err(InterfaceError::Type(
            "a list that is not a name and a type".to_owned(),
        )),
    }
}

fn full_pair(value: Ipld) -> Result<(String, Type), InterfaceError> {
    match pair_from_ipld(value)? {
        (name, Some(ty)) => Ok((name, ty)),
        (name, None) => Err(InterfaceError::Type(name)),
    }
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Ipld)>) -> Ipld {
    Ipld::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}
