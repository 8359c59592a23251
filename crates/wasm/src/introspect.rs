//! Reading a compiled component's exports.

use crate::core_module;
use crate::engine::LoadError;
use crate::guest_types::{self, GuestTypes};
use crate::interface::{Function, Interface};
use crate::types::Type;
use wasmtime::Engine;
use wasmtime::component::types::{
    Component as ComponentType, ComponentFunc, ComponentItem, Type as EngineType,
};
use wasmtime::component::{Component, ComponentExportIndex};

/// Most functions that a component may export.
const MAX_FUNCTIONS: usize = 10_000;
/// Most parts of all types of a component together. A type that is named once and used twice counts twice, so
/// that small files with huge types stay small here.
const MAX_TYPE_PARTS: usize = 100_000;
/// Deepest nesting of a type, in levels. An interface kept as IPLD has up to three levels for each, and IPLD
/// ends at 128.
const MAX_TYPE_DEPTH: usize = 32;

/// The functions that a component exports, and how to find each in an instance.
///
/// # Errors
/// If there are too many, or they use types of the guest package that are not known here.
pub(crate) fn exports(
    component: &Component,
) -> Result<(Interface, Vec<ComponentExportIndex>), LoadError> {
    let engine = component.engine();
    let mut reader = Reader {
        parts: MAX_TYPE_PARTS,
        guest: GuestTypes::default(),
    };
    reader.guest_types(&component.component_type(), engine)?;
    let mut interface = Interface::default();
    let mut indices = Vec::new();
    let mut add = |name: String, ty: &ComponentFunc, index: Option<ComponentExportIndex>| {
        if indices.len() == MAX_FUNCTIONS {
            return Err(LoadError::Invalid {
                message: format!("it exports more than {MAX_FUNCTIONS} functions"),
            });
        }
        if let Some(index) = index {
            interface.functions.push(reader.function(name, ty));
            indices.push(index);
        }
        Ok(())
    };
    for (name, export) in component.component_type().exports(engine) {
        match &export.ty {
            ComponentItem::ComponentFunc(ty) => {
                add(name.to_owned(), ty, component.get_export_index(None, name))?
            }
            ComponentItem::ComponentInstance(instance) => {
                let parent = component.get_export_index(None, name);
                for (inner, export) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(ty) = &export.ty {
                        let index = component.get_export_index(parent.as_ref(), inner);
                        add(full_name(name, inner), ty, index)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok((interface, indices))
}

/// Functions of a core module have the name that they have there.
fn full_name(interface: &str, function: &str) -> String {
    let original = (interface == core_module::INTERFACE)
        .then(|| core_module::original_name(function))
        .flatten();
    original.unwrap_or_else(|| format!("{interface}#{function}"))
}

struct Reader {
    /// Parts of types that may still be read.
    parts: usize,
    /// Those of the guest package among them.
    guest: GuestTypes,
}

impl Reader {
    /// Finds out which types of the guest package the component uses.
    fn guest_types(&mut self, ty: &ComponentType, engine: &Engine) -> Result<(), LoadError> {
        let mut used = GuestTypes::default();
        self.guest = GuestTypes::ALL;
        let items = ty.imports(engine).chain(ty.exports(engine));
        for (interface, item) in items {
            let ComponentItem::ComponentInstance(instance) = &item.ty else {
                continue;
            };
            if !interface.starts_with(guest_types::PACKAGE) {
                continue;
            }
            for (name, item) in instance.exports(engine) {
                if let ComponentItem::Type(ty @ EngineType::Record(_)) = &item.ty {
                    let record = self.read(ty, 1);
                    used.note(interface, name, &record)?;
                }
            }
        }
        self.guest = used;
        Ok(())
    }

    fn ty(&mut self, ty: &EngineType, depth: usize) -> Type {
        let ty = self.read(ty, depth);
        self.guest.seen(&ty).unwrap_or(ty)
    }

    fn function(&mut self, name: String, ty: &ComponentFunc) -> Function {
        Function {
            name,
            params: ty
                .params()
                .map(|(name, ty)| (name.to_owned(), self.ty(&ty, 1)))
                .collect(),
            result: ty.results().next().map(|ty| self.ty(&ty, 1)),
        }
    }

    /// A type whose own structure is all that is looked at.
    fn read(&mut self, ty: &EngineType, depth: usize) -> Type {
        let Some(parts) = self.parts.checked_sub(1) else {
            return Type::Unsupported("a type of too many parts".to_owned());
        };
        self.parts = parts;
        if depth > MAX_TYPE_DEPTH {
            return Type::Unsupported(format!("a type nested deeper than {MAX_TYPE_DEPTH} levels"));
        }
        let depth = depth + 1;
        let names =
            |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<Vec<_>>();
        match ty {
            EngineType::Bool => Type::Bool,
            EngineType::S8 => Type::S8,
            EngineType::U8 => Type::U8,
            EngineType::S16 => Type::S16,
            EngineType::U16 => Type::U16,
            EngineType::S32 => Type::S32,
            EngineType::U32 => Type::U32,
            EngineType::S64 => Type::S64,
            EngineType::U64 => Type::U64,
            EngineType::Float32 => Type::F32,
            EngineType::Float64 => Type::F64,
            EngineType::Char => Type::Char,
            EngineType::String => Type::String,
            EngineType::List(list) => Type::list(self.ty(&list.ty(), depth)),
            EngineType::Map(map) if map.key() == EngineType::String => {
                Type::map(self.ty(&map.value(), depth))
            }
            EngineType::Map(_) => {
                Type::Unsupported("map with keys that are not strings".to_owned())
            }
            EngineType::Record(record) => Type::record(
                record
                    .fields()
                    .map(|field| (field.name.to_owned(), self.ty(&field.ty, depth)))
                    .collect(),
            ),
            EngineType::Tuple(tuple) => {
                Type::tuple(tuple.types().map(|ty| self.ty(&ty, depth)).collect())
            }
            EngineType::Variant(variant) => {
                let cases = variant.cases();
                Type::variant(
                    cases
                        .map(|case| (case.name.to_owned(), self.optional(case.ty, depth)))
                        .collect(),
                )
            }
            EngineType::Enum(cases) => self.named(Type::enumeration(names(&mut cases.names()))),
            EngineType::Flags(flags) => self.named(Type::flags(names(&mut flags.names()))),
            EngineType::Option(option) => Type::option(self.ty(&option.ty(), depth)),
            EngineType::Result(result) => Type::result(
                self.optional(result.ok(), depth),
                self.optional(result.err(), depth),
            ),
            EngineType::Own(_) | EngineType::Borrow(_) => Type::Unsupported("resource".to_owned()),
            EngineType::Future(_) => Type::Unsupported("future".to_owned()),
            EngineType::Stream(_) => Type::Unsupported("stream".to_owned()),
            EngineType::ErrorContext => Type::Unsupported("error-context".to_owned()),
            EngineType::FixedLengthList(_) => Type::Unsupported("list of fixed length".to_owned()),
        }
    }

    fn optional(&mut self, ty: Option<EngineType>, depth: usize) -> Option<Type> {
        // A case counts, with or without payload.
        self.parts = self.parts.saturating_sub(1);
        ty.map(|ty| self.ty(&ty, depth))
    }

    /// Counts names as parts.
    fn named(&mut self, ty: Type) -> Type {
        let (Type::Enum(names) | Type::Flags(names)) = &ty else {
            return ty;
        };
        self.parts = self.parts.saturating_sub(names.len());
        ty
    }
}
