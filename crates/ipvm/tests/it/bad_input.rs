//! Bad input of every kind ends with a message that names the place and the remedy, exit 2 or 1,
//! in bounded time and memory, and without a panic.

use std::time::{Duration, Instant};

use crate::home::Home;

/// Most time any refusal may take, in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most address space a refusal may take, in KiB: less than the file that is refused.
#[cfg(target_os = "linux")]
const MAX_ADDRESS_KIB: u64 = 700 * 1024;

const CALC: &str = r#"(component
  (core module $m (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add"))))"#;

fn task(text: &str) -> String {
    format!("ipvm: \"0.2\"\ntasks:\n  t: {text}\n")
}

fn home() -> Home {
    let home = Home::new();
    home.file("calc.wasm", wat::parse_str(CALC).unwrap());
    home
}

/// Runs the file and checks that it is refused with all of `says` on stderr.
fn refused(home: &Home, text: impl AsRef<[u8]>, says: &[&str]) {
    home.file("w.yaml", text.as_ref());
    let began = Instant::now();
    let ran = home.run(&["run", "w.yaml"]);
    let shown = String::from_utf8_lossy(text.as_ref())
        .chars()
        .take(200)
        .collect::<String>();
    assert!(
        began.elapsed() < PATIENCE,
        "{shown}: took {:?}",
        began.elapsed()
    );
    assert!(
        matches!(ran.code, Some(1 | 2)),
        "{shown}: exit {:?}\n{}",
        ran.code,
        ran.err
    );
    assert!(ran.out.is_empty(), "{shown}: nothing on stdout");
    assert!(ran.err.starts_with("error:"), "{shown}: {}", ran.err);
    for part in says {
        assert!(
            ran.err.contains(part),
            "{shown}: expected {part:?} in\n{}",
            ran.err
        );
    }
}

#[test]
fn mistakes_in_a_file_are_named_with_place_and_remedy() {
    let home = home();
    let call = |args: &str| task(&format!("{{ mod: calc.wasm, fun: add, args: {args} }}"));
    let cases: &[(String, &[&str])] = &[
        (call("[1]"), &["w.yaml:3:", "help:"]),
        (call("[1, two]"), &["w.yaml:3:", "u32", "help:"]),
        (call("[1, -2]"), &["w.yaml:3:", "u32"]),
        (call("[1, 2.5]"), &["w.yaml:3:", "u32"]),
        (
            call("[1, {file: missing.bin}]"),
            &["w.yaml:3:", "missing.bin", "help:"],
        ),
        (
            call("[1, {await: other}]"),
            &["w.yaml:3:", "other", "help:"],
        ),
        (call("[1, {param: other}]"), &["w.yaml:3:", "other"]),
        (call("[1, {item: true}]"), &["w.yaml:3:", "each"]),
        (call("[1, {file: ../../etc/passwd}]"), &["w.yaml:3:"]),
        (
            task("{ mod: missing.wasm, fun: add, args: [] }"),
            &["w.yaml:3:", "missing.wasm"],
        ),
        (
            task("{ mod: calc.wasm, fun: ad, args: [1, 2] }"),
            &["w.yaml:3:", "ad", "add"],
        ),
        (
            task("{ mod: calc.wasm, fun: add, arg: [1, 2] }"),
            &["w.yaml:3:", "\"arg\"", "args"],
        ),
        (
            task("{ mod: calc.wasm, fun: add, args: [1, 2], mod: x }"),
            &["w.yaml:3:", "mod"],
        ),
        (
            "ipvm: \"0.2\"\ntasks:\n  a: { mod: calc.wasm, fun: add, args: [{await: b}, 1] }
  b: { mod: calc.wasm, fun: add, args: [{await: a}, 1] }\n"
                .to_owned(),
            &["w.yaml:3:", "a → b → a", "help:"],
        ),
        (
            "ipvm: \"9.9\"\ntasks: {}\n".to_owned(),
            &["w.yaml:1:", "9.9", "0.2", "help:"],
        ),
        ("tasks: {}\n".to_owned(), &["ipvm"]),
        ("ipvm: \"0.2\"\n".to_owned(), &["tasks"]),
        (
            "ipvm: \"0.2\"\ntaskz: {}\n".to_owned(),
            &["w.yaml:2:", "taskz", "tasks"],
        ),
        (
            call("[1, 2]") + "outputs: { nope: x.jpg }\n",
            &["w.yaml:4:", "nope"],
        ),
        (
            call("[1, 2]") + "outputs: { t: ../x.jpg }\n",
            &["w.yaml:4:", "../x.jpg"],
        ),
        (
            call("[1, 2]") + "outputs: { t: /tmp/x.jpg }\n",
            &["w.yaml:4:", "/tmp/x.jpg"],
        ),
    ];
    for (text, says) in cases {
        refused(&home, text, says);
    }
    home.run(&["run", "absent.yaml"])
        .code(2)
        .says("absent.yaml")
        .says("help:");
    home.run(&["run", "."]).code(2);
}

#[test]
fn things_that_are_no_modules_are_named_as_what_they_are() {
    let home = home();
    let whole = wat::parse_str(CALC).unwrap();
    let core =
        wat::parse_str("(module (func (export \"f\") (param i32) (result i32 i32)))").unwrap();
    let imports = wat::parse_str(r#"(component (import "host-clock" (func)))"#).unwrap();
    let cases: &[(&[u8], &str)] = &[
        (b"", "empty"),
        (b"\x00asm", "cut off"),
        (whole.get(..whole.len() / 2).unwrap(), "cut off"),
        (b"just some text, not a module", "WebAssembly"),
        (&[0x9d; 4096], "WebAssembly"),
        (&core, "core"),
        (&imports, "host-clock"),
    ];
    for (bytes, says) in cases {
        home.file("m.wasm", bytes);
        refused(
            &home,
            task("{ mod: m.wasm, fun: f, args: [] }"),
            &["w.yaml:3:", says, "help:"],
        );
    }
}

#[test]
fn hostile_files_are_refused_quickly() {
    let home = home();
    refused(&home, "[".repeat(200_000), &["w.yaml:"]);
    refused(&home, "{a: ".repeat(200_000), &["w.yaml:"]);
    refused(
        &home,
        task(&format!("{{ args: {} }}", "[".repeat(200_000))),
        &["w.yaml:"],
    );
    let mut bomb = "ipvm: \"0.2\"\na0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let before = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [*a{before}, *a{before}]\n"));
    }
    refused(&home, bomb, &["w.yaml:", "help:"]);
    let mut state = 7u32;
    let mut random = vec![0; 100_000];
    for byte in &mut random {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    refused(&home, &random, &[]);
    refused(&home, b"\xff\xfe\x00\x00", &[]);
    refused(&home, "", &["ipvm"]);
}

#[test]
#[cfg(unix)]
fn links_out_of_the_folder_are_not_followed() {
    let home = home();
    std::fs::write(home.work().parent().unwrap().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", home.work().join("inside.txt")).unwrap();
    let text = task("{ mod: calc.wasm, fun: add, args: [1, {text: inside.txt}] }");
    refused(&home, text, &["w.yaml:3:", "inside.txt", "--allow-path"]);
    std::os::unix::fs::symlink("..", home.work().join("up")).unwrap();
    let text = "ipvm: \"0.2\"\ntasks:\n  t: { each: {glob: \"up/*\"}, mod: calc.wasm, fun: add, args: [1, {item: true}] }\n";
    refused(&home, text, &["w.yaml:3:"]);
}

/// One gigabyte of YAML: refused by its size, without being read.
#[test]
#[cfg(target_os = "linux")]
fn a_gigabyte_of_yaml_takes_no_memory() {
    let home = home();
    let file = std::fs::File::create(home.work().join("w.yaml")).unwrap();
    file.set_len(1 << 30).unwrap();
    let limit = format!("ulimit -v {}; exec \"$0\" run w.yaml", MAX_ADDRESS_KIB);
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &limit, env!("CARGO_BIN_EXE_ipvm")]);
    let output = command
        .current_dir(home.work())
        .env("IPVM_HOME", home.path())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(
        err.contains("w.yaml") && err.contains("1073741824"),
        "{err}"
    );
}
