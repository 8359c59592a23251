//! The examples of documents for users, run as they stand there. Without this a reader could copy what does not work.
#![cfg(unix)]

use std::path::Path;

use ipvm_testkit::mail::MailServer;
use ipvm_testkit::web::Web;
use ipvm_testkit::{Asked, asking};
use serde_json::Value;

use crate::home::{Home, Ran};

const EFFECTS: &str = include_str!("../../../../docs/effects.md");
const README: &str = include_str!("../../../../README.md");

/// A reader: a home, and servers where the document says that they are.
struct Reader {
    home: Home,
    web: Web,
    mail: MailServer,
}

impl Reader {
    fn new() -> Self {
        let reader = Self {
            home: Home::new(),
            web: Web::start(),
            mail: MailServer::start(),
        };
        let hash = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/hash.wasm");
        reader.home.file("hash.wasm", std::fs::read(hash).unwrap());
        reader.home.file("minutes.txt", "We met.");
        let args = r#"{"uri": "http://127.0.0.1:8080/asked", "as": "text"}"#;
        let args = ipvm_ipld::json::from_str(&reader.here(args), Default::default()).unwrap();
        let args = ipvm_ipld::cbor::encode(&args).unwrap();
        let asked = Asked {
            role: "web",
            cmd: "/crud/create",
            args: &args,
        };
        reader.home.file("asking.wasm", asking(&[], Some(&asked)));
        let bob = Home::new().json(&["key", "show", "--json"]);
        let bob = bob["owner"].as_str().unwrap();
        reader.home.ok(&["name", "add", "bob", bob]);
        reader
    }

    /// The text with the ports and the recipient that make it come out as it says.
    fn here(&self, text: &str) -> String {
        text.replace("127.0.0.1:8080", &self.web.address())
            .replace("127.0.0.1:2525", &self.mail.address())
            .replace("carol@example.com", "lost@example.com")
    }

    /// Writes the files and runs the commands of a document, in their order; the commands with what they ended with.
    fn follows(&self, document: &str) -> Vec<(String, Ran)> {
        let mut done = Vec::new();
        for (kind, text) in fences(document) {
            match (
                kind,
                text.lines().next().and_then(|line| line.strip_prefix("# ")),
            ) {
                ("yaml", Some(name)) => drop(self.home.file(name, self.here(text))),
                ("sh", _) => done.extend(text.lines().map(|line| self.command(line))),
                _ => {}
            }
        }
        done
    }

    /// Runs one line in a shell. It ends as it says, which is well if it says nothing.
    fn command(&self, line: &str) -> (String, Ran) {
        let (words, comment) = line.split_once(" # ").unwrap_or((line, ""));
        let mut words = self.here(words.trim_end());
        if words.contains("TASK") {
            let doubts = self.home.json(&["workflow", "doubt", "list", "--json"]);
            words = words.replace("TASK", doubts[0]["task"].as_str().unwrap());
        }
        let code = comment
            .trim_start()
            .strip_prefix("exit code ")
            .map_or(0, |rest| rest[..1].parse().expect("a number"));
        let ran = self.home.shell(&words);
        assert_eq!(ran.code, Some(code), "{line}\n{}", ran.err);
        (words, ran)
    }
}

/// The fenced blocks of a document: kind and text.
fn fences(document: &str) -> impl Iterator<Item = (&str, &str)> {
    let blocks = document.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| block.split_once('\n'))
}

#[test]
fn what_the_document_on_effects_shows_comes_out() {
    let reader = Reader::new();
    let done = reader.follows(EFFECTS);
    let said = |command: &str, nth: usize| {
        let mut found = done.iter().filter(|(words, _)| words == command);
        &found.nth(nth).unwrap_or_else(|| panic!("no {command}")).1
    };
    let err = |command: &str, nth: usize, says: &str| {
        let ran = said(command, nth);
        assert!(ran.err.contains(says), "{command}: {says:?} in {}", ran.err);
    };
    err("ipvm run clock.yaml", 0, "3 tasks: 3 executed");
    err("ipvm run clock.yaml", 1, "nothing was done");
    let (first, shown) = (
        said("ipvm run clock.yaml", 0),
        said("ipvm run clock.yaml", 1),
    );
    assert_eq!(first.out, shown.out);
    assert_ne!(first.out, said("ipvm run clock.yaml --again", 0).out);
    err("ipvm run letters.yaml", 0, "in-doubt carol");
    err("ipvm run letters.yaml", 1, "4 tasks: 1 executed");
    err(
        "ipvm run count.yaml --again",
        0,
        "\"visits\" has version 4, not 0",
    );
    let mails = reader.mail.mails();
    assert_eq!(mails.len(), 2);
    assert!(
        mails.iter().all(|mail| mail.text.contains("bafk")),
        "{mails:?}"
    );
    assert_eq!(reader.web.lines(), ["POST /notes", "POST /asked"]);
    let asked: Value = serde_json::from_slice(&reader.web.asked()[0].body).unwrap();
    assert_eq!(
        asked[1],
        serde_json::json!({"id": 7}),
        "what the person said"
    );
    assert!(done.len() >= 16, "{}", done.len());
}

#[test]
fn the_table_of_commands_is_that_of_the_providers() {
    let rustdoc = include_str!("../../../effects/src/lib.rs");
    let rows = rustdoc
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"));
    let rows: Vec<&str> = rows.collect();
    assert!(rows.len() >= 7, "{rows:?}");
    let plain = |text: &str| text.replace(['`', ' '], "").replace("/crud/", "");
    for row in rows {
        let cells = row.split_once('|').expect("cells").1;
        let found = EFFECTS.lines().any(|line| {
            line.split_once('|').is_some_and(|(_, rest)| {
                rest.split_once('|')
                    .is_some_and(|(_, cells_there)| plain(cells_there) == plain(cells))
            })
        });
        assert!(found, "not in docs/effects.md: {row}");
    }
}

#[test]
fn what_the_readme_shows_of_effects_comes_out_in_a_fresh_home() {
    let (_, section) = README.split_once("## Effects\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let reader = Reader {
        home: Home::new(),
        web: Web::start(),
        mail: MailServer::start(),
    };
    let done = reader.follows(section);
    assert!(done.len() >= 2, "{done:?}");
    assert!(
        done[1].1.err.contains("nothing was done"),
        "{}",
        done[1].1.err
    );
}

#[test]
fn the_examples_of_workflow_files_are_read() {
    let home = Home::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, from) in [
        ("image.wasm", "guests/image.wasm"),
        ("photo.jpg", "examples/thumbnails/photo.jpg"),
    ] {
        home.file(name, std::fs::read(root.join(from)).unwrap());
    }
    home.file("hello.txt", "Hello.");
    let alice = Home::new().json(&["key", "show", "--json"]);
    home.ok(&["name", "add", "alice", alice["owner"].as_str().unwrap()]);
    let document = include_str!("../../../../docs/workflow-file.md");
    let mut labels = Vec::new();
    for (_, text) in fences(document).filter(|(kind, _)| *kind == "yaml") {
        let text = match text.starts_with("ipvm:") {
            true => text.to_owned(),
            false => format!("ipvm: \"0.2\"\n{text}"),
        };
        home.file("w.yaml", text);
        let explained = home.json(&["explain", "w.yaml", "--json"]);
        let tasks = explained.as_array().unwrap().iter();
        labels.extend(tasks.map(|task| task["label"].as_str().unwrap().to_owned()));
    }
    assert!(
        labels.iter().any(|label| label == "told") && labels.len() >= 7,
        "{labels:?}"
    );
}
