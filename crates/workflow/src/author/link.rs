//! From instances to tasks: who waits for whom, in which order, and the Task CIDs that follow.

use super::compiler::Compiler;
use super::document::{At, NodeId};
use super::file::{Call, File, Spec};
use super::labels::{Instance, Item, Target, Uses, uses};
use super::problem::Problem;
use super::terms;
use super::values::{Budget, Place, Scope};
use crate::class::{Class, class_of, is_pure, makes_secret};
use crate::config::Config;
use crate::graph::{Lists, MAX_AWAITS, order};
use crate::task::{Task, WASM_RUN, WasmCall, step_nonce};
use crate::workflow::{Handler, MAX_ARGS_DEPTH, MAX_TASK_BYTES, MAX_WORKFLOW_BYTES};
use ipvm_ipld::{Cid, Ipld, Limits, cbor, kind_name};
use ipvm_ucan::promise::Await;
use ipvm_ucan::{Command, Did};
use std::collections::BTreeMap;

/// Most labels of a cycle that a message names.
const CYCLE_SHOWN: usize = 12;

/// A call whose names have been looked up.
enum Ready {
    /// A function, and its name as the file has it.
    Wasm {
        module: Cid,
        function: String,
        name: String,
        /// Whether it may ask for effects.
        asks: bool,
    },
    /// Any other command.
    Command { command: Command, subject: Did },
}

/// A task that has been made. Only its encoding is kept: a hundred thousand decoded ones would fill the memory.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) awaits: Vec<Await>,
    pub(crate) class: Class,
    pub(crate) gives_secret: bool,
}

impl Made {
    /// The task itself; there always is one.
    fn task(&self) -> Option<Task> {
        let value = cbor::decode(&self.bytes, Limits::default()).ok()?;
        Task::from_ipld(value).ok()
    }
}

/// What is the same for all instances of a spec.
pub(crate) struct Prepared {
    call: Option<Ready>,
    undo: Option<Ready>,
    pub(crate) config: Option<Config>,
    pub(crate) rescue: Option<Handler>,
}

impl Prepared {
    /// Whether its tasks may do something to the world, or ask for it.
    pub(crate) fn has_effects(&self) -> bool {
        let calls = [&self.call, &self.undo];
        calls.into_iter().flatten().any(|ready| match ready {
            Ready::Wasm { asks, .. } => *asks,
            Ready::Command { command, .. } => !is_pure(command),
        })
    }
}

