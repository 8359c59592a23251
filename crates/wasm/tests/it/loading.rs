//! Loading modules: what is refused and how, and what is kept. Without this, a damaged cache could run as code,
//! and a wrong file would be explained in a compiler's words.

use crate::fixture::{call, component, engine, load_bytes};
use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use ipvm_wasm::{Engine, LoadError, MAX_MODULE_BYTES, Module, Settings};
use proptest::prelude::*;
use std::convert::Infallible;
use std::path::PathBuf;

const SEVEN: &str = "(func (export \"f\") (result i32) (i32.const 7))";

fn seven() -> Vec<u8> {
    wat::parse_str(component("", "(result u32)", SEVEN)).unwrap()
}

#[track_caller]
fn refused(bytes: &[u8], text: &str) -> LoadError {
    let error = load_bytes(engine(), bytes).unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    error
}

#[test]
fn files_that_are_no_components() {
    refused(b"", "not WebAssembly but an empty file");
    refused(b"hello, world\n", "not WebAssembly but a text file");
    refused(
        "grüße ".repeat(200).as_bytes(),
        "not WebAssembly but a text file",
    );
    refused(b"(component)", "not WebAssembly but WebAssembly text");
    refused(
        b"\x89PNG\r\n\x1a\n\0\0\0",
        "a file that starts with the bytes 89 50 4e 47 0d 0a 1a 0a",
    );
    let core = wat::parse_str("(module)").unwrap();
    assert!(matches!(
        refused(&core, "wasm-tools component new"),
        LoadError::CoreModule(_)
    ));
    assert!(matches!(
        refused(b"\0asm\x0d\0\x02\0", "its version is unknown"),
        LoadError::Invalid { .. }
    ));
    let error = refused(
        &vec![0; MAX_MODULE_BYTES + 1],
        "at most 67108864 are accepted",
    );
    assert!(matches!(error, LoadError::TooLarge { .. }));
}

#[test]
fn every_truncation_is_an_error() {
    let whole = seven();
    for length in 0..whole.len() {
        match load_bytes(engine(), &whole[..length]) {
            Err(LoadError::Truncated { at }) => assert!(at <= length),
            Err(LoadError::NotWasm { .. }) => assert!(length < 4),
            Err(LoadError::Invalid { .. }) => panic!("{length}"),
            Err(error) => panic!("{length}: {error}"),
            // A component may end after any of its sections.
            Ok(_) => {}
        }
    }
}

#[test]
fn imports_are_refused_by_name() {
    let function = wat::parse_str(
        r#"(component (import "wasi:keyvalue/store@0.2.0" (instance (export "open" (func (result u64))))))"#,
    );
    refused(
        &function.unwrap(),
        "imports wasi:keyvalue/store@0.2.0#open, which functions do not get",
    );
    let plain = wat::parse_str(r#"(component (import "log" (func)) (import "shout" (func)))"#);
    let LoadError::UnknownImport { names } = refused(&plain.unwrap(), "imports log, shout, which")
    else {
        panic!()
    };
    assert_eq!(names, ["log", "shout"]);
    let resource = wat::parse_str(
        r#"(component (import "x:y/z" (instance (export "r" (type (sub resource))))))"#,
    );
    refused(&resource.unwrap(), "x:y/z#r");
}

/// Types ask for nothing; a component built from WIT imports those that it uses.
#[test]
fn types_may_be_imported() {
    let text = r#"(component
      (import "x:y/types" (instance $types (type $p' (record (field "x" u32))) (export "p" (type (eq $p')))))
      (alias export $types "p" (type $p))
      (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
      (core instance $i (instantiate $m))
      (func (export "f") (param "p" $p) (result u32) (canon lift (core func $i "f"))))"#;
    let module = load_bytes(engine(), &wat::parse_str(text).unwrap()).unwrap();
    let point = Ipld::Map([("x".to_owned(), Ipld::Integer(9))].into());
    assert_eq!(call(&module, "f", &[point]).unwrap(), Ok(Ipld::Integer(9)));
}

/// What makes results differ between machines is off.
#[test]
fn features_that_are_off() {
    let shared = component("", "", "(memory 1 1 shared) (func (export \"f\"))");
    let atomics = component(
        "",
        "",
        "(func (export \"f\") (drop (i32.atomic.load (i32.const 0))))",
    );
    let wide = r#"(component (core module (memory i64 1)))"#.to_owned();
    for text in [shared, atomics, wide] {
        refused(&wat::parse_str(text).unwrap(), "not a valid component");
    }
}

/// The sign of a NaN differs between processors; a guest must not see it.
#[test]
fn nans_have_one_form() {
    let body = "(func (export \"f\") (param f64 f64) (result i64)
        (i64.reinterpret_f64 (f64.div (local.get 0) (local.get 1))))";
    let text = component("", "(param \"a\" f64) (param \"b\" f64) (result u64)", body);
    let module = load_bytes(engine(), &wat::parse_str(text).unwrap()).unwrap();
    let zero = || Ipld::Float(0.0);
    assert_eq!(
        call(&module, "f", &[zero(), zero()]).unwrap(),
        Ok(Ipld::Integer(0x7ff8_0000_0000_0000))
    );
}

fn cached(folder: PathBuf) -> Engine {
    let settings = Settings {
        cache: Some(folder),
        ..Settings::default()
    };
    Engine::new(&settings).unwrap()
}

struct Kept {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    cid: Cid,
}

