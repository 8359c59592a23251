//! Rules on Rust text: sizes, heads, purity of the core, and what is never left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use super::Finding;
use super::layers::{Kind, Layer};
use super::lex::{self, Masked};

/// A file one can read in one sitting.
const MAX_FILE_LINES: usize = 800;

/// A function one can see at once, from `fn` to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;

/// `(file, function, reason)`: functions that are clearer in one piece than in two.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// `(file, reason)`: where `unsafe` is allowed, after somebody has proved it sound beside it.
const UNSAFE: &[(&str, &str)] = &[(
    "crates/wasm/src/unsafe_code.rs",
    "the engine's fast path for values and its own compiled code have no safe interface",
)];

/// Macros that end a program or talk past its user; left over from writing.
const LEFT_OVER_MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

/// Marks of unfinished work in comments.
const LEFT_OVER_MARKS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Modules of `std` that reach for the world.
const WORLD_MODULES: &[&str] = &["env", "fs", "net", "process", "thread", "os"];

/// Names that bring in a clock or chance wherever they are imported from.
const WORLD_NAMES: &[&str] = &["SystemTime", "Instant", "getrandom", "rand"];

/// Names of maps that iterate in an order drawn per process, and crates whose order of decisions must not be.
const HASHED_NAMES: &[&str] = &["HashMap", "HashSet", "RandomState"];
const ORDERED_CRATES: &[&str] = &["crates/scheduler/src/"];

/// Checks all Rust files, by path.
pub(crate) fn check(files: &BTreeMap<String, String>, layers: &[Layer]) -> Vec<Finding> {
    let masked: BTreeMap<&str, Masked> = files
        .iter()
        .map(|(path, text)| (path.as_str(), lex::mask(text)))
        .collect();
    let tests = test_modules(&masked);
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in files {
        let Some(masked) = masked.get(path.as_str()) else {
            continue;
        };
        let whole = is_test_file(path, &tests).then_some(0..text.len());
        let file = File {
            path,
            masked,
            tests: whole.map_or_else(|| lex::test_ranges(&masked.code), |whole| vec![whole]),
        };
        findings.extend(file.shape(text));
        findings.extend(file.functions(&mut used));
        findings.extend(file.left_over());
        if is_member(path) {
            findings.extend(file.unsafe_code());
            findings.extend(file.wire_types());
        }
        if layers.iter().any(|layer| {
            layer.kind == Kind::Core && path.starts_with(&format!("crates/{}/src/", layer.name))
        }) {
            findings.extend(file.purity());
        }
    }
    for (path, name, _) in LONG_FUNCTIONS
        .iter()
        .filter(|(path, name, _)| !used.contains(&(*path, *name)))
    {
        findings.push(Finding::new(path, 0, format!("`{name}` is not long any more: remove it from LONG_FUNCTIONS in xtask/src/tidy/source.rs")));
    }
    findings
}

fn is_member(path: &str) -> bool {
    path.starts_with("crates/") || path.starts_with("xtask/")
}

/// Path stems of modules declared `#[cfg(test)] mod name;` in another file.
fn test_modules(files: &BTreeMap<&str, Masked>) -> BTreeSet<String> {
    let mut stems = BTreeSet::new();
    for (path, masked) in files {
        for range in lex::test_ranges(&masked.code) {
            let Some(item) = masked.code.get(range).filter(|item| item.ends_with(';')) else {
                continue;
            };
            let mut words = lex::words(item)
                .map(|(_, word)| word)
                .skip_while(|word| *word != "mod");
            if let (Some(_), Some(name)) = (words.next(), words.next()) {
                stems.insert(format!("{}/{name}", module_folder(path)));
            }
        }
    }
    stems
}

/// Where the modules that a file declares lie.
fn module_folder(path: &str) -> &str {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    match path.rsplit('/').next() {
        Some("lib.rs" | "main.rs" | "mod.rs") => folder,
        _ => path.trim_end_matches(".rs"),
    }
}

fn is_test_file(path: &str, modules: &BTreeSet<String>) -> bool {
    let folders = Path::new(path)
        .parent()
        .into_iter()
        .flat_map(Path::components);
    let under_tests = folders
        .map(|part| part.as_os_str())
        .any(|part| part == "tests" || part == "benches");
    let below = |stem: &String| {
        path.strip_prefix(stem.as_str())
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    under_tests || modules.iter().any(below)
}

struct File<'a> {
    path: &'a str,
    masked: &'a Masked,
    /// What is compiled for tests only.
    tests: Vec<Range<usize>>,
}

