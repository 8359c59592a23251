//! Rules on what people read and try: links in Markdown lead somewhere, and every example can be run.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;

const EXAMPLES: &str = "examples/";

/// Checks every relative link of every Markdown file, by path: the file exists, and the heading if one is named.
pub(crate) fn check_links(
    documents: &BTreeMap<String, String>,
    files: &BTreeSet<String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in documents {
        for (line, target) in links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let Some(to) = resolve(path, file) else {
                findings.push(Finding::new(
                    path,
                    line,
                    format!("the link to `{target}` leads out of the repository: name it in words"),
                ));
                continue;
            };
            let is_folder = || {
                files
                    .iter()
                    .any(|known| to.is_empty() || known.starts_with(&format!("{to}/")))
            };
            if !files.contains(&to) && !is_folder() {
                findings.push(Finding::new(path, line, format!("the link to `{target}` leads to `{to}`, which is not there: correct it or write the file")));
            } else if !anchor.is_empty()
                && documents
                    .get(&to)
                    .is_some_and(|text| !anchors(text).contains(anchor))
            {
                findings.push(Finding::new(
                    path,
                    line,
                    format!("`{to}` has no heading `#{anchor}`"),
                ));
            }
        }
    }
    findings
}

/// The lines of a document outside fenced code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        fenced ^= fence;
        (!fenced && !fence).then_some((number, line))
    })
}

/// Targets of `[text](target)`, `![picture](target)` and `[name]: target`, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every second piece is code.
        let line: String = line.split('`').step_by(2).collect();
        let inline = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next());
        let definition = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        let targets = inline.chain(definition.map(|(_, target)| target.trim()));
        found.extend(targets.map(|target| (number, target.to_owned())));
    }
    found
}

/// The path that `link` means in the document `from`; `None` if it leaves the repository.
fn resolve(from: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// What the headings of a document are called in links: lower case, spaces as `-`, punctuation dropped.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    let slug = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(|(_, line)| slug(line)).collect()
}

/// Checks that each folder below `examples/` explains itself and can be run; `executable` says so of a path.
pub(crate) fn check_examples(
    files: &BTreeSet<String>,
    executable: &dyn Fn(&str) -> bool,
) -> Vec<Finding> {
    let inside = files
        .iter()
        .filter_map(|path| path.strip_prefix(EXAMPLES)?.split_once('/'));
    let examples: BTreeSet<&str> = inside.map(|(example, _)| example).collect();
    let mut findings = Vec::new();
    for example in examples {
        let readme = format!("{EXAMPLES}{example}/README.md");
        if !files.contains(&readme) {
            findings.push(Finding::new(
                &readme,
                0,
                "an example without a README: say what it shows and how to run it",
            ));
        }
        let script = format!("{EXAMPLES}{example}/run.sh");
        if !files.contains(&script) {
            findings.push(Finding::new(&script, 0, "an example that cannot be run: write a script that does all of it and checks the result"));
        } else if !executable(&script) {
            findings.push(Finding::new(&script, 0, "not executable: chmod +x"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn links_lead_somewhere() {
        let check = |text: &str, expect: &[(&str, usize)]| {
            let other = ("docs/b.md".to_owned(), "# One `two`, three\n".to_owned());
            let documents = BTreeMap::from([("docs/a.md".to_owned(), text.to_owned()), other]);
            let findings = check_links(
                &documents,
                &set(&["README.md", "docs/a.md", "docs/b.md", "docs/img/c.png"]),
            );
            assert_eq!(findings.len(), expect.len(), "{text}: {findings:?}");
            for (finding, (part, line)) in findings.iter().zip(expect) {
                assert!(
                    finding.message.contains(part) && finding.line == *line,
                    "{finding} is not {part} in line {line}"
                );
            }
        };
        check(
            "[b](b.md) ![c](./img/c.png) [r](../README.md) [img](img/) [out](https://example.com/x)",
            &[],
        );
        check(
            "a\n[b](c.md) and [d](e.md)",
            &[("`docs/c.md`", 2), ("`docs/e.md`", 2)],
        );
        check("[`b`](c.md)", &[("`docs/c.md`", 1)]);
        check("`[b](c.md)`\n```\n[b](c.md)\n```\n", &[]);
        check("[b]: c.md", &[("`docs/c.md`", 1)]);
        check("[b](../../x.md)", &[("out of the repository", 1)]);
        check("# Head\n[a](#head) [b](b.md#one-two-three)", &[]);
        check(
            "[a](#head) [b](b.md#two)",
            &[("no heading `#head`", 1), ("no heading `#two`", 1)],
        );
    }

    #[test]
    fn examples_can_be_read_and_run() {
        let check = |files: &[&str], executable: bool, expect: &[&str]| {
            let findings = check_examples(&set(files), &|_| executable);
            let paths: Vec<_> = findings
                .iter()
                .map(|finding| finding.path.as_str())
                .collect();
            assert_eq!(paths, expect, "{files:?}");
        };
        check(&["examples/a/README.md", "examples/a/run.sh"], true, &[]);
        check(
            &["examples/a/README.md", "examples/a/run.sh"],
            false,
            &["examples/a/run.sh"],
        );
        check(
            &["examples/a/workflow.yaml"],
            true,
            &["examples/a/README.md", "examples/a/run.sh"],
        );
        check(&["examples/README.md"], true, &[]);
    }
}
