//! Streams that close or fill up. Without these a pipe into `head` could panic or turn into an error.

use crate::home::Home;
use std::fs::OpenOptions;
use std::io::Read;
use std::process::Stdio;

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    home.file("big", vec![7; 8 << 20]);
    let cid = home.ok(&["add", "-q", "big"]);
    let mut child = home
        .command(&["cat", &cid])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );
}

#[test]
fn closed_streams_do_not_change_the_code() {
    let home = Home::new();
    for (args, code) in [
        (["man"].as_slice(), 0),
        (&["--help"], 0),
        (&["frobnicate"], 2),
        (&["cat", "x"], 2),
        (&["key", "show"], 0),
    ] {
        let mut command = home.command(args);
        // Pipes whose other ends are closed at once.
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let home = Home::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = home.command(&["man"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}

#[test]
fn no_colours_away_from_a_terminal() {
    let home = Home::new();
    let ran = home.run(&["cat", "x"]);
    assert!(!ran.err.contains('\u{1b}'), "{}", ran.err);
}
