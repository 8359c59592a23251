//! Core modules whose functions take and return numbers, made into components in memory.
//!
//! The module's bytes are embedded unchanged. Each exported function that can be lifted without memory becomes a
//! function of one interface, [`INTERFACE`], under a name from which its own is found again: what the component
//! exports is all that is left of it once it is compiled and kept.

use crate::engine::LoadError;
use std::collections::BTreeMap;
use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, CodeSection, Component,
    ComponentAliasSection, ComponentExportKind, ComponentExportSection, ComponentInstanceSection,
    ComponentSectionId, ComponentTypeSection, ComponentValType, EntityType, ExportKind,
    ImportSection, InstanceSection, Module, ModuleArg, ModuleSection, PrimitiveValType, RawSection,
    StartSection, TypeSection,
};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef, ValType};

/// The interface of a component made here. Its functions have no other name than that inside the module.
pub(crate) const INTERFACE: &str = "ipvm:core/functions";
/// What begins the export name of a function whose own name is none in the component model.
const ESCAPED: &str = "x-n";
/// Most functions of a core module that can be called.
const MAX_FUNCTIONS: usize = 10_000;
/// Longest name of a function that can be called, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// Most parameters: more would be passed through memory (`MAX_FLAT_PARAMS` of the canonical ABI).
const MAX_PARAMS: usize = 16;
/// Most types, and most functions, of a module (JavaScript embedding of WebAssembly, "Implementation-defined
/// Limits").
const MAX_ITEMS: usize = 1_000_000;
/// Most imports named in a message.
const MAX_NAMED: usize = 10;
/// What runs first: the convention for modules without `_start` (WASI "reactors").
const INITIALIZE: &str = "_initialize";
/// Modules of WASI's functions before there were components.
const PREVIEW_1: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];
/// What begins the name of a custom section that describes the component to be made of a module.
const UNFINISHED: &str = "component-type";

/// Why the functions of a core module cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoreModuleError {
    /// It asks for WASI of before there were components.
    #[error(
        "it imports WASI preview 1. Build it for wasm32-wasip2, or make a component of it with `wasm-tools component \
         new --adapt wasi_snapshot_preview1.wasm`"
    )]
    Preview1,
    /// It is what a component was to be made of.
    #[error(
        "it is the inside of a component that was not put together. Make the component with `wasm-tools component \
         new`, or build it for wasm32-wasip2"
    )]
    Unfinished,
    /// It exports nothing that can be called.
    #[error(
        "it exports no function of numbers alone (i32, i64, f32, f64; at most {MAX_PARAMS} parameters and one result). \
         Export one, or for other values make a component (target wasm32-wasip2, or `wasm-tools component new`)"
    )]
    NoFunctions,
    /// It exports too much.
    #[error("it exports more than {MAX_FUNCTIONS} functions")]
    TooManyFunctions,
}

/// The component that stands for a core module.
///
/// # Errors
/// If the module is malformed, asks for something, or has no function that can be called.
pub(crate) fn wrap(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let outline = Outline::read(module)?;
    Ok(component(module, &outline.functions()?, outline.initialize))
}

/// The name of a function of [`INTERFACE`] inside its module. `None` for what was not made by [`wrap`].
pub(crate) fn original_name(export: &str) -> Option<String> {
    let Some(letters) = export.strip_prefix(ESCAPED) else {
        return Some(export.to_owned());
    };
    let half = |letter: &u8| letter.checked_sub(b'a').filter(|half| *half < 16);
    let (pairs, rest) = letters.as_bytes().as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(half(high)? << 4 | half(low)?));
    String::from_utf8(bytes.collect::<Option<_>>()?)
        .ok()
        .filter(|_| rest.is_empty())
}

/// The name under which a component exports a function: its own where the component model allows it, else one
/// spelled with two letters for each byte. No two names have one export name, whatever their case.
fn export_name(name: &str) -> String {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if name.split('-').all(word) && !name.starts_with("x-") {
        return name.to_owned();
    }
    let letter = |half: u8| char::from(b'a' + half);
    let letters = name
        .bytes()
        .flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]);
    ESCAPED.chars().chain(letters).collect()
}

/// A core type that is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    I32,
    I64,
    F32,
    F64,
}

