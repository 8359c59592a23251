//! Skies: the light of every landscape comes from here.

use super::canvas::{Triple, add, dot, mix, rgb, scale, step, unit};
use super::noise::{self, Dice};

/// A sky with one sun (or moon) and clouds. Directions: x right, y up, z into the picture.
pub(crate) struct Sky {
    /// Where the sun is.
    pub(crate) sun: Triple,
    /// The colour of its light.
    pub(crate) light: Triple,
    pub(crate) zenith: Triple,
    pub(crate) horizon: Triple,
    /// What the air around the sun scatters.
    pub(crate) glow: Triple,
    /// How much of the sky clouds cover, 0..1.
    pub(crate) clouds: f64,
    pub(crate) seed: u64,
}

/// Times of day: elevation of the sun in degrees, its light, zenith, horizon, glow.
const HOURS: [(f64, u32, f64, u32, u32, u32); 6] = [
    (38.0, 0xfff4e4, 3.0, 0x2f6fc4, 0xb4d4ee, 0xfff2dc), // noon
    (20.0, 0xffe2b8, 2.8, 0x3c78bf, 0xcbd9e2, 0xffdca8), // afternoon
    (8.5, 0xffb878, 2.5, 0x3a6aa8, 0xe8c8a4, 0xffb060),  // golden hour
    (4.0, 0xff8848, 2.1, 0x3f4f8a, 0xeea480, 0xff7038),  // sunset
    (6.0, 0xffa8b0, 1.7, 0x5a6fae, 0xe8c0cc, 0xffa0a8),  // rosy morning
    (24.0, 0xb8ccff, 0.5, 0x0a1230, 0x283a60, 0x8098d0), // moonlight
];

/// How many times of day there are to choose from.
pub(crate) const HOUR_COUNT: usize = HOURS.len();

impl Sky {
    /// The sky of one of [`HOUR_COUNT`] hours, with the sun at this bearing (0 ahead, in degrees).
    pub(crate) fn at_hour(hour: usize, bearing: f64, dice: &mut Dice) -> Self {
        let (height, light, strength, zenith, horizon, glow) = HOURS[hour % HOURS.len()];
        let (height, bearing) = (height.to_radians(), bearing.to_radians());
        let night = if strength < 1.0 { 0.35 } else { 1.0 };
        Self {
            sun: [
                bearing.sin() * height.cos(),
                height.sin(),
                bearing.cos() * height.cos(),
            ],
            light: scale(rgb(light), strength),
            zenith: rgb(zenith),
            horizon: rgb(horizon),
            glow: scale(rgb(glow), night),
            clouds: dice.between(0.25, 0.6),
            seed: dice.seed(),
        }
    }

    /// Lifts the sun by this many degrees: between mountains, a low one leaves all valleys dark.
    pub(crate) fn lift(&mut self, degrees: f64) {
        let flat = self.sun[0].hypot(self.sun[2]);
        let height = self.sun[1].atan2(flat) + degrees.to_radians();
        let along = height.cos() / flat;
        self.sun = [self.sun[0] * along, height.sin(), self.sun[2] * along];
    }

    /// The light that comes from a direction, without the disc of the sun.
    pub(crate) fn air(&self, ray: Triple) -> Triple {
        let up = ray[1].max(0.0);
        let toward = dot(ray, self.sun).max(0.0);
        let base = mix(self.horizon, self.zenith, 1.0 - (-4.5 * up).exp());
        let wide = toward.powi(6) * 0.35 * (-3.0 * up).exp() + toward.powi(60) * 0.45;
        add(base, scale(self.glow, wide))
    }

    /// The light that comes from a direction, sun and clouds included.
    pub(crate) fn see(&self, ray: Triple) -> Triple {
        let toward = dot(ray, self.sun).max(0.0);
        let disc = step(0.999_55, 0.999_75, toward);
        let sky = add(
            self.air(ray),
            scale(self.light, disc * 6.0 + toward.powf(900.0) * 0.8),
        );
        self.cloud_over(ray, sky)
    }

    /// Two decks of clouds, lit from the sun's side.
    fn cloud_over(&self, ray: Triple, mut sky: Triple) -> Triple {
        if ray[1] < 0.005 {
            return sky;
        }
        let toward = dot(ray, self.sun).max(0.0);
        for (deck, (height, size, share)) in [(3.2, 0.32, 0.45), (1.1, 0.5, 1.0)].iter().enumerate()
        {
            let far = height / (ray[1] + 0.03);
            let (x, z) = (ray[0] * far * size, ray[2] * far * size);
            let seed = self.seed.wrapping_add(deck as u64 * 101);
            let stretch = if deck == 0 { 0.35 } else { 0.8 };
            let thick = |x: f64, z: f64| {
                let warp = noise::fractal(x * 0.9, z * 0.9, 3, seed ^ 5) - 0.5;
                noise::fractal(x * stretch + warp, z + warp * 0.8, 6, seed)
            };
            let here = thick(x, z);
            let cut = 0.66 - 0.3 * self.clouds;
            let cover = step(cut, cut + 0.2, here) * share;
            if cover <= 0.0 {
                continue;
            }
            // Thinner towards the sun than here means lit: one look along the light is enough.
            let aside = thick(x + self.sun[0] * 0.18, z + self.sun[2] * 0.18);
            let lit = (0.55 + 2.6 * (here - aside)).clamp(0.0, 1.0);
            let shade = mix(
                scale(mix(self.zenith, self.horizon, 0.65), 0.8),
                self.horizon,
                0.3,
            );
            let bright = add(scale(self.light, 0.30), scale(self.horizon, 0.5));
            let rim = scale(self.glow, toward.powi(8) * 0.7 * (1.0 - cover * 0.6));
            let cloud = add(mix(shade, bright, lit), rim);
            let fade = step(0.0, 0.14, ray[1]);
            sky = mix(sky, cloud, cover * fade * 0.92);
        }
        sky
    }

    /// Light from the whole sky on a surface that faces this way.
    pub(crate) fn ambient(&self, normal: Triple) -> Triple {
        mix(
            scale(self.horizon, 0.35),
            add(scale(self.zenith, 0.7), scale(self.horizon, 0.15)),
            0.5 + 0.5 * normal[1],
        )
    }

    /// What the air between does to something seen at a distance.
    pub(crate) fn through(&self, colour: Triple, ray: Triple, veil: f64) -> Triple {
        let level = unit([ray[0], ray[1].max(0.03), ray[2]]);
        mix(colour, self.air(level), veil)
    }
}
