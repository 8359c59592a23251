//! Sources without a disk, and shorthands for compiling.

use ipvm_ipld::{Cid, Ipld, Limits, cid_of, codec, json};
use ipvm_ucan::{Did, Keypair};
use ipvm_workflow::author::{
    ArgError, Base, Compiled, Diagnostics, FunctionError, Set, Settings, SourceError, Sources,
    compile, parse,
};
use ipvm_workflow::{Graph, Workflow};
use std::collections::BTreeMap;

/// Files by path; every other path is missing.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// What was asked for, in order.
    pub(crate) asked: Vec<String>,
    /// Argument checks, which are not remembered.
    pub(crate) checked: usize,
}

/// A module's functions with the kinds of their arguments: `c`ontent, `i`nteger, `s`tring, `l`ist, `a`nything.
const FUNCTIONS: &[(&str, &str)] = &[
    ("ipvm:image/ops@1.0.0#thumbnail", "cii"),
    ("ipvm:image/ops@1.0.0#grayscale", "c"),
    ("ipvm:image/ops@1.0.0#contact-sheet", "l"),
    ("ipvm:image/ops@1.0.0#any", "a"),
    ("ipvm:image/ops@1.0.0#none", ""),
    ("ipvm:image/ops@1.0.0#twice", "a"),
    ("ipvm:image/more@1.0.0#twice", "a"),
    ("ipvm:image/ops@1.0.0#ignore", "a"),
];

pub(crate) fn fake() -> Fake {
    let file = |path: &str, content: &[u8]| (path.to_owned(), content.to_vec());
    Fake {
        files: BTreeMap::from([
            file("./photo.jpg", b"photo"),
            file("other.jpg", b"other"),
            file("./photos/b.jpg", b"b"),
            file("./photos/a.jpg", b"a"),
            file("./note.txt", b"hello\n"),
            file("./image.wasm", b"image module"),
            file("./handlers.wasm", b"handlers module"),
        ]),
        ..Fake::default()
    }
}

impl Fake {
    fn read(&mut self, path: &str) -> Result<&[u8], SourceError> {
        self.asked.push(path.to_owned());
        self.files
            .get(path)
            .map(Vec::as_slice)
            .ok_or_else(|| SourceError {
                message: format!("there is no file {path:?}"),
                help: "check the path; it starts at the workflow file's folder".into(),
            })
    }
}

impl Sources for Fake {
    fn add_file(&mut self, path: &str, _: Base) -> Result<Cid, SourceError> {
        self.read(path).map(|bytes| cid_of(codec::RAW, bytes))
    }

