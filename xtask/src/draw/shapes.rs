//! Pictures of nothing in particular: marble, Julia sets, and spheres on a table.

use super::canvas::{
    Canvas, Triple, add, dot, gradient, mirrored, mix, rgb, scale, step, sub, times, unit,
};
use super::noise::{self, Dice};

const PALETTES: [[u32; 5]; 10] = [
    [0x0b132b, 0x1c2541, 0x3a506b, 0x5bc0be, 0xf0fff8],
    [0x2b0a3d, 0x7a1f5c, 0xe0457b, 0xffa45b, 0xfff3c7],
    [0x12263a, 0x06bcc1, 0xc5d8d1, 0xf4edea, 0xf4d1ae],
    [0x231f20, 0xbb4430, 0x7ebdc2, 0xf3dfa2, 0xefe6dd],
    [0x05204a, 0x5e3c99, 0xb497d6, 0xf7a072, 0xfff1e0],
    [0x0a2f1f, 0x1f6f4a, 0x8fb339, 0xe8d33f, 0xfff9e0],
    [0x1a1a1a, 0x6b4f3a, 0xc9a66b, 0xf0e4cf, 0xffffff],
    [0x03071e, 0x6a040f, 0xd00000, 0xf48c06, 0xffe066],
    [0x10002b, 0x5a189a, 0x9d4edd, 0x48bfe3, 0xe0fbfc],
    [0x264653, 0x2a9d8f, 0xe9c46a, 0xf4a261, 0xe76f51],
];

/// Noise bent by noise bent by noise, like ink in water or polished stone.
pub(crate) fn marble(canvas: &mut Canvas, dice: &mut Dice) {
    let colours = dice.pick(&PALETTES).map(rgb);
    let (seed, size) = (dice.seed(), dice.between(1.3, 2.8));
    let (bend, vein) = (dice.between(1.5, 4.5), dice.unit() < 0.5);
    let height = |x: f64, y: f64| {
        let (x, y) = (x * size, y * size);
        let q = (
            noise::fractal(x, y, 4, seed),
            noise::fractal(x + 5.2, y + 1.3, 4, seed ^ 1),
        );
        let r = (
            noise::fractal(x + bend * q.0, y + bend * q.1, 4, seed ^ 2),
            noise::fractal(x + bend * q.1 + 8.3, y + bend * q.0 + 2.8, 4, seed ^ 3),
        );
        let deep = noise::fractal(x + bend * r.0, y + bend * r.1, 5, seed ^ 4);
        (deep, q.1, r.0)
    };
    canvas.paint(|x, y, _| {
        let (deep, q, r) = height(x, y);
        let slant = height(x + 0.004, y + 0.004).0 - deep;
        let tone = if vein {
            0.5 + 0.5 * (deep * 17.0 + q * 4.0).sin()
        } else {
            (deep - 0.25) * 2.0
        };
        let base = gradient(&colours, tone * 0.75 + 0.5 * (r - 0.5));
        let base = mix(base, colours[3], step(0.55, 0.75, q) * 0.5);
        scale(base, (1.0 - slant * 11.0).clamp(0.55, 1.5))
    });
}

