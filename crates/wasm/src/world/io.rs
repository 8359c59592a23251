//! Streams and waiting (`wasi:io`).

use super::define::{Caller, Definer, Interface, charge, trap};
use super::log::Stream;
use wasmtime::component::{ComponentType, Lift, Lower, Resource, WasmList};

/// Most bytes that one write may have.
const MAX_WRITE: u64 = 64 << 10;
/// Most pollables that one poll may have.
const MAX_POLL: usize = super::MAX_HANDLES;
/// Fuel of each pollable in a poll.
const POLLABLE_FUEL: u64 = 50;

/// Standard input, at its end.
pub(super) struct InputStream;

/// Standard output or standard error.
pub(super) struct OutputStream(pub(super) Stream);

/// Something to wait for: the time at which it is there, on the monotonic clock, in nanoseconds.
pub(super) struct Pollable(pub(super) u64);

/// Why a stream failed. None ever fails with one.
pub(super) struct StreamFailure;

/// Something that is there already.
const READY: Pollable = Pollable(0);

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<StreamFailure>),
    #[component(name = "closed")]
    Closed,
}

type StreamResult<T> = (Result<T, StreamError>,);

pub(super) fn define(definer: &mut Definer<'_>) -> wasmtime::Result<()> {
    let mut error = definer.interface("wasi:io/error")?;
    error.resource::<StreamFailure>("error")?;
    error.out_of_reach(["[method]error.to-debug-string"])?;

    let mut poll = definer.interface("wasi:io/poll")?;
    poll.resource::<Pollable>("pollable")?;
    poll.function("[method]pollable.ready", |caller, (pollable,)| {
        Ok((wake(caller, &pollable)? <= caller.data().clock.now(),))
    })?;
    poll.function("[method]pollable.block", |caller, (pollable,)| {
        let wake = wake(caller, &pollable)?;
        caller.data_mut().clock.sleep_until(wake);
        Ok(())
    })?;
    poll.function("poll", |caller, (list,)| Ok((wait(caller, &list)?,)))?;

    let mut streams = definer.interface("wasi:io/streams")?;
    inputs(&mut streams)?;
    outputs(&mut streams)
}

fn inputs(streams: &mut Interface<'_>) -> wasmtime::Result<()> {
    type Params = (Resource<InputStream>, u64);
    streams.resource::<InputStream>("input-stream")?;
    for name in [
        "[method]input-stream.read",
        "[method]input-stream.blocking-read",
    ] {
        streams.function(
            name,
            |_, _: Params| -> wasmtime::Result<StreamResult<Vec<u8>>> {
                Ok((Err(StreamError::Closed),))
            },
        )?;
    }
    for name in [
        "[method]input-stream.skip",
        "[method]input-stream.blocking-skip",
    ] {
        streams.function(
            name,
            |_, _: Params| -> wasmtime::Result<StreamResult<u64>> {
                Ok((Err(StreamError::Closed),))
            },
        )?;
    }
    streams.function(
        "[method]input-stream.subscribe",
        |caller, _: (Resource<InputStream>,)| Ok((caller.data_mut().resource(READY)?,)),
    )
}

fn outputs(streams: &mut Interface<'_>) -> wasmtime::Result<()> {
    type This = Resource<OutputStream>;
    streams.resource::<OutputStream>("output-stream")?;
    streams.function(
        "[method]output-stream.check-write",
        // Not what is left of the log: a limit must not be seen by the guest.
        |_, _: (This,)| -> wasmtime::Result<StreamResult<u64>> { Ok((Ok(MAX_WRITE),)) },
    )?;
    for name in [
        "[method]output-stream.write",
        "[method]output-stream.blocking-write-and-flush",
    ] {
        streams.function(name, |caller, (this, bytes): (This, WasmList<u8>)| {
            write(caller, &this, &bytes)
        })?;
    }
    for name in [
        "[method]output-stream.write-zeroes",
        "[method]output-stream.blocking-write-zeroes-and-flush",
    ] {
        streams.function(name, |caller, (this, count): (This, u64)| {
            write_zeroes(caller, &this, count)
        })?;
    }
    for name in [
        "[method]output-stream.flush",
        "[method]output-stream.blocking-flush",
    ] {
        streams.function(
            name,
            |_, _: (This,)| -> wasmtime::Result<StreamResult<()>> { Ok((Ok(()),)) },
        )?;
    }
    for name in [
        "[method]output-stream.splice",
        "[method]output-stream.blocking-splice",
    ] {
        type Params = (This, Resource<InputStream>, u64);
        streams.function(
            name,
            |_, _: Params| -> wasmtime::Result<StreamResult<u64>> {
                Ok((Err(StreamError::Closed),))
            },
        )?;
    }
    streams.function("[method]output-stream.subscribe", |caller, _: (This,)| {
        Ok((caller.data_mut().resource(READY)?,))
    })
}

fn write(
    caller: &mut Caller<'_>,
    this: &Resource<OutputStream>,
    list: &WasmList<u8>,
) -> wasmtime::Result<StreamResult<()>> {
    pay_for_bytes(caller, list.len() as u64)?;
    let bytes = list.as_le_slice(&*caller).to_vec();
    print(caller, this, &bytes)
}

fn write_zeroes(
    caller: &mut Caller<'_>,
    this: &Resource<OutputStream>,
    count: u64,
) -> wasmtime::Result<StreamResult<()>> {
    let count = pay_for_bytes(caller, count)?;
    print(caller, this, &vec![0; count])
}

fn pay_for_bytes(caller: &mut Caller<'_>, count: u64) -> wasmtime::Result<usize> {
    if count > MAX_WRITE {
        return Err(trap(format!(
            "{count} bytes were written at once; at most {MAX_WRITE} may be, as check-write says"
        )));
    }
    charge(caller, count)?;
    Ok(usize::try_from(count)?)
}

fn print(
    caller: &mut Caller<'_>,
    this: &Resource<OutputStream>,
    bytes: &[u8],
) -> wasmtime::Result<StreamResult<()>> {
    let state = caller.data_mut();
    let stream = state.resources.get(this)?.0;
    state.log.write(stream, bytes)?;
    Ok((Ok(()),))
}

fn wake(caller: &Caller<'_>, pollable: &Resource<Pollable>) -> wasmtime::Result<u64> {
    Ok(caller.data().resources.get(pollable)?.0)
}

/// Waits until at least one is there, and says which are.
fn wait(
    caller: &mut Caller<'_>,
    list: &WasmList<Resource<Pollable>>,
) -> wasmtime::Result<Vec<u32>> {
    if list.len() > MAX_POLL {
        let count = list.len();
        return Err(trap(format!(
            "a poll waits for {count} things; at most {MAX_POLL} are allowed"
        )));
    }
    charge(caller, POLLABLE_FUEL * list.len() as u64)?;
    let pollables = list
        .iter(&mut *caller)?
        .collect::<wasmtime::Result<Vec<_>>>()?;
    let wakes = pollables
        .iter()
        .map(|pollable| wake(caller, pollable))
        .collect::<wasmtime::Result<Vec<_>>>()?;
    let Some(earliest) = wakes.iter().min() else {
        return Err(trap("a poll waits for nothing, which would be for ever"));
    };
    let clock = &mut caller.data_mut().clock;
    clock.sleep_until(*earliest);
    let there = wakes.iter().zip(0..);
    Ok(there
        .filter(|(wake, _)| **wake <= clock.now())
        .map(|(_, index)| index)
        .collect())
}
