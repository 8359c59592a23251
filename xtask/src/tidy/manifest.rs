//! Rules on `Cargo.toml`: each crate names exactly what its row in `ARCHITECTURE.md` says, takes versions and lints from
//! the workspace, and every third-party crate of the workspace has its reason beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::layers::Layer;
use super::{Finding, lex};

/// Our packages are called so in manifests; a crate's folder goes without.
const PREFIX: &str = "ipvm-";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Normal,
    Tests,
    Lints,
    Other,
}

struct Dependency {
    name: String,
    line: usize,
}

#[derive(Default)]
struct Manifest {
    normal: Vec<Dependency>,
    tests: Vec<Dependency>,
    inherits_lints: bool,
    unreadable: Vec<(usize, &'static str)>,
}

/// Checks the manifests of the workspace's crates, by path, against their rows.
pub(crate) fn check_members(
    manifests: &BTreeMap<String, String>,
    layers: &[Layer],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours: BTreeSet<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    for (path, text) in manifests {
        let name = folder(path);
        match layers.iter().find(|layer| layer.name == name) {
            Some(layer) => findings.extend(check_member(path, &read(text), layer, &ours)),
            None => findings.push(Finding::new(
                path,
                0,
                format!("`{name}` has no row in ARCHITECTURE.md: write down what it may name"),
            )),
        }
    }
    for layer in layers
        .iter()
        .filter(|layer| !manifests.keys().any(|path| folder(path) == layer.name))
    {
        findings.push(Finding::new(
            "ARCHITECTURE.md",
            layer.line,
            format!("there is no crate `{}`: remove its row", layer.name),
        ));
    }
    findings
}

fn folder(path: &str) -> &str {
    path.trim_end_matches("/Cargo.toml")
        .trim_start_matches("crates/")
}

fn check_member(
    path: &str,
    manifest: &Manifest,
    layer: &Layer,
    ours: &BTreeSet<&str>,
) -> Vec<Finding> {
    let short = |name: &str| {
        let row = name.strip_prefix(PREFIX).unwrap_or(name);
        if ours.contains(row) {
            row.to_owned()
        } else {
            name.to_owned()
        }
    };
    let mut findings = Vec::new();
    let normal: BTreeSet<String> = layer.ours.union(&layer.others).cloned().collect();
    for (found, stated, place) in [
        (&manifest.normal, &normal, ""),
        (&manifest.tests, &layer.tests, " in tests"),
    ] {
        for dependency in found
            .iter()
            .filter(|dependency| !stated.contains(&short(&dependency.name)))
        {
            let message = format!(
                "`{}` may not name `{}`{place}: its row in ARCHITECTURE.md (line {}) does not; ask a lower crate to do the work, or argue for the edge there",
                layer.name, dependency.name, layer.line
            );
            findings.push(Finding::new(path, dependency.line, message));
        }
        let names: BTreeSet<String> = found
            .iter()
            .map(|dependency| short(&dependency.name))
            .collect();
        for name in stated.difference(&names) {
            let message = format!(
                "`{}` does not name `{name}`{place} any more: remove it from the row",
                layer.name
            );
            findings.push(Finding::new("ARCHITECTURE.md", layer.line, message));
        }
    }
    findings.extend(
        manifest
            .unreadable
            .iter()
            .map(|&(line, message)| Finding::new(path, line, message)),
    );
    if !manifest.inherits_lints {
        findings.push(Finding::new(
            path,
            0,
            "the workspace's lints are not inherited: add `[lints]` with `workspace = true`",
        ));
    }
    findings
}

/// Reads the part of TOML that our manifests use: one dependency a line, everything taken from the workspace.
fn read(text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mut section = Section::Other;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            section = section_of(header.trim_end_matches(']'));
            if header.contains("dependencies.") {
                manifest.unreadable.push((
                    number,
                    "a section for one dependency: write it as one line under `[dependencies]`",
                ));
            }
            continue;
        }
        let dependencies = match section {
            Section::Normal => &mut manifest.normal,
            Section::Tests => &mut manifest.tests,
            Section::Lints => {
                manifest.inherits_lints |= line == "workspace = true";
                continue;
            }
            Section::Other => continue,
        };
        match dependency(line) {
            Some(name) => dependencies.push(Dependency { name: name.to_owned(), line: number }),
            None => manifest.unreadable.push((number, "not taken from the workspace: write `NAME.workspace = true`, with the version in the root's Cargo.toml")),
        }
    }
    manifest
}