impl File<'_> {
    fn finding(&self, offset: usize, message: impl Into<String>) -> Finding {
        Finding::new(self.path, lex::line_of(&self.masked.code, offset), message)
    }

    fn in_tests(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    fn shape(&self, text: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !text.starts_with("//!") {
            findings.push(Finding::new(
                self.path,
                1,
                "the file does not say what it is for: begin it with `//!`",
            ));
        }
        let lines = text.lines().count();
        if lines > MAX_FILE_LINES {
            findings.push(Finding::new(
                self.path,
                lines,
                format!(
                    "{lines} lines, more than {MAX_FILE_LINES}: split it by what its parts know"
                ),
            ));
        }
        findings
    }

    fn functions(&self, used: &mut BTreeSet<(&'static str, &'static str)>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for function in lex::functions(&self.masked.code) {
            if function.lines <= MAX_FUNCTION_LINES || self.in_tests(function.offset) {
                continue;
            }
            let excepted = LONG_FUNCTIONS
                .iter()
                .find(|(path, name, _)| *path == self.path && *name == function.name);
            match excepted {
                Some((path, name, _)) => {
                    used.insert((*path, *name));
                }
                None => {
                    let message = format!(
                        "`{}` has {} lines, more than {MAX_FUNCTION_LINES}: take it apart",
                        function.name, function.lines
                    );
                    findings.push(self.finding(function.offset, message));
                }
            }
        }
        findings
    }

    fn left_over(&self) -> Vec<Finding> {
        let code = &self.masked.code;
        let macros = lex::words(code)
            .filter(|(offset, word)| {
                LEFT_OVER_MACROS.contains(word)
                    && code
                        .get(offset + word.len()..)
                        .is_some_and(|rest| rest.starts_with('!'))
            })
            .map(|(offset, word)| {
                self.finding(
                    offset,
                    format!("`{word}!` is left over: finish it or take it out"),
                )
            });
        let marks = lex::words(&self.masked.comments)
            .filter(|(_, word)| LEFT_OVER_MARKS.contains(word))
            .map(|(offset, word)| {
                self.finding(
                    offset,
                    format!("`{word}`: do it now, or open an issue and take the note out"),
                )
            });
        macros.chain(marks).collect()
    }

    fn unsafe_code(&self) -> Vec<Finding> {
        if UNSAFE.iter().any(|(path, _)| *path == self.path) {
            return Vec::new();
        }
        let blocks = lex::words(&self.masked.code).filter(|(_, word)| *word == "unsafe");
        blocks.map(|(offset, _)| self.finding(offset, "`unsafe` outside the places listed in xtask/src/tidy/source.rs: find a safe way")).collect()
    }

    /// Serde attributes that make a decoder guess.
    fn wire_types(&self) -> Vec<Finding> {
        let code = &self.masked.code;
        let mut findings = Vec::new();
        for (at, _) in code.match_indices("serde(") {
            let attribute = code
                .get(at..)
                .and_then(|rest| rest.split(']').next())
                .unwrap_or_default();
            for (_, word) in
                lex::words(attribute).filter(|(_, word)| matches!(*word, "untagged" | "flatten"))
            {
                findings.push(self.finding(at, format!("`serde({word})` guesses the type from the value: convert by hand at the edge")));
            }
        }
        findings
    }

    fn purity(&self) -> Vec<Finding> {
        let code = &self.masked.code;
        let ordered = ORDERED_CRATES
            .iter()
            .any(|sources| self.path.starts_with(sources));
        let mut findings = Vec::new();
        for (offset, word) in lex::words(code).filter(|(offset, _)| !self.in_tests(*offset)) {
            if WORLD_NAMES.contains(&word) {
                findings.push(self.finding(
                    offset,
                    format!("`{word}` in the core: clock and chance are passed in"),
                ));
            }
            if HASHED_NAMES.contains(&word) && ordered {
                let message = format!(
                    "`{word}` iterates in another order each time: use BTreeMap or an index"
                );
                findings.push(self.finding(offset, message));
            }
            if word == "std" {
                let modules = code
                    .get(offset + word.len()..)
                    .map(modules_of)
                    .unwrap_or_default();
                for module in modules
                    .into_iter()
                    .filter(|module| WORLD_MODULES.contains(module))
                {
                    findings.push(self.finding(offset, format!("`std::{module}` in the core: the world is passed in by an adapter or the node")));
                }
            }
        }
        findings
    }
}