/// A Julia set of z² + c.
pub(crate) fn julia(canvas: &mut Canvas, dice: &mut Dice) {
    const SEEDS: [(f64, f64); 12] = [
        (-0.8, 0.156),
        (-0.7269, 0.1889),
        (-0.4, 0.6),
        (0.285, 0.01),
        (-0.70176, -0.3842),
        (-0.835, -0.2321),
        (-0.7885, 0.0991),
        (0.355, 0.355),
        (-0.162, 1.04),
        (-0.512_511, 0.521_295),
        (0.37, 0.1),
        (-0.1, 0.651),
    ];
    const ROUNDS: u32 = 320;
    let c = dice.pick(&SEEDS);
    let c = (
        c.0 + dice.between(-0.004, 0.004),
        c.1 + dice.between(-0.004, 0.004),
    );
    let colours = dice.pick(&PALETTES).map(rgb);
    let (zoom, turn) = (dice.between(1.2, 2.6), dice.between(0.0, 6.3).sin_cos());
    let middle = (dice.between(-0.2, 0.2), dice.between(-0.15, 0.15));
    let half = canvas.aspect() / 2.0;
    let pace = dice.between(0.035, 0.09);
    canvas.paint(|x, y, _| {
        let (px, py) = ((x - half) * zoom, (y - 0.5) * zoom);
        let mut z = (
            px * turn.1 - py * turn.0 + middle.0,
            px * turn.0 + py * turn.1 + middle.1,
        );
        let mut trap = f64::MAX;
        for round in 0..ROUNDS {
            let square = z.0 * z.0 + z.1 * z.1;
            if square > 256.0 {
                let smooth = f64::from(round) + 1.0 - (square.ln() / 2.0 / 16.0_f64.ln()).log2();
                let wave = 0.5 - 0.5 * (smooth * pace * std::f64::consts::PI).cos();
                let glow = (-trap * 3.0).exp();
                return add(
                    scale(gradient(&colours, wave), 0.35 + 0.75 * wave),
                    scale(colours[3], glow * 0.4),
                );
            }
            trap = trap.min((square - 0.3).abs()).min(z.0.abs() * 1.5);
            z = (z.0 * z.0 - z.1 * z.1 + c.0, 2.0 * z.0 * z.1 + c.1);
        }
        scale(gradient(&colours, trap.sqrt() * 1.4), 0.5)
    });
}

struct Sphere {
    at: Triple,
    radius: f64,
    colour: Triple,
    /// 0 matte … 1 mirror.
    shine: f64,
}

struct Table {
    spheres: Vec<Sphere>,
    floor: [Triple; 2],
    sky: [Triple; 2],
    lamp: Triple,
    checks: bool,
    seed: u64,
}

/// Spheres on a table, some like mirrors.
pub(crate) fn spheres(canvas: &mut Canvas, dice: &mut Dice) {
    let colours = dice.pick(&PALETTES).map(rgb);
    let mut table = Table {
        spheres: Vec::new(),
        floor: if dice.unit() < 0.5 {
            [rgb(0x8a5a34), rgb(0xc08a58)]
        } else {
            [colours[1], mix(colours[4], rgb(0xffffff), 0.4)]
        },
        sky: [
            mix(colours[0], rgb(0x8090a0), 0.35),
            mix(colours[4], rgb(0xffffff), 0.5),
        ],
        lamp: unit([
            dice.between(-0.8, 0.8),
            dice.between(0.7, 1.2),
            -dice.between(0.2, 0.9),
        ]),
        checks: dice.unit() < 0.5,
        seed: dice.seed(),
    };
    for _ in 0..400 {
        let radius = dice.between(0.1, 0.55);
        let at = [dice.between(-2.0, 2.0), radius, dice.between(2.2, 5.2)];
        let free = table.spheres.iter().all(|other| {
            let gap = sub(other.at, at);
            dot(gap, gap).sqrt() > (other.radius + radius) * 1.02
        });
        if free && table.spheres.len() < 16 {
            table.spheres.push(Sphere {
                at,
                radius,
                colour: mix(
                    dice.pick(&colours[1..]),
                    rgb(0xffffff),
                    dice.between(0.0, 0.2),
                ),
                shine: dice.pick(&[0.05, 0.1, 0.2, 0.75, 0.9]),
            });
        }
    }
    let half = canvas.aspect() / 2.0;
    canvas.paint(|x, y, _| {
        let ray = unit([(x - half) * 0.95, (0.27 - y) * 0.95, 1.0]);
        table.see([0.0, 1.15, 0.0], ray, 4)
    });
}