impl<'d> Compiler<'d, '_> {
    /// The instances in an order in which each comes after those that it awaits. `None` if the order cannot be
    /// found out; those on a cycle are left out.
    pub(crate) fn order(&mut self, file: &File<'d>, instances: &[Instance]) -> Option<Vec<u32>> {
        let found: Vec<Uses> = file
            .tasks
            .iter()
            .map(|spec| self.uses_of_spec(spec))
            .collect();
        let mut deps: Lists<u32> = Lists::default();
        for instance in instances {
            let Some(uses) = found.get(instance.spec) else {
                continue;
            };
            let of_item = self.uses_of_item(uses, instance);
            let mut list = Vec::new();
            for (at, target) in uses.awaits.iter().chain(&of_item.awaits) {
                let range = range(*target);
                if deps.len() + list.len() + range.len() > MAX_AWAITS {
                    self.report.add(At::Node(*at), Problem::TooManyAwaits);
                    return None;
                }
                list.extend(range);
            }
            deps.push(list);
        }
        let sorted = order(&deps, &deps.reversed());
        if sorted.len() < instances.len() {
            self.cycle(&found, instances, &deps, &sorted);
        }
        Some(sorted)
    }

    fn uses_of_spec(&mut self, spec: &Spec<'d>) -> Uses {
        // What undoes a task runs after all; it makes nobody wait, but has to name what there is.
        if let Some(args) = spec.undo.as_ref().and_then(Call::args) {
            self.uses(args);
        }
        spec.call
            .as_ref()
            .and_then(Call::args)
            .map(|args| self.uses(args))
            .unwrap_or_default()
    }

    fn uses_of_item(&mut self, uses: &Uses, instance: &Instance) -> Uses {
        match instance.item {
            Some(Item::Value { id, param: false }) if uses.item => self.uses(id),
            _ => Uses::default(),
        }
    }

    fn uses(&mut self, id: NodeId) -> Uses {
        let (report, labels) = (&mut self.report, &self.labels);
        uses(self.doc, labels, id, &mut |at, problem| {
            report.add(At::Node(at), problem)
        })
    }

    /// Names one cycle among the instances that could not be ordered, from its first in the file.
    fn cycle(&mut self, found: &[Uses], instances: &[Instance], deps: &Lists<u32>, sorted: &[u32]) {
        let mut stuck = vec![true; instances.len()];
        for step in sorted {
            if let Some(stuck) = stuck.get_mut(*step as usize) {
                *stuck = false;
            }
        }
        let is_stuck = |step: u32| stuck.get(step as usize).copied().unwrap_or(false);
        // Whoever is stuck awaits somebody who is: following that leads into a cycle.
        let next = |step: u32| deps.get(step).iter().copied().find(|dep| is_stuck(*dep));
        let mut seen = vec![false; instances.len()];
        let mut at = (0..)
            .zip(&stuck)
            .find(|(_, stuck)| **stuck)
            .map(|(step, _)| step);
        while let Some(step) = at {
            match seen.get_mut(step as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => break,
            }
            at = next(step);
        }
        let Some(entry) = at else { return };
        let mut cycle = vec![entry];
        cycle.extend(
            std::iter::successors(next(entry), |step| next(*step))
                .take_while(|step| *step != entry),
        );
        let first = cycle
            .iter()
            .enumerate()
            .min_by_key(|(_, step)| **step)
            .map_or(0, |(index, _)| index);
        cycle.rotate_left(first);
        self.report_cycle(found, instances, &cycle);
    }

    fn report_cycle(&mut self, found: &[Uses], instances: &[Instance], cycle: &[u32]) {
        let name = |step: &u32| {
            instances
                .get(*step as usize)
                .map(|instance| self.labels.name(instance))
        };
        let mut labels: Vec<String> = cycle.iter().take(CYCLE_SHOWN).filter_map(name).collect();
        if cycle.len() > CYCLE_SHOWN {
            labels.push(format!("… ({} more)", cycle.len() - CYCLE_SHOWN));
        }
        labels.extend(cycle.first().and_then(name));
        let Some(first) = cycle.first().and_then(|step| instances.get(*step as usize)) else {
            return;
        };
        let second = cycle.get(1).or(cycle.first()).copied();
        let Some(uses) = found.get(first.spec) else {
            return;
        };
        let of_item = self.uses_of_item(uses, first);
        let awaits = uses.awaits.iter().chain(&of_item.awaits);
        let place = awaits
            .into_iter()
            .find(|(_, target)| second.is_some_and(|step| range(*target).contains(&step)));
        if let Some((at, _)) = place {
            self.report.add(At::Node(*at), Problem::Cycle { labels });
        }
    }

    /// Looks up the names of a spec.
    pub(crate) fn prepare(&mut self, spec: &Spec<'d>, owner: &Did) -> Prepared {
        let call = spec.call.as_ref().and_then(|call| self.ready(call, owner));
        let undo = spec.undo.as_ref().and_then(|call| self.ready(call, owner));
        let (report, world) = (&mut self.report, &mut self.world);
        let config = spec.config.and_then(|id| terms::config(report, world, id));
        let rescue = spec.rescue.and_then(|id| terms::handler(report, world, id));
        Prepared {
            call,
            undo,
            config,
            rescue,
        }
    }

    fn ready(&mut self, call: &Call, owner: &Did) -> Option<Ready> {
        let (report, world) = (&mut self.report, &mut self.world);
        match call {
            Call::Wasm {
                module: module_id,
                function: function_id,
                ..
            } => {
                let (path, name) = (self.doc.text(*module_id)?, self.doc.text(*function_id)?);
                let module = world.module(report, At::Node(*module_id), path)?;
                let at = (At::Node(*module_id), At::Node(*function_id));
                let function = world.function(report, at, module, name)?;
                Some(Ready::Wasm {
                    module,
                    asks: world.asks(&module, &function),
                    function,
                    name: name.to_owned(),
                })
            }
            Call::Command {
                command, subject, ..
            } => {
                let subject = match subject {
                    Some(id) => terms::did(report, world, *id)?,
                    None => owner.clone(),
                };
                Some(Ready::Command {
                    command: command.clone(),
                    subject,
                })
            }
        }
    }

    /// The task of an instance, with its CID.
    pub(crate) fn task(
        &mut self,
        spec: &Spec<'d>,
        prepared: &Prepared,
        instance: &Instance,
        context: (&Did, &[u8]),
    ) -> Option<Made> {
        self.called(
            spec.call.as_ref()?,
            spec.at,
            prepared.call.as_ref(),
            instance,
            context,
        )
    }

    /// The task that undoes that of an instance.
    pub(crate) fn undo(
        &mut self,
        spec: &Spec<'d>,
        prepared: &Prepared,
        instance: &Instance,
        context: (&Did, &[u8]),
    ) -> Option<Task> {
        let call = spec.undo.as_ref()?;
        self.called(call, spec.at, prepared.undo.as_ref(), instance, context)
            .and_then(|made| made.task())
    }

    /// A call as a task; `context` is the owner and the workflow's nonce.
    fn called(
        &mut self,
        call: &Call,
        at: At,
        ready: Option<&Ready>,
        instance: &Instance,
        (owner, nonce): (&Did, &[u8]),
    ) -> Option<Made> {
        let args = match call.args() {
            Some(id) => {
                let scope = Scope {
                    place: Place::Args,
                    item: instance.item.as_ref(),
                };
                let value = self.value(id, scope, &mut Budget::of_task());
                Some((value?, id))
            }
            None => None,
        };
        let at = args.as_ref().map_or(at, |(_, id)| At::Node(*id));
        let task = match ready? {
            Ready::Wasm {
                module,
                function,
                name,
                ..
            } => {
                let items = self.listed_args(args)?;
                self.check(call, at, (module, function, name), &items)?;
                let call = WasmCall {
                    module: *module,
                    function: function.clone(),
                    args: items,
                };
                let cmd: Command = WASM_RUN.parse().ok()?;
                Task {
                    sub: owner.clone(),
                    cmd,
                    args: call.into_args(),
                    nonce: Vec::new(),
                }
            }
            Ready::Command { command, subject } => {
                let args = self.named_args(args)?;
                let label = self.labels.name(instance);
                let nonce = if call.is_pure() {
                    Vec::new()
                } else {
                    step_nonce(nonce, &label)
                };
                Task {
                    sub: subject.clone(),
                    cmd: command.clone(),
                    args,
                    nonce,
                }
            }
        };
        self.made(task, at)
    }

    /// Arguments of a function: a list.
    fn listed_args(&mut self, args: Option<(Ipld, NodeId)>) -> Option<Vec<Ipld>> {
        match args {
            None => Some(Vec::new()),
            Some((Ipld::List(items), _)) => Some(items),
            Some((other, id)) => {
                let (kind, expected) = ("function", "a list");
                self.report.add(
                    At::Node(id),
                    Problem::BadArgs {
                        kind,
                        expected,
                        found: found(&other),
                    },
                );
                None
            }
        }
    }

    /// Arguments of a command: a map, which cannot be a promise as a whole.
    fn named_args(&mut self, args: Option<(Ipld, NodeId)>) -> Option<BTreeMap<String, Ipld>> {
        match args {
            None => Some(BTreeMap::new()),
            Some((Ipld::Map(map), _)) if matches!(Await::from_map(&map), Ok(None)) => Some(map),
            Some((other, id)) => {
                let (kind, expected) = ("command", "a map");
                self.report.add(
                    At::Node(id),
                    Problem::BadArgs {
                        kind,
                        expected,
                        found: found(&other),
                    },
                );
                None
            }
        }
    }

    /// Has the arguments checked against the function's type.
    fn check(
        &mut self,
        call: &Call,
        at: At,
        function: (&Cid, &str, &str),
        args: &[Ipld],
    ) -> Option<()> {
        let (module, full, name) = function;
        let Err(e) = self.world.check_args(module, full, args) else {
            return Some(());
        };
        let items = call.args().and_then(|id| self.doc.items(id));
        let item = e.index.and_then(|index| items?.get(index));
        let problem = Problem::Argument {
            function: name.to_owned(),
            message: e.message,
            help: e.help,
        };
        self.report
            .add(item.map_or(at, |id| At::Node(*id)), problem);
        None
    }

    /// The task encoded, if it and all tasks together are not too large.
    fn made(&mut self, task: Task, at: At) -> Option<Made> {
        if task.args.values().any(|arg| levels(arg) >= MAX_ARGS_DEPTH) {
            self.report.add(at, Problem::ArgsTooDeep);
            return None;
        }
        let class = class_of(&task.cmd).unwrap_or(Class::Mutation);
        let gives_secret = makes_secret(&task.cmd);
        let encode = |message: String| Problem::Encode { message };
        let awaits = match task.awaits() {
            Ok(awaits) => awaits,
            // It is reported already, with its place.
            Err(_) if !self.report.is_empty() => return None,
            Err(e) => {
                self.report.add(at, encode(e.to_string()));
                return None;
            }
        };
        let bytes = cbor::encode(&task.into_ipld());
        let bytes = bytes.map_err(|e| self.report.add(at, encode(e.to_string())));
        let bytes = bytes.ok()?;
        let before = self.bytes;
        self.bytes += bytes.len();
        if bytes.len() > MAX_TASK_BYTES {
            self.report.add(
                at,
                Problem::TooLarge {
                    most: MAX_TASK_BYTES,
                },
            );
            return None;
        }
        if self.bytes > MAX_WORKFLOW_BYTES {
            if before <= MAX_WORKFLOW_BYTES {
                self.report.add(at, Problem::WorkflowTooLarge);
            }
            return None;
        }
        Some(Made {
            bytes: bytes.into_boxed_slice(),
            awaits,
            class,
            gives_secret,
        })
    }
}

/// The instances that a target names.
fn range(target: Target) -> std::ops::Range<u32> {
    match target {
        Target::One(step) => step..step + 1,
        Target::All { first, count } => first..first + count,
        Target::Outside(_) | Target::Broken => 0..0,
    }
}

/// Levels of nesting. The recursion is as deep as the file, and twice more for items and params.
fn levels(value: &Ipld) -> usize {
    1 + match value {
        Ipld::List(items) => items.iter().map(levels).max().unwrap_or(0),
        Ipld::Map(entries) => entries.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

/// The kind of a value; a promise is not just a map.
fn found(value: &Ipld) -> &'static str {
    match value {
        Ipld::Map(map) if matches!(Await::from_map(map), Ok(Some(_))) => "a promise",
        other => kind_name(other),
    }
}
