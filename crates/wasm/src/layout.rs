//! Sizes and alignments of the component model's canonical ABI, for 32-bit memories ("Alignment", "Element
//! Size" and "Flattening" in its `CanonicalABI.md`).

/// Most core values that a function's parameters may be passed as; more go through memory (`MAX_FLAT_PARAMS`).
pub(crate) const MAX_FLAT_PARAMS: u32 = 16;
/// Most core values that a function's result may be returned as; more go through memory (`MAX_FLAT_RESULTS`).
pub(crate) const MAX_FLAT_RESULTS: u32 = 1;
/// Most flags of one type.
pub(crate) const MAX_FLAGS: usize = 32;

/// How a value lies in memory, and how many core values it is when passed directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes in memory.
    pub(crate) size: u32,
    /// Alignment in memory, in bytes: a power of two up to 8.
    pub(crate) align: u32,
    /// Core values; saturates, since only small counts matter.
    pub(crate) flat: u32,
}

impl Layout {
    pub(crate) const EMPTY: Self = Self {
        size: 0,
        align: 1,
        flat: 0,
    };
    /// Strings and lists: a pointer and a length.
    pub(crate) const POINTER_PAIR: Self = Self {
        size: 8,
        align: 4,
        flat: 2,
    };

    pub(crate) const fn scalar(bytes: u32) -> Self {
        Self {
            size: bytes,
            align: bytes,
            flat: 1,
        }
    }

    /// Records, tuples and parameter lists.
    pub(crate) fn sequence(parts: impl Iterator<Item = Self>) -> Self {
        let mut whole = Self::EMPTY;
        for part in parts {
            whole.size = align_to(whole.size, part.align).saturating_add(part.size);
            whole.align = whole.align.max(part.align);
            whole.flat = whole.flat.saturating_add(part.flat);
        }
        whole.size = align_to(whole.size, whole.align);
        whole
    }

    /// Variants of `count` cases, of which some have payloads.
    pub(crate) fn cases(count: usize, payloads: impl Iterator<Item = Self>) -> Self {
        let discriminant = discriminant_size(count);
        let mut payload = Self {
            size: 0,
            align: discriminant,
            flat: 0,
        };
        for case in payloads {
            payload.size = payload.size.max(case.size);
            payload.align = payload.align.max(case.align);
            payload.flat = payload.flat.max(case.flat);
        }
        Self {
            size: align_to(
                align_to(discriminant, payload.align).saturating_add(payload.size),
                payload.align,
            ),
            align: payload.align,
            flat: payload.flat.saturating_add(1),
        }
    }

    /// Flags: one bit each, at most [`MAX_FLAGS`].
    pub(crate) fn flags(count: usize) -> Self {
        match count {
            0..=8 => Self::scalar(1),
            9..=16 => Self::scalar(2),
            _ => Self::scalar(4),
        }
    }

    /// Where a variant's payload starts: all cases share one place.
    pub(crate) fn payload_offset(self, count: usize) -> u32 {
        align_to(discriminant_size(count), self.align)
    }
}

/// Bytes of the number that tells `count` cases apart.
pub(crate) fn discriminant_size(count: usize) -> u32 {
    match count {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// The next multiple of `align`, a power of two.
pub(crate) fn align_to(offset: u32, align: u32) -> u32 {
    offset.checked_next_multiple_of(align).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use crate::types::Type;

    /// Without this, a field would be read from the wrong place. Figures by hand from the specification.
    #[test]
    fn layouts() {
        #[track_caller]
        fn check(ty: &Type, expect: (u32, u32, u32)) {
            let layout = ty.layout();
            assert_eq!((layout.size, layout.align, layout.flat), expect, "{ty}");
        }
        let names = |n: usize| (0..n).map(|i| format!("n{i}")).collect::<Vec<_>>();
        check(&Type::U8, (1, 1, 1));
        check(&Type::Char, (4, 4, 1));
        check(&Type::String, (8, 4, 2));
        check(
            &Type::tuple(vec![Type::U8, Type::U64, Type::U8]),
            (24, 8, 3),
        );
        check(&Type::option(Type::U8), (2, 1, 2));
        check(&Type::option(Type::U64), (16, 8, 2));
        check(&Type::result(None, None), (1, 1, 1));
        check(
            &Type::result(Some(Type::String), Some(Type::F64)),
            (16, 8, 3),
        );
        check(&Type::enumeration(names(256)), (1, 1, 1));
        check(&Type::enumeration(names(257)), (2, 2, 1));
        check(&Type::flags(names(8)), (1, 1, 1));
        check(&Type::flags(names(9)), (2, 2, 1));
        check(&Type::flags(names(17)), (4, 4, 1));
        let cases = vec![
            ("a".to_owned(), Some(Type::U32)),
            ("b".to_owned(), None),
            ("c".to_owned(), Some(Type::String)),
        ];
        check(&Type::variant(cases), (12, 4, 3));
        check(&Type::map(Type::U8), (8, 4, 2));
    }
}
