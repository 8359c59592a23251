//! Nights: stars, the Milky Way, northern lights, and planets that nobody has seen.

use super::canvas::{Canvas, Triple, add, dot, gradient, mix, rgb, scale, step, unit};
use super::noise::{self, Dice};
use super::plants::{self, Needles};

/// Scatters stars over the whole canvas; few are bright.
fn stars(canvas: &mut Canvas, count: usize, dice: &mut Dice) {
    let grain = 1.0 / 600.0;
    for _ in 0..count {
        let at = (dice.between(0.0, canvas.aspect()), dice.unit());
        let bright = dice.unit().powi(9);
        let warmth = dice.unit();
        let colour = gradient(&[rgb(0x9ab4ff), rgb(0xffffff), rgb(0xffd8a8)], warmth);
        let size = grain * (0.5 + 1.1 * bright);
        canvas.disc(
            at,
            size,
            0.9,
            scale(colour, 0.5 + 2.5 * bright),
            0.25 + 0.75 * bright,
        );
        if bright > 0.8 {
            canvas.disc(at, size * 3.5, 1.0, colour, 0.12);
        }
    }
}

/// A clear night over a lake or hills.
pub(crate) fn night(canvas: &mut Canvas, dice: &mut Dice) {
    let (aspect, seed) = (canvas.aspect(), dice.seed());
    let low = rgb(dice.pick(&[0x24406a, 0x3a3a66, 0x5a3a50, 0x1c4a58, 0x6a4a3c]));
    let high = rgb(dice.pick(&[0x04060f, 0x060a1c, 0x080614]));
    canvas.paint(|_, y, _| mix(high, low, y.powf(1.7) * 0.8));
    stars(canvas, 2600, dice);
    if dice.unit() < 0.55 {
        milky_way(canvas, dice);
    } else {
        northern_lights(canvas, dice);
    }
    if dice.unit() < 0.3 {
        let at = (aspect * dice.between(0.15, 0.85), dice.between(0.12, 0.35));
        canvas.glow(at, 0.09, scale(rgb(0xaac0f0), 0.22));
        canvas.disc(at, 0.03, 0.06, scale(rgb(0xfff6e0), 1.3), 1.0);
    }
    let crest = |x: f64, base: f64, rough: f64, seed: u64| {
        base - rough * noise::fractal(x * 2.2, 0.7, 6, seed)
    };
    let floor = dice.between(0.78, 0.9);
    for layer in 0..3_u32 {
        let base = floor + 0.09 * f64::from(layer);
        let tone = mix(
            scale(low, 0.5),
            rgb(0x020306),
            0.35 + 0.3 * f64::from(layer),
        );
        let rough = 0.26 - 0.06 * f64::from(layer);
        let seed = seed.wrapping_add(u64::from(layer));
        canvas.paint(|x, y, was| {
            if y > crest(x, base, rough, seed) {
                tone
            } else {
                was
            }
        });
        if layer > 0 {
            let tall = 0.03 + 0.05 * f64::from(layer);
            let line = |x: f64| crest(x, base, rough, seed);
            let needles = Needles {
                dark: tone,
                lit: scale(tone, 1.3),
                side: 1.0,
            };
            plants::spruces(canvas, 50, (tall * 0.5, tall), needles, line, dice);
        }
    }
}

fn milky_way(canvas: &mut Canvas, dice: &mut Dice) {
    let (seed, turn) = (dice.seed(), dice.between(-1.1, 1.1));
    let middle = (
        canvas.aspect() * dice.between(0.35, 0.65),
        dice.between(0.3, 0.5),
    );
    let (sin, cos) = turn.sin_cos();
    let core = dice.between(-0.5, 0.5);
    canvas.paint(|x, y, was| {
        let (dx, dy) = (x - middle.0, y - middle.1);
        let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let cloud = noise::fractal(along * 4.0, across * 6.0, 6, seed);
        let wide = 0.15 + 0.07 * (cloud - 0.5);
        let band = (-(across / wide).powi(2)).exp();
        let lane = noise::fractal(along * 5.0 + 9.0, across * 11.0, 6, seed ^ 1);
        let dust = step(0.46, 0.62, lane) * (-(across / 0.075).powi(2)).exp();
        let bulge = 1.0 + 1.4 * (-((along - core) / 0.3).powi(2)).exp();
        let tint = mix(rgb(0x8090c8), rgb(0xe8c8a0), (bulge - 1.0) * 0.6);
        add(
            was,
            scale(
                tint,
                0.34 * band * bulge * cloud.powf(1.4) * (1.0 - 0.85 * dust),
            ),
        )
    });
    let glimmer = dice.seed();
    canvas.paint(|x, y, was| {
        let fine = noise::at((x * 900.0) as i64, (y * 900.0) as i64, glimmer);
        let (dx, dy) = (x - middle.0, y - middle.1);
        let across = dy * cos - dx * sin;
        let chance = 0.03 * (-(across / 0.16).powi(2)).exp();
        add(
            was,
            scale(
                [1.0; 3],
                if fine < chance {
                    0.22 * fine / chance
                } else {
                    0.0
                },
            ),
        )
    });
}

