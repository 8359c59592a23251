//! What builds a guest: the stock compiler, and a standard library for a target it does not come with.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use ipvm_ipld::{cid_of, codec};

/// The compiler whose bytes are committed.
const RUST: &str = "1.95.0";

const TARGET: &str = "wasm32-unknown-unknown";

/// The environment variable that says where the source of the standard library is: a `.tar.zst` of the `library`
/// folder, or such a folder.
const SOURCE_VARIABLE: &str = "IPVM_RUST_STD";

/// Where that source is looked for without the variable, relative to the repository.
const SOURCE_DEFAULT: &str = "../shared/toolchain/rust-std-1.95.0.tar.zst";

/// Where the source is put for the build. The bytes of a guest depend on this path, so it is the same on all machines.
const SOURCE_HOME: &str = "/tmp/ipvm-rust-std-1.95.0";

/// The file that says which source is at [`SOURCE_HOME`].
const STAMP: &str = ".ipvm-source";

/// How to get a toolchain whose bytes can be compared.
pub(super) const REMEDY: &str =
    "set IPVM_RUST_STD to the source of Rust 1.95.0's standard library (guests/README.md)";

/// A compiler and where its standard library for guests comes from.
pub(super) struct Toolchain {
    sysroot: PathBuf,
    host: String,
    library: Library,
}

enum Library {
    /// Built with the guest from source; the same bytes everywhere.
    Source,
    /// Installed by rustup; works, but gives other bytes than the source.
    Installed,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.library {
            Library::Source => write!(f, "rustc {RUST} and its standard library from source"),
            Library::Installed => write!(
                f,
                "rustc {RUST} and rustup's {TARGET}; do not commit the result: {REMEDY}"
            ),
        }
    }
}

impl Toolchain {
    /// The compiler on the PATH, with the best standard library there is for it.
    pub(super) fn find(root: &Path) -> Result<Self> {
        let told = output(Command::new("rustc").arg("-vV"))?;
        let field = |name: &str| {
            told.lines()
                .find_map(|line| line.strip_prefix(name))
                .with_context(|| format!("`rustc -vV` tells no {name}"))
        };
        let release = field("release: ")?;
        ensure!(
            release == RUST,
            "the committed guests are built with rustc {RUST}, but this is {release}: `rustup run {RUST} cargo xtask \
             guests`"
        );
        let sysroot =
            PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
        let library = if let Some(source) = source(root)? {
            unpack(&source)?;
            Library::Source
        } else if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
            Library::Installed
        } else {
            bail!(
                "there is no standard library for {TARGET}: {REMEDY}, or `rustup target add {TARGET}`"
            );
        };
        Ok(Self {
            host: field("host: ")?.to_owned(),
            sysroot,
            library,
        })
    }

    /// Whether its bytes are those that are committed.
    pub(super) fn is_reproducible(&self) -> bool {
        matches!(self.library, Library::Source)
    }

    /// Builds one guest; returns the path of its component.
    pub(super) fn build(&self, root: &Path, name: &str) -> Result<PathBuf> {
        let folder = root.join("guests").join(name);
        let target = root.join("target/guests");
        let mut cargo = Command::new("cargo");
        cargo
            .args([
                "build",
                "--release",
                "--lib",
                "--locked",
                "--target",
                TARGET,
            ])
            .current_dir(&folder);
        // Settings for other builds would change the bytes of this one.
        for (variable, _) in std::env::vars_os() {
            let variable = variable.to_string_lossy();
            let foreign = [
                "CARGO_PROFILE_",
                "CARGO_BUILD_",
                "CARGO_TARGET_",
                "CARGO_ENCODED_",
                "RUSTC",
                "RUSTFLAGS",
            ];
            if foreign.iter().any(|prefix| variable.starts_with(prefix)) {
                cargo.env_remove(&*variable);
            }
        }
        cargo.env("CARGO_TARGET_DIR", &target);
        if self.is_reproducible() {
            // The stock compiler builds its own library only if asked in the name of the bootstrap.
            cargo
                .env("RUSTC_BOOTSTRAP", "1")
                .env("__CARGO_TESTS_ONLY_SRC_ROOT", SOURCE_HOME)
                .args([
                    "-Zbuild-std=std,panic_abort",
                    "-Zbuild-std-features=optimize_for_size",
                ]);
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags(&folder)?.join("\x1f"));
        let status = cargo.status().context("cannot start cargo")?;
        ensure!(status.success(), "cargo build failed ({status})");
        Ok(target
            .join(TARGET)
            .join("release")
            .join(library_file(&folder)?))
    }

    fn flags(&self, folder: &Path) -> Result<Vec<String>> {
        let linker = self
            .sysroot
            .join("lib/rustlib")
            .join(&self.host)
            .join("bin/wasm-component-ld");
        ensure!(
            linker.is_file(),
            "rustc comes without its component linker: {} is missing",
            linker.display()
        );
        let mut flags = vec![
            format!("-Clinker={}", linker.display()),
            "-Clinker-flavor=wasm-ld".to_owned(),
        ];
        // No path of this machine may get into the component. No SIMD: rustc 1.95 drops saturation where it narrows
        // (rust-lang/rust#157456), so pictures with transparency would be wrong.
        let registry = cargo_home()?.join("registry/src");
        for (from, to) in [
            (folder, "/guest"),
            (Path::new(SOURCE_HOME), "/library"),
            (registry.as_path(), "/registry"),
        ] {
            flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        }
        if self.is_reproducible() {
            // A panic is a trap either way; without its texts a guest is a tenth smaller.
            flags.extend(["-Zunstable-options", "-Cpanic=immediate-abort"].map(str::to_owned));
        }
        Ok(flags)
    }
}

