//! The limits that every decoder of this crate keeps.

/// Deepest nesting of any value, in levels: a scalar alone is at level 1, an item of the outermost list at
/// level 2. No decoder accepts more, whatever [`Limits`] say (wire-formats, "Validation" 1).
pub const MAX_DEPTH: usize = 128;

/// Largest block that is accepted by default, in bytes.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;

/// Most items (values and map keys, at all levels together) in one decoded value. A one-byte item costs about
/// a hundred bytes in memory, so this bounds the memory of one decoded block to roughly 110 MB.
pub const MAX_ITEMS: usize = 1 << 20;

/// What a decoder accepts at most. Beyond it, the input is refused before memory is spent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the encoded input, in bytes.
    pub bytes: usize,
    /// Levels of nesting; values over [`MAX_DEPTH`] count as [`MAX_DEPTH`].
    pub depth: usize,
}

impl Limits {
    /// The limits for any block: [`MAX_BLOCK_BYTES`] and [`MAX_DEPTH`].
    pub const BLOCK: Self = Self {
        bytes: MAX_BLOCK_BYTES,
        depth: MAX_DEPTH,
    };

    /// Levels that a decoder really allows.
    pub(crate) fn levels(self) -> usize {
        self.depth.min(MAX_DEPTH)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::BLOCK
    }
}