impl Number {
    fn of(ty: ValType) -> Option<Self> {
        match ty {
            ValType::I32 => Some(Self::I32),
            ValType::I64 => Some(Self::I64),
            ValType::F32 => Some(Self::F32),
            ValType::F64 => Some(Self::F64),
            _ => None,
        }
    }

    /// The type as a value: integers are signed, since a core type does not say.
    fn lifted(self) -> ComponentValType {
        ComponentValType::Primitive(match self {
            Self::I32 => PrimitiveValType::S32,
            Self::I64 => PrimitiveValType::S64,
            Self::F32 => PrimitiveValType::F32,
            Self::F64 => PrimitiveValType::F64,
        })
    }
}

/// The type of a function that can be lifted without memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Signature {
    params: Vec<Number>,
    result: Option<Number>,
}

impl Signature {
    fn of(ty: &wasmparser::FuncType) -> Option<Self> {
        if ty.params().len() > MAX_PARAMS {
            return None;
        }
        let number = |ty: &ValType| Number::of(*ty);
        let result = match ty.results() {
            [] => None,
            [result] => Some(number(result)?),
            _ => return None,
        };
        let params = ty.params().iter().map(number).collect::<Option<_>>()?;
        Some(Self { params, result })
    }

    fn is_plain_call(&self) -> bool {
        self.params.is_empty() && self.result.is_none()
    }
}

/// What has to be known of a module to wrap it.
#[derive(Default)]
struct Outline<'a> {
    /// `None` for types that cannot be lifted.
    types: Vec<Option<Signature>>,
    /// The type of each function.
    functions: Vec<u32>,
    exports: Vec<(&'a str, u32)>,
    initialize: bool,
}

impl<'a> Outline<'a> {
    fn read(module: &'a [u8]) -> Result<Self, LoadError> {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(|error| invalid(&error))? {
                Payload::TypeSection(groups) => {
                    for group in groups {
                        for ty in group.map_err(|error| invalid(&error))?.types() {
                            outline.add_type(&ty.composite_type.inner)?;
                        }
                    }
                }
                Payload::ImportSection(imports) => refuse(imports)?,
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        add(&mut outline.functions, ty.map_err(|error| invalid(&error))?)?;
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.map_err(|error| invalid(&error))?;
                        if matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact) {
                            add(&mut outline.exports, (export.name, export.index))?;
                        }
                    }
                }
                Payload::CustomSection(section) if section.name().starts_with(UNFINISHED) => {
                    return Err(CoreModuleError::Unfinished.into());
                }
                _ => {}
            }
        }
        outline.initialize = outline.exports.iter().any(|(name, index)| {
            *name == INITIALIZE
                && outline
                    .signature(*index)
                    .is_some_and(Signature::is_plain_call)
        });
        Ok(outline)
    }

    fn add_type(&mut self, ty: &wasmparser::CompositeInnerType) -> Result<(), LoadError> {
        let signature = match ty {
            wasmparser::CompositeInnerType::Func(ty) => Signature::of(ty),
            _ => None,
        };
        add(&mut self.types, signature)
    }

    fn signature(&self, function: u32) -> Option<&Signature> {
        let ty = self.functions.get(usize::try_from(function).ok()?)?;
        self.types.get(usize::try_from(*ty).ok()?)?.as_ref()
    }

    /// The functions that can be called, in the order of the module's exports.
    fn functions(&self) -> Result<Vec<(&'a str, &Signature)>, LoadError> {
        let functions: Vec<_> = self
            .exports
            .iter()
            .filter(|(name, _)| can_be_named(name) && !(self.initialize && *name == INITIALIZE))
            .filter_map(|(name, index)| Some((*name, self.signature(*index)?)))
            .take(MAX_FUNCTIONS + 1)
            .collect();
        match functions.len() {
            0 => Err(CoreModuleError::NoFunctions.into()),
            1..=MAX_FUNCTIONS => Ok(functions),
            _ => Err(CoreModuleError::TooManyFunctions.into()),
        }
    }
}

