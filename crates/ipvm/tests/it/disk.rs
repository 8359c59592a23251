//! The binary on disks that are full or may not be written. Without these: a full disk could lose reported results or
//! leave a home that cannot be used, or a person could not read what they may read.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

use ipvm_testkit::{CALC, Disk, component};

use crate::home::Home;

/// Results of 100 KiB each: more than fits.
const BLOBS: u64 = 50;

fn disk(bytes: u64) -> Option<Disk> {
    match Disk::small(bytes) {
        Ok(disk) => Some(disk),
        Err(why) => {
            println!("ignored, since no disk can be made here: {why}");
            None
        }
    }
}

/// What a command came to: exit code, standard output, standard error.
type Came = (i32, String, String);

/// Runs a command on the home at `home`.
fn on(home: &Path, work: &Home, args: &[&str]) -> Came {
    let output = work.command(args).env("IPVM_HOME", home).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let err = text(&output.stderr);
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().unwrap(), text(&output.stdout), err)
}

fn prepare(work: &Home) {
    work.file("calc.wasm", component(CALC));
    let mut text = "ipvm: \"0.2\"\nname: blobs\ntasks:\n".to_owned();
    for n in 0..BLOBS {
        let bytes = 100_000 + n;
        text += &format!("  blob{n}: {{ mod: calc.wasm, fun: blob, args: [{bytes}] }}\n");
    }
    work.file("workflow.yaml", text);
    work.file(
        "content",
        (0..3_000_000_u32)
            .map(|n| (n % 253) as u8)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_full_disk_is_told_and_the_same_command_finishes_when_there_is_room() {
    let Some(disk) = disk(8 << 20) else { return };
    let work = Home::new();
    prepare(&work);
    let home = disk.path().join("home");
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 4 << 20]).unwrap();
    let run = ["run", "workflow.yaml", "--progress", "json"];
    let (code, _, err) = on(&home, &work, &run);
    assert_eq!(code, 1, "{err}");
    for part in [
        "is full",
        "bytes are left",
        "free some space",
        &home.display().to_string(),
    ] {
        assert!(err.contains(part), "{part} in {err}");
    }
    let told = err
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let told: Vec<serde_json::Value> = told.collect();
    assert!(
        !told.is_empty() && (told.len() as u64) < BLOBS,
        "{}",
        told.len()
    );
    let (code, _, err) = on(&home, &work, &["add", "content"]);
    assert!(code == 1 && err.contains("is full"), "{err}");
    let (code, list, err) = on(
        &home,
        &work,
        &["receipt", "list", "--limit", "1000", "--json"],
    );
    assert_eq!(code, 0, "{err}");
    for told in &told {
        assert!(
            list.contains(told["receipt"].as_str().unwrap()),
            "{told} is lost"
        );
    }

    std::fs::remove_file(ballast).unwrap();
    let (code, report, err) = on(&home, &work, &["run", "workflow.yaml", "--json"]);
    assert_eq!(code, 0, "{err}");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    for told in &told {
        let task = &report["tasks"][told["step"].as_str().unwrap()];
        assert_eq!(
            (&task["receipt"], &task["memo"]),
            (&told["receipt"], &true.into())
        );
    }
    let (code, out, err) = on(&home, &work, &["store", "verify"]);
    assert_eq!(code, 0, "{out}{err}");
}

/// Verbs that look work, verbs that write say why they do not.
fn check_unwritable(command: &dyn Fn(&[&str]) -> Came, content: &str) {
    for args in [
        &["receipt", "list"][..],
        &["workflow", "list"],
        &["workflow", "show", "blobs"],
        &["key", "show"],
        &["cat", content],
        &["store", "stat"],
        &["store", "verify"],
    ] {
        let (code, out, err) = command(args);
        assert!(code == 0 && !out.is_empty(), "{args:?}: {out}{err}");
    }
    for args in [&["run", "workflow.yaml"][..], &["add", "calc.wasm"]] {
        let (code, _, err) = command(args);
        assert_eq!(code, 1, "{args:?}: {err}");
        assert!(
            err.contains("check its permissions and that the disk is not mounted read-only"),
            "{err}"
        );
    }
}

fn filled(work: &Home, home: &Path) -> String {
    prepare(work);
    let (code, _, err) = on(home, work, &["run", "workflow.yaml"]);
    assert_eq!(code, 0, "{err}");
    let (code, cid, err) = on(home, work, &["add", "--quiet", "content"]);
    assert_eq!(code, 0, "{err}");
    cid.trim().to_owned()
}

#[test]
fn a_read_only_disk_can_be_read_and_says_so_when_written() {
    let Some(disk) = disk(64 << 20) else { return };
    let work = Home::new();
    let home = disk.path().join("home");
    let content = filled(&work, &home);
    disk.set_read_only(true).unwrap();
    assert!(
        std::fs::write(home.join("x"), "x").is_err(),
        "it is read-only"
    );
    check_unwritable(&|args| on(&home, &work, args), &content);
}

/// Another user's id, the usual one of `nobody`.
const NOBODY: u32 = 65_534;

fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(everything_in(&path)),
            false => all.push(path),
        }
    }
    all
}

/// As a user who owns the home, but without the right to write to it.
#[test]
fn a_home_without_permission_to_write_can_be_read() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let may_be_another = Command::new("setpriv")
        .args(["--reuid", "65534", "true"])
        .status();
    if !may_be_another.is_ok_and(|status| status.success()) {
        println!(
            "ignored: needs setpriv and the right to be another user, since root may write everywhere"
        );
        return;
    }
    let work = Home::new();
    let home = work.path();
    let content = filled(&work, &home);
    let program = work.work().join("ipvm");
    std::fs::copy(env!("CARGO_BIN_EXE_ipvm"), &program).unwrap();
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(work.work().parent().unwrap(), 0o755);
    for path in everything_in(&home) {
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        allow(&path, if path.is_dir() { 0o555 } else { 0o444 });
    }
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.arg(&program).args(args).current_dir(work.work());
        let output = command.env("IPVM_HOME", &home).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap();
        (code, text(&output.stdout), text(&output.stderr))
    };
    check_unwritable(&as_nobody, &content);
}