    fn read_text(&mut self, path: &str, _: Base) -> Result<String, SourceError> {
        self.read(path)
            .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn glob(&mut self, pattern: &str, _: Base) -> Result<Vec<String>, SourceError> {
        let (before, after) = pattern.split_once('*').unwrap();
        let fits = |path: &&String| path.starts_with(before) && path.ends_with(after);
        Ok(self.files.keys().filter(fits).rev().cloned().collect())
    }

    fn module(&mut self, path: &str) -> Result<Cid, SourceError> {
        self.add_file(path, Base::File)
    }

    fn function(&mut self, module: &Cid, name: &str) -> Result<String, FunctionError> {
        self.asked.push(format!("function {name}"));
        if *module == cid_of(codec::RAW, b"photo") {
            let help = "give a .wasm file".to_owned();
            return Err(SourceError {
                message: "this is not a Wasm module".into(),
                help,
            }
            .into());
        }
        let short = |full: &str| full.rsplit('#').next().unwrap().to_owned();
        let fits: Vec<String> = FUNCTIONS
            .iter()
            .map(|(full, _)| (*full).to_owned())
            .filter(|full| full == name || short(full) == name)
            .collect();
        match fits.as_slice() {
            [full] => Ok(full.clone()),
            [] => Err(FunctionError::Unknown {
                candidates: FUNCTIONS.iter().map(|(full, _)| short(full)).collect(),
            }),
            _ => Err(FunctionError::Ambiguous { candidates: fits }),
        }
    }

    fn check_args(&mut self, _: &Cid, function: &str, args: &[Ipld]) -> Result<(), ArgError> {
        self.checked += 1;
        let kinds = FUNCTIONS
            .iter()
            .find(|(full, _)| *full == function)
            .unwrap()
            .1;
        let wrong = |index, message: String| {
            Err(ArgError {
                index,
                message,
                help: "look at its type".into(),
            })
        };
        if kinds.len() != args.len() {
            return wrong(
                None,
                format!("{} arguments instead of {}", args.len(), kinds.len()),
            );
        }
        for (index, (kind, arg)) in kinds.chars().zip(args).enumerate() {
            let promise =
                matches!(arg, Ipld::Map(map) if map.keys().any(|key| key.starts_with("await/")));
            let fits = match kind {
                'c' => matches!(arg, Ipld::Link(_) | Ipld::Bytes(_)),
                'i' => matches!(arg, Ipld::Integer(_)),
                's' => matches!(arg, Ipld::String(_)),
                'l' => matches!(arg, Ipld::List(_)),
                _ => true,
            };
            if !fits && !promise {
                return wrong(Some(index), format!("argument {index} does not fit"));
            }
        }
        Ok(())
    }

    fn subject(&mut self, name: &str) -> Result<Did, SourceError> {
        self.asked.push(format!("subject {name}"));
        match name {
            "alice-mail" => Ok(alice()),
            "bob" => Ok(bob()),
            _ => name.parse().map_err(|_| SourceError {
                message: format!("{name:?} is neither a DID nor a known name"),
                help: "see `ipvm name list`".into(),
            }),
        }
    }
}

pub(crate) fn owner() -> Did {
    Keypair::from_seed(&[1; 32]).did().clone()
}

pub(crate) fn alice() -> Did {
    Keypair::from_seed(&[3; 32]).did().clone()
}

pub(crate) fn bob() -> Did {
    Keypair::from_seed(&[4; 32]).did().clone()
}

pub(crate) fn settings(sets: &[&str]) -> Settings {
    let sets = sets.iter().map(|set| set.parse::<Set>().unwrap()).collect();
    Settings {
        owner: owner(),
        nonce: std::array::from_fn(|i| i as u8),
        sets,
    }
}

/// What came of a file, with the workflow decoded.
#[derive(Debug, PartialEq)]
pub(crate) struct Built {
    pub(crate) compiled: Compiled,
    pub(crate) workflow: Workflow,
    pub(crate) graph: Graph,
}

impl From<Compiled> for Built {
    fn from(compiled: Compiled) -> Self {
        let workflow = compiled.plan.workflow();
        // Two ways to the same bytes.
        assert_eq!(compiled.plan.encoded(), &workflow.encode().unwrap());
        let graph = compiled.plan.graph().clone();
        Self {
            compiled,
            workflow,
            graph,
        }
    }
}

impl std::ops::Deref for Built {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.compiled
    }
}

pub(crate) fn build_with(
    text: &str,
    sets: &[&str],
    sources: &mut Fake,
) -> Result<Built, Diagnostics> {
    compile(parse(text.as_bytes())?, &settings(sets), sources).map(Built::from)
}

pub(crate) fn build(text: &str) -> Result<Built, Diagnostics> {
    build_with(text, &[], &mut fake())
}

/// DAG-JSON, with `<file content>` in place of the link of such a file and `<label>` in place of its Task CID.
pub(crate) fn shown(value: &Ipld, compiled: &Built) -> String {
    let mut text = json::to_string(value);
    for (label, step) in &compiled.workflow.steps {
        let link = json::to_string(&Ipld::Link(step.task.cid().unwrap()));
        text = text.replace(&link, &format!("<{label}>"));
    }
    for content in fake().files.values() {
        let link = json::to_string(&Ipld::Link(cid_of(codec::RAW, content)));
        text = text.replace(
            &link,
            &format!("<{}>", String::from_utf8_lossy(content).trim()),
        );
    }
    text
}

pub(crate) fn ipld(text: &str) -> Ipld {
    json::from_str(text, Limits::default()).unwrap()
}
