//! Lowering: writing IPLD values into a guest, as the canonical ABI lays them out ("Storing" and "Flat
//! Lowering" in its `CanonicalABI.md`).
//!
//! Nothing here trusts the guest: every address is checked against the memory as it is at that moment.

use crate::content::{Content, ContentError};
use crate::fault::Fault;
use crate::interface::case_step;
use crate::layout::{Layout, MAX_FLAT_PARAMS, discriminant_size};
use crate::path::Step;
use crate::shape::{Shape, shape};
use crate::types::{Tuple, Type};
use crate::watch::Watch;
use ipvm_ipld::{Cid, Ipld};

/// Most links followed one after the other to reach one value.
const MAX_HOPS: u32 = 16;

/// The guest that values are written into.
pub(crate) trait Guest {
    /// Asks the guest for memory. The place returned is aligned and inside [`Guest::memory`].
    fn allocate(&mut self, align: u32, size: u32) -> Result<u32, Fault>;
    fn memory(&mut self) -> &mut [u8];
    /// Writes a string in the guest's encoding: its place and length, as a value of type `string` holds them.
    fn text(&mut self, text: &str) -> Result<(u32, u32), Fault>;
}

/// One lowering of arguments.
pub(crate) struct Lowering<'a, G> {
    pub(crate) guest: G,
    pub(crate) content: &'a dyn Content,
    /// Asked before content is read, which may take long.
    pub(crate) watch: &'a Watch,
    /// Links followed to the value being written.
    pub(crate) hops: u32,
}

