//! All `unsafe` of this workspace: two ways around what the engine offers in safe Rust.
//!
//! 1. [`call`] moves values between IPLD and a guest directly. The engine's own dynamic values cost 40 bytes a
//!    byte; its typed calls need types known when this program is compiled. Both go through the traits
//!    implemented here, whose members the engine keeps out of its documentation and its stability promise: an
//!    upgrade of the engine needs this file read again beside its `component/func/typed.rs`.
//! 2. [`map`] and [`deserialize`] load machine code that this program compiled earlier.
//!
//! What makes the traits' implementations sound does not depend on the layouts computed in this crate: every
//! slot that the engine may read is initialised, no slot is a reference (the canonical ABI passes numbers
//! only), and memory is reached through checked slices. A wrong layout would give wrong values, nothing worse.
#![allow(unsafe_code, reason = "the one audited place")]

use crate::cache::Verified;
use crate::compiler::Compiled;
use crate::content::Content;
use crate::fault::{Fault, Stop};
use crate::interface::Interface;
use crate::layout::MAX_FLAT_PARAMS;
use crate::lift::{Lifting, Source};
use crate::lower::{Guest, Lowering};
use crate::types::Type;
use crate::watch::Watch;
use ipvm_ipld::Ipld;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Func, Lift, Lower, TypedFunc,
};
use wasmtime::{Store, Trap, ValRaw};

/// Slots for parameters: as many as are ever passed directly, whatever the function takes.
const SLOTS: usize = MAX_FLAT_PARAMS as usize;

/// The arguments of one call.
pub(crate) struct Arguments<'a> {
    pub(crate) params: &'a [(String, Type)],
    pub(crate) args: &'a [Ipld],
    pub(crate) content: &'a dyn Content,
    pub(crate) watch: &'a Watch,
}

/// What a call is expected to return. [`Lift`] has no receiver and sees no store data, so this reaches it
/// through [`EXPECTED`].
pub(crate) struct Expected {
    pub(crate) interface: Arc<Interface>,
    pub(crate) function: usize,
    /// What the result may cost.
    pub(crate) budget: u64,
}

thread_local! {
    /// Set by [`call`] and taken by the lifting at its end, on one thread.
    static EXPECTED: RefCell<Option<Expected>> = const { RefCell::new(None) };
}

/// What a call returned.
struct Returned(Result<Ipld, Ipld>);

/// Calls a function with IPLD arguments, and returns its value, or its own error.
pub(crate) fn call<T: 'static>(
    store: &mut Store<T>,
    function: Func,
    arguments: Arguments<'_>,
    expected: Expected,
) -> wasmtime::Result<Result<Ipld, Ipld>> {
    // SAFETY: "the function takes these parameters and returns this" is what the compiler cannot check here, and
    // what it does not have to: the implementations below write at most `SLOTS` and read at most one core value,
    // the bounds that the engine itself uses for calls of unknown type (`Func::call_impl`).
    let function = unsafe { TypedFunc::<Arguments<'_>, Returned>::new_unchecked(function) };
    EXPECTED.set(Some(expected));
    let returned = function.call(store, arguments);
    EXPECTED.set(None);
    returned.map(|Returned(outcome)| outcome)
}

/// Loads compiled code from the disk, by mapping it: what is not used is not read, and processes share it.
pub(crate) fn map(engine: &wasmtime::Engine, artefact: &Verified) -> wasmtime::Result<Component> {
    let Some(path) = artefact.path() else {
        return deserialize(engine, &artefact.read()?);
    };
    // SAFETY: the file must hold what `Engine::precompile_component` returned, and must not change as long as it
    // is mapped. A `Verified` is an open file with the digest that this program wrote into it, in a folder that
    // only this user can write to; the path leads to that file even if another has its name by now; files there
    // are replaced or removed, which keeps what is mapped, but never written to. That it was made by this version
    // of the engine, for this processor, is checked by the engine.
    let mapped = unsafe { Component::deserialize_file(engine, path) };
    // Not every system has paths to open files.
    mapped.or_else(|_| deserialize(engine, &artefact.read()?))
}

/// Loads compiled code from memory.
pub(crate) fn deserialize(
    engine: &wasmtime::Engine,
    code: &Compiled,
) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what `Engine::precompile_component` returned. A `Compiled` comes from there, in
    // this process or in the compiling process that it started, or from a `Verified` file (see `map`).
    unsafe { Component::deserialize(engine, code.bytes()) }
}

// SAFETY: `Lower` is a sequence of `ValRaw`. `ABI` is used only for types of more than `MAX_FLAT_PARAMS` slots and
// inside other types, neither of which applies.
unsafe impl ComponentType for Arguments<'_> {
    type Lower = [ValRaw; SLOTS];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> wasmtime::Result<()> {
        Err(wasmtime::format_err!(
            "arguments are checked one by one as they are lowered"
        ))
    }
}

