//! Compiling in another process. Without this, a module could take the machine's time and memory before a single
//! instruction of it ran, or a compiler that dies could look like a module that is wrong.

use crate::fixture::{ALLOCATOR, call, component, engine, load_bytes};
use ipvm_ipld::Ipld;
use ipvm_wasm::{
    Code, CompileLimits, Compiler, CompilerProcess, Engine, LoadError, MAX_TABLE_ELEMENTS, Part,
    Settings, compile_child,
};
use rustix::process::{Resource, getrlimit};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use wasm_encoder::{
    CodeSection, ComponentBuilder, Function, FunctionSection, Module, TypeSection, ValType,
};

const LIMITS: CompileLimits = CompileLimits {
    time: Duration::from_secs(60),
    memory: 4 << 30,
    artefact: 1 << 30,
};

/// Says to the tests that are programs of their own that they are one.
const ROLE: &str = "IPVM_TEST_ROLE";

/// Not a test of its own: the program that compiles. The harness writes to standard output, so the answer goes
/// through descriptor 3.
#[test]
fn child() {
    if std::env::var(ROLE).as_deref() != Ok("compiler") {
        return;
    }
    let output = Reporting {
        output: File::options().write(true).open("/dev/fd/3").unwrap(),
        // Nothing can be opened later.
        status: File::open("/proc/self/status").ok(),
    };
    let code = compile_child(io::stdin().lock(), output);
    assert_eq!(code, ExitCode::SUCCESS);
}

/// Says what memory was used before it writes anything: afterwards the process is ended.
struct Reporting {
    output: File,
    status: Option<File>,
}

impl Write for Reporting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = String::new();
        if let Some(mut status) = self.status.take() {
            status.read_to_string(&mut text)?;
        }
        let peaks = text
            .lines()
            .filter(|line| line.contains("VmPeak") || line.contains("VmHWM"));
        peaks.for_each(|line| eprintln!("{line}"));
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn shell(script: &str, limits: CompileLimits) -> Settings {
    let program = std::env::current_exe().unwrap();
    let args = ["-c", script].map(Into::into);
    Settings {
        compiler: Compiler::Process(CompilerProcess {
            program: "/bin/sh".into(),
            args: args.into_iter().chain([program.into_os_string()]).collect(),
            limits,
        }),
        ..Settings::default()
    }
}

fn process(limits: CompileLimits) -> Settings {
    let script =
        r#"IPVM_TEST_ROLE=compiler exec "$0" --exact compiling::child --nocapture 3>&1 >&2"#;
    shell(script, limits)
}

fn start(settings: &Settings) -> Engine {
    Engine::new(settings).unwrap()
}

fn seven() -> Vec<u8> {
    let body = "(func (export \"f\") (result i32) (i32.const 7))";
    wat::parse_str(component("", "(result u32)", body)).unwrap()
}

/// Valid code that keeps a compiler busy: all locals are alive from the first block to the last.
fn busy(functions: usize, bytes: usize) -> Vec<u8> {
    const LOCALS: u32 = 200;
    let mut body = Function::new([(LOCALS, ValType::I64)]);
    let mut at = 1u32;
    while body.byte_len() < bytes {
        at = at.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let mut code = body.instructions();
        let local = |shift: u32| (at >> shift) % LOCALS;
        code.local_get(local(3))
            .local_get(local(11))
            .i64_add()
            .local_tee(local(7))
            .i64_eqz()
            .if_(wasm_encoder::BlockType::Empty)
            .local_get(local(5))
            .local_get(local(9))
            .i64_mul()
            .local_set(local(13))
            .end();
    }
    body.instructions().end();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut declared = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..functions {
        declared.function(0);
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    let mut component = ComponentBuilder::default();
    let module = component.core_module(None, &module);
    component.core_instantiate::<[(&str, wasm_encoder::ModuleArg); 0]>(None, module, []);
    component.finish()
}

#[test]
fn another_process_compiles() {
    for code in [Code::Fast, Code::Plain, Code::Interpreted] {
        let settings = Settings {
            code,
            ..process(LIMITS)
        };
        let engine = start(&settings);
        let module = load_bytes(&engine, &seven()).unwrap();
        assert_eq!(call(&module, "f", &[]).unwrap(), Ok(Ipld::Integer(7)));
        assert_eq!(engine.stats().compiled, 1);
    }
}

/// What it compiled is kept like what is compiled here, and either is taken for the other.
#[test]
fn what_it_compiles_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        cache: Some(folder.path().join("compiled")),
        ..process(LIMITS)
    };
    load_bytes(&start(&settings), &seven()).unwrap();
    let here = Settings {
        compiler: Compiler::InProcess,
        ..settings
    };
    let engine = start(&here);
    load_bytes(&engine, &seven()).unwrap();
    assert_eq!((engine.stats().compiled, engine.stats().from_disk), (0, 1));
    // Code of another kind is not.
    let plain = start(&Settings {
        code: Code::Plain,
        ..here
    });
    load_bytes(&plain, &seven()).unwrap();
    assert_eq!(plain.stats().compiled, 1);
}

