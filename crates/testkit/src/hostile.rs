//! Guests that mean harm, each with how it has to end. One kind a line of attack; the tests run all of them beside
//! harmless neighbours.

mod bombs;
mod loading;
mod results;
mod running;
mod world;

/// A guest that means harm.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// What it does.
    pub name: &'static str,
    /// The module.
    pub module: Vec<u8>,
    /// Arguments of its function `f`, as in a workflow file.
    pub args: &'static str,
    /// Limits of its task, as in a workflow file.
    pub config: &'static str,
    /// How it has to end.
    pub end: End,
}

/// How a hostile guest has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a result: the attack has no effect.
    Ok,
    /// At a limit, by the limit's name.
    Limit(&'static str),
    /// With an error of this `reason`, whose message has these words.
    Error(&'static str, &'static str),
    /// Before anything runs: the module is refused, with these words.
    Refused(&'static str),
}

/// All kinds.
#[must_use]
pub fn hostile() -> Vec<Hostile> {
    [
        running::kinds(),
        results::kinds(),
        world::kinds(),
        loading::kinds(),
        bombs::kinds(),
    ]
    .concat()
}

/// Limits of every hostile task that does not say otherwise.
const CONFIG: &str = "fuel: 50_000_000, memory: 32MiB, time: 2s";
/// The clock, not fuel, is what ends these.
const BY_THE_CLOCK: &str = "fuel: 900_000_000_000_000, memory: 32MiB, time: 300ms";

impl Hostile {
    fn new(name: &'static str, module: Vec<u8>, end: End) -> Self {
        Self {
            name,
            module,
            args: "",
            config: CONFIG,
            end,
        }
    }

    fn with(self, config: &'static str) -> Self {
        Self { config, ..self }
    }

    fn called_with(self, args: &'static str) -> Self {
        Self { args, ..self }
    }
}

/// A component from its text.
fn component(text: &str) -> Vec<u8> {
    crate::functions::component(text)
}

/// A component whose function `f` is the core function `f` of a module.
fn function(signature: &str, body: &str) -> Vec<u8> {
    with_types("", signature, body)
}

/// As [`function`], with types declared before.
fn with_types(types: &str, signature: &str, body: &str) -> Vec<u8> {
    component(&format!(
        r#"(component
          (core module $m (memory (export "memory") 1) {body})
          (core instance $i (instantiate $m))
          {types}
          (func (export "f") {signature} (canon lift (core func $i "f") (memory (core memory $i "memory")))))"#
    ))
}

/// A component with a core module of its own making, exporting `f: func() -> u32`.
fn bare(module: &str) -> Vec<u8> {
    component(&format!(
        r#"(component (core module $m {module}) (core instance $i (instantiate $m))
          (func (export "f") (result u32) (canon lift (core func $i "f"))))"#
    ))
}
