//! What a component imports: what the world has, what it has only in name, and what is refused.

use super::define::trap;
use super::state::State;
use crate::engine::LoadError;
use std::collections::{BTreeMap, BTreeSet};
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, ResourceType};

/// Packages that functions never get, and that may be imported all the same: builds of some languages import
/// them whether a program uses them or not.
const DENIED_PACKAGES: [&str; 2] = ["wasi:http/", "wasi:sockets/"];

/// The functions and resources of each interface that is defined, by its name without version.
#[derive(Default)]
pub(super) struct Known(BTreeMap<&'static str, BTreeSet<&'static str>>);

impl Known {
    pub(super) fn add(&mut self, interface: &'static str, name: &'static str) {
        self.0.entry(interface).or_default().insert(name);
    }

    fn get(&self, interface: &str) -> Option<&BTreeSet<&'static str>> {
        self.0.get(interface)
    }
}

/// An imported interface that is there only in name.
pub(super) struct Denied {
    interface: String,
    functions: Vec<String>,
    resources: Vec<String>,
}

/// A resource that nobody has.
struct Nothing;

/// Looks at all imports. Types may be imported: they ask for nothing.
///
/// # Errors
/// The names of what is neither there nor there in name.
pub(super) fn check(component: &Component, known: &Known) -> Result<Vec<Denied>, LoadError> {
    let mut checking = Checking {
        component,
        known,
        resources: Vec::new(),
        denied: Vec::new(),
        refused: Vec::new(),
    };
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        checking.import(name, &import.ty);
    }
    if checking.refused.is_empty() {
        Ok(checking.denied)
    } else {
        Err(LoadError::UnknownImport {
            names: checking.refused,
        })
    }
}

/// Defines interfaces whose functions say that there is no such thing.
///
/// # Errors
/// If the engine does not take a definition.
pub(super) fn link_denied(linker: &mut Linker<State>, denied: Vec<Denied>) -> wasmtime::Result<()> {
    for Denied {
        interface,
        functions,
        resources,
    } in denied
    {
        let mut instance = linker.instance(&interface)?;
        for resource in resources {
            instance.resource(&resource, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
        }
        for function in functions {
            let message = format!("{interface}#{function} was called; functions have no network");
            instance.func_new(&function, move |_, _, _, _| Err(trap(message.clone())))?;
        }
    }
    Ok(())
}

struct Checking<'a> {
    component: &'a Component,
    known: &'a Known,
    /// Resources seen so far. One that is seen again is another name for it, and is not defined again.
    resources: Vec<ResourceType>,
    denied: Vec<Denied>,
    refused: Vec<String>,
}

impl Checking<'_> {
    fn import(&mut self, name: &str, ty: &ComponentItem) {
        match ty {
            ComponentItem::Type(_) => {}
            ComponentItem::ComponentInstance(instance) => {
                let known = unversioned(name).and_then(|interface| self.known.get(interface));
                match known {
                    Some(known) => self.known(name, instance, known),
                    None if is_denied(name) => self.denied(name, instance),
                    None => self.unknown(name, instance),
                }
            }
            _ => self.refused.push(name.to_owned()),
        }
    }

    fn known(&mut self, name: &str, instance: &ComponentInstance, known: &BTreeSet<&str>) {
        for (inner, export) in instance.exports(self.component.engine()) {
            let there = match &export.ty {
                ComponentItem::Type(_) => true,
                ComponentItem::ComponentFunc(_) => known.contains(inner),
                ComponentItem::Resource(ty) => !self.is_new(*ty) || known.contains(inner),
                _ => false,
            };
            if !there {
                self.refused.push(format!("{name}#{inner}"));
            }
        }
    }

    fn denied(&mut self, name: &str, instance: &ComponentInstance) {
        let mut denied = Denied {
            interface: name.to_owned(),
            functions: Vec::new(),
            resources: Vec::new(),
        };
        for (inner, export) in instance.exports(self.component.engine()) {
            match &export.ty {
                ComponentItem::Type(_) => {}
                ComponentItem::ComponentFunc(_) => denied.functions.push(inner.to_owned()),
                ComponentItem::Resource(ty) => {
                    if self.is_new(*ty) {
                        denied.resources.push(inner.to_owned());
                    }
                }
                _ => self.refused.push(format!("{name}#{inner}")),
            }
        }
        self.denied.push(denied);
    }

    fn unknown(&mut self, name: &str, instance: &ComponentInstance) {
        for (inner, export) in instance.exports(self.component.engine()) {
            let is_refused = match &export.ty {
                ComponentItem::Type(_) => false,
                ComponentItem::Resource(ty) => self.is_new(*ty),
                _ => true,
            };
            if is_refused {
                self.refused.push(format!("{name}#{inner}"));
            }
        }
    }

    fn is_new(&mut self, ty: ResourceType) -> bool {
        let is_new = !self.resources.contains(&ty);
        if is_new {
            self.resources.push(ty);
        }
        is_new
    }
}

fn is_denied(name: &str) -> bool {
    unversioned(name).is_some_and(|interface| {
        DENIED_PACKAGES
            .iter()
            .any(|package| interface.starts_with(package))
    })
}

/// The name of a WASI 0.2 interface without its version, whichever version of 0.2 it is.
fn unversioned(name: &str) -> Option<&str> {
    let (interface, version) = name.split_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    let is_number = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(interface)
}

#[cfg(test)]
mod tests {
    use super::{is_denied, unversioned};

    /// What another version means is not known, and a draft is not the version that it became.
    #[test]
    fn versions() {
        for (name, expect) in [
            ("wasi:cli/exit@0.2.0", Some("wasi:cli/exit")),
            ("wasi:cli/exit@0.2.12", Some("wasi:cli/exit")),
            ("wasi:cli/exit@0.2.", None),
            ("wasi:cli/exit@0.2.0-rc-2023-12-05", None),
            ("wasi:cli/exit@0.2", None),
            ("wasi:cli/exit@0.3.0", None),
            ("wasi:cli/exit@1.0.2", None),
            ("wasi:cli/exit", None),
            ("exit", None),
        ] {
            assert_eq!(unversioned(name), expect, "{name}");
        }
    }

    #[test]
    fn denied_packages() {
        for (name, expect) in [
            ("wasi:http/types@0.2.3", true),
            ("wasi:sockets/tcp@0.2.0", true),
            ("wasi:sockets-more/tcp@0.2.0", false),
            ("wasi:sockets/tcp@0.3.0", false),
            ("wasi:keyvalue/store@0.2.0", false),
            ("http/types@0.2.3", false),
        ] {
            assert_eq!(is_denied(name), expect, "{name}");
        }
    }
}