// SAFETY: see `Lower`; the type stands for a whole parameter list.
unsafe impl ComponentNamedList for Arguments<'_> {}

// SAFETY: `linear_lower_to_flat` initialises every slot before it can fail or return.
unsafe impl Lower for Arguments<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        let slots = dst.write([ValRaw::u64(0); SLOTS]);
        let mut lowering = Lowering {
            guest: Entered(cx),
            content: self.content,
            watch: self.watch,
            hops: 0,
        };
        let core = lowering
            .arguments(self.params, self.args)
            .map_err(Fault::into_engine)?;
        // 32-bit and float values are the lower bits of a slot (`ValRaw::u32`, `ValRaw::f32`).
        slots
            .iter_mut()
            .zip(core)
            .for_each(|(slot, core)| *slot = ValRaw::u64(core));
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> wasmtime::Result<()> {
        Err(wasmtime::format_err!(
            "arguments are not part of another value"
        ))
    }
}

// SAFETY: `Lower` is a sequence of `ValRaw`; `ABI` is used only for types of more than one slot.
unsafe impl ComponentType for Returned {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> wasmtime::Result<()> {
        Err(wasmtime::format_err!(
            "results are checked as they are lifted"
        ))
    }
}

// SAFETY: see `Lift`; the type stands for a whole result list.
unsafe impl ComponentNamedList for Returned {}

// SAFETY: reads one slot, which the engine or `Arguments` has initialised, as a number; everything else is read
// through checked slices.
unsafe impl Lift for Returned {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        _: InterfaceType,
        src: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        let expected = EXPECTED
            .take()
            .ok_or_else(|| wasmtime::format_err!("a result that nobody expects"))?;
        let function = expected.interface.functions.get(expected.function);
        let ty = function.and_then(|function| function.result.as_ref());
        let mut lifting = Lifting {
            source: Left(cx),
            budget: expected.budget,
        };
        let [slot] = src;
        lifting
            .result(ty, slot.get_u64())
            .map(Self)
            .map_err(Fault::into_engine)
    }

    fn linear_lift_from_memory(
        _: &mut LiftContext<'_>,
        _: InterfaceType,
        _: &[u8],
    ) -> wasmtime::Result<Self> {
        Err(wasmtime::format_err!(
            "a result is not part of another value"
        ))
    }
}

/// A guest that is about to be called.
struct Entered<'c, 'a, T: 'static>(&'c mut LowerContext<'a, T>);

impl<T> Guest for Entered<'_, '_, T> {
    fn allocate(&mut self, align: u32, size: u32) -> Result<u32, Fault> {
        let place = self
            .0
            .realloc(0, 0, align, size as usize)
            .map_err(guest_fault)?;
        u32::try_from(place).map_err(|_| Fault::Abi(BAD_MEMORY))
    }

    fn memory(&mut self) -> &mut [u8] {
        self.0.as_slice_mut()
    }

    fn text(&mut self, text: &str) -> Result<(u32, u32), Fault> {
        let mut pair = MaybeUninit::new([ValRaw::u64(0); 2]);
        text.linear_lower_to_flat(self.0, InterfaceType::String, &mut pair)
            .map_err(guest_fault)?;
        // SAFETY: initialised when it was made.
        let [place, length] = unsafe { pair.assume_init() };
        Ok((place.get_u32(), length.get_u32()))
    }
}

/// A guest that has returned.
struct Left<'c, 'a>(&'c mut LiftContext<'a>);

impl Source for Left<'_, '_> {
    fn memory(&self) -> &[u8] {
        self.0.memory()
    }

    fn text(&mut self, place: u32, length: u32, most: u64) -> Result<String, Fault> {
        /// Marks UTF-16 in the length of a `latin1+utf16` string (`CanonicalABI.md`).
        const UTF16_TAG: u32 = 1 << 31;
        let units = match self.0.options().string_encoding {
            StringEncoding::Utf8 | StringEncoding::Utf16 => length,
            StringEncoding::CompactUtf16 => length & !UTF16_TAG,
        };
        if u64::from(units) > most {
            return Err(Fault::Output);
        }
        let pair = [ValRaw::u32(place), ValRaw::u32(length)];
        String::linear_lift_from_flat(self.0, InterfaceType::String, &pair)
            .map_err(|_| Fault::Abi("the result has an invalid string"))
    }
}

const BAD_MEMORY: &str = "the guest's allocator returned memory that it does not have";

/// An error while memory was asked of the guest: it trapped, was stopped, or returned nonsense.
fn guest_fault(error: wasmtime::Error) -> Fault {
    if error.is::<Trap>() || error.is::<Stop>() {
        Fault::Guest(error)
    } else {
        Fault::Abi(BAD_MEMORY)
    }
}
