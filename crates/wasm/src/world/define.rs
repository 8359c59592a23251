//! How a part of the world is defined: functions, what each call of one costs, and resources.

use super::imports::Known;
use super::state::State;
use crate::fault::Fault;
use wasmtime::component::{
    ComponentNamedList, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
};
use wasmtime::{StoreContextMut, Trap};

/// Version under which interfaces are defined: stands for every 0.2.x.
const VERSION: &str = "0.2.0";
/// Fuel of a call into the world: about what it takes, compared with instructions of the guest.
const CALL_FUEL: u64 = 500;

/// A guest that called, and is waiting.
pub(super) type Caller<'a> = StoreContextMut<'a, State>;

/// Where the world is being defined.
pub(super) struct Definer<'a> {
    pub(super) linker: &'a mut Linker<State>,
    pub(super) known: &'a mut Known,
}

/// An interface that is being defined.
pub(super) struct Interface<'a> {
    name: &'static str,
    instance: LinkerInstance<'a, State>,
    known: &'a mut Known,
}

impl Definer<'_> {
    /// Begins an interface; the name is without version.
    pub(super) fn interface(&mut self, name: &'static str) -> wasmtime::Result<Interface<'_>> {
        Ok(Interface {
            name,
            instance: self.linker.instance(&format!("{name}@{VERSION}"))?,
            known: self.known,
        })
    }
}

impl Interface<'_> {
    /// Defines a function.
    pub(super) fn function<P, R>(
        &mut self,
        name: &'static str,
        body: impl Fn(&mut Caller<'_>, P) -> wasmtime::Result<R> + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + 'static,
        R: ComponentNamedList + Lower + 'static,
    {
        self.known.add(self.name, name);
        self.instance
            .func_wrap(name, move |mut caller: Caller<'_>, params: P| {
                charge(&mut caller, CALL_FUEL)?;
                body(&mut caller, params)
            })
    }

    /// Defines a resource whose values are in [`State::resources`].
    pub(super) fn resource<T: Send + 'static>(
        &mut self,
        name: &'static str,
    ) -> wasmtime::Result<()> {
        self.known.add(self.name, name);
        self.instance
            .resource(name, ResourceType::host::<T>(), |mut caller, rep| {
                let resource = Resource::<T>::new_own(rep);
                caller
                    .data_mut()
                    .resources
                    .delete(resource)
                    .map_err(|_| trap("a resource was dropped twice"))?;
                Ok(())
            })
    }

    /// Defines methods of resources that no guest can come by. They are there to be imported.
    pub(super) fn out_of_reach(
        &mut self,
        names: impl IntoIterator<Item = &'static str>,
    ) -> wasmtime::Result<()> {
        for name in names {
            self.known.add(self.name, name);
            let message = format!("{}#{name} was called without a resource", self.name);
            self.instance
                .func_new(name, move |_, _, _, _| Err(trap(message.clone())))?;
        }
        Ok(())
    }
}

/// Takes fuel for work done for the guest.
///
/// # Errors
/// If there is not enough, or the call has to stop.
pub(super) fn charge(caller: &mut Caller<'_>, fuel: u64) -> wasmtime::Result<()> {
    caller.data().check()?;
    let left = caller.get_fuel()?.checked_sub(fuel);
    caller.set_fuel(left.unwrap_or(0))?;
    match left {
        Some(_) => Ok(()),
        None => Err(Trap::OutOfFuel.into()),
    }
}

/// What ends a call that did what functions cannot do.
pub(super) fn trap(message: impl Into<String>) -> wasmtime::Error {
    Fault::Refused(message.into()).into_engine()
}