/// A receipt must not tell where a module was compiled.
#[test]
fn wrong_modules_are_explained_alike() {
    let there = start(&process(LIMITS));
    let texts = [
        r#"(component (core module (memory i64 1)))"#,
        r#"(component (core module (memory 1 1 shared)))"#,
        r#"(component (core module (func (export "f") (result i32) (i64.const 1))))"#,
        r#"(component (import "log" (func)))"#,
    ];
    // Of many wrong functions, always the first is named.
    let wrong = "(func (result i32) (i64.const 1))".repeat(200);
    let many = format!("(component (core module (func) {wrong}))");
    for text in texts.into_iter().chain([many.as_str()]) {
        let bytes = wat::parse_str(text).unwrap();
        let ours = load_bytes(engine(), &bytes).unwrap_err().to_string();
        let theirs = load_bytes(&there, &bytes).unwrap_err().to_string();
        assert_eq!(ours, theirs, "{text}");
    }
}

#[test]
fn time_ends_it() {
    let limits = CompileLimits {
        time: Duration::from_millis(400),
        ..LIMITS
    };
    let bytes = busy(40, 500_000);
    let engine = start(&process(limits));
    let started = Instant::now();
    let error = load_bytes(&engine, &bytes).unwrap_err();
    let took = started.elapsed();
    assert!(matches!(error, LoadError::CompileTime { .. }), "{error}");
    assert!(
        took >= limits.time && took < limits.time + Duration::from_secs(1),
        "{took:?}"
    );
    // And the engine goes on.
    let patient = start(&process(LIMITS));
    load_bytes(&patient, &seven()).unwrap();
}

#[test]
fn memory_ends_it() {
    let limits = CompileLimits {
        memory: 400 << 20,
        ..LIMITS
    };
    let engine = start(&process(limits));
    load_bytes(&engine, &seven()).unwrap();
    let error = load_bytes(&engine, &busy(40, 900_000)).unwrap_err();
    assert!(
        matches!(error, LoadError::CompileMemory { limit } if limit == limits.memory),
        "{error}"
    );
}

#[test]
fn too_much_code_ends_it() {
    let limits = CompileLimits {
        artefact: 1000,
        ..LIMITS
    };
    let error = load_bytes(&start(&process(limits)), &seven()).unwrap_err();
    assert!(
        matches!(error, LoadError::Artefact { limit: 1000 }),
        "{error}"
    );
}