/// Where the source of the standard library is, if anywhere.
fn source(root: &Path) -> Result<Option<PathBuf>> {
    if let Some(path) = std::env::var_os(SOURCE_VARIABLE) {
        let path = PathBuf::from(path);
        ensure!(
            path.exists(),
            "{SOURCE_VARIABLE} is {}, but there is no such file or folder",
            path.display()
        );
        return Ok(Some(path));
    }
    let path = root.join(SOURCE_DEFAULT);
    Ok(path.is_file().then_some(path))
}

/// Puts the source at [`SOURCE_HOME`], unless the same is there already.
fn unpack(source: &Path) -> Result<()> {
    let home = Path::new(SOURCE_HOME);
    let stamp = if source.is_dir() {
        source.display().to_string()
    } else {
        let archive =
            fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        cid_of(codec::RAW, &archive).to_string()
    };
    if fs::read_to_string(home.join(STAMP)).is_ok_and(|there| there == stamp) {
        return Ok(());
    }
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot replace {SOURCE_HOME}"))?;
    }
    fs::create_dir(home).with_context(|| format!("cannot make {SOURCE_HOME}"))?;
    if source.is_dir() {
        output(Command::new("cp").arg("-R").arg(source.join(".")).arg(home))?;
    } else {
        output(
            Command::new("tar")
                .arg("--zstd")
                .arg("-C")
                .arg(home)
                .arg("-xf")
                .arg(source),
        )?;
    }
    ensure!(
        home.join("std/Cargo.toml").is_file(),
        "{} is not the `library` folder of Rust's source: it has no std/Cargo.toml",
        source.display()
    );
    fs::write(home.join(STAMP), stamp).with_context(|| format!("cannot write in {SOURCE_HOME}"))
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    let home = std::env::home_dir().context("there is no home folder: set CARGO_HOME")?;
    Ok(home.join(".cargo"))
}

/// The file that cargo makes of a guest's package.
fn library_file(folder: &Path) -> Result<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    let name = manifest
        .lines()
        .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .context("its Cargo.toml has no line `name = \"…\"`")?;
    Ok(format!("{}.wasm", name.replace('-', "_")))
}

/// What a command prints, or an error with what it complained about.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    ensure!(
        output.status.success(),
        "{name} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).with_context(|| format!("{name} prints no UTF-8"))
}
