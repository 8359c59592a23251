//! A home of its own for each test, and the binary run in it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An empty home and an empty current folder, gone when dropped.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

/// What a command ended with.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        Self { dir }
    }

    /// The same in memory, where there is such a place: for tests that write a home a thousand times.
    pub(crate) fn in_memory() -> Self {
        let dir = ipvm_testkit::failpoint::folder();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        Self { dir }
    }

    /// The current folder of commands.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The home itself.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Writes a file into the current folder of commands.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The bytes of a file in the current folder of commands.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.work().join(name)).unwrap()
    }

    /// The command, to be given more before it is run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipvm"));
        command
            .args(args)
            .current_dir(self.work())
            .env("IPVM_HOME", self.path());
        command.env_remove("NO_COLOR").stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs a command with `input` on its standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let ran = Ran::of(child.wait_with_output().unwrap());
        writer.join().unwrap().unwrap();
        ran
    }

    /// Runs a line in a shell that finds the binary.
    #[cfg(unix)]
    pub(crate) fn shell(&self, line: &str) -> Ran {
        let folder = Path::new(env!("CARGO_BIN_EXE_ipvm")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(self.work())
            .env("IPVM_HOME", self.path())
            .env("PATH", format!("{}:{path}", folder.display()))
            .stdin(Stdio::null());
        Ran::of(command.output().unwrap())
    }

    /// Runs a command that must end with 0, and returns what it printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).code(0).text()
    }

    /// Runs a command that must print one JSON document and nothing else.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        let err = String::from_utf8(output.stderr).expect("stderr is UTF-8");
        assert!(!err.contains("panicked"), "{err}");
        Self {
            code: output.status.code(),
            out: output.stdout,
            err,
        }
    }

    /// Fails the test if the exit code is another.
    pub(crate) fn code(self, expect: i32) -> Self {
        let out = String::from_utf8_lossy(&self.out);
        assert_eq!(
            self.code,
            Some(expect),
            "stdout:\n{out}\nstderr:\n{}",
            self.err
        );
        self
    }

    /// Fails the test if stderr does not say this.
    pub(crate) fn says(self, expect: &str) -> Self {
        assert!(
            self.err.contains(expect),
            "expected {expect:?} in:\n{}",
            self.err
        );
        self
    }

    /// Standard output as text, without the last line break.
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.out)
            .expect("stdout is UTF-8")
            .trim_end()
            .to_owned()
    }
}