/// Whatever the other program does, this one says what happened, and in time.
#[test]
fn programs_that_do_not_compile() {
    let limits = CompileLimits {
        time: Duration::from_secs(20),
        ..LIMITS
    };
    let cases = [
        ("exit 3", "it ended without an answer (exit status: 3)"),
        ("cat >/dev/null", "it ended without an answer"),
        ("echo 'no room left' >&2; exit 1", "no room left"),
        ("kill -9 $$", "it was killed, as happens where the machine"),
        ("kill -ABRT $$", "it ended itself"),
        ("kill -SEGV $$", "it ended without an answer (signal: 11"),
        ("echo This is a friendly greeting", "is no answer"),
        ("yes", "is no answer"),
        ("printf 'ipvm compiled 1\\n'", "it ended without an answer"),
        ("head -c 100 /dev/zero", "is no answer"),
        ("exec >&-; exec sleep 600", "it was killed"),
        ("yes >&2 & exec >&-; kill -9 $$", "it was killed"),
    ];
    let large = busy(1, 500_000);
    for (script, expect) in cases {
        let engine = start(&shell(script, limits));
        for module in [&seven(), &large] {
            let error = load_bytes(&engine, module).unwrap_err();
            let LoadError::Compiler { message } = &error else {
                panic!("{script}: {error}");
            };
            assert!(message.contains(expect), "{script}: {message}");
        }
    }
    let mut settings = shell("", limits);
    if let Compiler::Process(process) = &mut settings.compiler {
        process.program = "/nonexistent/ipvm".into();
    }
    let error = load_bytes(&start(&settings), &seven()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it cannot be started (/nonexistent/ipvm)"),
        "{error}"
    );
}

