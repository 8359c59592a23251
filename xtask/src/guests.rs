//! `cargo xtask guests`: builds the example functions under `guests/` and writes what is committed of them: the
//! components, the manifest of their CIDs, and the copies inside the examples that use them. With `--check` it writes
//! nothing and fails where the committed bytes are not what the sources build. How to get the toolchain is in
//! `guests/README.md`.

mod toolchain;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use ipvm_ipld::{cid_of, codec};
use serde_json::json;

use toolchain::Toolchain;

/// Largest component, in bytes: the largest content that is one raw block, so that its CID is plainly the hash of the
/// file and can be had with any tool.
const MAX_GUEST_BYTES: usize = 1024 * 1024;

const MANIFEST: &str = "guests/manifest.json";

/// What `cargo xtask guests` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Compare with what is committed instead of writing it
    #[arg(long)]
    check: bool,
}

/// Builds every guest; see the module's head.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = root()?;
    let toolchain = Toolchain::find(&root)?;
    println!("building with {toolchain}");
    let mut components = BTreeMap::new();
    for name in guest_names(&root)? {
        let component = toolchain
            .build(&root, &name)
            .and_then(|file| {
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
            })
            .and_then(|component| admit(&component).map(|()| component))
            .with_context(|| format!("guests/{name}"))?;
        println!(
            "{name}.wasm: {} bytes, {}",
            component.len(),
            cid_of(codec::RAW, &component)
        );
        components.insert(format!("{name}.wasm"), component);
    }
    let outputs = outputs(&root, components)?;
    if options.check {
        ensure!(
            toolchain.is_reproducible(),
            "other builds of the standard library give other bytes, so there is nothing to compare: {}",
            toolchain::REMEDY
        );
        check(&root, &outputs)
    } else {
        write(&root, &outputs)
    }
}

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here
        .parent()
        .context("xtask has no parent folder")?
        .to_owned())
}

/// The folders below `guests/` that hold a crate.
fn guest_names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("guests")).context("cannot list guests/")? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a file is a component that is pure by construction and small enough for one block.
fn admit(component: &[u8]) -> Result<()> {
    ensure!(
        component.len() <= MAX_GUEST_BYTES,
        "the component has {} bytes, but must be one block of at most {MAX_GUEST_BYTES}: leave out a dependency, or \
         optimise for size",
        component.len()
    );
    ensure!(
        !has_imports(component).context("the linker did not write a component")?,
        "the component has imports, so it is not pure: remove what reaches for the world (`wasm-tools component wit` \
         shows it)"
    );
    Ok(())
}

/// Whether a component imports anything, from its top-level sections (Component Model, "Binary Format": section 10).
/// `None` if it is not a component.
fn has_imports(component: &[u8]) -> Option<bool> {
    const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";
    const IMPORTS: u8 = 10;
    let mut rest = component.strip_prefix(PREAMBLE)?;
    while let Some((id, after)) = rest.split_first() {
        if *id == IMPORTS {
            return Some(true);
        }
        let (length, after) = leb128(after)?;
        rest = after.get(length..)?;
    }
    Some(false)
}

/// An unsigned 32-bit LEB128 number and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(place + 1..)?));
        }
    }
    None
}

/// Every file that follows from the components, by path relative to the repository.
fn outputs(
    root: &Path,
    components: BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut outputs = BTreeMap::new();
    for (name, component) in &components {
        for user in users(root, name)? {
            outputs.insert(user, component.clone());
        }
    }
    outputs.insert(PathBuf::from(MANIFEST), manifest(&components)?);
    for (name, component) in components {
        outputs.insert(Path::new("guests").join(name), component);
    }
    Ok(outputs)
}

/// Where examples need their own copy of a component, since the paths of a workflow stay inside its folder.
fn users(root: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let mut users = Vec::new();
    for entry in fs::read_dir(root.join("examples")).context("cannot list examples/")? {
        let entry = entry?;
        let workflow = fs::read_to_string(entry.path().join("workflow.yaml")).unwrap_or_default();
        if workflow.contains(&format!("./{name}")) {
            users.push(Path::new("examples").join(entry.file_name()).join(name));
        }
    }
    Ok(users)
}

fn manifest(components: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let entries: BTreeMap<_, _> = components
        .iter()
        .map(|(name, component)| {
            let cid = cid_of(codec::RAW, component);
            let sha256: String = cid
                .hash()
                .digest()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let entry =
                json!({ "cid": cid.to_string(), "bytes": component.len(), "sha256": sha256 });
            (name, entry)
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&entries)?;
    text.push('\n');
    Ok(text.into_bytes())
}

fn write(root: &Path, outputs: &BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    for (path, bytes) in outputs {
        fs::write(root.join(path), bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn check(root: &Path, outputs: &BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    let stale: Vec<String> = outputs
        .iter()
        .filter_map(|(path, built)| match fs::read(root.join(path)) {
            Ok(committed) if committed == *built => None,
            Ok(committed) => Some(format!(
                "{} is {}, but its sources build {}",
                path.display(),
                cid_of(codec::RAW, &committed),
                cid_of(codec::RAW, built)
            )),
            Err(error) => Some(format!("{}: {error}", path.display())),
        })
        .collect();
    if stale.is_empty() {
        println!("{} files are what their sources build", outputs.len());
        return Ok(());
    }
    bail!(
        "{}\nrun `cargo xtask guests` and commit what it writes",
        stale.join("\n")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without this, a component could be replaced by hand, or an example keep an old copy, and everybody's CIDs
    /// would differ from those in the manifest. It needs no Wasm toolchain.
    #[test]
    fn the_committed_components_are_those_of_the_manifest() {
        let root = root().unwrap();
        let components = guest_names(&root)
            .unwrap()
            .into_iter()
            .map(|name| format!("{name}.wasm"))
            .map(|name| {
                (
                    name.clone(),
                    fs::read(root.join("guests").join(name)).unwrap(),
                )
            })
            .collect::<BTreeMap<_, _>>();
        for component in components.values() {
            admit(component).unwrap();
        }
        check(&root, &outputs(&root, components).unwrap()).unwrap();
    }

    #[test]
    fn imports_are_seen() {
        let component = |sections: &[u8]| [b"\0asm\x0d\0\x01\0", sections].concat();
        let cases: [(Vec<u8>, Option<bool>); 7] = [
            (component(&[]), Some(false)),
            (component(&[0, 2, 7, 7, 11, 1, 0]), Some(false)),
            (component(&[0, 2, 7, 7, 10, 1, 0]), Some(true)),
            (
                component(&[&[0, 0x81, 1][..], &[10; 129], &[11, 0]].concat()),
                Some(false),
            ),
            (component(&[0, 9, 7]), None),
            (component(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), None),
            (b"\0asm\x01\0\0\0".to_vec(), None),
        ];
        for (bytes, expect) in cases {
            assert_eq!(has_imports(&bytes), expect, "{bytes:?}");
        }
    }
}
