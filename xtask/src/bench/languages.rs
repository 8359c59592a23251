//! What a language costs: loading a component that was compiled before, and calling it in a fresh instance. Measured
//! with the components of `examples/languages`, where those are built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvm_ipld::{Ipld, cid_of, codec};
use ipvm_wasm::{Call, Cancel, Done, Engine, Limits, Module, NoContent, Settings};

use super::measure::{Figure, Plan, Row};
use super::setting::{Setting, root};

const LANGUAGES: [&str; 3] = ["c", "js", "python"];
const LIMITS: Limits = Limits {
    fuel: 10_000_000_000,
    memory: 256 << 20,
    time: Duration::from_secs(60),
    output: 64 << 20,
    log: 1 << 20,
};

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let folder = root().join("examples/languages");
    if !folder.join("python.wasm").exists() {
        return Ok(vec![Row::Missing {
            name: "languages".into(),
            why: "examples/languages/run.sh builds the components first".into(),
        }]);
    }
    let rust = Guest::new(&folder, "rust")?;
    let compared = rust.load()?;
    let mut figures = Vec::new();
    for language in LANGUAGES {
        figures.extend(Guest::new(&folder, language)?.measure(&compared, setting)?);
    }
    Ok(figures)
}

struct Guest {
    language: &'static str,
    wasm: Vec<u8>,
    cache: tempfile::TempDir,
}

impl Guest {
    fn new(folder: &Path, language: &'static str) -> Result<Self> {
        let path = folder.join(format!("{language}.wasm"));
        let wasm = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self {
            language,
            wasm,
            cache: tempfile::tempdir()?,
        })
    }

    /// In an engine of its own, so that nothing is loaded yet.
    fn load(&self) -> Result<Module> {
        let engine = Engine::new(&Settings {
            cache: Some(self.cache.path().to_owned()),
            ..Settings::default()
        })?;
        let cid = cid_of(codec::RAW, &self.wasm);
        let fetch = &mut || Ok::<Vec<u8>, std::io::Error>(self.wasm.clone());
        Ok(engine.load(&cid, fetch)?)
    }

    fn measure(&self, compared: &Module, setting: &Setting) -> Result<[Row; 2]> {
        let language = self.language;
        let module = self.load()?;
        let artefact = self.artefact()?;
        ensure!(
            describe(&module)?.out == describe(compared)?.out,
            "{language} says something else than Rust"
        );
        let load = Figure::measure(
            &Plan {
                name: &format!("{language}: load"),
                floor: "reading the compiled module and hashing it",
                target: "–",
                conditions: "compiled before; engine started, digest checked, mapped",
                rounds: setting.count(20, 1),
            },
            |_| Ok(cid_of(codec::RAW, &std::fs::read(&artefact)?)),
            |_| self.load(),
        )?;
        let call = Figure::measure(
            &Plan {
                name: &format!("{language}: call"),
                floor: "the same call of the component made of Rust",
                target: "–",
                conditions: "module loaded; fresh instance, record in, text out",
                rounds: setting.count(500, 1),
            },
            |_| describe(compared),
            |_| describe(&module),
        )?;
        Ok([load.into(), call.into()])
    }

    /// The largest file in the cache.
    fn artefact(&self) -> Result<PathBuf> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.cache.path())? {
            let entry = entry?;
            files.push((entry.metadata()?.len(), entry.path()));
        }
        let (_, largest) = files.into_iter().max().context("nothing was kept")?;
        Ok(largest)
    }
}

fn describe(module: &Module) -> Result<Done> {
    let text = |text: &str| Ipld::String(text.to_owned());
    let person = Ipld::Map(BTreeMap::from([
        ("name".to_owned(), text("Ada")),
        ("age".to_owned(), Ipld::Integer(36)),
        ("initial".to_owned(), text("A")),
        ("nicknames".to_owned(), Ipld::List(vec![text("Countess")])),
    ]));
    Ok(module.call(&Call {
        function: "describe",
        args: &[person],
        limits: LIMITS,
        content: &NoContent,
        cancel: &Cancel::new(),
        seed: [0; 32],
    })?)
}