impl Table {
    fn hit(&self, from: Triple, ray: Triple) -> Option<(f64, &Sphere)> {
        self.spheres
            .iter()
            .filter_map(|sphere| {
                let to = sub(sphere.at, from);
                let along = dot(to, ray);
                let miss = dot(to, to) - along * along;
                let depth = sphere.radius * sphere.radius - miss;
                let far = along - depth.max(0.0).sqrt();
                (depth > 0.0 && far > 1e-4).then_some((far, sphere))
            })
            .min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// How much of the lamp a point sees; spheres that nearly cover it make the edge soft.
    fn lit(&self, from: Triple) -> f64 {
        self.spheres.iter().fold(1.0, |lit: f64, sphere| {
            let to = sub(sphere.at, from);
            let along = dot(to, self.lamp);
            if along < 0.0 {
                return lit;
            }
            let miss = (dot(to, to) - along * along).max(0.0).sqrt();
            lit.min(step(
                sphere.radius - 0.04 * along,
                sphere.radius + 0.04 * along,
                miss,
            ))
        })
    }

    /// How open the sky is above a point of the floor.
    fn open(&self, at: Triple) -> f64 {
        self.spheres.iter().fold(1.0, |open, sphere| {
            let far = (at[0] - sphere.at[0]).hypot(at[2] - sphere.at[2]) / sphere.radius;
            open * (1.0 - 0.7 / (1.0 + 2.5 * far * far))
        })
    }

    fn see(&self, from: Triple, ray: Triple, bounces: u32) -> Triple {
        let floor = if ray[1] < -1e-4 {
            -from[1] / ray[1]
        } else {
            f64::MAX
        };
        if let Some((far, sphere)) = self.hit(from, ray).filter(|(far, _)| *far < floor) {
            let at = add(from, scale(ray, far));
            let normal = unit(sub(at, sphere.at));
            let light = dot(normal, self.lamp).max(0.0) * self.lit(at) * 1.1;
            let around = 0.25 + 0.3 * (0.5 + 0.5 * normal[1]);
            let matte = scale(sphere.colour, light + around);
            let back = mirrored(ray, normal);
            let edge = (1.0 + dot(ray, normal)).clamp(0.0, 1.0).powi(4);
            let share = sphere.shine + (1.0 - sphere.shine) * 0.6 * edge;
            let spot = scale(
                [1.0; 3],
                dot(back, self.lamp).max(0.0).powf(90.0) * self.lit(at),
            );
            if bounces == 0 {
                return add(matte, spot);
            }
            let seen = self.see(at, back, bounces - 1);
            let tinted = mix(times(seen, sphere.colour), seen, 0.35 + 0.65 * edge);
            return add(mix(matte, tinted, share), spot);
        }
        let sky = mix(self.sky[1], self.sky[0], step(-0.05, 0.7, ray[1]));
        let lamp = scale(
            [1.0, 0.96, 0.9],
            dot(ray, self.lamp).max(0.0).powf(200.0) * 3.0,
        );
        if floor > 40.0 {
            return add(sky, lamp);
        }
        let at = add(from, scale(ray, floor));
        let light = 0.75 * self.lit(at) + 0.42 * self.open(at);
        mix(scale(self.floor_at(at), light), sky, step(5.0, 30.0, floor))
    }

    fn floor_at(&self, at: Triple) -> Triple {
        if self.checks {
            let odd = (at[0].floor() as i64 + at[2].floor() as i64).rem_euclid(2);
            return self.floor[odd as usize];
        }
        // Boards with grain along z.
        let board = (at[0] * 1.4).floor();
        let shift = noise::at(board as i64, 3, self.seed);
        let grain = noise::fractal(
            at[0] * 22.0 + shift * 40.0,
            at[2] * 0.9 + shift * 9.0,
            5,
            self.seed,
        );
        let seam = step(
            0.0,
            0.012,
            (at[0] * 1.4 - board).min(board + 1.0 - at[0] * 1.4),
        );
        scale(
            mix(self.floor[0], self.floor[1], 0.3 * shift + 0.8 * grain),
            0.45 + 0.55 * seam,
        )
    }
}