fn northern_lights(canvas: &mut Canvas, dice: &mut Dice) {
    let low = rgb(dice.pick(&[0x30f090, 0x50f8b0, 0x80f070]));
    let high = rgb(dice.pick(&[0x6040e0, 0xd040a0, 0x3060e0]));
    for _ in 0..3 {
        let (seed, base) = (dice.seed(), dice.between(0.45, 0.72));
        let strength = dice.between(0.25, 0.6);
        canvas.paint(|x, y, was| {
            let fold = 0.25 * (noise::fractal(x * 1.5, 0.2, 3, seed) - 0.5);
            let foot = base + fold + 0.04 * (noise::value(x * 7.0, 0.1, seed ^ 1) - 0.5);
            let up = foot - y;
            let ray = noise::fractal(x * 42.0 + fold * 60.0, y * 0.7, 3, seed ^ 2);
            let tall = 0.16 + 0.3 * ray;
            let light = step(-0.025, 0.02, up) * (-(up.max(0.0)) / tall * 2.2).exp();
            let curtain = 0.35 + 0.65 * step(0.3, 0.7, noise::value(x * 2.6, 5.0, seed ^ 3));
            let tint = mix(low, high, step(0.04, 0.38, up));
            add(
                was,
                scale(tint, strength * light * curtain * (0.4 + 0.9 * ray)),
            )
        });
    }
}

/// The surface of a planet, by its place on the sphere.
struct Surface {
    kind: usize,
    colours: Vec<Triple>,
    seed: u64,
}

const WORLDS: [&[u32]; 8] = [
    &[0x6a4a30, 0xc89a68, 0xf0dcb8, 0xb87848, 0xe8c898],
    &[0x20406a, 0x5080b0, 0xa8d0e8, 0x3a6a9a, 0xe8f4fa],
    &[0x4a2040, 0x9a4a70, 0xe0a0a8, 0x6a3060, 0xf4d8c8],
    &[0x205048, 0x4a9080, 0xb0d8b0, 0x2a6a60, 0xe8f0d0],
    &[0x0c2a5a, 0x1a5a8a, 0xd0c088, 0x4a8040, 0x8a7a50],
    &[0x102040, 0x205060, 0xa08060, 0x6a4a34, 0xc8b8a0],
    &[0x1a1414, 0x4a3a34, 0x8a7a70, 0x2a2422, 0xb0a498],
    &[0x140a08, 0x38201a, 0x5a3428, 0x801c08, 0xff8a20],
];

impl Surface {
    fn at(&self, p: Triple) -> Triple {
        let fine = noise::fractal3(scale(p, 3.2), 7, self.seed);
        if self.kind < 4 {
            let warp =
                noise::fractal3([p[0] * 2.0, p[1] * 6.0, p[2] * 2.0], 5, self.seed ^ 1) - 0.5;
            let band = noise::fractal(p[1] * 4.5 + warp * 0.55, 0.5, 4, self.seed ^ 2);
            return gradient(&self.colours, (band - 0.2) * 1.7 + 0.2 * (fine - 0.5));
        }
        let land = noise::fractal3(scale(p, 1.7), 7, self.seed ^ 3);
        match self.kind {
            4 | 5 => {
                let coast = step(0.51, 0.525, land);
                let sea = mix(self.colours[0], self.colours[1], step(0.38, 0.51, land));
                let ground = gradient(&self.colours[2..], (fine - 0.3) * 2.2);
                let ice = step(0.72, 0.8, p[1].abs() + 0.18 * (fine - 0.5));
                let cloud =
                    noise::fractal3(add(scale(p, 2.4), [0.6 * land, 7.0, 0.0]), 6, self.seed ^ 4);
                let solid = mix(mix(sea, ground, coast), rgb(0xf4f8ff), ice);
                mix(solid, rgb(0xffffff), 0.9 * step(0.52, 0.68, cloud))
            }
            6 => gradient(&self.colours, 0.5 + 1.4 * (land - 0.5) + 0.7 * (fine - 0.5)),
            _ => {
                let crack = (fine - 0.5).abs() * 9.0;
                let rock = gradient(&self.colours[..3], land * 1.3);
                mix(scale(self.colours[4], 2.0), rock, step(0.1, 0.5, crack))
            }
        }
    }
}

