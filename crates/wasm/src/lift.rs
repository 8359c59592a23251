//! Lifting: reading a result out of a guest as IPLD ("Loading" and "Flat Lifting" in the canonical ABI's
//! `CanonicalABI.md`).
//!
//! The guest is hostile: every address is checked, and every piece of the result is paid for from a budget
//! before host memory is spent on it.

use crate::fault::Fault;
use crate::layout::{Layout, MAX_FLAT_RESULTS, discriminant_size};
use crate::lower::{Fields, case_count};
use crate::path::{Path, Step};
use crate::types::{Names, Record, Tuple, Type};
use ipvm_ipld::{Cid, Ipld};
use std::collections::BTreeMap;

/// What every value of a result counts for besides its bytes: about the host memory it takes, in bytes.
pub const VALUE_COST: u64 = 64;

/// The guest that a result is read from.
pub(crate) trait Source {
    fn memory(&self) -> &[u8];
    /// Reads a string in the guest's encoding, unless it has more than `most` code units.
    fn text(&mut self, place: u32, length: u32, most: u64) -> Result<String, Fault>;
}

/// Where a value is read from.
#[derive(Clone, Copy)]
enum From {
    /// A core value: only for types that are at most one.
    Core(u64),
    /// A place in memory.
    Memory(u32),
}

/// One lifting of a result.
pub(crate) struct Lifting<S> {
    pub(crate) source: S,
    /// What the result may still cost, in bytes.
    pub(crate) budget: u64,
}

impl<S: Source> Lifting<S> {
    /// Reads a function's result from the core value that it returned. The outer `Err` is a fault, the inner one
    /// the function's own error, if its type is `result<T, E>`.
    pub(crate) fn result(
        &mut self,
        ty: Option<&Type>,
        core: u64,
    ) -> Result<Result<Ipld, Ipld>, Fault> {
        let Some(ty) = ty else {
            return Ok(Ok(Ipld::Null));
        };
        let layout = ty.layout();
        let from = if layout.flat <= MAX_FLAT_RESULTS {
            From::Core(core)
        } else {
            let at = low(core);
            if !at.is_multiple_of(layout.align) {
                return Err(Fault::Abi("the result is not aligned"));
            }
            From::Memory(at)
        };
        let Type::Result(sides) = ty else {
            return self.value(ty, from).map(Ok);
        };
        let (position, payload) = self.case(ty, from)?;
        match position {
            0 => self.payload(sides.ok(), payload).map(Ok),
            1 => self.payload(sides.error(), payload).map(Err),
            _ => Err(NO_CASE),
        }
    }

    fn value(&mut self, ty: &Type, from: From) -> Result<Ipld, Fault> {
        self.pay(VALUE_COST)?;
        match ty {
            Type::String => {
                let (place, length) = self.pair(from)?;
                self.text(place, length).map(Ipld::String)
            }
            Type::List(_) if ty.is_bytes() => {
                let (place, length) = self.pair(from)?;
                self.pay(length.into())?;
                self.bytes(place, length)
                    .map(|bytes| Ipld::Bytes(bytes.to_vec()))
            }
            Type::Cid => {
                let (place, length) = self.pair(from)?;
                self.pay(length.into())?;
                whole_cid(self.bytes(place, length)?).map(Ipld::Link)
            }
            Type::List(item) => match ty.entry() {
                Some(entry) => self.entries(entry, from),
                None => self.items(item, from),
            },
            Type::Map(entry) => self.entries(entry, from),
            Type::Record(record) => self.record(record, from),
            Type::Request => self.record(Type::record_of_request(), from),
            Type::Effects => self.record(Type::record_of_effects(), from),
            Type::Tuple(tuple) => {
                let mut parts = Parts::new(from);
                let items = tuple.types().iter().enumerate().map(|(index, ty)| {
                    self.value(ty, parts.next(ty.layout()))
                        .map_err(|fault| fault.inside(Step::Index(index)))
                });
                items.collect::<Result<_, _>>().map(Ipld::List)
            }
            Type::Variant(_) | Type::Enum(_) | Type::Option(_) | Type::Result(_) => {
                self.one_of(ty, from)
            }
            Type::Flags(names) => self.flags(names, ty.layout(), from),
            scalar => {
                let bits = self.number(from, scalar.layout().size)?;
                scalar_value(scalar, bits)
            }
        }
    }

    fn record(&mut self, record: &Record, from: From) -> Result<Ipld, Fault> {
        let mut parts = Parts::new(from);
        let mut map = BTreeMap::new();
        for (name, ty) in record.fields() {
            let value = self.value(ty, parts.next(ty.layout()));
            map.insert(
                self.name(name)?,
                value.map_err(|fault| fault.inside(Step::Key(name.clone())))?,
            );
        }
        Ok(Ipld::Map(map))
    }

