//! Everything that can be wrong with a call, in words for the person who made it.

use crate::picture::{Format, MAX_DECODED_BYTES};
use crate::sheet::MAX_PHOTOS;

/// Why a function gave no picture. Its text is the error value a caller sees.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The argument has no bytes at all.
    #[error("the photo is empty (0 bytes): pass the bytes of a PNG, JPEG or WebP file")]
    Empty,
    /// The bytes are no picture of a kind that is read here.
    #[error("the photo is not a PNG, JPEG or WebP file{hint}: convert it to one of these first")]
    NotAPicture {
        /// What the bytes look like, as a parenthesis with a leading space, or nothing.
        hint: String,
    },
    /// The file says it is a picture, but cannot be decoded.
    #[error("the {format} photo is damaged ({cause}): pass an undamaged copy of it")]
    Damaged {
        /// The name of the file format.
        format: &'static str,
        /// What the decoder found.
        cause: String,
    },
    /// Decoding would need more memory than is allowed; nothing was decoded.
    #[error(
        "the photo has {width} x {height} pixels and needs {} MiB decoded, but at most {} MiB \
         are allowed: make it smaller first", mebibytes(*needs), mebibytes(MAX_DECODED_BYTES)
    )]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes it needs decoded.
        needs: u64,
    },
    /// What the file unpacks to beside its pixels (a profile, text, one row) is too much.
    #[error(
        "the {format} photo unpacks to more than is allowed: make it smaller, or save it without \
         its metadata"
    )]
    Unpacks {
        /// The name of the file format.
        format: &'static str,
    },
    /// A size of zero was asked for.
    #[error("{width} x {height} pixels would be no picture: width and height must be at least 1")]
    NoSize {
        /// Width asked for, in pixels.
        width: u32,
        /// Height asked for, in pixels.
        height: u32,
    },
    /// The picture asked for is larger than is allowed.
    #[error(
        "a picture of {width} x {height} pixels needs {} MiB, but at most {} MiB are allowed: \
         ask for a smaller one", mebibytes(*needs), mebibytes(MAX_DECODED_BYTES)
    )]
    ResultTooLarge {
        /// Width asked for, in pixels.
        width: u32,
        /// Height asked for, in pixels.
        height: u32,
        /// Bytes it needs.
        needs: u64,
    },
    /// The rectangle to cut out is not inside the photo.
    #[error(
        "the rectangle of {width} x {height} pixels at ({x}, {y}) is not inside the photo, which \
         has {} x {} pixels: choose x + width <= {} and y + height <= {}", of.0, of.1, of.0, of.1
    )]
    Outside {
        /// Left edge of the rectangle.
        x: u32,
        /// Upper edge of the rectangle.
        y: u32,
        /// Width of the rectangle.
        width: u32,
        /// Height of the rectangle.
        height: u32,
        /// Width and height of the photo.
        of: (u32, u32),
    },
    /// The blur asked for is none.
    #[error("sigma is {0}, but must be above 0 and at most 100 (pixels)")]
    Sigma(f32),
    /// The angle asked for is not a right one.
    #[error("degrees is {0}, but must be 90, 180 or 270 (clockwise)")]
    Degrees(u32),
    /// The picture cannot be written in this format.
    #[error("a picture of {width} x {height} pixels cannot be written as {format} ({cause})")]
    NotWritten {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The file format.
        format: Format,
        /// What the encoder said.
        cause: String,
    },
    /// Resampling or blurring refused its input.
    #[error("the picture could not be resized or blurred ({cause})")]
    NotScaled {
        /// What was refused.
        cause: String,
    },
    /// A sheet of nothing.
    #[error("there are no photos: a contact sheet needs at least one")]
    NoPhotos,
    /// More photos than a sheet takes.
    #[error("{0} photos are too many for one contact sheet: pass at most {MAX_PHOTOS}")]
    TooManyPhotos(usize),
    /// One photo of a list has a problem.
    #[error("photo {number} of {of}: {problem}")]
    InList {
        /// Its place, counted from 1.
        number: usize,
        /// How many photos there are.
        of: usize,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
}

/// Bytes as MiB, rounded up, so that "needs" never reads like the limit it is over.
fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}
