//! What kind of file this is, and whether it is of a size that a compiler should see. What a compiler says of the
//! wrong kind helps nobody, and what it does with a file made to keep it busy helps nobody either.

use crate::engine::{LoadError, MAX_TABLE_ELEMENTS};
use std::collections::BTreeMap;
use std::ops::Range;
use wasmparser::{BinaryReaderError, Parser, Payload, SectionLimited};

/// Largest module that is accepted, in bytes.
pub const MAX_MODULE_BYTES: usize = 64 << 20;

const MAGIC: &[u8] = b"\0asm";
/// Version and layer of a core module (core specification, "Binary Format").
const CORE: &[u8] = &[1, 0, 0, 0];
/// Version and layer of a component (component model, `Binary.md`).
const COMPONENT: &[u8] = &[13, 0, 1, 0];

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A component.
    Component,
    /// A core module.
    Core,
}

/// What a module has only so many of, all modules and components inside it together.
///
/// The limits are several times what the largest modules in use have (`componentize-js` and `componentize-py`: up to
/// 40 modules, 14,000 functions, 4,500 exports, 10,000 segments, 430,000 bytes in a function), and low enough that
/// nothing is quadratic in them for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Components inside components.
    Levels,
    /// Core modules and components.
    Modules,
    /// Types.
    Types,
    /// Types of components and instances, declared inside others in one section.
    NestedTypes,
    /// Imports.
    Imports,
    /// Exports.
    Exports,
    /// Functions.
    Functions,
    /// Bytes in the body of one function.
    FunctionBytes,
    /// Memories.
    Memories,
    /// Tables.
    Tables,
    /// Elements that one table begins with.
    TableElements,
    /// Globals and tags.
    Globals,
    /// Segments of data and elements.
    Segments,
    /// Instances, aliases and adapted functions.
    Items,
}

impl Part {
    /// How many are accepted.
    #[must_use]
    pub fn limit(self) -> u64 {
        match self {
            Self::Levels => 16,
            Self::Modules | Self::Memories | Self::Tables => 500,
            // Compilers read them by recursion.
            Self::NestedTypes => 1_000,
            Self::Types | Self::Imports => 50_000,
            Self::Exports | Self::Globals | Self::Segments | Self::Items => 100_000,
            Self::Functions => 250_000,
            // One function takes more than linear time, and cannot be shared among threads: 50,000 bytes can take
            // a third of a second, 1 MB half a minute.
            Self::FunctionBytes => 1 << 20,
            Self::TableElements => MAX_TABLE_ELEMENTS as u64,
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Levels => "levels of components inside components",
            Self::Modules => "modules inside it",
            Self::Types => "types",
            Self::NestedTypes => "types inside others",
            Self::Imports => "imports",
            Self::Exports => "exports",
            Self::Functions => "functions",
            Self::FunctionBytes => "bytes in one function",
            Self::Memories => "memories",
            Self::Tables => "tables",
            Self::TableElements => "elements in one table",
            Self::Globals => "globals",
            Self::Segments => "segments of data and elements",
            Self::Items => "instances, aliases and adapted functions",
        })
    }
}

/// Accepts what begins as a module or component, is whole, and has not too much of anything. Whether it is valid
/// is for the compiler to say.
///
/// # Errors
/// Says what it is instead, or what it has too much of.
pub(crate) fn check(bytes: &[u8]) -> Result<Kind, LoadError> {
    if bytes.len() > MAX_MODULE_BYTES {
        return Err(LoadError::TooLarge {
            bytes: bytes.len(),
            limit: MAX_MODULE_BYTES,
        });
    }
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(LoadError::NotWasm {
            found: describe(bytes),
        });
    };
    let (kind, sections) = match rest.split_at_checked(4) {
        Some((COMPONENT, sections)) => (Kind::Component, sections),
        Some((CORE, sections)) => (Kind::Core, sections),
        Some(_) => {
            return Err(LoadError::Invalid {
                message: "its version is unknown".to_owned(),
            });
        }
        None => return Err(LoadError::Truncated { at: bytes.len() }),
    };
    check_sections(sections, bytes.len() - sections.len())?;
    let mut counts = Counts::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        if let Payload::ComponentTypeSection(types) = &payload {
            within(Part::NestedTypes, nested_types(bytes, types.range()))?;
        }
        counts.payload(&payload)?;
    }
    Ok(kind)
}

#[derive(Default)]
struct Counts {
    counts: BTreeMap<Part, u64>,
    /// Modules and components that are being read.
    level: u64,
}