/// Whether a name can be typed, and shown without harm: a module may call a function anything.
fn can_be_named(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn refuse(imports: wasmparser::ImportSectionReader<'_>) -> Result<(), LoadError> {
    let mut names = Vec::new();
    for import in imports.into_imports() {
        let import = import.map_err(|error| invalid(&error))?;
        let is_function = matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
        if is_function && PREVIEW_1.contains(&import.module) {
            return Err(CoreModuleError::Preview1.into());
        }
        if names.len() < MAX_NAMED {
            let name = format!("{}.{}", import.module, import.name);
            names.push(name.chars().take(MAX_NAME_BYTES).collect());
        }
    }
    if names.is_empty() {
        Ok(())
    } else {
        Err(LoadError::UnknownImport { names })
    }
}

fn add<T>(items: &mut Vec<T>, item: T) -> Result<(), LoadError> {
    if items.len() == MAX_ITEMS {
        return Err(invalid(&format!(
            "it has more than {MAX_ITEMS} types or functions"
        )));
    }
    items.push(item);
    Ok(())
}

fn invalid(error: &impl ToString) -> LoadError {
    LoadError::Invalid {
        message: error.to_string(),
    }
}

fn component(module: &[u8], functions: &[(&str, &Signature)], initialize: bool) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&RawSection {
        id: ComponentSectionId::CoreModule.into(),
        data: module,
    });
    let mut instances = InstanceSection::new();
    instances.instantiate(0, std::iter::empty::<(&str, ModuleArg)>());
    if initialize {
        component.section(&ModuleSection(&starter()));
        instances.instantiate(1, [("module", ModuleArg::Instance(0))]);
    }
    component.section(&instances);

    let mut aliases = ComponentAliasSection::new();
    let mut types = ComponentTypeSection::new();
    let mut lifted = CanonicalFunctionSection::new();
    let mut known = BTreeMap::new();
    for ((name, signature), index) in functions.iter().zip(0..) {
        aliases.alias(Alias::CoreInstanceExport {
            instance: 0,
            kind: ExportKind::Func,
            name,
        });
        let ty = *known.entry(*signature).or_insert_with(|| {
            let params = signature
                .params
                .iter()
                .zip(1..)
                .map(|(param, position)| (format!("p{position}"), param.lifted()))
                .collect::<Vec<_>>();
            types
                .function()
                .params(params.iter().map(|(name, ty)| (name.as_str(), *ty)))
                .result(signature.result.map(Number::lifted));
            types.len() - 1
        });
        lifted.lift(index, ty, std::iter::empty::<CanonicalOption>());
    }
    component.section(&aliases);
    component.section(&types);
    component.section(&lifted);

    let mut interface = ComponentInstanceSection::new();
    let exports: Vec<_> = functions
        .iter()
        .zip(0..)
        .map(|((name, _), index)| (export_name(name), ComponentExportKind::Func, index))
        .collect();
    interface.export_items(exports);
    component.section(&interface);
    let mut exports = ComponentExportSection::new();
    exports.export(INTERFACE, ComponentExportKind::Instance, 0, None);
    component.section(&exports);
    component.finish()
}

/// A module that calls `_initialize` of `module` when it is instantiated.
fn starter() -> Module {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut imports = ImportSection::new();
    imports.import("module", INITIALIZE, EntityType::Function(0));
    module.section(&imports);
    module.section(&StartSection { function_index: 0 });
    module.section(&CodeSection::new());
    module
}

#[cfg(test)]
mod tests {
    use super::{export_name, original_name};
    use proptest::prelude::*;

    /// Two names that met in one would make a component invalid, or call the wrong function.
    #[test]
    fn names() {
        for (name, export) in [
            ("add", "add"),
            ("add-one2", "add-one2"),
            ("xyz", "xyz"),
            ("addOne", "x-ngbgegeepgogf"),
            ("_start", "x-nfphdhegbhche"),
            ("x-ngb", "x-nhicngoghgc"),
            ("", "x-n"),
        ] {
            assert_eq!(export_name(name), export);
            assert_eq!(original_name(export).as_deref(), Some(name));
        }
        for wrong in ["x-na", "x-naz", "x-n11", "x-npppp"] {
            assert_eq!(original_name(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn names_come_back(left in ".{0,8}|[a-z-]{0,6}|[A-Za-z_0-9]{0,6}", right in "[a-zA-Z-]{0,4}") {
            for name in [&left, &right] {
                let export = export_name(name);
                prop_assert!(wasmparser::names::KebabStr::new(&export).is_some(), "{}", export);
                let back = original_name(&export);
                prop_assert_eq!(back.as_ref(), Some(name));
            }
            let same = export_name(&left).eq_ignore_ascii_case(&export_name(&right));
            prop_assert_eq!(same, left == right);
        }
    }
}
