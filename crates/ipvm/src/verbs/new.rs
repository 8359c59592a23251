//! `ipvm new`: a folder with a function to start from, which builds and runs as it is. The files are those of
//! `templates/`, with the name put in.

use crate::cli::{Language, New};
use crate::context::Context;
use crate::fault::{Code, Fault};
use anyhow::Context as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Longest name, in bytes. It becomes the name of files and packages.
const MAX_NAME: usize = 64;

/// What stands in the templates for the name, the language, what the build needs, and the source.
const NAME: &str = "{{name}}";
const LANGUAGE: &str = "{{language}}";
const NEEDS: &str = "{{needs}}";
const SOURCE: &str = "{{source}}";

/// The script that builds, the one file that is executable.
const BUILD: &str = "build.sh";

/// A file of a template: its path in the new folder, and its text.
type File = (&'static str, &'static str);

/// The files that are the same for every language.
const COMMON: [File; 4] = [
    (
        "README.md",
        include_str!("../../templates/common/README.md"),
    ),
    (
        ".gitignore",
        include_str!("../../templates/common/gitignore"),
    ),
    (
        "wit/world.wit",
        include_str!("../../templates/common/world.wit"),
    ),
    (
        "workflow.yaml",
        include_str!("../../templates/common/workflow.yaml"),
    ),
];

/// What differs from language to language.
struct Template {
    /// The language's name for people.
    language: &'static str,
    /// What must be on the machine for the build, in one or two sentences.
    needs: &'static str,
    /// Where the functions are.
    source: &'static str,
    files: &'static [File],
}

const RUST: Template = Template {
    language: "Rust",
    needs: "Needs [Rust](https://rustup.rs). The build adds the target `wasm32-unknown-unknown`.",
    source: "src/lib.rs",
    files: &[
        (BUILD, include_str!("../../templates/rust/build.sh")),
        (
            "Cargo.toml",
            include_str!("../../templates/rust/manifest.toml"),
        ),
        (
            ".cargo/config.toml",
            include_str!("../../templates/rust/config.toml"),
        ),
        ("src/lib.rs", include_str!("../../templates/rust/lib.rs")),
    ],
};

const C: Template = Template {
    language: "C",
    needs: "Needs Python 3.9 and Rust. The first build installs Zig (the C compiler), wit-bindgen and wasm-tools in \
            `$IPVM_TOOLS` (default: `ipvm-tools` in the cache folder), which takes some minutes.",
    source: "functions.c",
    files: &[
        (BUILD, include_str!("../../templates/c/build.sh")),
        ("functions.c", include_str!("../../templates/c/functions.c")),
    ],
};

const JS: Template = Template {
    language: "JavaScript",
    needs: "Needs Node.js 20. The first build installs componentize-js in `node_modules/`.",
    source: "functions.js",
    files: &[
        (BUILD, include_str!("../../templates/js/build.sh")),
        (
            "package.json",
            include_str!("../../templates/js/package.json"),
        ),
        (
            "functions.js",
            include_str!("../../templates/js/functions.js"),
        ),
    ],
};

const PYTHON: Template = Template {
    language: "Python",
    needs: "Needs Python 3.9. The first build installs componentize-py in `.venv/`.",
    source: "app.py",
    files: &[
        (BUILD, include_str!("../../templates/python/build.sh")),
        (
            "requirements.txt",
            include_str!("../../templates/python/requirements.txt"),
        ),
        ("app.py", include_str!("../../templates/python/app.py")),
    ],
};

pub(crate) fn new(context: &mut Context, verb: &New) -> anyhow::Result<Code> {
    let template = match verb.lang {
        Language::Rust => &RUST,
        Language::C => &C,
        Language::Js => &JS,
        Language::Python => &PYTHON,
    };
    let name = verb.name.as_str();
    check_name(name)?;
    check_free(Path::new(name))?;
    for (path, text) in COMMON.iter().chain(template.files) {
        let path = Path::new(name).join(path);
        write(&path, &fill(text, name, template))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    writeln!(context.out, "{name}")?;
    context.note(&format!(
        "next:\n  cd {name}\n  ./{BUILD}\n  ipvm call {name}.wasm greet World\n  ipvm run workflow.yaml"
    ));
    Ok(Code::Done)
}

/// A name must do as the name of a file, a package of each language, and a workflow.
fn check_name(name: &str) -> Result<(), Fault> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(letters);
    if good {
        return Ok(());
    }
    Err(Fault::usage(
        format!("`{name}` is not a name for a function"),
        format!(
            "use a letter, then letters, digits and `-`, all small, {MAX_NAME} at most: for instance my-function"
        ),
    ))
}

/// Nothing that is there is written over.
fn check_free(folder: &Path) -> anyhow::Result<()> {
    let taken = |what: &str| {
        Fault::usage(
            format!("{} is there already, and is {what}", folder.display()),
            "choose another name, or remove it",
        )
    };
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(taken("not empty").into()),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(taken("not a folder").into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot look into {}", folder.display())),
    }
}

fn fill(text: &str, name: &str, template: &Template) -> String {
    text.replace(NAME, name)
        .replace(LANGUAGE, template.language)
        .replace(NEEDS, template.needs)
        .replace(SOURCE, template.source)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)?;
    if path.ends_with(BUILD) {
        make_executable(path)?;
    }
    Ok(())
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = fs::metadata(path)?.permissions();
    // For whoever may read it, as far as the user's mask allows.
    permissions.set_mode(permissions.mode() | (permissions.mode() & 0o444) >> 2);
    fs::set_permissions(path, permissions)
}

/// Other systems have no such permission.
#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}