fn section_of(header: &str) -> Section {
    match header.rsplit('.').next() {
        Some("dependencies" | "build-dependencies") => Section::Normal,
        Some("dev-dependencies") => Section::Tests,
        Some("lints") if header == "lints" => Section::Lints,
        _ => Section::Other,
    }
}

/// The name in `name.workspace = true` or `name = { workspace = true, … }`.
fn dependency(line: &str) -> Option<&str> {
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    match key.strip_suffix(".workspace") {
        Some(name) => value.starts_with("true").then_some(name),
        None => (value.starts_with('{') && value.contains("workspace = true")).then_some(key),
    }
}

/// Checks that each crate's sources, by path, use what its manifest names.
pub(crate) fn check_use(
    manifests: &BTreeMap<String, String>,
    sources: &BTreeMap<String, String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in manifests {
        let folder = path.trim_end_matches("Cargo.toml");
        let code: Vec<String> = sources
            .iter()
            .filter(|(source, _)| source.starts_with(folder))
            .map(|(_, text)| lex::mask(text).code)
            .collect();
        let words: BTreeSet<&str> = code
            .iter()
            .flat_map(|code| lex::words(code))
            .map(|(_, word)| word)
            .collect();
        let manifest = read(text);
        for dependency in manifest.normal.iter().chain(&manifest.tests) {
            if !words.contains(dependency.name.replace('-', "_").as_str()) {
                let message = format!(
                    "`{}` is named here and used nowhere: remove it",
                    dependency.name
                );
                findings.push(Finding::new(path, dependency.line, message));
            }
        }
    }
    findings
}

