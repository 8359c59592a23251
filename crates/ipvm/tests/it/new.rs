//! `new`: what it makes, what it refuses, and that what it makes builds and runs. Without these a user's first minute with
//! a function of their own could end in an error.

use crate::home::Home;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LANGUAGES: [(&str, &str); 4] = [
    ("rust", "src/lib.rs"),
    ("c", "functions.c"),
    ("js", "functions.js"),
    ("python", "app.py"),
];

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_folder_is_made_with_the_name_put_in() {
    for (language, source) in LANGUAGES {
        let home = Home::new();
        let ran = home
            .run(&["new", "my-function", "--lang", language])
            .code(0);
        assert!(ran.err.contains("ipvm run workflow.yaml"), "{}", ran.err);
        assert_eq!(ran.text(), "my-function");
        let folder = home.work().join("my-function");
        for file in [
            "README.md",
            "wit/world.wit",
            "workflow.yaml",
            ".gitignore",
            "build.sh",
            source,
        ] {
            assert!(folder.join(file).is_file(), "{language}: {file}");
        }
        for file in files(&folder) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(
                !text.contains("{{"),
                "{} has an unfilled place",
                file.display()
            );
        }
        for file in ["README.md", "workflow.yaml"] {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(text.contains("my-function.wasm"), "{language}: {file}");
        }
        assert!(!home.path().exists(), "a new function needs no home");
    }
}

#[cfg(unix)]
#[test]
fn the_script_can_be_started() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.ok(&["new", "f", "--lang", "c", "--quiet"]);
    let mode = |file| {
        fs::metadata(home.work().join(file))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("f/build.sh") & 0o100, 0o100);
    assert_eq!(mode("f/functions.c") & 0o111, 0);
}

#[test]
fn what_is_there_is_not_written_over() {
    let home = Home::new();
    home.file("full/notes.txt", "mine");
    home.file("file", "mine");
    home.run(&["new", "full", "--lang", "rust"])
        .code(2)
        .says("not empty");
    home.run(&["new", "file", "--lang", "rust"])
        .code(2)
        .says("not a folder");
    assert_eq!(files(&home.work().join("full")).len(), 1);
    assert_eq!(home.read("file"), b"mine");
    fs::create_dir(home.work().join("empty")).unwrap();
    home.ok(&["new", "empty", "--lang", "rust"]);
}

#[test]
fn names_that_no_package_may_have_are_refused() {
    let long = "x".repeat(65);
    for name in [
        "", ".", "..", "a/b", "/tmp/x", "A", "1a", "a_b", "a b", "a-", "é", "{{name}}", &long,
    ] {
        let home = Home::new();
        home.run(&["new", name, "--lang", "js"])
            .code(2)
            .says("name");
        assert!(files(&home.work()).is_empty(), "{name}");
    }
    Home::new()
        .run(&["new", "a", "--lang", "cobol"])
        .code(2)
        .says("python");
    Home::new().run(&["new", "a"]).code(2).says("--lang");
}

/// Makes, builds and runs a function of a language; the build installs its tools.
fn builds_and_runs(language: &str) {
    let home = Home::new();
    home.ok(&["new", "my-function", "--lang", language]);
    let folder = home.work().join("my-function");
    let built = Command::new(folder.join("build.sh"))
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );

    let call = |function, argument| {
        home.run(&["call", "my-function/my-function.wasm", function, argument])
    };
    assert_eq!(call("greet", "World").code(0).text(), "\"Hello, World!\"");
    assert_eq!(
        call("summarise", "one three\ntwo").code(0).text(),
        r#"{"lines":2,"words":3,"longest":"three"}"#
    );
    call("summarise", "\" \"")
        .code(1)
        .says("there is no word in this text");
    home.ok(&["run", "my-function/workflow.yaml", "--out", "out"]);
    assert_eq!(home.read("out/greeting.json"), b"\"Hello, World!\"\n");
    assert_eq!(
        home.read("out/README-again.md"),
        home.read("my-function/README.md")
    );
}

#[test]
#[ignore = "needs a standard library for wasm32-unknown-unknown; .ci/languages runs it"]
fn rust_builds_and_runs() {
    builds_and_runs("rust");
}

#[test]
#[ignore = "installs Zig, wit-bindgen and wasm-tools; .ci/languages runs it"]
fn c_builds_and_runs() {
    builds_and_runs("c");
}

#[test]
#[ignore = "installs componentize-js; .ci/languages runs it"]
fn javascript_builds_and_runs() {
    builds_and_runs("js");
}

#[test]
#[ignore = "installs componentize-py; .ci/languages runs it"]
fn python_builds_and_runs() {
    builds_and_runs("python");
}
