//! Target 5: an image function on 4 MiB of bytes, against the same call typed in raw wasmtime.

use std::io::Cursor;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ipvm_ipld::{Ipld, cid_of, codec};
use ipvm_wasm::{Call, Cancel, Engine, Limits, NoContent, Settings};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::measure::{Figure, Plan, Row};
use super::setting::{Setting, root};

/// The interface that `guests/image` exports.
const INTERFACE: &str = "ipvm:image/image@0.1.0";
/// Side of a square of noise whose PNG has about 4 MiB.
const SIDE: u32 = 1_182;
const LIMITS: Limits = Limits {
    fuel: 100_000_000_000,
    memory: 1 << 30,
    time: Duration::from_secs(60),
    output: 64 << 20,
    log: 1 << 20,
};

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let path = root().join("guests/image.wasm");
    let wasm = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let photo = noise()?;
    let raw = Raw::new(&wasm)?;
    let engine = Engine::new(&Settings::default())?;
    let module = engine.load(&cid_of(codec::RAW, &wasm), &mut || {
        Ok::<Vec<u8>, std::io::Error>(wasm.clone())
    })?;
    let plan = |name: &'static str, rounds| Plan {
        name,
        floor: "the same call, typed, in raw wasmtime with the same settings",
        target: "≤ 1.2 ×",
        conditions: "PNG of noise in, function of guests/image, bytes out",
        rounds,
    };
    let ours = |function: &str, args: &[Ipld]| -> Result<Ipld> {
        let done = module.call(&Call {
            function,
            args,
            limits: LIMITS,
            content: &NoContent,
            cancel: &Cancel::new(),
            seed: [0; 32],
        })?;
        match done.out {
            Ok(value) => Ok(value),
            Err(error) => bail!("{error:?}"),
        }
    };
    let args = [
        Ipld::Bytes(photo.clone()),
        Ipld::Integer(256),
        Ipld::Integer(256),
    ];
    ensure!(
        ours("thumbnail", &args)? == Ipld::Bytes(raw.thumbnail(&photo)?),
        "results differ"
    );
    let whole = Figure::measure(
        &plan("5 thumbnail of a 4 MiB photo", setting.count(20, 1)),
        |_| raw.thumbnail(&photo),
        |_| ours("thumbnail", &args),
    )?;
    // The function answers at once with an error: what is left is the handing over of the bytes.
    let broken = vec![0x55; 4 << 20];
    let args = [
        Ipld::Bytes(broken.clone()),
        Ipld::Integer(256),
        Ipld::Integer(256),
    ];
    let handing = Figure::measure(
        &plan("5 handing over 4 MiB alone", setting.count(200, 1)),
        |_| Ok(raw.thumbnail(&broken).is_err()),
        |_| Ok(ours("thumbnail", &args).is_err()),
    )?;
    Ok(vec![whole.into(), handing.into()])
}

/// Noise, which PNG cannot make smaller.
fn noise() -> Result<Vec<u8>> {
    let mut state = 1u64;
    let picture = image::RgbImage::from_fn(SIDE, SIDE, |_, _| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let [_, _, _, _, _, r, g, b] = state.to_le_bytes();
        image::Rgb([r, g, b])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

struct Raw {
    engine: wasmtime::Engine,
    pre: InstancePre<()>,
    thumbnail: ComponentExportIndex,
}

impl Raw {
    fn new(bytes: &[u8]) -> Result<Self> {
        let mut config = wasmtime::Config::new();
        config
            .consume_fuel(true)
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true);
        config.allocation_strategy(wasmtime::InstanceAllocationStrategy::pooling());
        let engine = wasmtime::Engine::new(&config).map_err(super::plain)?;
        let component = Component::new(&engine, bytes).map_err(super::plain)?;
        let (_, interface) = component
            .get_export(None, INTERFACE)
            .context("the interface")?;
        let (_, thumbnail) = component
            .get_export(Some(&interface), "thumbnail")
            .context("the function")?;
        let linker: Linker<()> = Linker::new(&engine);
        let pre = linker.instantiate_pre(&component).map_err(super::plain)?;
        Ok(Self {
            engine,
            pre,
            thumbnail,
        })
    }

    fn thumbnail(&self, photo: &[u8]) -> Result<Vec<u8>> {
        let mut store = wasmtime::Store::new(&self.engine, ());
        store.set_fuel(LIMITS.fuel).map_err(super::plain)?;
        store.set_epoch_deadline(1_000_000);
        let instance = self.pre.instantiate(&mut store).map_err(super::plain)?;
        let function = instance
            .get_typed_func::<(&[u8], u32, u32), (Result<Vec<u8>, String>,)>(
                &mut store,
                self.thumbnail,
            )
            .map_err(super::plain)?;
        let (result,) = function
            .call(&mut store, (photo, 256, 256))
            .map_err(super::plain)?;
        result.map_err(anyhow::Error::msg)
    }
}
