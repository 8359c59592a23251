//! A temporary folder with files, and a home beside it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::functions::{CALC, component};

/// A temporary folder; gone when dropped.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A folder with [`CALC`] as `calc.wasm` and `text` as `workflow.yaml`.
    pub fn with_workflow(text: &str) -> Self {
        let folder = Self::new();
        folder.write("calc.wasm", component(CALC));
        folder.write("workflow.yaml", text);
        folder
    }

    /// The path of `name` in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Where tests put the home that belongs to it.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Writes a file, with the folders it needs, and returns its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder for the file");
        }
        fs::write(&path, bytes).expect("a writable file");
        path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}
