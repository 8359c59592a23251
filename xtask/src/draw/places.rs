//! Seas, misty hills, cities by night, and farmland from above.

use super::canvas::{Canvas, Triple, add, dot, gradient, mirrored, mix, rgb, scale, step, unit};
use super::noise::{self, Dice};
use super::sky::Sky;

/// Open water under any sky, sometimes with a sail.
pub(crate) fn sea(canvas: &mut Canvas, dice: &mut Dice) {
    let sky = Sky::at_hour(
        dice.below(super::sky::HOUR_COUNT),
        dice.between(-28.0, 28.0),
        dice,
    );
    let (aspect, seed) = (canvas.aspect(), dice.seed());
    let horizon = dice.between(0.36, 0.52);
    let swell = dice.between(0.06, 0.2);
    let deep = rgb(dice.pick(&[0x04222e, 0x062a3a, 0x0a1e34, 0x083830]));
    let long = dice.between(0.5, 1.4);
    canvas.paint(|x, y, _| {
        let ray = unit([(x - aspect / 2.0) * 0.95, (horizon - y) * 0.95, 1.0]);
        if ray[1] >= 0.0 {
            return sky.see(ray);
        }
        let far = 1.6 / -ray[1];
        let (px, pz) = (ray[0] * far, ray[2] * far);
        let calm = 1.0 / (1.0 + far * 0.012);
        // Slopes of wind waves (long crests across the view) and of the ripples on them.
        let [_, lx, lz] = noise::slope(px * 0.12 * long, pz * 0.3 * long, seed);
        let [_, mx, mz] = noise::slope(px * 0.5 + lx, pz * 0.9 + lz, seed ^ 1);
        let [_, sx, sz] = noise::slope(px * 1.9 + mx, pz * 2.8, seed ^ 2);
        let [_, tx, tz] = noise::slope(px * 6.1, pz * 8.0 + sz, seed ^ 3);
        let lean = |large: f64, middle: f64, small: f64, tiny: f64| {
            calm * swell * (0.5 * large + 0.6 * middle + 0.45 * small + 0.3 * tiny)
        };
        let normal = unit([lean(lx, mx, sx, tx) * 0.7, 1.0, lean(lz, mz, sz, tz)]);
        let mut back = mirrored(ray, normal);
        back[1] = back[1].abs().max(0.01);
        let back = unit(back);
        let fresnel = 0.03 + 0.9 * (1.0 - (-dot(ray, normal)).clamp(0.0, 1.0)).powi(5);
        let glitter = dot(back, sky.sun).max(0.0).powf(420.0) * 5.0;
        let crest = step(0.35, 1.1, lean(lz, mz, 0.0, 0.0) / swell);
        let body = mix(deep, scale(add(deep, rgb(0x1c6a60)), 0.8), crest * 0.6);
        let body = super::canvas::times(body, add(sky.light, scale(sky.horizon, 0.6)));
        let water = add(mix(body, sky.see(back), fresnel), scale(sky.light, glitter));
        sky.through(water, ray, 1.0 - (-far * 0.0035).exp())
    });
    if dice.unit() < 0.5 {
        let place = (
            aspect * dice.between(0.2, 0.8),
            horizon + dice.between(0.004, 0.03),
        );
        sail(canvas, place, dice.between(0.05, 0.12), &sky);
    }
}

fn sail(canvas: &mut Canvas, foot: (f64, f64), high: f64, sky: &Sky) {
    let cloth = mix(scale(sky.horizon, 0.9), rgb(0xffffff), 0.35);
    canvas.dab(
        (foot.0 - high, foot.1 - high * 1.2),
        (foot.0 + high, foot.1 + high * 0.1),
        |x, y| {
            let up = (foot.1 - y) / high;
            let aside = (x - foot.0) / high;
            let main =
                aside > 0.015 && aside < 0.4 * (1.0 - (up - 0.08) / 0.95) && up > 0.08 && up < 1.0;
            let jib = aside < -0.015 && aside > -0.27 * (1.0 - (up - 0.06) / 0.8) && up > 0.06;
            let hull = up.abs() < 0.05 && aside > -0.34 - up && aside < 0.36 + up * 0.6;
            let colour = if hull {
                rgb(0x20181a)
            } else if main {
                scale(cloth, 1.0 - 0.5 * aside)
            } else {
                scale(cloth, 0.8)
            };
            (colour, f64::from(u8::from(main || jib || hull)))
        },
    );
}

