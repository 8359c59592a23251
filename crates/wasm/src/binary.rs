//! What kind of file this is, before it is compiled: what a compiler says of the wrong kind helps nobody.

use crate::core_module;
use crate::engine::LoadError;
use std::borrow::Cow;

/// Largest module that is accepted, in bytes.
pub const MAX_MODULE_BYTES: usize = 64 << 20;

const MAGIC: &[u8] = b"\0asm";
/// Version and layer of a core module (core specification, "Binary Format").
const CORE: &[u8] = &[1, 0, 0, 0];
/// Version and layer of a component (component model, `Binary.md`).
const COMPONENT: &[u8] = &[13, 0, 1, 0];

/// The component to be compiled: the bytes themselves, or one made around them if they are a core module.
///
/// # Errors
/// Says what they are instead, and what a core module lacks.
pub(crate) fn component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
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
    match rest.split_at_checked(4) {
        Some((COMPONENT, sections)) => {
            check_sections(sections, bytes.len() - sections.len()).map(|()| Cow::Borrowed(bytes))
        }
        Some((CORE, sections)) => {
            check_sections(sections, bytes.len() - sections.len())?;
            core_module::wrap(bytes).map(Cow::Owned)
        }
        Some(_) => Err(LoadError::Invalid {
            message: "its version is unknown".to_owned(),
        }),
        None => Err(LoadError::Truncated { at: bytes.len() }),
    }
}

/// Both kinds are a sequence of sections: a byte, a length (LEB128), and so many bytes.
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