/// Programs that do nothing, or leave their pipes to others, cost their time and no more.
#[test]
fn programs_that_do_not_end() {
    let limits = CompileLimits {
        time: Duration::from_millis(200),
        ..LIMITS
    };
    let large = busy(1, 500_000);
    for script in ["exec sleep 600", "sleep 5 & exit 0", "sleep 5 & sleep 5"] {
        let started = Instant::now();
        let error = load_bytes(&start(&shell(script, limits)), &large).unwrap_err();
        assert!(matches!(error, LoadError::CompileTime { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

/// The compiling process has given up what it does not need before it reads a byte of the module.
#[cfg(target_os = "linux")]
#[test]
fn it_can_do_nothing_else() {
    if std::env::var(ROLE).as_deref() != Ok("limited") {
        let program = std::env::current_exe().unwrap();
        // With pipes, as the process has them: it may write to no file, not even one that is open already.
        let output = Command::new(program)
            .args(["--exact", "compiling::it_can_do_nothing_else"])
            .env(ROLE, "limited")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let code = compile_child(&b""[..], io::sink());
    assert_eq!(code, ExitCode::FAILURE);
    assert!(File::open("/dev/null").is_err());
    assert!(std::net::UdpSocket::bind("127.0.0.1:0").is_err());
    for resource in [Resource::Core, Resource::Fsize, Resource::Nofile] {
        assert_eq!(getrlimit(resource).maximum, Some(0));
    }
}

#[track_caller]
fn too_many(bytes: &[u8], expect: Part) {
    match load_bytes(engine(), bytes) {
        Err(LoadError::TooMany { part, found }) => {
            assert_eq!(part, expect);
            assert!(found > part.limit());
        }
        Err(error) => panic!("{expect}: {error}"),
        Ok(_) => panic!("{expect}"),
    }
}

/// What no honest module has is refused before a compiler sees it.
#[test]
fn bombs_are_refused() {
    let core = |content: &str| {
        let text = format!("(component (core module {content}))");
        wat::parse_str(text).unwrap()
    };
    let repeat = |text: &str, count: usize| text.repeat(count);
    let numbered = |text: &str, count: usize| {
        (0..count).fold(String::new(), |mut all, n| {
            write!(all, "{}", text.replace('#', &n.to_string())).unwrap();
            all
        })
    };
    too_many(
        &core(&repeat("(import \"\" \"\" (func))", 50_001)),
        Part::Imports,
    );
    let exports = numbered("(export \"#\" (func 0))", 100_001);
    too_many(&core(&format!("(func) {exports}")), Part::Exports);
    too_many(&core(&repeat("(func)", 250_001)), Part::Functions);
    too_many(&core(&repeat("(type (func))", 50_001)), Part::Types);
    too_many(&core(&repeat("(table 1 funcref)", 501)), Part::Tables);
    too_many(&core(&repeat("(memory 1)", 501)), Part::Memories);
    let table = format!("(table {} funcref)", MAX_TABLE_ELEMENTS + 1);
    too_many(&core(&table), Part::TableElements);
    let globals = repeat("(global i32 (i32.const 0))", 100_001);
    too_many(&core(&globals), Part::Globals);
    too_many(&core(&repeat("(elem func)", 100_001)), Part::Segments);
    let modules = repeat("(core module)", 500);
    let modules = wat::parse_str(format!("(component {modules})"));
    too_many(&modules.unwrap(), Part::Modules);
    let deep = format!(
        "(component {} {})",
        repeat("(component ", 40),
        repeat(")", 40)
    );
    too_many(&wat::parse_str(deep).unwrap(), Part::Levels);
    too_many(&busy(1, 1_100_000), Part::FunctionBytes);
    let aliases = repeat("(core func (canon resource.drop 0))", 100_001);
    let items = format!("(component (type (resource (rep i32))) {aliases})");
    too_many(&wat::parse_str(items).unwrap(), Part::Items);
    let error = load_bytes(engine(), &core(&table)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the module has 100001 elements in one table; at most 100000 are accepted"
    );
}

/// Types inside types: the compiler must not run out of stack on them.
#[test]
fn types_that_are_deep() {
    // Type sections of a component type inside a component type, and so on: id 7, one type, form 0x41.
    for depth in [10, 100, 900, 1_100, 100_000] {
        let mut types = Vec::new();
        for _ in 0..depth {
            types.extend([0x41, 0x01, 0x01]);
        }
        types.extend([0x41, 0x00]);
        types.insert(0, 1);
        let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
        let mut length = types.len();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.extend(types);
        let there = start(&process(LIMITS));
        let ours = load_bytes(engine(), &bytes).map(drop);
        let theirs = load_bytes(&there, &bytes).map(drop);
        if depth > 1_000 {
            too_many(&bytes, Part::NestedTypes);
        }
        assert_eq!(
            ours.map_err(|error| error.to_string()),
            theirs.map_err(|error| error.to_string()),
            "{depth}"
        );
    }
}

/// Prints what compiling takes, and what loading takes: `-- --ignored --nocapture compiling::figures`.
#[test]
#[ignore = "prints figures"]
fn figures() {
    for bytes in [50_000, 100_000, 200_000] {
        let module = busy(1, bytes);
        for code in [Code::Fast, Code::Plain] {
            let engine = start(&Settings {
                code,
                ..Settings::default()
            });
            let started = Instant::now();
            load_bytes(&engine, &module).unwrap();
            println!(
                "one function of {bytes} bytes, {code:?}: {:?}",
                started.elapsed()
            );
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let script = format!(
        r#"exec 3>&1; IPVM_TEST_ROLE=compiler "$0" --exact compiling::child --nocapture 2>&1 | cat >{} 3>&-"#,
        report.display()
    );
    let settings = Settings {
        cache: Some(folder.path().join("compiled")),
        ..shell(&script, LIMITS)
    };
    let plain: String = (0..2_000_000)
        .map(|n| format!("(i32.store (i32.const {}) (local.get 0))", n % 60_000))
        .collect::<Vec<_>>()
        .chunks(2_000)
        .enumerate()
        .map(|(n, chunk)| format!("(func (export \"g{n}\") (param i32) {})", chunk.concat()))
        .collect();
    // Or a real one.
    let large = match std::env::var_os("IPVM_FIGURES_MODULE") {
        Some(file) => std::fs::read(file).unwrap(),
        None => wat::parse_str(format!(
            "(component (core module $m {ALLOCATOR} {plain}) (core instance $i (instantiate $m)))"
        ))
        .unwrap(),
    };
    let started = Instant::now();
    load_bytes(&start(&settings), &large).unwrap();
    let file = std::fs::read_dir(folder.path().join("compiled")).unwrap();
    let size = file.map(|file| file.unwrap().metadata().unwrap().len());
    let report = std::fs::read_to_string(report).unwrap();
    let peaks = report.lines().filter(|line| line.starts_with("Vm"));
    peaks.for_each(|line| println!("{line}"));
    println!(
        "{} bytes compiled to {} bytes in {:?}",
        large.len(),
        size.sum::<u64>(),
        started.elapsed()
    );
    for _ in 0..5 {
        let engine = start(&settings);
        let started = Instant::now();
        load_bytes(&engine, &large).unwrap();
        assert_eq!(engine.stats().from_disk, 1);
        println!("loaded in {:?}", started.elapsed());
    }
}