/// Checks the root's `[workspace.dependencies]`: each has a reason, and a row that names it.
pub(crate) fn check_root(text: &str, layers: &[Layer]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut inside = false;
    let mut group_has_reason = false;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if line.is_empty() {
            group_has_reason = false;
        } else if line.starts_with('#') {
            group_has_reason = true;
        } else if inside && !line.starts_with(PREFIX) {
            let (declaration, reason) = line.split_once(" # ").unwrap_or((line, ""));
            let name = declaration.split([' ', '=']).next().unwrap_or_default();
            let mut find = |what: &str| {
                findings.push(Finding::new(
                    "Cargo.toml",
                    number,
                    format!("`{name}` {what}"),
                ))
            };
            if reason.is_empty() && !group_has_reason {
                find("has no reason: say after ` # `, or above its group, why it is worth having");
            }
            if declaration.contains("package =") {
                find("renames a package: the layers are stated in true names");
            }
            if !layers
                .iter()
                .any(|layer| layer.others.contains(name) || layer.tests.contains(name))
            {
                find("is named by no crate: remove it");
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::layers;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn check_one(manifest: &str, expect: &[(&str, usize)]) {
        let table = "## Who names what\n| `ipld` | core | – | – | – |\n| `store` | adapter | `ipld` | `rusqlite` | `proptest` |";
        let (layers, none) = layers::parse(table);
        assert!(none.is_empty(), "{none:?}");
        let ipld = ("crates/ipld/Cargo.toml".to_owned(), LINTS.to_owned());
        let store = ("crates/store/Cargo.toml".to_owned(), manifest.to_owned());
        let findings = check_members(&BTreeMap::from([ipld, store]), &layers);
        assert_eq!(findings.len(), expect.len(), "{manifest}: {findings:?}");
        for (finding, (part, line)) in findings.iter().zip(expect) {
            assert!(
                finding.message.contains(part) && finding.line == *line,
                "{finding} is not {part} in line {line}"
            );
        }
    }

    #[test]
    fn a_crate_names_what_its_row_says() {
        let whole = "[dependencies]\nipvm-ipld.workspace = true\nrusqlite = { workspace = true, features = [\"x\"] }\n[dev-dependencies]\nproptest.workspace = true\n";
        check_one(&format!("{LINTS}{whole}"), &[]);
        check_one(whole, &[("lints are not inherited", 0)]);
        check_one(
            &format!("{whole}wat.workspace = true\n{LINTS}"),
            &[("may not name `wat` in tests", 6)],
        );
        check_one(
            &format!("[build-dependencies]\nwasmtime.workspace = true\n{whole}{LINTS}"),
            &[("may not name `wasmtime`:", 2)],
        );
        check_one(
            &format!(
                "[target.'cfg(unix)'.dependencies]\nipvm-node.workspace = true\n{whole}{LINTS}"
            ),
            &[("may not name `ipvm-node`:", 2)],
        );
        check_one(
            &format!("{whole}wat = \"1\"\n{LINTS}"),
            &[("not taken from the workspace", 6)],
        );
        check_one(
            &format!("{whole}{LINTS}[dependencies.wat]\nworkspace = true\n"),
            &[("a section for one dependency", 8)],
        );
        check_one(
            LINTS,
            &[
                ("does not name `ipld` any more", 3),
                ("does not name `rusqlite`", 3),
                ("`proptest` in tests any more", 3),
            ],
        );
    }

    #[test]
    fn crates_and_rows_are_the_same_set() {
        let (layers, _) = layers::parse("## Who names what\n| `ipld` | core | – | – | – |");
        let path = |name: &str| (format!("crates/{name}/Cargo.toml"), LINTS.to_owned());
        let messages = |names: &[&str]| {
            let findings = check_members(&names.iter().map(|name| path(name)).collect(), &layers);
            findings
                .into_iter()
                .map(|finding| finding.message)
                .collect::<Vec<_>>()
        };
        assert!(messages(&["ipld"]).is_empty());
        assert!(
            messages(&["ipld", "extra"])
                .iter()
                .any(|message| message.contains("`extra` has no row"))
        );
        assert!(
            messages(&[])
                .iter()
                .any(|message| message.contains("there is no crate `ipld`"))
        );
    }

    #[test]
    fn what_is_named_is_used() {
        let manifest = "[dependencies]\nipvm-ipld.workspace = true\n[dev-dependencies]\nwat.workspace = true\n";
        let check = |code: &str, expect: &[usize]| {
            let manifests =
                BTreeMap::from([("crates/store/Cargo.toml".to_owned(), manifest.to_owned())]);
            let elsewhere = ("crates/stores/src/lib.rs".to_owned(), "use wat;".to_owned());
            let sources = BTreeMap::from([
                ("crates/store/src/lib.rs".to_owned(), code.to_owned()),
                elsewhere,
            ]);
            let found: Vec<_> = check_use(&manifests, &sources)
                .iter()
                .map(|finding| finding.line)
                .collect();
            assert_eq!(found, expect, "{code}");
        };
        check("use ipvm_ipld::Cid; fn a() { wat::parse() }", &[]);
        check("use ipvm_ipld::Cid; // wat", &[4]);
        check("", &[2, 4]);
    }

    #[test]
    fn each_third_party_crate_has_a_reason_and_a_row() {
        let (layers, _) =
            layers::parse("## Who names what\n| `ipld` | core | – | `a`, `b` | `c`, `d` |");
        let check = |lines: &str, expect: &[usize]| {
            let findings = check_root(&format!("[workspace.dependencies]\n{lines}"), &layers);
            let found: Vec<_> = findings.iter().map(|finding| finding.line).collect();
            assert_eq!(found, expect, "{lines}");
        };
        check("ipvm-ipld = { path = \"x\" }", &[]);
        check("a = \"1\" # it does a\nb = \"1\"", &[3]);
        check("# Both for c.\na = \"1\"\nb = \"1\"\n\nd = \"1\"", &[6]);
        check("a = { package = \"wasmtime\" } # hidden", &[2]);
        check("e = \"1\" # nobody needs it", &[2]);
        check("[profile.dev]\ndebug = true", &[]);
    }
}