const DAWNS: [[u32; 5]; 8] = [
    [0x2a3a6a, 0x8a6a9a, 0xf0a080, 0xffe0a0, 0x1c2038],
    [0x5a8ab0, 0xa8c8d8, 0xf4ecd8, 0xfff8e8, 0x1c3a40],
    [0x40305a, 0xb05a6a, 0xf89a60, 0xffd880, 0x28182c],
    [0x88a8a0, 0xc8d8c8, 0xf0f0dc, 0xffffff, 0x24403a],
    [0x1c2a4a, 0x3a5a80, 0x88a8c0, 0xd8e4e8, 0x0c1424],
    [0x6a4a3a, 0xc08a5a, 0xf0c888, 0xfff0c8, 0x3a2418],
    [0x503a70, 0x9a78b0, 0xe8b8c8, 0xfff0e8, 0x241a3a],
    [0x2a6a78, 0x70b0a8, 0xf0d8a8, 0xfff4d0, 0x0c3038],
];

/// Hill behind hill in the mist.
pub(crate) fn hills(canvas: &mut Canvas, dice: &mut Dice) {
    let colours = dice.pick(&DAWNS).map(rgb);
    let (aspect, seed) = (canvas.aspect(), dice.seed());
    let sun = (aspect * dice.between(0.2, 0.8), dice.between(0.22, 0.42));
    canvas.paint(|x, y, _| {
        let wisp = noise::fractal(x * 1.2, y * 6.0, 5, seed) - 0.5;
        gradient(&colours[..4], y * 1.35 + 0.22 * wisp)
    });
    canvas.glow(sun, 0.16, scale(colours[3], 0.5));
    canvas.disc(
        sun,
        dice.between(0.03, 0.06),
        0.05,
        scale(colours[3], 1.25),
        1.0,
    );
    let layers = 6 + dice.below(4);
    for layer in 0..layers {
        let near = (layer as f64 + 1.0) / layers as f64;
        let base = 0.42 + 0.56 * near.powf(1.25);
        let size = 1.0 + 1.1 * (1.0 - near);
        let (rough, seed) = (0.26 + 0.1 * near, dice.seed());
        let tone = mix(colours[2], colours[4], near.powf(1.15));
        let veil = mix(colours[3], colours[1], 0.3);
        let trees = near > 0.55;
        canvas.paint(|x, y, was| {
            let ground = base - rough * (noise::fractal(x * size, 0.4, 7, seed) - 0.3);
            let mut crest = ground;
            if trees {
                let (spot, _, cell) = noise::scattered(x * 46.0 / near, 0.5, seed ^ 1);
                let tall = 0.012 + 0.03 * near * noise::at(cell[0], 0, seed ^ 2);
                crest -= tall * (1.0 - spot * 1.7).max(0.0);
            }
            if y < crest {
                return was;
            }
            let mist = step(0.0, 0.26, y - ground) * (1.0 - 0.55 * near);
            let drift = 0.8 + 0.4 * noise::fractal(x * 2.0, y * 7.0, 4, seed ^ 3);
            mix(tone, veil, mist * drift)
        });
    }
}

struct Tower {
    left: f64,
    right: f64,
    top: f64,
    /// Columns and rows of windows, and how many are lit.
    grid: (f64, f64),
    lit: f64,
    spire: f64,
    seed: u64,
}

fn skyline(aspect: f64, high: (f64, f64), wide: (f64, f64), dice: &mut Dice) -> Vec<Tower> {
    let mut towers = Vec::new();
    let mut left = -0.05;
    let swell = dice.seed();
    while left < aspect + 0.05 {
        let right = left + dice.between(wide.0, wide.1);
        let centre = 0.45 + 0.9 * noise::value(left * 2.4, 0.5, swell);
        let top = dice.between(high.0, high.1) * centre;
        towers.push(Tower {
            left,
            right,
            top,
            grid: (((right - left) / 0.011).round(), (top / 0.017).round()),
            lit: dice.between(0.12, 0.65),
            spire: if dice.unit() < 0.18 {
                dice.between(0.02, 0.08)
            } else {
                0.0
            },
            seed: dice.seed(),
        });
        left = right
            + if dice.unit() < 0.3 {
                dice.between(0.0, 0.02)
            } else {
                0.0
            };
    }
    towers
}

