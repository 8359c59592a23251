//! Random bytes and random modules from a seed: the same seed gives the same modules on every machine.

use arbitrary::Unstructured;
use wasm_encoder::{
    Alias, ComponentBuilder, ComponentExportKind, ComponentValType, ExportKind, PrimitiveValType,
};

/// A generator that is small and good enough for tests (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[5]).collect()
    }
}

/// What every random module exports.
const EXPORTS: &str = r#"(module
    (func (export "a") (result i32) unreachable)
    (func (export "b") (param i32 i64) (result i64) unreachable)
    (func (export "c") (param f32 f64) (result i64) unreachable)
    (func (export "d") (param i64) (result f64) unreachable))"#;

/// The functions of [`EXPORTS`], as a component has them.
const FUNCTIONS: [(&str, &[PrimitiveValType], PrimitiveValType); 4] = [
    ("a", &[], PrimitiveValType::S32),
    (
        "b",
        &[PrimitiveValType::S32, PrimitiveValType::S64],
        PrimitiveValType::S64,
    ),
    (
        "c",
        &[PrimitiveValType::F32, PrimitiveValType::F64],
        PrimitiveValType::S64,
    ),
    ("d", &[PrimitiveValType::S64], PrimitiveValType::F64),
];

/// A random core module with the four functions; odd seeds avoid traps.
pub(crate) fn core_module(seed: u64) -> Vec<u8> {
    let config = wasm_smith::Config {
        exports: Some(wat::parse_str(EXPORTS).unwrap()),
        max_imports: 0,
        allow_start_export: false,
        disallow_traps: seed % 2 == 1,
        canonicalize_nans: false,
        generate_custom_sections: false,
        max_memory32_bytes: 1 << 20,
        max_memories: 1,
        memory_max_size_required: true,
        max_table_elements: 1_000,
        table_max_size_required: true,
        max_tables: 1,
        memory64_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        custom_descriptors_enabled: false,
        compact_imports_enabled: false,
        tail_call_enabled: false,
        // The engine is built without a garbage collector, which references to the host need.
        reference_types_enabled: false,
        ..wasm_smith::Config::default()
    };
    let noise = Random::new(seed).bytes(6_000);
    let module = wasm_smith::Module::new(config, &mut Unstructured::new(&noise));
    module.unwrap().to_bytes()
}

/// The same as a component.
pub(crate) fn module(seed: u64) -> Vec<u8> {
    let core = core_module(seed);
    let mut builder = ComponentBuilder::default();
    let module = builder.core_module_raw(None, &core);
    let instance =
        builder.core_instantiate::<[(&str, wasm_encoder::ModuleArg); 0]>(None, module, []);
    for (name, params, result) in FUNCTIONS {
        let function = builder.alias(
            None,
            Alias::CoreInstanceExport {
                instance,
                kind: ExportKind::Func,
                name,
            },
        );
        let (ty, mut encoder) = builder.type_function(None);
        let params = params.iter().zip(["x", "y"]);
        encoder
            .params(params.map(|(ty, name)| (name, ComponentValType::Primitive(*ty))))
            .result(Some(ComponentValType::Primitive(result)));
        let lifted = builder.lift_func(None, function, ty, []);
        builder.export(name, ComponentExportKind::Func, lifted, None);
    }
    builder.finish()
}