    /// A value that is one of several cases.
    fn one_of(&mut self, ty: &Type, from: From) -> Result<Ipld, Fault> {
        let (position, payload) = self.case(ty, from)?;
        match (ty, position) {
            (Type::Variant(variant), _) => {
                let (name, ty) = variant.case(position).ok_or(NO_CASE)?;
                self.keyed(name, ty, payload)
            }
            (Type::Enum(names), _) => self
                .name(names.name(position).ok_or(NO_CASE)?)
                .map(Ipld::String),
            (Type::Option(inner), 0 | 1) => {
                let some = position == 1;
                if !ty.is_nested_option() {
                    return if some {
                        self.value(inner, payload)
                    } else {
                        Ok(Ipld::Null)
                    };
                }
                let item = some.then(|| self.value(inner, payload)).transpose();
                item.map(|item| Ipld::List(item.into_iter().collect()))
                    .map_err(|fault| fault.inside(Step::Index(0)))
            }
            (Type::Result(sides), 0) => self.keyed("ok", sides.ok(), payload),
            (Type::Result(sides), 1) => self.keyed("error", sides.error(), payload),
            _ => Err(NO_CASE),
        }
    }

    /// `{name: payload}`
    fn keyed(&mut self, name: &str, ty: Option<&Type>, from: From) -> Result<Ipld, Fault> {
        let payload = self
            .payload(ty, from)
            .map_err(|fault| fault.inside(Step::Key(name.to_owned())))?;
        Ok(Ipld::Map(BTreeMap::from([(self.name(name)?, payload)])))
    }

    fn payload(&mut self, ty: Option<&Type>, from: From) -> Result<Ipld, Fault> {
        ty.map_or(Ok(Ipld::Null), |ty| self.value(ty, from))
    }

    /// The position of a case, and where its payload is.
    fn case(&self, ty: &Type, from: From) -> Result<(u32, From), Fault> {
        let cases = case_count(ty);
        let position = low(self.number(from, discriminant_size(cases))?);
        let payload = match from {
            // A payload that shares the only core value with the position is empty.
            From::Core(_) => From::Core(0),
            From::Memory(at) => From::Memory(at.saturating_add(ty.layout().payload_offset(cases))),
        };
        Ok((position, payload))
    }

    fn items(&mut self, item: &Type, from: From) -> Result<Ipld, Fault> {
        let (place, length) = self.list(item.layout(), from)?;
        let mut at = place;
        // No more room than the budget could pay for.
        let mut items =
            Vec::with_capacity(u64::from(length).min(self.budget / VALUE_COST) as usize);
        for index in 0..length as usize {
            items.push(
                self.value(item, From::Memory(at))
                    .map_err(|fault| fault.inside(Step::Index(index)))?,
            );
            at = at.saturating_add(item.layout().size);
        }
        Ok(Ipld::List(items))
    }

    fn entries(&mut self, entry: &Tuple, from: From) -> Result<Ipld, Fault> {
        let [_, ty] = entry.types() else {
            return Err(Fault::Abi("a map entry is not a pair"));
        };
        let (place, length) = self.list(entry.layout(), from)?;
        let mut at = place;
        let mut map = BTreeMap::new();
        for _ in 0..length {
            let mut fields = Fields::new(at);
            let (text, bytes) = self.pair(From::Memory(fields.next(Layout::POINTER_PAIR)))?;
            let key = self.text(text, bytes)?;
            let value = self.value(ty, From::Memory(fields.next(ty.layout())));
            let value = value.map_err(|fault| fault.inside(Step::Key(key.clone())))?;
            if map.contains_key(&key) {
                return Err(Fault::DuplicateKey {
                    path: Path::default(),
                    key,
                });
            }
            map.insert(key, value);
            at = at.saturating_add(entry.layout().size);
        }
        Ok(Ipld::Map(map))
    }

    fn flags(&mut self, names: &Names, layout: Layout, from: From) -> Result<Ipld, Fault> {
        let bits = self.number(from, layout.size)?;
        let mut list = Vec::new();
        for (bit, name) in names.list().iter().enumerate() {
            if bits & (1 << bit) != 0 {
                self.pay(VALUE_COST)?;
                list.push(Ipld::String(self.name(name)?));
            }
        }
        Ok(Ipld::List(list))
    }

    /// A list's place and length, checked as a whole.
    fn list(&mut self, item: Layout, from: From) -> Result<(u32, u32), Fault> {
        let (place, length) = self.pair(from)?;
        if !place.is_multiple_of(item.align) {
            return Err(Fault::Abi("a list in the result is not aligned"));
        }
        let size = u64::from(length) * u64::from(item.size);
        self.bytes(place, u32::try_from(size).map_err(|_| OUTSIDE)?)?;
        Ok((place, length))
    }