impl Tower {
    /// Its light at a height above the street, if it is there.
    fn at(&self, x: f64, up: f64, wall: Triple, glow: f64) -> Option<Triple> {
        let middle = (self.left + self.right) / 2.0;
        if up > self.top {
            let mast = (x - middle).abs() < 0.0016 && up < self.top + self.spire;
            let beacon = self.spire > 0.0 && (x - middle).hypot(up - self.top - self.spire) < 0.004;
            return if beacon {
                Some(rgb(0xff4030))
            } else {
                mast.then_some(wall)
            };
        }
        let (across, along) = (
            (x - self.left) / (self.right - self.left) * self.grid.0,
            up / self.top * self.grid.1,
        );
        let (fx, fy) = (across - across.floor(), along - along.floor());
        let pane =
            (0.2..0.8).contains(&fx) && (0.22..0.74).contains(&fy) && along < self.grid.1 - 0.8;
        let chance = noise::at(across as i64, along as i64, self.seed);
        let side = 0.75 + 0.5 * (x - self.left) / (self.right - self.left);
        if pane && chance < self.lit {
            let warm = noise::at(along as i64, across as i64, self.seed);
            let tint = gradient(
                &[rgb(0xffb050), rgb(0xffd890), rgb(0xcfe4ff)],
                warm * warm * 1.2,
            );
            return Some(scale(
                tint,
                glow * (0.4 + 0.6 * noise::at(across as i64, 7, self.seed ^ along as u64)),
            ));
        }
        Some(scale(wall, side))
    }
}

/// A skyline at dusk or night, mirrored in a river.
pub(crate) fn city(canvas: &mut Canvas, dice: &mut Dice) {
    let colours = [
        [0x0a1030, 0x283a70, 0xc06a60],
        [0x05060f, 0x101a38, 0x3a3a60],
        [0x1a1440, 0x5a3a78, 0xf09060],
        [0x0c2038, 0x285a78, 0xe8b888],
        [0x100818, 0x3a1c40, 0xa03a58],
    ];
    let colours = dice.pick(&colours).map(rgb);
    let (aspect, street, seed) = (canvas.aspect(), dice.between(0.72, 0.8), dice.seed());
    let layers = [
        (
            skyline(aspect, (0.15, 0.42), (0.03, 0.07), dice),
            0.28,
            0.35,
        ),
        (skyline(aspect, (0.12, 0.4), (0.04, 0.09), dice), 0.16, 0.7),
        (skyline(aspect, (0.05, 0.22), (0.05, 0.12), dice), 0.07, 1.2),
    ];
    let moon = (
        aspect * dice.between(0.1, 0.9),
        dice.between(0.1, 0.25),
        dice.unit() < 0.6,
    );
    let above = |x: f64, y: f64| {
        for (towers, haze, glow) in layers.iter().rev() {
            let index = towers.partition_point(|tower| tower.right < x);
            let wall = mix(rgb(0x06070c), colours[2], haze * 0.55);
            let tower = towers.get(index).filter(|tower| tower.left <= x);
            if let Some(colour) = tower.and_then(|tower| tower.at(x, street - y, wall, *glow)) {
                return colour;
            }
        }
        let cloud = noise::fractal(x * 1.5, y * 5.0, 5, seed) - 0.5;
        let sky = gradient(&colours, y / street + 0.25 * cloud);
        let far = (x - moon.0).hypot(y - moon.1);
        let disc = if moon.2 {
            step(0.036, 0.033, far) + 0.12 / (1.0 + (far / 0.06).powi(2))
        } else {
            0.0
        };
        add(sky, scale(rgb(0xfff0d0), disc))
    };
    canvas.paint(|x, y, _| {
        if y < street {
            return above(x, y);
        }
        let down = y - street;
        let wave = noise::fractal(x * 12.0, down * 130.0 / (0.3 + down * 3.0), 3, seed ^ 1) - 0.5;
        // Light on rough water is drawn out towards the eye: a mean of several heights.
        let mut light = [0.0; 3];
        for part in 0..5 {
            let stretch = 1.05 + 0.16 * f64::from(part);
            let mirror = street - down * stretch - 0.002;
            light = add(
                light,
                above(x + wave * (0.01 + 0.05 * down), mirror + wave * 0.05 * down),
            );
        }
        let quay = step(0.012, 0.0, down);
        mix(scale(light, 0.14 * (1.0 - 0.5 * down)), rgb(0x050608), quay)
    });
}

