//! Things that grow: spruces, broad trees in every season, flowers.

use super::canvas::{Canvas, Triple, add, gradient, mix, rgb, scale, step};
use super::noise::{self, Dice};
use super::sky::Sky;

/// The colours of needles away from and towards the light.
#[derive(Clone, Copy)]
pub(crate) struct Needles {
    pub(crate) dark: Triple,
    pub(crate) lit: Triple,
    /// Where the light comes from: -1 left, 1 right.
    pub(crate) side: f64,
}

/// A spruce with its foot at `foot`.
pub(crate) fn spruce(
    canvas: &mut Canvas,
    foot: (f64, f64),
    height: f64,
    needles: Needles,
    seed: u64,
) {
    let wide = height * (0.17 + 0.06 * noise::at(1, 2, seed));
    let rows = 13.0 + 7.0 * noise::at(3, 4, seed);
    let lean = 0.03 * (noise::at(5, 6, seed) - 0.5) * height;
    canvas.dab(
        (foot.0 - wide * 1.3, foot.1 - height),
        (foot.0 + wide * 1.3, foot.1),
        |x, y| {
            let down = 1.0 - (foot.1 - y) / height;
            let aside = x - foot.0 - lean * (1.0 - down);
            let rough = noise::fractal(x * 19.0 / height, y * 23.0 / height, 5, seed) - 0.5;
            let twigs = noise::fractal(x * 120.0 / height, y * 70.0 / height, 3, seed ^ 1) - 0.5;
            // Boughs hang: each row ends lower at its tips than at the trunk.
            let row = down * rows - aside.abs() / wide * 0.9 + rough * 1.1 + twigs * 0.5;
            let row = row - row.floor();
            let reach = wide * down.powf(0.85) * (0.42 + 0.58 * row + 0.7 * rough + 0.5 * twigs);
            let trunk = 0.012 * height * down;
            let inside = aside.abs() < reach.max(trunk) && down > 0.0;
            let light = (0.35 + 0.6 * needles.side * aside / wide + rough + 1.5 * twigs)
                * (0.25 + 0.75 * row);
            (
                mix(needles.dark, needles.lit, light),
                f64::from(u8::from(inside)),
            )
        },
    );
}

/// A line of spruces along a shore or a crest.
pub(crate) fn spruces(
    canvas: &mut Canvas,
    count: usize,
    height: (f64, f64),
    needles: Needles,
    foot: impl Fn(f64) -> f64,
    dice: &mut Dice,
) {
    for _ in 0..count {
        let x = dice.between(-0.05, canvas.aspect() + 0.05);
        let high = dice.between(height.0, height.1);
        spruce(canvas, (x, foot(x) + 0.01), high, needles, dice.seed());
    }
}

/// A tapering stroke.
fn stroke(
    canvas: &mut Canvas,
    from: (f64, f64),
    to: (f64, f64),
    thick: (f64, f64),
    colour: Triple,
) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).max(1e-12);
    let most = thick.0.max(thick.1);
    canvas.dab(
        (from.0.min(to.0) - most, from.1.min(to.1) - most),
        (from.0.max(to.0) + most, from.1.max(to.1) + most),
        |x, y| {
            let along = (((x - from.0) * dx + (y - from.1) * dy) / length).clamp(0.0, 1.0);
            let (ox, oy) = (x - from.0 - along * dx, y - from.1 - along * dy);
            let half = thick.0 + (thick.1 - thick.0) * along;
            let side = ox / half.max(1e-9);
            let shade = mix(scale(colour, 0.55), scale(colour, 1.3), 0.5 + 0.5 * side);
            (shade, f64::from(u8::from(ox.hypot(oy) < half)))
        },
    );
}

struct Bough {
    from: (f64, f64),
    angle: f64,
    length: f64,
    thick: f64,
}