/// The modules named directly after `std`: of `::fs::read` it is `fs`, of `::{env, time::Duration}` both.
fn modules_of(after: &str) -> Vec<&str> {
    let Some(path) = after.trim_start().strip_prefix("::").map(str::trim_start) else {
        return Vec::new();
    };
    let Some(group) = path.strip_prefix('{') else {
        return lex::words(path).map(|(_, word)| word).take(1).collect();
    };
    let mut modules = Vec::new();
    let mut depth = 0_usize;
    let mut expected = true;
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => expected = true,
            _ if expected && byte.is_ascii_alphabetic() => {
                modules.extend(
                    group
                        .get(at..)
                        .and_then(|rest| lex::words(rest).next())
                        .map(|(_, word)| word),
                );
                expected = false;
            }
            _ => {}
        }
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::super::layers;
    use super::*;

    fn check_file(path: &str, text: &str, expect: &[(&str, usize)]) {
        check_files(&[(path, text)], expect);
    }

    fn check_files(files: &[(&str, &str)], expect: &[(&str, usize)]) {
        let table = "## Who names what\n| `ipld` | core | – | – | – |\n| `scheduler` | core | – | – | – |\n| `store` | adapter | – | – | – |";
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        let findings = check(&files, &layers::parse(table).0);
        let found: Vec<_> = findings
            .iter()
            .map(|finding| (finding.message.as_str(), finding.line))
            .collect();
        assert_eq!(found.len(), expect.len(), "{files:?}: {found:?}");
        for ((message, line), (part, at)) in found.iter().zip(expect) {
            assert!(
                message.contains(part) && line == at,
                "{message} in line {line} is not {part} in line {at}"
            );
        }
    }

    #[test]
    fn files_say_what_they_are_for_and_stay_short() {
        check_file("crates/store/src/lib.rs", "//! A.\n", &[]);
        check_file(
            "guests/image/src/lib.rs",
            "// A.\n",
            &[("begin it with `//!`", 1)],
        );
        let long = format!("//! A.\n{}", "\n".repeat(MAX_FILE_LINES));
        check_file("crates/store/src/lib.rs", &long, &[("801 lines", 801)]);
    }

    #[test]
    fn functions_fit_a_screen_except_in_tests() {
        let body = "\n".repeat(MAX_FUNCTION_LINES);
        let long = format!("//! A.\nfn a() {{{body}}}\n");
        check_file("crates/store/src/lib.rs", &long, &[("`a` has 71 lines", 2)]);
        check_file("crates/store/tests/it.rs", &long, &[]);
        check_file(
            "crates/store/src/lib.rs",
            &format!("//! A.\n#[cfg(test)]\nmod tests {{ fn a() {{{body}}} }}\n"),
            &[],
        );
        let declared = "//! A.\n#[cfg(test)]\nmod many;\n";
        check_files(
            &[
                ("crates/store/src/lib.rs", declared),
                ("crates/store/src/many.rs", &long),
            ],
            &[],
        );
        check_files(
            &[
                ("crates/store/src/a.rs", declared),
                ("crates/store/src/many.rs", &long),
            ],
            &[("`a` has", 2)],
        );
    }

    #[test]
    fn nothing_is_left_over() {
        check_file(
            "xtask/src/a.rs",
            "//! A.\nfn a() { todo!() }",
            &[("`todo!`", 2)],
        );
        check_file("xtask/src/a.rs", "//! A.\n// FIXME: b", &[("`FIXME`", 2)]);
        check_file(
            "xtask/src/a.rs",
            "//! A.\nconst TODO: &str = \"todo!() FIXME\"; // todo",
            &[],
        );
    }

    #[test]
    fn unsafe_and_guessing_decoders_are_found() {
        check_file(
            "crates/store/src/a.rs",
            "//! unsafe\nunsafe { x }",
            &[("`unsafe`", 2)],
        );
        check_file(
            "crates/store/src/a.rs",
            "//! A.\n#![deny(unsafe_code)]",
            &[],
        );
        check_file(
            "crates/store/src/a.rs",
            "//! A.\n#[serde(default, flatten)]",
            &[("serde(flatten)", 2)],
        );
        check_file(
            "crates/store/src/a.rs",
            "//! A.\n#[serde(\n untagged\n)]",
            &[("serde(untagged)", 2)],
        );
        check_file(
            "crates/store/src/a.rs",
            "//! A.\nfn a() { x.flatten() }",
            &[],
        );
    }

    #[test]
    fn the_core_reaches_for_nothing() {
        let core = "crates/ipld/src/a.rs";
        let both = "//! A.\nuse std::{collections::BTreeMap, env, io::{self, fs}, time::Duration, fs as files};";
        check_file(core, both, &[("`std::env`", 2), ("`std::fs`", 2)]);
        check_file("crates/store/src/a.rs", both, &[]);
        check_file("crates/ipld/tests/it.rs", both, &[]);
        check_file(
            core,
            "//! A.\nfn a() { std::fs::read(b) }",
            &[("`std::fs`", 2)],
        );
        check_file(
            core,
            "//! A.\nuse std::time::{Duration, Instant};",
            &[("`Instant`", 2)],
        );
        let hashed = "//! A.\nuse std::collections::HashMap;";
        check_file("crates/scheduler/src/a.rs", hashed, &[("`HashMap`", 2)]);
        check_file(core, hashed, &[]);
        check_file(
            core,
            "//! std::fs\n#[cfg(test)]\nmod t { use std::fs; }\nuse std::fmt;",
            &[],
        );
    }
}