/// Farmland as a bird sees it.
pub(crate) fn fields(canvas: &mut Canvas, dice: &mut Dice) {
    let crops: &[u32] = dice.pick(&[
        &[0x6a8a3a, 0x8aa84a, 0xc8b860, 0x4a6a2a, 0xa89048, 0x7a5a38][..],
        &[0xd8b850, 0xe8d080, 0x9a7a40, 0xb89858, 0x7a8a3a, 0xc89a40][..],
        &[0xb84a7a, 0xe8d040, 0x7a4aa0, 0xd86a50, 0x5a9a48, 0xf0e8e0][..],
        &[0x3a6a4a, 0x5a8a5a, 0x86a878, 0x2a4a3a, 0xa8b890, 0x6a7a4a][..],
    ]);
    let crops: Vec<Triple> = crops.iter().copied().map(rgb).collect();
    let (seed, size) = (dice.seed(), dice.between(3.5, 6.5));
    let stretch = dice.between(0.5, 1.0);
    let river = dice.unit() < 0.6;
    let bend = dice.between(-0.6, 0.6);
    canvas.paint(|x, y, _| {
        let wobble = 0.12 * (noise::fractal(x * 3.0, y * 3.0, 3, seed) - 0.5);
        let (px, py) = (
            (x + wobble) * size,
            (y + bend * x + wobble) * size * stretch,
        );
        let (first, second, cell) = noise::scattered(px, py, seed);
        let pick = |salt: u64| noise::at(cell[0], cell[1], seed ^ salt);
        let crop = crops[(pick(1) * crops.len() as f64) as usize];
        let (sin, cos) = (pick(2) * 3.1).sin_cos();
        let row = ((x * cos + y * sin) * (240.0 + 240.0 * pick(3))).sin();
        let grain = noise::fractal(x * 26.0, y * 26.0, 4, seed ^ 4);
        let mut land = scale(crop, 0.72 + 0.16 * row * pick(5) + 0.45 * (grain - 0.5));
        let edge = second - first;
        let lane = pick(6) < 0.5;
        land = mix(
            if lane { rgb(0xc8b898) } else { rgb(0x24401c) },
            land,
            step(0.015, 0.045, edge),
        );
        let (tree, _, spot) = noise::scattered(x * 70.0, y * 70.0, seed ^ 7);
        let wood = step(0.6, 0.66, noise::fractal(x * 2.2, y * 2.2, 5, seed ^ 8));
        let hedge =
            step(0.16, 0.05, edge) * f64::from(u8::from(noise::at(spot[0], spot[1], seed) < 0.5));
        let crown = mix(rgb(0x3a5a26), rgb(0x16280f), tree * 1.6);
        land = mix(land, crown, (wood + hedge).min(1.0) * step(0.62, 0.5, tree));
        if river {
            let course =
                (y - 0.5 - 0.5 * (noise::fractal(x * 1.1, 3.0, 3, seed ^ 9) - 0.5) - bend * 0.3)
                    .abs();
            land = mix(rgb(0x7a7a58), land, step(0.03, 0.042, course));
            land = mix(rgb(0x1c4a58), land, step(0.024, 0.032, course));
        }
        let shade = step(
            0.5,
            0.62,
            noise::fractal(x * 1.3 + 5.0, y * 1.3, 4, seed ^ 10),
        );
        scale(land, 1.25 - 0.5 * shade)
    });
}