/// A tree on a meadow under a wide sky, in one of four seasons.
pub(crate) fn meadow(canvas: &mut Canvas, dice: &mut Dice) {
    let season = dice.below(4);
    let sky = Sky::at_hour(dice.below(5), dice.between(-70.0, 70.0), dice);
    let (aspect, horizon) = (canvas.aspect(), dice.between(0.66, 0.8));
    let seed = dice.seed();
    let (near, far) = [
        (rgb(0x4a7a24), rgb(0x9ab850)),
        (rgb(0x35601c), rgb(0x86a040)),
        (rgb(0x7a6428), rgb(0xc0a050)),
        (rgb(0xc8d4e6), rgb(0xf0f4fa)),
    ][season];
    canvas.paint(|x, y, _| {
        let ground = horizon + 0.05 * (noise::fractal(x * 1.3, 0.5, 3, seed) - 0.5);
        if y < ground {
            return sky.see(super::canvas::unit([
                x - aspect / 2.0,
                (horizon - y) * 1.1 + 0.02,
                1.0,
            ]));
        }
        let down = (y - ground) / (1.0 - ground);
        let grass = noise::fractal(
            x * 60.0 / (0.4 + down),
            y * 16.0 / (0.2 + down),
            4,
            seed ^ 1,
        );
        let patch = noise::fractal(x * 4.0, y * 9.0, 3, seed ^ 2);
        let light = add(scale(sky.light, 0.32), scale(sky.horizon, 0.35));
        let lit = super::canvas::times(mix(far, near, down * 0.8 + 0.6 * (patch - 0.5)), light);
        let lit = scale(lit, 0.45 + 1.1 * grass);
        mix(mix(sky.horizon, lit, 0.35), lit, step(0.0, 0.25, down))
    });
    let foot = (
        aspect * dice.between(0.3, 0.7),
        horizon + dice.between(0.06, 0.14),
    );
    shade_under(canvas, foot, dice.between(0.2, 0.3));
    tree(canvas, foot, season, &sky, dice);
}

fn shade_under(canvas: &mut Canvas, foot: (f64, f64), wide: f64) {
    canvas.dab(
        (foot.0 - wide, foot.1 - 0.05),
        (foot.0 + wide, foot.1 + 0.05),
        |x, y| {
            let far = ((x - foot.0) / wide).hypot((y - foot.1) / 0.04);
            ([0.01, 0.015, 0.01], 0.55 * step(1.0, 0.2, far))
        },
    );
}

fn tree(canvas: &mut Canvas, foot: (f64, f64), season: usize, sky: &Sky, dice: &mut Dice) {
    let bark = mix(rgb(0x3a2a1e), rgb(0x6a5a4a), dice.unit());
    let length = dice.between(0.13, 0.17);
    let spread = dice.between(0.38, 0.55);
    let mut boughs = vec![Bough {
        from: foot,
        angle: dice.between(-0.08, 0.08),
        length,
        thick: length * 0.13,
    }];
    let mut tips = Vec::new();
    while let Some(bough) = boughs.pop() {
        let to = (
            bough.from.0 + bough.angle.sin() * bough.length,
            bough.from.1 - bough.angle.cos() * bough.length,
        );
        let thin = bough.thick * 0.66;
        stroke(
            canvas,
            bough.from,
            to,
            (bough.thick, thin),
            scale(bark, 0.4),
        );
        if bough.length < length * 0.42 {
            tips.push(to);
        }
        if bough.length < length * 0.13 {
            continue;
        }
        for side in [-1.0, 1.0, dice.between(-0.5, 0.5)]
            .into_iter()
            .take(2 + dice.below(2))
        {
            boughs.push(Bough {
                from: to,
                angle: bough.angle + side * spread * dice.between(0.6, 1.25),
                length: bough.length * dice.between(0.68, 0.84),
                thick: thin,
            });
        }
        if boughs.len() + tips.len() > 6000 {
            break;
        }
    }
    leaves(canvas, &tips, season, sky, dice);
}

