//! The layers, as `ARCHITECTURE.md` states them: one table row a crate, lowest first, saying what the crate may name.
//! The document is the rule: a new edge is made by writing it down there.

use std::collections::BTreeSet;

use super::Finding;

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Who names what";

/// What a crate is allowed to know of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Decides; no clock, randomness, environment, files or network.
    Core,
    /// Acts on one part of the world.
    Adapter,
    /// Puts the parts together; talks to people.
    Edge,
    /// Never part of the product.
    Tool,
}

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// The folder below `crates/`, or `xtask`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Of this workspace, by row name.
    pub(crate) ours: BTreeSet<String>,
    /// Third-party packages.
    pub(crate) others: BTreeSet<String>,
    /// Named by tests only, ours and others.
    pub(crate) tests: BTreeSet<String>,
    /// Of the row, for findings.
    pub(crate) line: usize,
}

/// Reads the table; findings are rows that make no sense, such as an edge that points up.
pub(crate) fn parse(document: &str) -> (Vec<Layer>, Vec<Finding>) {
    let mut layers: Vec<Layer> = Vec::new();
    let mut findings = Vec::new();
    let lines = document
        .lines()
        .zip(1..)
        .skip_while(|(line, _)| *line != HEADING);
    let table = lines
        .skip(1)
        .take_while(|(line, _)| !line.starts_with("## "))
        .filter(|(line, _)| line.starts_with("| `"));
    for (text, line) in table {
        match row(text, line) {
            Ok(layer) => {
                findings.extend(upward(&layer, &layers));
                layers.push(layer);
            }
            Err(message) => findings.push(Finding::new(DOCUMENT, line, message)),
        }
    }
    if layers.is_empty() {
        findings.push(Finding::new(
            DOCUMENT,
            0,
            format!("no table under `{HEADING}`: tidy reads the layers from it"),
        ));
    }
    (layers, findings)
}

fn row(text: &str, line: usize) -> Result<Layer, String> {
    let cells: Vec<&str> = text
        .trim()
        .trim_matches('|')
        .split('|')
        .map(str::trim)
        .collect();
    let [name, kind, ours, others, tests] = cells.as_slice() else {
        return Err(format!(
            "{} cells in this row, not 5: crate, kind, ours, others, in tests",
            cells.len()
        ));
    };
    let kind = match *kind {
        "core" => Kind::Core,
        "adapter" => Kind::Adapter,
        "edge" => Kind::Edge,
        "tool" => Kind::Tool,
        other => {
            return Err(format!(
                "`{other}` is no kind: write core, adapter, edge or tool"
            ));
        }
    };
    let name = name.trim_matches('`').to_owned();
    Ok(Layer {
        name,
        kind,
        ours: names(ours)?,
        others: names(others)?,
        tests: names(tests)?,
        line,
    })
}

/// `` `a`, `b` `` or `–` for none.
fn names(cell: &str) -> Result<BTreeSet<String>, String> {
    if cell == "–" {
        return Ok(BTreeSet::new());
    }
    let name = |item: &str| {
        item.trim()
            .strip_prefix('`')?
            .strip_suffix('`')
            .map(str::to_owned)
    };
    cell.split(',')
        .map(|item| {
            name(item).ok_or_else(|| format!("`{item}` is no name in backticks; write – for none"))
        })
        .collect()
}

fn upward(layer: &Layer, below: &[Layer]) -> Vec<Finding> {
    let is_below = |name: &&String| below.iter().any(|other| other.name == **name);
    let edges = layer.ours.iter().filter(|name| !is_below(name));
    edges
        .map(|name| {
            let message = format!(
                "`{}` names `{name}`, which is not in a row above: dependencies point down only",
                layer.name
            );
            Finding::new(DOCUMENT, layer.line, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &str, expect: &[&str]) {
        let (_, findings) = parse(&format!(
            "# A\n| `x` | y |\n\n{HEADING}\n\n| crate |\n|---|\n{rows}\n\n## B\n| `x` | y |\n"
        ));
        let messages: Vec<_> = findings
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(messages.len(), expect.len(), "{rows}: {messages:?}");
        for (message, part) in messages.iter().zip(expect) {
            assert!(message.contains(part), "{message} does not say {part}");
        }
    }

    #[test]
    fn rows_are_read_and_edges_point_down() {
        check(
            "| `a` | core | – | `x`, `y` | `z` |\n| `b` | adapter | `a` | – | – |",
            &[],
        );
        check(
            "| `a` | core | `b` | – | – |\n| `b` | core | – | – | – |",
            &["`a` names `b`"],
        );
        check("| `a` | core | `a` | – | – |", &["`a` names `a`"]);
        check(
            "| `a` | heart | – | – | – |",
            &["`heart` is no kind", "no table"],
        );
        check("| `a` | core | – | – |", &["4 cells", "no table"]);
        check(
            "| `a` | core | b | – | – |",
            &["is no name in backticks", "no table"],
        );
        check("", &["no table"]);
    }
}
