//! Components made in the test: as text, or for a type.

use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use ipvm_wasm::{
    Call, CallError, Cancel, Content, ContentError, Done, Engine, Failed, Limits, LoadError,
    Module, NoContent, Settings, Type,
};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::Duration;

/// Plenty for every fixture, so that a test reaches only the limit it is about.
pub(crate) const LIMITS: Limits = Limits {
    fuel: 1_000_000_000,
    memory: 256 << 20,
    time: Duration::from_secs(60),
    output: 64 << 20,
    log: 1 << 20,
};

pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&Settings::default()).unwrap())
}

pub(crate) fn load_bytes(engine: &Engine, bytes: &[u8]) -> Result<Module, LoadError> {
    engine.load(&cid_of(codec::RAW, bytes), &mut || {
        Ok::<_, Infallible>(bytes.to_vec())
    })
}

#[track_caller]
pub(crate) fn load(text: &str) -> Module {
    load_bytes(engine(), &wat::parse_str(text).unwrap()).unwrap()
}

pub(crate) type Outcome = Result<Result<Ipld, Ipld>, CallError>;

pub(crate) fn call_with(module: &Module, function: &str, args: &[Ipld], limits: Limits) -> Outcome {
    done_with(module, function, args, limits)
        .map(|done| done.out)
        .map_err(|failed| failed.error)
}

pub(crate) fn done(module: &Module, function: &str, args: &[Ipld]) -> Result<Done, Failed> {
    done_with(module, function, args, LIMITS)
}

fn done_with(
    module: &Module,
    function: &str,
    args: &[Ipld],
    limits: Limits,
) -> Result<Done, Failed> {
    let call = Call {
        function,
        args,
        limits,
        content: &NoContent,
        cancel: &Cancel::new(),
        seed: [0; 32],
    };
    module.call(&call)
}

pub(crate) fn call(module: &Module, function: &str, args: &[Ipld]) -> Outcome {
    call_with(module, function, args, LIMITS)
}

/// Content in memory.
#[derive(Default)]
pub(crate) struct Blocks {
    pub(crate) bytes: HashMap<Cid, Vec<u8>>,
    pub(crate) values: HashMap<Cid, Ipld>,
}

impl Content for Blocks {
    fn size(&self, cid: &Cid) -> Result<u64, ContentError> {
        self.bytes
            .get(cid)
            .map(|bytes| bytes.len() as u64)
            .ok_or(ContentError::Missing)
    }

    fn read(&self, cid: &Cid, into: &mut [u8]) -> Result<(), ContentError> {
        into.copy_from_slice(self.bytes.get(cid).ok_or(ContentError::Missing)?);
        Ok(())
    }

    fn value(&self, cid: &Cid) -> Result<Ipld, ContentError> {
        self.values.get(cid).cloned().ok_or(ContentError::Missing)
    }
}

/// An allocator that never frees, from 1024 on; `$next` is where it stands.
pub(crate) const ALLOCATOR: &str = r#"
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
                              (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (loop $more
        (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
          (then (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $more))))
      (memory.copy (local.get $at) (local.get $old)
        (select (local.get $old-size) (local.get $size) (i32.lt_u (local.get $old-size) (local.get $size))))
      (local.get $at))
"#;

/// A component with one function `f`, whose core function is `body` and may use the allocator.
pub(crate) fn component(types: &str, signature: &str, body: &str) -> String {
    component_encoded(types, signature, body, "utf8")
}

pub(crate) fn component_encoded(
    types: &str,
    signature: &str,
    body: &str,
    encoding: &str,
) -> String {
    format!(
        r#"(component
          (core module $m {ALLOCATOR} {body})
          (core instance $i (instantiate $m))
          {types}
          (func (export "f") {signature} (canon lift (core func $i "f")
            (memory (core memory $i "memory")) (realloc (core func $i "realloc")) string-encoding={encoding})))"#
    )
}

/// Declares types as component text: those that must have a name are exported under one.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) text: String,
    count: usize,
    has_cid: bool,
}

/// What a toolchain makes of `use ipvm:guest/types@0.1.0.{cid}`.
pub(crate) const CID: &str = r#"
    (import "ipvm:guest/types@0.1.0" (instance $guest
      (type $of-cid (record (field "bytes" (list u8)))) (export "cid" (type (eq $of-cid)))))
    (alias export $guest "cid" (type $cid))
"#;

impl Declared {
    /// The type as it is written in a signature.
    pub(crate) fn write(&mut self, ty: &Type) -> String {
        match ty {
            Type::List(item) => format!("(list {})", self.write(item)),
            Type::Map(entry) => format!("(map string {})", self.write(&entry.types()[1])),
            Type::Tuple(tuple) => {
                let types: Vec<_> = tuple.types().iter().map(|ty| self.write(ty)).collect();
                format!("(tuple {})", types.join(" "))
            }
            Type::Option(inner) => format!("(option {})", self.write(inner)),
            Type::Result(sides) => {
                let ok = sides.ok().map(|ty| self.write(ty)).unwrap_or_default();
                let error = sides
                    .error()
                    .map(|ty| format!("(error {})", self.write(ty)))
                    .unwrap_or_default();
                format!("(result {ok} {error})")
            }
            Type::Record(record) => {
                let fields = record.fields().iter();
                let fields: Vec<_> = fields
                    .map(|(name, ty)| format!("(field {name:?} {})", self.write(ty)))
                    .collect();
                self.named(&format!("(record {})", fields.join(" ")))
            }
            Type::Variant(variant) => {
                let mut cases = Vec::new();
                for (name, payload) in variant.cases() {
                    let payload = payload.map(|ty| self.write(ty)).unwrap_or_default();
                    cases.push(format!("(case {name:?} {payload})"));
                }
                self.named(&format!("(variant {})", cases.join(" ")))
            }
            Type::Enum(names) => self.named(&format!("(enum {})", quoted(names.list()))),
            Type::Flags(names) => self.named(&format!("(flags {})", quoted(names.list()))),
            Type::Cid => {
                if !std::mem::replace(&mut self.has_cid, true) {
                    self.text += CID;
                }
                "$cid".to_owned()
            }
            plain => plain.to_string(),
        }
    }