fn leaves(canvas: &mut Canvas, tips: &[(f64, f64)], season: usize, sky: &Sky, dice: &mut Dice) {
    let colours: &[u32] = match season {
        0 => &[0xf6c4d4, 0xf0a0bc, 0xfbe4ec],
        1 => &[0x3c7a22, 0x5c9a30, 0x2a5a1c],
        2 => &[0xd8781c, 0xc8441c, 0xe8b030],
        _ => &[0xf4f8ff],
    };
    let share = if season == 3 { 0.25 } else { 0.9 };
    let middle = tips.iter().map(|tip| tip.0).sum::<f64>() / tips.len().max(1) as f64;
    for tip in tips {
        if dice.unit() > share {
            continue;
        }
        for _ in 0..3 {
            let colour = rgb(dice.pick(colours));
            let at = (
                tip.0 + dice.between(-0.016, 0.016),
                tip.1 + dice.between(-0.016, 0.016),
            );
            let sunny = 0.5 + (at.0 - middle) * sky.sun[0] * 2.0 + dice.between(-0.3, 0.3);
            let light = add(
                scale(sky.light, 0.4 * sunny.clamp(0.05, 1.0)),
                scale(sky.horizon, 0.25),
            );
            let size = if season == 3 {
                0.004
            } else {
                dice.between(0.004, 0.0105)
            };
            canvas.disc(at, size, 0.5, super::canvas::times(colour, light), 0.9);
        }
    }
}

/// What a flower's petals look like.
struct Bloom {
    colours: [Triple; 3],
    /// Rings of petals, and petals a ring.
    rings: usize,
    petals: usize,
    /// Width of a petal, of its length; and where along it it is widest.
    wide: f64,
    blunt: f64,
    heart: [Triple; 2],
    heart_size: f64,
}

const BLOOMS: [([u32; 3], [u32; 2]); 8] = [
    ([0xf8d0e0, 0xe0609a, 0xa02060], [0xf0c030, 0x9a6a10]),
    ([0xffffff, 0xf2f0fa, 0xc8c4e0], [0xf8c820, 0xb07808]),
    ([0xffe040, 0xf8b010, 0xc87008], [0x5a3414, 0x2a1608]),
    ([0xff9a60, 0xe8481c, 0x8a1408], [0x301410, 0x601c10]),
    ([0xd0b8f4, 0x8058d0, 0x3a1c88], [0xf8e070, 0xb08020]),
    ([0xa8d0f8, 0x4880e0, 0x1c3a9a], [0xfff4c0, 0xd0b040]),
    ([0xffd8b8, 0xf89878, 0xd04a50], [0xffe890, 0xc08030]),
    ([0xf06070, 0xc01830, 0x5a0818], [0xf8d060, 0x3a1408]),
];

impl Bloom {
    fn random(dice: &mut Dice) -> Self {
        let (colours, heart) = dice.pick(&BLOOMS);
        let rings = 1 + dice.below(4);
        Self {
            colours: colours.map(rgb),
            rings,
            petals: 5 + dice.below(14),
            wide: dice.between(0.22, 0.5),
            blunt: dice.between(0.45, 0.75),
            heart: heart.map(rgb),
            heart_size: dice.between(0.16, 0.34),
        }
    }

    fn paint(&self, canvas: &mut Canvas, at: (f64, f64), size: f64, dice: &mut Dice) {
        for ring in 0..self.rings {
            let reach = size * (1.0 - 0.2 * ring as f64);
            let first = dice.between(0.0, 6.3);
            for petal in 0..self.petals {
                let turn = first + petal as f64 / self.petals as f64 * std::f64::consts::TAU;
                let turn = turn + dice.between(-0.06, 0.06);
                self.petal(
                    canvas,
                    at,
                    turn,
                    reach * dice.between(0.92, 1.05),
                    dice.seed(),
                );
            }
        }
        self.heart(canvas, at, size * self.heart_size, dice);
    }

