//! Outputs: which results become which files, all inside one folder.

use super::compiler::Compiler;
use super::document::{At, NodeId};
use super::labels::{Instance, Target};
use super::problem::Problem;
use super::similar;
use std::collections::BTreeMap;

/// Longest path of an output, in bytes.
const MAX_PATH: usize = 1_024;
/// What stands for an item's number.
const INDEX: &str = "{index}";

/// A result that becomes a file.
pub(crate) struct Wanted {
    pub(crate) label: String,
    pub(crate) instance: u32,
    pub(crate) path: String,
}

impl Compiler<'_, '_> {
    /// Reads the outputs: labels with paths.
    pub(crate) fn outputs(&mut self, id: NodeId, instances: &[Instance]) -> Vec<Wanted> {
        let entries = self
            .report
            .map(id, "a map of outputs", "write outputs: { label: path }")
            .unwrap_or_default();
        let mut all: Vec<Wanted> = Vec::new();
        let mut taken = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if self.report.is_full() {
                break;
            }
            let (at, help) = (
                At::Node(entry.value),
                "write a relative path such as small.jpg",
            );
            let target = self.output_target(At::Key(id, index), &entry.key);
            let Some(text) = self.report.text(entry.value, "the path of a file", help) else {
                continue;
            };
            let path = match relative(text) {
                Ok(path) => path,
                Err(why) => {
                    self.report.add(
                        at,
                        Problem::OutputPath {
                            path: text.to_owned(),
                            why,
                        },
                    );
                    continue;
                }
            };
            let Some(range) = self.output_range(target, at, &entry.key, &path) else {
                continue;
            };
            for (number, instance) in range.enumerate() {
                let path = path.replace(INDEX, &number.to_string());
                if let Some(label) = occupied(&mut taken, &path, &entry.key) {
                    self.report.add(at, Problem::OutputTwice { path, label });
                    break;
                }
                let label = instances
                    .get(instance as usize)
                    .map(|instance| self.labels.name(instance));
                all.push(Wanted {
                    label: label.unwrap_or_default(),
                    instance,
                    path,
                });
            }
        }
        all
    }

    fn output_target(&mut self, at: At, label: &str) -> Target {
        let problem = match self.labels.target(label) {
            Ok(Target::Outside(_)) => {
                let similar = similar::nearest(label, self.labels.names()).map(str::to_owned);
                Problem::UnknownLabel {
                    label: label.to_owned(),
                    similar,
                }
            }
            Ok(target) => return target,
            Err(problem) => problem,
        };
        self.report.add(at, problem);
        Target::Broken
    }

    /// The instances whose results are wanted, if the path has a number exactly where it needs one.
    fn output_range(
        &mut self,
        target: Target,
        at: At,
        label: &str,
        path: &str,
    ) -> Option<std::ops::Range<u32>> {
        let numbered = path.contains(INDEX);
        match target {
            Target::One(_) if numbered => {
                self.report.add(
                    at,
                    Problem::OutputIndexExtra {
                        label: label.to_owned(),
                    },
                );
                None
            }
            Target::One(step) => Some(step..step + 1),
            Target::All { .. } if !numbered => {
                let (label, path) = (label.to_owned(), path.to_owned());
                self.report
                    .add(at, Problem::OutputIndexMissing { label, path });
                None
            }
            Target::All { first, count } => Some(first..first + count),
            Target::Outside(_) | Target::Broken => None,
        }
    }
}

/// A path that stays inside its folder on every system, without `.` parts.
fn relative(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > MAX_PATH {
        return Err("it is too long");
    }
    if text.starts_with('/') || text.as_bytes().get(1) == Some(&b':') {
        return Err("it is absolute, and outputs stay inside the output folder");
    }
    if text.contains('\\') {
        return Err("it has a backslash");
    }
    if text.chars().any(char::is_control) {
        return Err("it has a control character");
    }
    if text.ends_with('/') {
        return Err("it names a folder");
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "." | ""))
        .collect();
    if parts.contains(&"..") {
        return Err("it leads out of the output folder");
    }
    if parts.is_empty() {
        return Err("it names a folder");
    }
    Ok(parts.join("/"))
}

/// Takes a path; gives the label that has it already, or has a file where this one needs a folder or the
/// other way round.
fn occupied(taken: &mut BTreeMap<String, String>, path: &str, label: &str) -> Option<String> {
    let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
    if let Some(other) = folders.chain([path]).find_map(|path| taken.get(path)) {
        return Some(other.clone());
    }
    let inside = format!("{path}/");
    let after = taken.range(inside.clone()..).next();
    if let Some((_, other)) = after.filter(|(path, _)| path.starts_with(&inside)) {
        return Some(other.clone());
    }
    taken.insert(path.to_owned(), label.to_owned());
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Breaks: a workflow of somebody else could write outside the output folder.
    #[test]
    fn paths_stay_inside() {
        let check = |text: &str, expect: Result<&str, &str>| {
            assert_eq!(
                relative(text).as_deref().map_err(|why| *why),
                expect,
                "{text}"
            );
        };
        check("a.jpg", Ok("a.jpg"));
        check("./b/./a.jpg", Ok("b/a.jpg"));
        check("b//a..jpg", Ok("b/a..jpg"));
        check("...", Ok("..."));
        check("", Err("it is empty"));
        check(
            "/etc/passwd",
            Err("it is absolute, and outputs stay inside the output folder"),
        );
        check(
            "C:\\x",
            Err("it is absolute, and outputs stay inside the output folder"),
        );
        check(
            "c:x",
            Err("it is absolute, and outputs stay inside the output folder"),
        );
        check("../a", Err("it leads out of the output folder"));
        check("a/../../b", Err("it leads out of the output folder"));
        check("a/..", Err("it leads out of the output folder"));
        check("a\\..\\b", Err("it has a backslash"));
        check("a\u{0}b", Err("it has a control character"));
        check("a/", Err("it names a folder"));
        check(".", Err("it names a folder"));
    }

    /// Breaks: one result would overwrite another, or could not be written at all.
    #[test]
    fn no_path_twice() {
        let mut taken = BTreeMap::new();
        let mut check = |path: &str, label: &str, expect: Option<&str>| {
            assert_eq!(
                occupied(&mut taken, path, label).as_deref(),
                expect,
                "{path}"
            );
        };
        check("a", "one", None);
        check("a", "two", Some("one"));
        check("a/b", "two", Some("one"));
        check("a-b", "two", None);
        check("c/d/e", "three", None);
        check("c/d", "four", Some("three"));
        check("c/d/f", "four", None);
    }
}
