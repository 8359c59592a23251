//! Bytes as text and back.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

use crate::problem::{Problem, check_size};

/// Most bytes that are written as text. In hex it is 768 KiB, which still fits into one result.
pub const MAX_ENCODED_BYTES: usize = 384 * 1024;

/// Longest text that is read, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024 * 1024;

/// How bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 4648 section 8, in small letters.
    Hex,
    /// RFC 4648 section 6, in small letters, without padding.
    Base32,
    /// RFC 4648 section 4, with padding.
    Base64,
    /// RFC 4648 section 5, without padding.
    Base64url,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "hex",
            Self::Base32 => "base32",
            Self::Base64 => "base64",
            Self::Base64url => "base64url",
        })
    }
}

pub(crate) fn write(data: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => HEXLOWER_PERMISSIVE.encode(data),
        Encoding::Base32 => BASE32_NOPAD.encode(data).to_ascii_lowercase(),
        Encoding::Base64 => BASE64.encode(data),
        Encoding::Base64url => BASE64URL_NOPAD.encode(data),
    }
}

/// Bytes as text.
///
/// # Errors
/// More than [`MAX_ENCODED_BYTES`].
pub fn encode(data: &[u8], encoding: Encoding) -> Result<String, Problem> {
    check_size(data.len(), MAX_ENCODED_BYTES)?;
    Ok(write(data, encoding))
}

/// Text as bytes again.
///
/// # Errors
/// Text over [`MAX_TEXT_BYTES`], or that [`encode`] would not have written (but for capitals).
pub fn decode(text: &str, encoding: Encoding) -> Result<Vec<u8>, Problem> {
    check_size(text.len(), MAX_TEXT_BYTES)?;
    match encoding {
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
        Encoding::Base32 => BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()),
        Encoding::Base64 => BASE64.decode(text.as_bytes()),
        Encoding::Base64url => BASE64URL_NOPAD.decode(text.as_bytes()),
    }
    .map_err(|error| Problem::NotEncoded(format!("the text is not {encoding}: {error}")))
}