    fn petal(&self, canvas: &mut Canvas, at: (f64, f64), turn: f64, length: f64, seed: u64) {
        let (sin, cos) = turn.sin_cos();
        let wide = self.wide.max(2.4 / self.petals as f64) * length;
        canvas.dab(
            (at.0 - length, at.1 - length),
            (at.0 + length, at.1 + length),
            |x, y| {
                let (dx, dy) = (x - at.0, y - at.1);
                let (along, across) = ((dx * cos + dy * sin) / length, dy * cos - dx * sin);
                if !(0.0..=1.0).contains(&along) {
                    return ([0.0; 3], 0.0);
                }
                let bulge = along.powf(self.blunt / (1.0 - self.blunt)) * std::f64::consts::PI;
                let half = 0.5 * wide * bulge.sin().max(0.0).powf(0.7);
                let side = across / half.max(1e-9);
                if side.abs() > 1.0 {
                    // A soft shadow falls on the petal below.
                    let out = (across.abs() - half) / (0.12 * length);
                    return ([0.0; 3], 0.22 * step(1.0, 0.0, out) * step(0.0, 0.3, along));
                }
                let vein = noise::value(side * 9.0, along * 2.0, seed) - 0.5;
                let tint = gradient(&self.colours, 1.0 - along + 0.35 * vein);
                let fold = 1.0 - 0.25 * step(0.25, 0.0, side.abs()) - 0.18 * side * sin;
                (scale(tint, fold * (0.72 + 0.28 * along)), 1.0)
            },
        );
    }

    /// Florets in the spiral that sunflowers have.
    fn heart(&self, canvas: &mut Canvas, at: (f64, f64), size: f64, dice: &mut Dice) {
        canvas.disc(at, size * 1.08, 0.2, scale(self.heart[1], 0.5), 0.95);
        let count = 260;
        for floret in 0..count {
            let out = (f64::from(floret) / f64::from(count)).sqrt();
            let turn = f64::from(floret) * 2.399_963;
            let place = (
                at.0 + turn.cos() * out * size,
                at.1 + turn.sin() * out * size,
            );
            let colour = mix(
                self.heart[0],
                self.heart[1],
                out * 0.6 + dice.between(0.0, 0.4),
            );
            canvas.disc(place, size * 0.075, 0.7, colour, 1.0);
        }
    }
}

/// One flower in focus before a garden out of focus.
pub(crate) fn flower(canvas: &mut Canvas, dice: &mut Dice) {
    let aspect = canvas.aspect();
    let (seed, warm) = (dice.seed(), dice.unit());
    let leaf = mix(rgb(0x1c3a1a), rgb(0x4a5a20), warm);
    let light = mix(rgb(0x7aa03c), rgb(0xc8b860), warm);
    canvas.paint(|x, y, _| {
        let blur = noise::fractal(x * 1.7, y * 1.7, 2, seed);
        scale(
            mix(leaf, light, step(0.3, 0.8, blur)),
            0.55 + 0.3 * (1.0 - y),
        )
    });
    let bloom = Bloom::random(dice);
    for _ in 0..46 {
        let at = (dice.between(0.0, aspect), dice.between(0.0, 1.0));
        let mut colour = mix(light, rgb(0xfff4c8), dice.unit());
        if dice.unit() < 0.35 {
            colour = bloom.colours[dice.below(3)];
        }
        canvas.disc(
            at,
            dice.between(0.02, 0.1),
            0.25,
            colour,
            dice.between(0.05, 0.22),
        );
    }
    let middle = (aspect * dice.between(0.38, 0.62), dice.between(0.42, 0.58));
    let stem = (middle.0 + dice.between(-0.2, 0.2), 1.2);
    stroke(canvas, middle, stem, (0.014, 0.02), rgb(0x3a6a20));
    bloom.paint(canvas, middle, dice.between(0.33, 0.44), dice);
}