    fn text(&mut self, place: u32, length: u32) -> Result<String, Fault> {
        // Decoding makes at most three bytes of a code unit, so memory stays bounded before it is paid for.
        let text = self.source.text(place, length, self.budget)?;
        self.pay(text.len() as u64)?;
        Ok(text)
    }

    fn pair(&self, from: From) -> Result<(u32, u32), Fault> {
        let From::Memory(at) = from else {
            return Err(OUTSIDE);
        };
        Ok((
            low(self.number(from, 4)?),
            low(self.number(From::Memory(at.saturating_add(4)), 4)?),
        ))
    }

    /// An unsigned number of `width` bytes, at most 8.
    fn number(&self, from: From, width: u32) -> Result<u64, Fault> {
        match from {
            From::Core(core) => Ok(core),
            From::Memory(at) => {
                let mut number = [0; 8];
                number
                    .iter_mut()
                    .zip(self.bytes(at, width)?)
                    .for_each(|(to, from)| *to = *from);
                Ok(u64::from_le_bytes(number))
            }
        }
    }

    fn bytes(&self, at: u32, length: u32) -> Result<&[u8], Fault> {
        let (at, length) = (at as usize, length as usize);
        self.source
            .memory()
            .get(at..)
            .and_then(|rest| rest.get(..length))
            .ok_or(OUTSIDE)
    }

    fn name(&mut self, name: &str) -> Result<String, Fault> {
        self.pay(name.len() as u64)?;
        Ok(name.to_owned())
    }

    fn pay(&mut self, cost: u64) -> Result<(), Fault> {
        self.budget = self.budget.checked_sub(cost).ok_or(Fault::Output)?;
        Ok(())
    }
}

/// The places of parts that follow each other. Of parts in a core value, only one is not empty.
struct Parts {
    whole: From,
    fields: Fields,
}

impl Parts {
    fn new(whole: From) -> Self {
        let base = match whole {
            From::Core(_) => 0,
            From::Memory(at) => at,
        };
        Self {
            whole,
            fields: Fields::new(base),
        }
    }

    fn next(&mut self, part: Layout) -> From {
        match self.whole {
            From::Core(core) => From::Core(core),
            From::Memory(_) => From::Memory(self.fields.next(part)),
        }
    }
}

const OUTSIDE: Fault = Fault::Abi("the result points outside the guest's memory");
const NO_CASE: Fault = Fault::Abi("the result is a case that its type does not have");

#[expect(
    clippy::cast_possible_truncation,
    reason = "a 32-bit core value is the lower half"
)]
fn low(core: u64) -> u32 {
    core as u32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the canonical ABI takes the lowest bits of a core value"
)]
fn scalar_value(ty: &Type, bits: u64) -> Result<Ipld, Fault> {
    let integer = |integer: i128| Ok(Ipld::Integer(integer));
    match ty {
        Type::Bool => Ok(Ipld::Bool(low(bits) != 0)),
        Type::U8 => integer((bits as u8).into()),
        Type::S8 => integer((bits as u8).cast_signed().into()),
        Type::U16 => integer((bits as u16).into()),
        Type::S16 => integer((bits as u16).cast_signed().into()),
        Type::U32 => integer(low(bits).into()),
        Type::S32 => integer(low(bits).cast_signed().into()),
        Type::U64 => integer(bits.into()),
        Type::S64 => integer(bits.cast_signed().into()),
        Type::F32 => finite(f32::from_bits(low(bits)).into()),
        Type::F64 => finite(f64::from_bits(bits)),
        Type::Char => {
            let scalar =
                char::from_u32(low(bits)).ok_or(Fault::Abi("the result has an invalid char"))?;
            Ok(Ipld::String(scalar.into()))
        }
        _ => Err(Fault::Abi(
            "the result has a type without a form as content",
        )),
    }
}

/// The CID that these bytes are, all of them, in the one form that it has.
fn whole_cid(bytes: &[u8]) -> Result<Cid, Fault> {
    // The library stops at a CID's end, and reads numbers that are longer than they need be.
    Cid::try_from(bytes)
        .ok()
        .filter(|cid| cid.to_bytes() == bytes)
        .ok_or_else(|| Fault::NotACid {
            path: Path::default(),
        })
}

fn finite(float: f64) -> Result<Ipld, Fault> {
    if float.is_finite() {
        Ok(Ipld::Float(float))
    } else {
        Err(Fault::NotANumber {
            path: Path::default(),
        })
    }
}