impl Kept {
    /// A folder in which a module was compiled once.
    fn new() -> Self {
        let bytes = seven();
        let kept = Self {
            folder: tempfile::tempdir().unwrap(),
            cid: cid_of(codec::RAW, &bytes),
            bytes,
        };
        let engine = kept.engine();
        kept.load(&engine);
        assert_eq!((engine.stats().compiled, engine.stats().unwritten), (1, 0));
        kept
    }

    fn engine(&self) -> Engine {
        cached(self.folder.path().join("compiled"))
    }

    fn load(&self, engine: &Engine) -> Module {
        engine
            .load(&self.cid, &mut || Ok::<_, Infallible>(self.bytes.clone()))
            .unwrap()
    }

    fn file(&self) -> PathBuf {
        let mut files = std::fs::read_dir(self.folder.path().join("compiled")).unwrap();
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        file
    }
}

#[test]
fn compiled_modules_are_kept() {
    let kept = Kept::new();
    let engine = kept.engine();
    let never = &mut || Err::<Vec<u8>, _>("the bytes are not needed");
    let module = engine.load(&kept.cid, never).unwrap();
    assert_eq!(call(&module, "f", &[]).unwrap(), Ok(Ipld::Integer(7)));
    engine.load(&kept.cid, never).unwrap();
    let stats = engine.stats();
    assert_eq!(
        (
            stats.compiled,
            stats.from_disk,
            stats.from_memory,
            stats.damaged
        ),
        (0, 1, 1, 0)
    );
}

/// Only the user may write what is run as code.
#[cfg(unix)]
#[test]
fn the_folder_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let kept = Kept::new();
    let mode = std::fs::metadata(kept.file().parent().unwrap())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn damaged_files_are_never_run() {
    let kept = Kept::new();
    let good = std::fs::read(kept.file()).unwrap();
    let mut damages: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"nonsense".to_vec(),
        good[..good.len() - 1].to_vec(),
    ];
    for at in [0, 20, 60, good.len() / 2, good.len() - 1] {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        damages.push(flipped);
    }
    for (number, damage) in damages.into_iter().enumerate() {
        // The file itself cannot be written to.
        let file = kept.file();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, damage).unwrap();
        let engine = kept.engine();
        let module = kept.load(&engine);
        let stats = engine.stats();
        assert_eq!(
            (stats.compiled, stats.from_disk, stats.damaged),
            (1, 0, 1),
            "damage {number}"
        );
        assert_eq!(call(&module, "f", &[]).unwrap(), Ok(Ipld::Integer(7)));
        // And mended.
        assert_eq!(std::fs::read(kept.file()).unwrap(), good);
    }
}

/// A file of another module under this one's name is whole, and still the wrong one.
#[test]
fn renamed_files_are_never_run() {
    let kept = Kept::new();
    let other = wat::parse_str(component(
        "",
        "(result u32)",
        "(func (export \"f\") (result i32) (i32.const 8))",
    ))
    .unwrap();
    let other_cid = cid_of(codec::RAW, &other);
    let name = kept
        .file()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .replace(&kept.cid.to_string(), &other_cid.to_string());
    std::fs::rename(kept.file(), kept.file().with_file_name(name)).unwrap();
    let engine = kept.engine();
    let module = engine
        .load(&other_cid, &mut || Ok::<_, Infallible>(other.clone()))
        .unwrap();
    assert_eq!(engine.stats().damaged, 1);
    assert_eq!(call(&module, "f", &[]).unwrap(), Ok(Ipld::Integer(8)));
}

/// A disk that refuses costs time, not results.
#[test]
fn a_folder_that_cannot_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let engine = cached(file.join("compiled"));
    let module = load_bytes(&engine, &seven()).unwrap();
    assert_eq!((engine.stats().compiled, engine.stats().unwritten), (1, 1));
    assert_eq!(call(&module, "f", &[]).unwrap(), Ok(Ipld::Integer(7)));
}

/// Threads that want the same module do not compile it several times.
#[test]
fn concurrent_loads_compile_once() {
    let engine = Engine::new(&Settings::default()).unwrap();
    let bytes = seven();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| load_bytes(&engine, &bytes).unwrap());
        }
    });
    assert_eq!(
        (engine.stats().compiled, engine.stats().from_memory),
        (1, 7)
    );
}

#[test]
fn fetching_that_fails() {
    let cid = cid_of(codec::RAW, b"");
    let error = engine()
        .load(&cid, &mut || Err::<Vec<u8>, _>("no such block"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the module cannot be read: no such block"
    );
    // And does not keep a later attempt from succeeding.
    let bytes = seven();
    let cid = cid_of(codec::RAW, b"later");
    assert!(
        engine()
            .load(&cid, &mut || Err::<Vec<u8>, _>("not yet"))
            .is_err()
    );
    assert!(
        engine()
            .load(&cid, &mut || Ok::<_, Infallible>(bytes.clone()))
            .is_ok()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_an_error(bytes in any::<Vec<u8>>(), component in any::<bool>()) {
        let mut file = if component { b"\0asm\x0d\0\x01\0".to_vec() } else { Vec::new() };
        file.extend(bytes);
        if file != b"\0asm\x0d\0\x01\0" {
            let _ = load_bytes(engine(), &file);
        }
    }

    /// A component in which one byte is wrong: an error, or another valid component.
    #[test]
    fn flipped_bytes_do_no_harm(at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = seven();
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        if let Ok(module) = load_bytes(engine(), &bytes) {
            for function in &module.interface().functions {
                let _ = call(&module, &function.name, &[]);
            }
        }
    }
}
