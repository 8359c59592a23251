//! How much a request may use.
//!
//! A right to `/wasm/run` is one to the usual limits of a task. A right to `/workflow/run` is one to as much as its
//! policies allow: they see `{workflow, fuel, memory, time, commands}`.

use std::collections::BTreeMap;

use ipvm_ipld::fields::{Fields, as_unsigned};
use ipvm_ipld::{Cid, Ipld};
use ipvm_ucan::{Kind, Refusal};
use ipvm_workflow::{Config, Limits, Plan};

use super::gate::refuse;
use crate::memo::Args;
use crate::{Node, NodeError};

/// The key of a request's meta with its limits.
pub(crate) const META: &str = "ipvm";
/// Most fuel that anybody may ask for.
const MAX_FUEL: u64 = 1 << 50;
/// Most memory that anybody may ask for, in bytes: all that 32-bit Wasm can address.
const MAX_MEMORY: u64 = 4 << 30;
/// Most time that anybody may ask for, in milliseconds: a day.
const MAX_TIME: u64 = 24 * 60 * 60 * 1000;

/// Limits as somebody asks for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Most fuel.
    pub fuel: Option<u64>,
    /// Most memory, in bytes.
    pub memory: Option<u64>,
    /// Most time, in milliseconds.
    pub time: Option<u64>,
}

impl Bounds {
    /// The limits on the wire; none if there are none.
    pub(crate) fn to_ipld(self) -> Option<Ipld> {
        let entries = [
            ("fuel", self.fuel),
            ("memory", self.memory),
            ("time", self.time),
        ];
        let map: BTreeMap<String, Ipld> = entries
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Ipld::Integer(value?.into()))))
            .collect();
        (!map.is_empty()).then_some(Ipld::Map(map))
    }

    /// The limits in a request's meta.
    pub(crate) fn of_meta(meta: Option<&BTreeMap<String, Ipld>>) -> Result<Self, Refusal> {
        let Some(value) = meta.and_then(|meta| meta.get(META)) else {
            return Ok(Self::default());
        };
        let read = || {
            let mut fields = Fields::new(value.clone(), "meta.ipvm")?;
            let bounds = Self {
                fuel: fields.get_optional("fuel", as_unsigned)?,
                memory: fields.get_optional("memory", as_unsigned)?,
                time: fields.get_optional("time", as_unsigned)?,
            };
            fields.finish()?;
            Ok(bounds)
        };
        read().map_err(|error: ipvm_ipld::fields::FieldError| {
            refuse(Kind::Malformed, "meta", error.to_string())
        })
    }
}

/// Limits that a request really has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) fuel: u64,
    pub(crate) memory: u64,
    pub(crate) time: u64,
}

impl Budget {
    /// The usual limits of a task.
    pub(crate) fn usual() -> Self {
        let Limits {
            fuel, memory, time, ..
        } = Config::cascade(None, None);
        Self { fuel, memory, time }
    }

    /// What is asked for, else what is usual; never more than anybody may ask for.
    pub(crate) fn of(bounds: Bounds) -> Self {
        let usual = Self::usual();
        Self {
            fuel: bounds.fuel.unwrap_or(usual.fuel).min(MAX_FUEL),
            memory: bounds.memory.unwrap_or(usual.memory).min(MAX_MEMORY),
            time: bounds.time.unwrap_or(usual.time).min(MAX_TIME),
        }
    }

    /// The configuration of a task with these limits.
    pub(crate) fn config(self) -> Config {
        Config {
            fuel: Some(self.fuel),
            memory: Some(self.memory),
            time: Some(self.time),
            ..Config::default()
        }
    }

    /// Requires that it is within the usual limits.
    pub(crate) fn require_usual(self) -> Result<(), Refusal> {
        let usual = Self::usual();
        self.require_within(usual, |what, asked, most| {
            format!(
                "the request asks for {asked} {what}; the right to /wasm/run is one to {most}, and more needs /workflow/run"
            )
        })
    }

    fn require_within(
        self,
        most: Self,
        words: impl Fn(&str, u64, u64) -> String,
    ) -> Result<(), Refusal> {
        let each = [
            ("fuel", self.fuel, most.fuel),
            ("bytes of memory", self.memory, most.memory),
            ("milliseconds", self.time, most.time),
        ];
        match each.into_iter().find(|(_, asked, most)| asked > most) {
            Some((what, asked, most)) => {
                Err(refuse(Kind::MatchError, "args", words(what, asked, most)))
            }
            None => Ok(()),
        }
    }

    /// The arguments of `/workflow/run` that policies see.
    pub(crate) fn args(self, workflow: Cid, commands: &[&str]) -> Args {
        let number = |number: u64| Ipld::Integer(number.into());
        let commands = commands.iter().map(|cmd| Ipld::String((*cmd).to_owned()));
        BTreeMap::from([
            ("workflow".to_owned(), Ipld::Link(workflow)),
            ("fuel".to_owned(), number(self.fuel)),
            ("memory".to_owned(), number(self.memory)),
            ("time".to_owned(), number(self.time)),
            ("commands".to_owned(), Ipld::List(commands.collect())),
        ])
    }

    /// Requires that all steps of a plan together keep within it: fuel and time in total, memory each.
    pub(crate) fn require_plan(self, plan: &Plan) -> Result<(), NodeError> {
        let mut whole = Self {
            fuel: 0,
            memory: 0,
            time: 0,
        };
        for step in 0..plan.len() as u32 {
            let limits = plan.limits(step);
            whole.fuel = whole.fuel.saturating_add(limits.fuel);
            whole.time = whole.time.saturating_add(limits.time);
            whole.memory = whole.memory.max(limits.memory);
        }
        Ok(whole.require_within(self, |what, asked, most| {
            format!(
                "the tasks of the workflow may use {asked} {what} by their limits, and the request says {most}: set `defaults` in the workflow"
            )
        })?)
    }
}

impl Node {
    /// The limits in the arguments of `/workflow/run`.
    pub(crate) fn budget_of(args: &Args) -> Result<(Cid, Budget, Vec<String>), Refusal> {
        let read = || {
            let mut fields = Fields::new(Ipld::Map(args.clone()), "args")?;
            let workflow = fields.get("workflow", ipvm_ipld::fields::as_link)?;
            let budget = Budget {
                fuel: fields.get("fuel", as_unsigned)?,
                memory: fields.get("memory", as_unsigned)?,
                time: fields.get("time", as_unsigned)?,
            };
            let commands = fields.get("commands", ipvm_ipld::fields::as_list)?;
            fields.finish()?;
            let commands = commands.into_iter();
            let commands: Result<Vec<String>, _> = commands
                .map(|command| ipvm_ipld::fields::as_string(command, "args.commands"))
                .collect();
            Ok((workflow, budget, commands?))
        };
        read().map_err(|error: ipvm_ipld::fields::FieldError| {
            refuse(Kind::Malformed, "args", error.to_string())
        })
    }
}
