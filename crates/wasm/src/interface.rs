//! What functions a component has, and whether arguments fit them. Needs no engine, so that work whose results
//! are all known never starts one.

use crate::path::{Path, Step};
use crate::shape::{Shape, shape};
use crate::types::{Joined, Type};
use ipvm_ipld::Ipld;
use std::collections::BTreeMap;
use std::fmt;

/// Most functions listed in an error message.
const LISTED: usize = 20;
/// Longest names compared for a suggestion, in bytes.
const COMPARED: usize = 64;
/// The reserved keys that stand for the outcome of another task (wire-formats, "Await").
const AWAITS: [&str; 3] = ["await/*", "await/ok", "await/error"];

/// The functions that a component exports, in the order in which it exports them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The functions.
    pub functions: Vec<Function>,
}

/// A function of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The full name: `ipvm:image/image@0.1.0#thumbnail`; just the name if it is exported outside an interface.
    pub name: String,
    /// Names and types of the parameters.
    pub params: Vec<(String, Type)>,
    /// The type of the result, if there is one.
    pub result: Option<Type>,
}

/// Why a function was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is no function of this name.
    #[error("there is no function {name:?}{}; this module has {}", meant(.suggestion.as_ref()), list(.available))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The function that was probably meant.
        suggestion: Option<String>,
        /// The names of all functions, each as short as it may be.
        available: Vec<String>,
    },
    /// Several functions have this short name.
    #[error("the name {name:?} is not unique; write one of {}", list(.candidates))]
    Ambiguous {
        /// The name asked for.
        name: String,
        /// The full names it could mean.
        candidates: Vec<String>,
    },
}

/// An argument that does not fit its parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argument {}{}{path}: {message}", .index + 1, named(.param.as_ref()))]
pub struct ArgError {
    /// Position of the argument, from 0.
    pub index: usize,
    /// Name of its parameter, if there is one.
    pub param: Option<String>,
    /// Place inside the argument.
    pub path: Path,
    /// What is wrong there.
    pub message: String,
}

impl Interface {
    /// Finds a function by its full name, or by its short name if only one has it.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn find(&self, name: &str) -> Result<&Function, FindError> {
        self.position(name).and_then(|position| {
            self.functions
                .get(position)
                .ok_or_else(|| self.unknown(name))
        })
    }

    pub(crate) fn position(&self, name: &str) -> Result<usize, FindError> {
        if let Some(position) = self
            .functions
            .iter()
            .position(|function| function.name == name)
        {
            return Ok(position);
        }
        let mut short = self
            .functions
            .iter()
            .enumerate()
            .filter(|(_, function)| function.short_name() == name);
        match (short.next(), short.next()) {
            (Some((position, _)), None) => Ok(position),
            (None, _) => Err(self.unknown(name)),
            (Some(_), Some(_)) => Err(FindError::Ambiguous {
                name: name.to_owned(),
                candidates: self
                    .functions
                    .iter()
                    .filter(|function| function.short_name() == name)
                    .map(|function| function.name.clone())
                    .collect(),
            }),
        }
    }

    /// The short name of each function where no other has it, else its full name.
    fn shortest_names(&self) -> Vec<String> {
        let mut uses = BTreeMap::new();
        for function in &self.functions {
            *uses.entry(function.short_name()).or_insert(0_usize) += 1;
        }
        let shortest = |function: &Function| match uses.get(function.short_name()) {
            Some(1) => function.short_name().to_owned(),
            _ => function.name.clone(),
        };
        self.functions.iter().map(shortest).collect()
    }

    fn unknown(&self, name: &str) -> FindError {
        let suggestion = self
            .functions
            .iter()
            .filter(|function| name.len().max(function.short_name().len()) <= COMPARED)
            .map(|function| (distance(name, function.short_name()), function.short_name()))
            .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
            .min()
            .map(|(_, candidate)| candidate.to_owned());
        let available = self.shortest_names();
        FindError::Unknown {
            name: name.to_owned(),
            suggestion,
            available,
        }
    }
}

