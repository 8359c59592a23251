//! `cargo xtask-release draw`: paints the input pictures of the examples, so that they are ours to give away and nobody
//! has to download anything. (A debug build would paint for hours.) All of it is arithmetic on seeds. The last digits of
//! sines differ between machines, so the committed files are what counts; they are painted anew only to be changed.

mod canvas;
mod noise;
mod places;
mod plants;
mod shapes;
mod sky;
mod space;
mod terrain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use canvas::{Canvas, rgb};
use noise::Dice;
use plants::Needles;
use terrain::{Ground, Land};

/// How many pictures the gallery has.
const GALLERY: usize = 200;

/// Most bytes of one picture of the gallery; all together they stay below 12 MB.
const GALLERY_BYTES: usize = 58_000;

/// JPEG qualities that are tried in turn until a picture is small enough.
const QUALITIES: [u8; 6] = [88, 82, 76, 70, 62, 50];

/// What `cargo xtask draw` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Paint only these, such as `photo` or `017`; all if none is named
    names: Vec<String>,
    /// Put them under this folder instead of the examples
    #[arg(long)]
    into: Option<PathBuf>,
}

/// A kind of scene: its name in file names, how to paint it, and samples a pixel (along a side).
struct Kind {
    name: &'static str,
    paint: fn(&mut Canvas, &mut Dice),
    fine: usize,
}

const KINDS: [Kind; 14] = [
    Kind::new(
        "lake",
        |canvas, dice| Land::random(Ground::Alps, dice).paint(canvas),
        1,
    ),
    Kind::new("flower", plants::flower, 2),
    Kind::new("sea", places::sea, 2),
    Kind::new("planet", space::planet, 2),
    Kind::new("tree", plants::meadow, 2),
    Kind::new("city", places::city, 2),
    Kind::new(
        "canyon",
        |canvas, dice| Land::random(Ground::Canyon, dice).paint(canvas),
        1,
    ),
    Kind::new("marble", shapes::marble, 2),
    Kind::new("hills", places::hills, 2),
    Kind::new("spheres", shapes::spheres, 3),
    Kind::new("night", space::night, 2),
    Kind::new(
        "desert",
        |canvas, dice| Land::random(Ground::Desert, dice).paint(canvas),
        1,
    ),
    Kind::new("fields", places::fields, 2),
    Kind::new("julia", shapes::julia, 3),
];

impl Kind {
    const fn new(name: &'static str, paint: fn(&mut Canvas, &mut Dice), fine: usize) -> Self {
        Self { name, paint, fine }
    }
}

/// Paints the pictures; see the module's head.
pub(crate) fn run(options: &Options) -> Result<()> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let into = options.into.as_deref().unwrap_or(&examples);
    let wanted =
        |name: &str| options.names.is_empty() || options.names.iter().any(|wanted| wanted == name);
    let mut painted = 0;
    if wanted("photo") {
        save(&into.join("thumbnails/photo.jpg"), &jpeg(&photo(), 90)?)?;
        painted += 1;
    }
    for index in 0..GALLERY {
        let number = format!("{:03}", index + 1);
        let kind = &KINDS[index % KINDS.len()];
        if wanted(&number) || wanted(kind.name) {
            let picture = gallery(index, kind);
            save(
                &into.join(format!("gallery/photos/{number}-{}.jpg", kind.name)),
                &small_jpeg(&picture)?,
            )?;
            painted += 1;
        }
    }
    ensure!(
        painted > 0,
        "there is no such picture: name `photo`, a number from 001 to {GALLERY}, or a kind of scene"
    );
    Ok(())
}

/// The photograph of `examples/thumbnails`: a lake in the mountains, seen between spruces.
fn photo() -> RgbImage {
    let mut canvas = Canvas::new(1600, 1200, 2);
    Land::lake(8).paint(&mut canvas);
    let needles = Needles {
        dark: rgb(0x060c08),
        lit: rgb(0x3e4a20),
        side: -1.0,
    };
    let trees = [
        (0.005, 0.98),
        (0.13, 0.62),
        (0.075, 0.74),
        (1.29, 0.56),
        (1.345, 0.78),
        (1.23, 0.36),
    ];
    for (index, (x, height)) in (0..).zip(trees) {
        plants::spruce(&mut canvas, (x, 1.05), height, needles, 40 + index);
    }
    canvas.develop(1.15, 0.3, 0.012)
}

/// One picture of the gallery; they differ in kind, size and seed.
fn gallery(index: usize, kind: &Kind) -> RgbImage {
    const SIZES: [(u32, u32); 5] = [(640, 480), (720, 480), (640, 480), (600, 600), (480, 640)];
    let mut dice = Dice::new(0x1b_873 + index as u64);
    // Upright and square formats suit what has no horizon; landscapes stay wide.
    let choices = if ["flower", "planet", "marble", "julia", "city"].contains(&kind.name) {
        5
    } else {
        3
    };
    let (width, height) = SIZES[dice.below(choices)];
    let mut canvas = Canvas::new(width, height, kind.fine);
    (kind.paint)(&mut canvas, &mut dice);
    canvas.develop(1.1, 0.25, 0.006)
}

fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality).encode_image(picture)?;
    Ok(file)
}

/// The best JPEG that is small enough, or the smallest.
fn small_jpeg(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    for quality in QUALITIES {
        file = jpeg(picture, quality)?;
        if file.len() <= GALLERY_BYTES {
            break;
        }
    }
    Ok(file)
}

fn save(path: &Path, file: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, file).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} ({} bytes)", path.display(), file.len());
    Ok(())
}