/// A planet before stars and a thin nebula, some with rings or a moon.
pub(crate) fn planet(canvas: &mut Canvas, dice: &mut Dice) {
    let kind = dice.below(WORLDS.len());
    let surface = Surface {
        kind,
        colours: WORLDS[kind].iter().copied().map(rgb).collect(),
        seed: dice.seed(),
    };
    let (seed, haze) = (
        dice.seed(),
        rgb(dice.pick(&[0x402060, 0x103a5a, 0x5a2a20, 0x104a40])),
    );
    canvas.paint(|x, y, _| {
        let cloud = noise::fractal(x * 1.6, y * 1.6, 6, seed);
        scale(haze, 0.5 * step(0.42, 0.85, cloud))
    });
    stars(canvas, 1300, dice);
    let radius = dice.between(0.2, 0.36);
    let at = (
        canvas.aspect() * dice.between(0.35, 0.65),
        dice.between(0.4, 0.6),
    );
    let sun = unit([
        dice.between(-1.0, 1.0),
        dice.between(0.1, 0.7),
        -dice.between(0.1, 0.8),
    ]);
    let air = mix(surface.colours[1], rgb(0x80b0ff), 0.5);
    let ring = (kind < 4 && dice.unit() < 0.7).then(|| Ring::random(at, radius, &surface, dice));
    if let Some(ring) = &ring {
        ring.paint(canvas, false);
    }
    let spin = dice.between(0.0, 6.3);
    ball(canvas, at, radius, sun, spin, &surface, air);
    if let Some(ring) = &ring {
        ring.paint(canvas, true);
    }
    if dice.unit() < 0.5 {
        let moon = Surface {
            kind: 6,
            colours: WORLDS[6].iter().copied().map(rgb).collect(),
            seed: dice.seed(),
        };
        let place = (
            at.0 + dice.pick(&[-1.0, 1.0]) * radius * 1.7,
            at.1 - radius * dice.between(0.5, 1.0),
        );
        ball(
            canvas,
            place,
            radius * dice.between(0.1, 0.24),
            sun,
            0.0,
            &moon,
            [0.0; 3],
        );
    }
}

fn ball(
    canvas: &mut Canvas,
    at: (f64, f64),
    radius: f64,
    sun: Triple,
    spin: f64,
    surface: &Surface,
    air: Triple,
) {
    let (sin, cos) = spin.sin_cos();
    canvas.paint(|x, y, was| {
        let (dx, dy) = ((x - at.0) / radius, (at.1 - y) / radius);
        let out = dx.hypot(dy);
        if out > 1.0 {
            let lit = (0.35 + 0.65 * dot(scale([dx, dy, 0.0], 1.0 / out), sun)).max(0.0);
            return add(was, scale(air, 0.9 * lit * (-(out - 1.0) * 26.0).exp()));
        }
        let normal = [dx, dy, -(1.0 - out * out).sqrt()];
        // The axis leans a little; the planet has turned by `spin`.
        let (px, py) = (dx * 0.94 + dy * 0.34, dy * 0.94 - dx * 0.34);
        let place = [px * cos + normal[2] * sin, py, normal[2] * cos - px * sin];
        let day = step(-0.12, 0.35, dot(normal, sun)) * dot(normal, sun).max(0.04);
        let rim = out.powi(5) * step(-0.2, 0.4, dot(normal, sun));
        let own = if surface.kind == 7 { 0.35 } else { 0.008 };
        add(
            scale(surface.at(place), 1.4 * day + own),
            scale(air, 0.55 * rim),
        )
    });
}

struct Ring {
    at: (f64, f64),
    radius: f64,
    flat: f64,
    turn: (f64, f64),
    tint: Triple,
    seed: u64,
}

impl Ring {
    fn random(at: (f64, f64), radius: f64, surface: &Surface, dice: &mut Dice) -> Self {
        Self {
            at,
            radius,
            flat: dice.between(0.14, 0.4),
            turn: dice.between(-0.5, 0.5).sin_cos(),
            tint: mix(surface.colours[2], rgb(0xe8dcc8), 0.5),
            seed: dice.seed(),
        }
    }

    fn paint(&self, canvas: &mut Canvas, front: bool) {
        let (sin, cos) = self.turn;
        canvas.paint(|x, y, was| {
            let (dx, dy) = ((x - self.at.0) / self.radius, (y - self.at.1) / self.radius);
            let (along, across) = (dx * cos + dy * sin, (dy * cos - dx * sin) / self.flat);
            let out = along.hypot(across);
            if (across > 0.0) != front || !(1.3..2.25).contains(&out) {
                return was;
            }
            let band = noise::fractal(out * 26.0, 0.5, 4, self.seed);
            let gap = step(0.0, 0.03, (out - 1.86).abs());
            let cover = step(1.3, 1.38, out) * step(2.25, 2.15, out) * step(0.25, 0.6, band) * gap;
            mix(was, scale(self.tint, 0.5 + 0.5 * band), 0.9 * cover)
        });
    }
}