impl Function {
    /// The name inside its interface.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name
            .rsplit_once('#')
            .map_or(&self.name, |(_, short)| short)
    }

    /// What keeps the function from being called at all: a type that has no form as content, by its name.
    #[must_use]
    pub fn unsupported(&self) -> Option<&str> {
        let params = self.params.iter().map(|(_, ty)| ty.unsupported());
        let result = self.result.as_ref().map(|result| match result {
            Type::Result(sides) => {
                let error = sides.error().and_then(Type::unsupported);
                sides.ok().and_then(value_unsupported).or(error)
            }
            value => value_unsupported(value),
        });
        params.chain(result).flatten().next()
    }

    /// Whether the function may ask for effects: it returns `effects`, alone or as the second of a `tuple`, as its whole
    /// result or as the ok value of it.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.asking() != Asking::Nothing
    }

    /// Where in its value the function says what it asks for.
    pub(crate) fn asking(&self) -> Asking {
        let value = match &self.result {
            Some(Type::Result(sides)) => sides.ok(),
            value => value.as_ref(),
        };
        match value {
            Some(Type::Effects) => Asking::Whole,
            Some(Type::Tuple(tuple)) if matches!(tuple.types(), [_, Type::Effects]) => {
                Asking::Second
            }
            _ => Asking::Nothing,
        }
    }

    /// Whether arguments as written in a task fit the parameters. An await (`{"await/ok": link}`) fits
    /// everything, as its value is not known yet; so does a link, which stands for what it points to.
    ///
    /// # Errors
    /// The first argument that does not fit, the place in it, and what would.
    pub fn check(&self, args: &[Ipld]) -> Result<(), ArgError> {
        self.check_count(args)?;
        for (index, ((_, ty), value)) in self.params.iter().zip(args).enumerate() {
            check(ty, value).map_err(|(path, message)| self.arg_error(index, path, message))?;
        }
        Ok(())
    }

    pub(crate) fn check_count(&self, args: &[Ipld]) -> Result<(), ArgError> {
        if args.len() == self.params.len() {
            return Ok(());
        }
        let names = self
            .params
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let message = format!(
            "expected {} arguments ({names}), got {}",
            self.params.len(),
            args.len()
        );
        Err(self.arg_error(args.len().min(self.params.len()), Path::default(), message))
    }

    pub(crate) fn arg_error(&self, index: usize, path: Path, message: String) -> ArgError {
        ArgError {
            index,
            param: self.params.get(index).map(|(name, _)| name.clone()),
            path,
            message,
        }
    }
}

/// Goes through a value as far as it is known.
fn check(ty: &Type, value: &Ipld) -> Result<(), (Path, String)> {
    if is_await(value) {
        return Ok(());
    }
    let at = |step: Step, result: Result<(), (Path, String)>| {
        result.map_err(|(mut path, message)| {
            path.enter(step);
            (path, message)
        })
    };
    match shape(ty, value).map_err(|message| (Path::default(), message))? {
        Shape::Items { item, items } => items
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| at(Step::Index(index), check(item, value))),
        Shape::Entries { value: ty, entries } => entries
            .into_iter()
            .try_for_each(|(key, value)| at(Step::Key(key.to_owned()), check(ty, value))),
        Shape::Parts(parts) => parts
            .into_iter()
            .enumerate()
            .try_for_each(|(index, part)| at(part.step(index), check(part.ty, part.value))),
        Shape::Case {
            payload: Some((payload_ty, payload)),
            ..
        } => {
            let result = check(payload_ty, payload);
            match case_step(ty, value) {
                Some(step) => at(step, result),
                None => result,
            }
        }
        Shape::Case { payload: None, .. }
        | Shape::Scalar(_)
        | Shape::Text(_)
        | Shape::Bytes(_)
        | Shape::Content(_)
        | Shape::Link(_) => Ok(()),
    }
}

/// The step from a value to the payload of its case: an option that is not nested adds none.
pub(crate) fn case_step(ty: &Type, value: &Ipld) -> Option<Step> {
    match (ty, value) {
        (Type::Variant(_) | Type::Result(_), Ipld::Map(map)) => {
            map.keys().next().cloned().map(Step::Key)
        }
        (Type::Option(_), Ipld::List(_)) if ty.is_nested_option() => Some(Step::Index(0)),
        _ => None,
    }
}

fn is_await(value: &Ipld) -> bool {
    let Ipld::Map(map) = value else { return false };
    let mut entries = map.iter();
    matches!((entries.next(), entries.next()), (Some((key, Ipld::Link(_))), None) if AWAITS.contains(&key.as_str()))
}

/// Edit distance (Levenshtein), for suggestions.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        for (to, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = *cell;
            previous = substituted.min(previous + 1).min(diagonal + 1);
            *cell = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn meant(suggestion: Option<&String>) -> String {
    suggestion.map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

fn named(param: Option<&String>) -> String {
    param.map_or_else(String::new, |name| format!(" ({name})"))
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "no functions".to_owned();
    }
    let mut text = names
        .iter()
        .take(LISTED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > LISTED {
        text.push_str(", …");
    }
    text
}

impl fmt::Display for Function {
    /// WIT syntax, with the short name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = self.params.iter().map(|(name, ty)| format!("{name}: {ty}"));
        write!(f, "{}: func({})", self.short_name(), Joined(params))?;
        self.result
            .as_ref()
            .map_or(Ok(()), |ty| write!(f, " -> {ty}"))
    }
}

/// Where in its value a function says what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// Nowhere.
    Nothing,
    /// The value is that, and nothing else.
    Whole,
    /// The value is a pair, of which it is the second.
    Second,
}

/// The first part of a function's value that has no form as content.
fn value_unsupported(value: &Type) -> Option<&str> {
    match value {
        Type::Effects => None,
        Type::Tuple(tuple) => match tuple.types() {
            [own, Type::Effects] => own.unsupported(),
            _ => value.unsupported(),
        },
        _ => value.unsupported(),
    }
}

#[cfg(test)]
mod tests {
    use super::distance;

    /// Wrong distances would suggest a function that has nothing to do with the one asked for.
    #[test]
    fn edit_distances() {
        for (left, right, expect) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("resize", "resize", 0),
            ("resiz", "resize", 1),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(left, right), expect, "{left} {right}");
        }
    }
}