impl<G: Guest> Lowering<'_, G> {
    /// Writes a function's arguments: the core values to call it with.
    ///
    /// # Errors
    /// A fault, the first step of whose path is the position of the argument.
    pub(crate) fn arguments(
        &mut self,
        params: &[(String, Type)],
        args: &[Ipld],
    ) -> Result<Vec<u64>, Fault> {
        let types = params.iter().map(|(_, ty)| ty);
        let whole = Layout::sequence(types.clone().map(Type::layout));
        let parts = types.zip(args).enumerate();
        let mut flat = Vec::new();
        if whole.flat <= MAX_FLAT_PARAMS {
            for (index, (ty, value)) in parts {
                self.flatten(ty, value, &mut flat)
                    .map_err(|fault| fault.inside(Step::Index(index)))?;
            }
        } else {
            let place = self.guest.allocate(whole.align, whole.size)?;
            let mut fields = Fields::new(place);
            for (index, (ty, value)) in parts {
                self.store(ty, value, fields.next(ty.layout()))
                    .map_err(|fault| fault.inside(Step::Index(index)))?;
            }
            flat.push(place.into());
        }
        Ok(flat)
    }

    /// Appends the core values of a value.
    fn flatten(&mut self, ty: &Type, value: &Ipld, flat: &mut Vec<u64>) -> Result<(), Fault> {
        let end = flat.len() + ty.layout().flat as usize;
        match shape(ty, value).map_err(Fault::mismatch)? {
            Shape::Scalar(bits) => flat.push(bits),
            Shape::Parts(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    self.flatten(part.ty, part.value, flat)
                        .map_err(|fault| fault.inside(part.step(index)))?;
                }
            }
            Shape::Case { position, payload } => {
                flat.push(position.into());
                if let Some((payload_ty, payload)) = payload {
                    self.flatten(payload_ty, payload, flat)
                        .map_err(|fault| in_case(fault, ty, value))?;
                }
                // The values that only longer cases use.
                flat.resize(end, 0);
            }
            Shape::Content(cid) if !ty.is_bytes() => {
                let value = self.fetch(cid)?;
                self.hops += 1;
                self.flatten(ty, &value, flat)?;
                self.hops -= 1;
            }
            indirect => {
                let (place, length) = self.pair(ty, indirect)?;
                flat.extend([u64::from(place), u64::from(length)]);
            }
        }
        Ok(())
    }

    /// Writes a value at a place that has room for it.
    fn store(&mut self, ty: &Type, value: &Ipld, at: u32) -> Result<(), Fault> {
        match shape(ty, value).map_err(Fault::mismatch)? {
            Shape::Scalar(bits) => self.put(at, bits, ty.layout().size),
            Shape::Parts(parts) => {
                let mut fields = Fields::new(at);
                for (index, part) in parts.iter().enumerate() {
                    let at = fields.next(part.ty.layout());
                    self.store(part.ty, part.value, at)
                        .map_err(|fault| fault.inside(part.step(index)))?;
                }
                Ok(())
            }
            Shape::Case { position, payload } => {
                let cases = case_count(ty);
                self.put(at, position.into(), discriminant_size(cases))?;
                let Some((payload_ty, payload)) = payload else {
                    return Ok(());
                };
                let at = at.saturating_add(ty.layout().payload_offset(cases));
                self.store(payload_ty, payload, at)
                    .map_err(|fault| in_case(fault, ty, value))
            }
            Shape::Content(cid) if !ty.is_bytes() => {
                let value = self.fetch(cid)?;
                self.hops += 1;
                self.store(ty, &value, at)?;
                self.hops -= 1;
                Ok(())
            }
            indirect => {
                let (place, length) = self.pair(ty, indirect)?;
                self.put(at, place.into(), 4)?;
                self.put(at.saturating_add(4), length.into(), 4)
            }
        }
    }

    /// Writes what is reached through a pointer and a length, and returns these.
    fn pair(&mut self, ty: &Type, indirect: Shape<'_, '_>) -> Result<(u32, u32), Fault> {
        match (indirect, ty.entry()) {
            (Shape::Text(text), _) => self.guest.text(text),
            (Shape::Bytes(bytes), _) => self.bytes(bytes),
            (Shape::Link(cid), _) => self.bytes(&cid.to_bytes()),
            (Shape::Content(cid), _) => self.content_bytes(cid),
            (Shape::Items { item, items }, _) => {
                let layout = item.layout();
                let (place, length) = self.allocate_list(items.len(), layout)?;
                let mut at = place;
                for (index, value) in items.iter().enumerate() {
                    self.store(item, value, at)
                        .map_err(|fault| fault.inside(Step::Index(index)))?;
                    at = at.saturating_add(layout.size);
                }
                Ok((place, length))
            }
            (Shape::Entries { value: ty, entries }, Some(entry)) => {
                self.entries(entry, ty, &entries)
            }
            _ => Err(Fault::mismatch(format!(
                "a value of type {ty} has no form in memory"
            ))),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(u32, u32), Fault> {
        let length = fits(bytes.len() as u64)?;
        let place = self.guest.allocate(1, length)?;
        self.place(place, length)?.copy_from_slice(bytes);
        Ok((place, length))
    }

    fn entries(
        &mut self,
        entry: &Tuple,
        ty: &Type,
        entries: &[(&str, &Ipld)],
    ) -> Result<(u32, u32), Fault> {
        let layout = entry.layout();
        let (place, length) = self.allocate_list(entries.len(), layout)?;
        let mut at = place;
        for (key, value) in entries {
            let (text, bytes) = self.guest.text(key)?;
            let mut fields = Fields::new(at);
            let key_at = fields.next(Layout::POINTER_PAIR);
            self.put(key_at, text.into(), 4)?;
            self.put(key_at.saturating_add(4), bytes.into(), 4)?;
            let value_at = fields.next(ty.layout());
            self.store(ty, value, value_at)
                .map_err(|fault| fault.inside(Step::Key((*key).to_owned())))?;
            at = at.saturating_add(layout.size);
        }
        Ok((place, length))
    }

    /// Lets the bytes behind a link be read into the guest's memory.
    fn content_bytes(&mut self, cid: &Cid) -> Result<(u32, u32), Fault> {
        self.go_on()?;
        let length = fits(
            self.content
                .size(cid)
                .map_err(|error| content_fault(cid, error))?,
        )?;
        let place = self.guest.allocate(1, length)?;
        let content = self.content;
        content
            .read(cid, self.place(place, length)?)
            .map_err(|error| content_fault(cid, error))?;
        Ok((place, length))
    }

    /// The value behind a link.
    fn fetch(&mut self, cid: &Cid) -> Result<Ipld, Fault> {
        self.go_on()?;
        if self.hops == MAX_HOPS {
            let error =
                ContentError::Wrong(format!("more than {MAX_HOPS} links one after the other"));
            return Err(content_fault(cid, error));
        }
        self.content
            .value(cid)
            .map_err(|error| content_fault(cid, error))
    }

    fn go_on(&self) -> Result<(), Fault> {
        self.watch
            .stopped()
            .map_or(Ok(()), |stop| Err(Fault::Stop(stop)))
    }

    fn allocate_list(&mut self, count: usize, item: Layout) -> Result<(u32, u32), Fault> {
        let length = fits(count as u64)?;
        let size = fits(u64::from(length) * u64::from(item.size))?;
        Ok((self.guest.allocate(item.align, size)?, length))
    }

    /// Writes the lowest `width` bytes of a core value.
    fn put(&mut self, at: u32, bits: u64, width: u32) -> Result<(), Fault> {
        let bytes = bits.to_le_bytes();
        let place = self.place(at, width)?;
        place
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = from);
        Ok(())
    }

    fn place(&mut self, at: u32, length: u32) -> Result<&mut [u8], Fault> {
        let (at, length) = (at as usize, length as usize);
        let memory = self
            .guest
            .memory()
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..length));
        memory.ok_or(Fault::Abi(
            "the guest's allocator returned memory that it does not have",
        ))
    }
}

/// The places of a record's fields, one after the other.
pub(crate) struct Fields {
    base: u32,
    offset: u32,
}

impl Fields {
    pub(crate) fn new(base: u32) -> Self {
        Self { base, offset: 0 }
    }

    pub(crate) fn next(&mut self, field: Layout) -> u32 {
        let at = crate::layout::align_to(self.offset, field.align);
        self.offset = at.saturating_add(field.size);
        self.base.saturating_add(at)
    }
}

/// Number of cases of a type whose values are cases.
pub(crate) fn case_count(ty: &Type) -> usize {
    match ty {
        Type::Variant(variant) => variant.cases().len(),
        Type::Enum(names) => names.len(),
        _ => 2,
    }
}

fn in_case(fault: Fault, ty: &Type, value: &Ipld) -> Fault {
    match case_step(ty, value) {
        Some(step) => fault.inside(step),
        None => fault,
    }
}

fn content_fault(cid: &Cid, error: ContentError) -> Fault {
    Fault::Content {
        path: crate::path::Path::default(),
        cid: Box::new(*cid),
        error,
    }
}

/// Lengths and sizes are 32-bit in a guest.
fn fits(length: u64) -> Result<u32, Fault> {
    u32::try_from(length).map_err(|_| {
        Fault::mismatch(format!(
            "{length} bytes or items do not fit into a 32-bit guest"
        ))
    })
}