    fn named(&mut self, definition: &str) -> String {
        let n = self.count;
        self.count += 1;
        self.text += &format!("(type $d{n} {definition}) (export $t{n} \"t{n}\" (type $d{n}))\n");
        format!("$t{n}")
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?} ")).collect()
}

/// The core values that a value of this type is passed as, computed independently of the crate.
pub(crate) fn flat(ty: &Type) -> Vec<&'static str> {
    match ty {
        Type::U64 | Type::S64 => vec!["i64"],
        Type::F32 => vec!["f32"],
        Type::F64 => vec!["f64"],
        Type::String | Type::List(_) | Type::Map(_) | Type::Cid => vec!["i32", "i32"],
        Type::Record(record) => record
            .fields()
            .iter()
            .flat_map(|(_, ty)| flat(ty))
            .collect(),
        Type::Tuple(tuple) => tuple.types().iter().flat_map(flat).collect(),
        Type::Variant(variant) => cases(variant.cases().filter_map(|(_, payload)| payload)),
        Type::Option(inner) => cases(std::iter::once(&**inner)),
        Type::Result(sides) => cases([sides.ok(), sides.error()].into_iter().flatten()),
        Type::Flags(names) => vec!["i32"; names.list().len().div_ceil(32)],
        _ => vec!["i32"],
    }
}

fn cases<'a>(payloads: impl Iterator<Item = &'a Type>) -> Vec<&'static str> {
    let mut joined: Vec<&str> = Vec::new();
    for payload in payloads {
        for (index, core) in flat(payload).into_iter().enumerate() {
            match joined.get_mut(index) {
                None => joined.push(core),
                Some(other) if *other == core => {}
                Some(other) => {
                    *other = if matches!((*other, core), ("i32" | "f32", "i32" | "f32")) {
                        "i32"
                    } else {
                        "i64"
                    }
                }
            }
        }
    }
    joined.insert(0, "i32");
    joined
}

/// The instruction that loads a value which is a single core value.
fn load_single(ty: &Type) -> &'static str {
    let by_count = |count: usize| match count {
        0..=0x100 => "i32.load8_u",
        0x101..=0x1_0000 => "i32.load16_u",
        _ => "i32.load",
    };
    match ty {
        Type::Bool | Type::U8 => "i32.load8_u",
        Type::S8 => "i32.load8_s",
        Type::U16 => "i32.load16_u",
        Type::S16 => "i32.load16_s",
        Type::U64 | Type::S64 => "i64.load",
        Type::F32 => "f32.load",
        Type::F64 => "f64.load",
        Type::Record(record) => load_single(&record.fields()[0].1),
        Type::Tuple(tuple) => load_single(&tuple.types()[0]),
        Type::Variant(variant) => by_count(variant.cases().len()),
        Type::Enum(names) => by_count(names.list().len()),
        Type::Result(_) => "i32.load8_u",
        Type::Flags(names) => match names.list().len() {
            0..=8 => "i32.load8_u",
            9..=16 => "i32.load16_u",
            _ => "i32.load",
        },
        _ => "i32.load",
    }
}

/// `f: func(v: T, sixteen numbers) -> T`, which returns `v`. There are too many parameters to pass directly, so
/// `v` comes in memory, and goes back from the same place.
pub(crate) fn echo(ty: &Type) -> String {
    echo_of(std::slice::from_ref(ty), ty, &["v".to_owned()])
}

/// The same for several values, which come back as one tuple: it lies in memory as the parameters do.
pub(crate) fn echo_all(types: &[Type]) -> String {
    let names: Vec<_> = (0..types.len()).map(|n| format!("v{n}")).collect();
    echo_of(types, &Type::tuple(types.to_vec()), &names)
}

fn echo_of(params: &[Type], result: &Type, names: &[String]) -> String {
    let mut declared = Declared::default();
    let written: Vec<_> = names
        .iter()
        .zip(params)
        .map(|(name, ty)| format!("(param {name:?} {})", declared.write(ty)))
        .collect();
    let padding: String = (0..16).map(|n| format!("(param \"p{n}\" u32) ")).collect();
    let signature = format!(
        "{} {padding} (result {})",
        written.join(" "),
        declared.write(result)
    );
    let body = match flat(result).as_slice() {
        [core] => format!(
            "(func (export \"f\") (param i32) (result {core}) ({} (local.get 0)))",
            load_single(result)
        ),
        _ => "(func (export \"f\") (param i32) (result i32) (local.get 0))".to_owned(),
    };
    component(&declared.text, &signature, &body)
}

/// Sends a value through [`echo`].
pub(crate) fn through_echo(ty: &Type, value: &Ipld) -> Outcome {
    call(&load(&echo(ty)), "f", &padded(std::slice::from_ref(value)))
}

/// Arguments with the numbers that [`echo`] takes after them.
pub(crate) fn padded(values: &[Ipld]) -> Vec<Ipld> {
    let padding = (0..16).map(Ipld::Integer);
    values.iter().cloned().chain(padding).collect()
}