impl Counts {
    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::Version { .. } => {
                self.level += 1;
                // The outermost, and core modules inside the innermost, are no components inside components.
                within(Part::Levels, self.level.saturating_sub(2))?;
                self.add(Part::Modules, 1)
            }
            Payload::End(_) => {
                self.level = self.level.saturating_sub(1);
                Ok(())
            }
            Payload::TypeSection(types) => self.section(Part::Types, types),
            Payload::CoreTypeSection(types) => self.section(Part::Types, types),
            Payload::ComponentTypeSection(types) => self.section(Part::Types, types),
            Payload::ImportSection(imports) => self.section(Part::Imports, imports),
            Payload::ComponentImportSection(imports) => self.section(Part::Imports, imports),
            Payload::ExportSection(exports) => self.section(Part::Exports, exports),
            Payload::ComponentExportSection(exports) => self.section(Part::Exports, exports),
            Payload::FunctionSection(functions) => self.section(Part::Functions, functions),
            Payload::CodeSectionEntry(body) => {
                within(Part::FunctionBytes, body.as_bytes().len() as u64)
            }
            Payload::MemorySection(memories) => self.section(Part::Memories, memories),
            Payload::TableSection(tables) => {
                self.section(Part::Tables, tables)?;
                tables.clone().into_iter().try_for_each(|table| {
                    within(
                        Part::TableElements,
                        table.map_err(|error| invalid(&error))?.ty.initial,
                    )
                })
            }
            Payload::GlobalSection(globals) => self.section(Part::Globals, globals),
            Payload::TagSection(tags) => self.section(Part::Globals, tags),
            Payload::DataSection(segments) => self.section(Part::Segments, segments),
            Payload::ElementSection(segments) => self.section(Part::Segments, segments),
            Payload::InstanceSection(items) => self.section(Part::Items, items),
            Payload::ComponentInstanceSection(items) => self.section(Part::Items, items),
            Payload::ComponentAliasSection(items) => self.section(Part::Items, items),
            Payload::ComponentCanonicalSection(items) => self.section(Part::Items, items),
            _ => Ok(()),
        }
    }

    fn section<T>(&mut self, part: Part, section: &SectionLimited<'_, T>) -> Result<(), LoadError> {
        self.add(part, section.count().into())
    }

    fn add(&mut self, part: Part, more: u64) -> Result<(), LoadError> {
        let count = self.counts.entry(part).or_default();
        *count = count.saturating_add(more);
        within(part, *count)
    }
}

/// At least as many as there are declarations of component and instance types inside other types: each begins with
/// these two bytes (component model, `Binary.md`, "Type Definitions"), as other things may.
fn nested_types(bytes: &[u8], section: Range<usize>) -> u64 {
    let section = bytes.get(section).unwrap_or_default();
    let begins = |pair: &&[u8]| matches!(pair, [0x01, 0x41 | 0x42]);
    section.windows(2).filter(begins).count() as u64
}

fn within(part: Part, found: u64) -> Result<(), LoadError> {
    if found > part.limit() {
        return Err(LoadError::TooMany { part, found });
    }
    Ok(())
}

fn invalid(error: &BinaryReaderError) -> LoadError {
    LoadError::Invalid {
        message: error.to_string(),
    }
}

/// A component is a sequence of sections: a byte, a length (LEB128), and so many bytes.
fn check_sections(mut rest: &[u8], mut at: usize) -> Result<(), LoadError> {
    while let Some((_, after_id)) = rest.split_first() {
        let cut_off = || LoadError::Truncated { at };
        let (length, used) = leb128(after_id).ok_or_else(cut_off)?;
        let end = used.checked_add(length).ok_or_else(cut_off)?;
        rest = after_id.get(end..).ok_or_else(cut_off)?;
        at += 1 + end;
    }
    Ok(())
}

/// A 32-bit number, and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}

fn describe(bytes: &[u8]) -> String {
    /// Bytes shown of a file that is not recognised.
    const SHOWN: usize = 8;
    /// Bytes looked at to tell text from data.
    const LOOKED_AT: usize = 512;
    let head = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let text = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        // A character cut in two by looking no further.
        Err(error) if error.error_len().is_none() && head.len() == LOOKED_AT => head
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok()),
        Err(_) => None,
    };
    match text {
        _ if bytes.is_empty() => "an empty file".to_owned(),
        Some(text)
            if text.trim_start().starts_with("(component")
                || text.trim_start().starts_with("(module") =>
        {
            "WebAssembly text; compile it to the binary form first".to_owned()
        }
        Some(_) => "a text file".to_owned(),
        None => {
            let shown = bytes
                .iter()
                .take(SHOWN)
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" ");
            format!("a file that starts with the bytes {shown}")
        }
    }
}
