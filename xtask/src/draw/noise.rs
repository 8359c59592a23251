//! Repeatable randomness and smooth noise: everything drawn comes from a seed and nothing else.

/// A sequence of numbers from a seed (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(scramble(seed))
    }

    pub(crate) fn seed(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }

    /// 0 ≤ x < 1.
    pub(crate) fn unit(&mut self) -> f64 {
        to_unit(self.seed())
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn to_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// The number that belongs to a place of a grid, 0 ≤ x < 1.
pub(crate) fn at(x: i64, y: i64, seed: u64) -> f64 {
    let mixed = (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (y as u64)
            .wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
            .rotate_left(31)
        ^ seed;
    to_unit(scramble(mixed))
}

/// Smooth noise in 0..1, one hill or hollow a unit.
pub(crate) fn value(x: f64, y: f64, seed: u64) -> f64 {
    slope(x, y, seed)[0]
}

/// Smooth noise and its two slopes.
pub(crate) fn slope(x: f64, y: f64, seed: u64) -> [f64; 3] {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let (i, j) = (x0 as i64, y0 as i64);
    let (a, b) = (at(i, j, seed), at(i + 1, j, seed));
    let (c, d) = (at(i, j + 1, seed), at(i + 1, j + 1, seed));
    let ease = |t: f64| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let ease_slope = |t: f64| 30.0 * t * t * (t * (t - 2.0) + 1.0);
    let (u, v) = (ease(fx), ease(fy));
    let twist = a - b - c + d;
    [
        a + (b - a) * u + (c - a) * v + twist * u * v,
        ease_slope(fx) * (b - a + twist * v),
        ease_slope(fy) * (c - a + twist * u),
    ]
}

/// Noise on noise, each octave twice as fine, half as strong and turned; in 0..1 around 0.5.
pub(crate) fn fractal(mut x: f64, mut y: f64, octaves: u32, seed: u64) -> f64 {
    let (mut sum, mut strength, mut total) = (0.0, 1.0, 0.0);
    for octave in 0..octaves {
        sum += strength * value(x, y, seed.wrapping_add(u64::from(octave)));
        total += strength;
        strength *= 0.5;
        (x, y) = (1.6 * x - 1.2 * y + 3.7, 1.2 * x + 1.6 * y + 1.3);
    }
    sum / total
}

/// Smooth noise in three dimensions, 0..1.
pub(crate) fn value3(p: [f64; 3], seed: u64) -> f64 {
    let floor = p[2].floor();
    let t = p[2] - floor;
    let level = |n: f64| {
        let layer = seed ^ scramble(n as i64 as u64 ^ 0x5bd1);
        value(p[0], p[1], layer)
    };
    let t = t * t * (3.0 - 2.0 * t);
    level(floor) * (1.0 - t) + level(floor + 1.0) * t
}

/// [`fractal`] in three dimensions.
pub(crate) fn fractal3(mut p: [f64; 3], octaves: u32, seed: u64) -> f64 {
    let (mut sum, mut strength, mut total) = (0.0, 1.0, 0.0);
    for octave in 0..octaves {
        sum += strength * value3(p, seed.wrapping_add(u64::from(octave)));
        total += strength;
        strength *= 0.5;
        p = [
            1.6 * p[0] - 1.2 * p[2] + 0.7,
            2.0 * p[1] + 1.9,
            1.2 * p[0] + 1.6 * p[2] + 2.3,
        ];
    }
    sum / total
}

/// The distance from a point to the nearest of points scattered one to a cell, and that point's cell.
pub(crate) fn scattered(x: f64, y: f64, seed: u64) -> (f64, f64, [i64; 2]) {
    let (i, j) = (x.floor() as i64, y.floor() as i64);
    let (mut first, mut second, mut cell) = (f64::MAX, f64::MAX, [i, j]);
    for (di, dj) in (-1..=1).flat_map(|di| (-1..=1).map(move |dj| (di, dj))) {
        let (ci, cj) = (i + di, j + dj);
        let px = ci as f64 + at(ci, cj, seed);
        let py = cj as f64 + at(ci, cj, !seed);
        let distance = (px - x).hypot(py - y);
        if distance < first {
            (second, first, cell) = (first, distance, [ci, cj]);
        } else if distance < second {
            second = distance;
        }
    }
    (first, second, cell)
}
