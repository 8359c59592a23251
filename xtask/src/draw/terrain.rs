//! Mountains and water by marching rays over a field of heights.

use super::canvas::{Canvas, Triple, add, dot, mirrored, mix, rgb, scale, step, times, unit};
use super::noise::{self, Dice};
use super::sky::Sky;

/// Where a march gives up, in kilometres.
const FAR: f64 = 26.0;

/// Most steps of a march. A ray that skims a ridge for longer sees past it.
const MAX_STEPS: u32 = 900;

/// What a landscape is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Rock, snow, meadows and woods around a lake.
    Alps,
    /// Bare sandstone around a lake.
    Canyon,
    /// Dunes without any water.
    Desert,
}

/// A landscape, in kilometres. The water is at height 0, the eye above x = z = 0.
pub(crate) struct Land {
    pub(crate) ground: Ground,
    pub(crate) sky: Sky,
    pub(crate) eye: f64,
    /// Height above which snow stays.
    pub(crate) snow: f64,
    /// Height of the summits, about.
    pub(crate) rise: f64,
    /// How far the lake reaches in x and z, and where its middle is.
    pub(crate) lake: [f64; 4],
    /// Autumn colours in the woods, 0..1.
    pub(crate) autumn: f64,
    pub(crate) haze: f64,
    pub(crate) seed: u64,
    /// Upward tilt of the camera and its angle of view (as a slope).
    pub(crate) tilt: f64,
    pub(crate) view: f64,
}

impl Land {
    /// A land from the seed alone.
    pub(crate) fn random(ground: Ground, dice: &mut Dice) -> Self {
        let hour = match ground {
            Ground::Desert => dice.pick(&[1, 2, 3, 4]),
            _ => dice.below(super::sky::HOUR_COUNT),
        };
        let bearing = dice.pick(&[-1.0, 1.0]) * dice.between(48.0, 128.0);
        let mut sky = Sky::at_hour(hour, bearing, dice);
        sky.lift(9.0);
        let dry = ground == Ground::Desert;
        let long = dice.between(1.8, 3.4);
        Self {
            ground,
            sky,
            eye: if dry {
                dice.between(0.1, 0.2)
            } else {
                dice.between(0.05, 0.16)
            },
            snow: dice.between(0.5, 1.3),
            rise: dice.between(1.5, 2.5),
            lake: [
                dice.between(1.2, 2.2),
                long,
                dice.between(-0.5, 0.5),
                // The eye is over the water, well away from the shore behind it.
                long * dice.between(0.3, 0.6),
            ],
            autumn: dice.unit().powi(2),
            haze: dice.between(0.018, 0.05),
            seed: dice.seed(),
            tilt: if dry {
                dice.between(-0.12, -0.02)
            } else {
                dice.between(-0.02, 0.10)
            },
            view: dice.between(0.75, 1.05),
        }
    }

    /// The lake of the photograph: late afternoon, the sun from the side, first snow and autumn.
    pub(crate) fn lake(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut sky = Sky::at_hour(1, -118.0, &mut dice);
        sky.clouds = 0.48;
        Self {
            ground: Ground::Alps,
            sky,
            eye: 0.085,
            snow: 0.66,
            rise: 2.15,
            lake: [1.7, 2.5, 0.1, 1.3],
            autumn: 0.3,
            haze: 0.02,
            seed: dice.seed(),
            tilt: 0.1,
            view: 0.88,
        }
    }

    /// Paints the whole canvas.
    pub(crate) fn paint(&self, canvas: &mut Canvas) {
        let aspect = canvas.aspect();
        let floor = if self.ground == Ground::Desert {
            self.height(0.0, 0.0, 8)
        } else {
            0.0
        };
        canvas.paint(|x, y, _| {
            let ray = unit([
                (x - aspect / 2.0) * self.view,
                (0.5 - y) * self.view + self.tilt,
                1.0,
            ]);
            self.see([0.0, floor + self.eye, 0.0], ray)
        });
    }

    fn see(&self, from: Triple, ray: Triple) -> Triple {
        let water = if self.ground != Ground::Desert && ray[1] < -1e-4 {
            -from[1] / ray[1]
        } else {
            f64::MAX
        };
        match self.march(from, ray, water.min(FAR), 8) {
            Some(far) => self.land(from, ray, far),
            None if water < FAR => self.water(from, ray, water),
            None => self.sky.see(ray),
        }
    }

    /// The distance to the ground along a ray.
    fn march(&self, from: Triple, ray: Triple, limit: f64, octaves: u32) -> Option<f64> {
        let mut far = 0.03;
        let mut before = (far, f64::MAX);
        for _ in 0..MAX_STEPS {
            let [x, y, z] = add(from, scale(ray, far));
            if far > limit || (y > self.rise * 1.3 && ray[1] >= 0.0) {
                return None;
            }
            let above = y - self.height(x, z, octaves);
            if above < 0.0004 * far {
                // The last two looks lie on both sides of the ground.
                let share = before.1 / (before.1 - above).max(1e-9);
                return Some(before.0 + (far - before.0) * share.clamp(0.0, 1.0));
            }
            before = (far, above);
            // Never so far that a ray could jump through a narrow summit.
            far += (above * 0.38).min(0.03 + 0.012 * far).max(0.0016 * far);
        }
        None
    }

    /// The height of the ground.
    fn height(&self, x: f64, z: f64, octaves: u32) -> f64 {
        if self.ground == Ground::Desert {
            return self.dune(x, z, octaves);
        }
        let [wide, long, mid_x, mid_z] = self.lake;
        // The shore is a wobbly ellipse; mountains begin behind it.
        let wobble = 0.45 * (noise::value(x * 1.3, z * 1.3, self.seed ^ 9) - 0.5)
            + 0.16 * (noise::value(x * 5.1, z * 5.1, self.seed ^ 8) - 0.5);
        let shore = ((x - mid_x) / wide).hypot((z - mid_z) / long) + wobble - 1.0;
        if shore < -0.35 {
            return -0.1;
        }
        let behind = step(0.0, 1.9, shore);
        let bank = 0.05 * step(-0.1, 0.5, shore) - 0.012;
        let mountain = self.ridges(x, z, octaves);
        let height = bank + mountain * self.rise * (0.06 * step(-0.05, 0.6, shore) + 0.94 * behind);
        match self.ground {
            Ground::Canyon => terraces(height, self.rise),
            _ => height,
        }
    }

    /// Noise whose finer octaves fade on slopes, as rain would have it; in about 0..1.
    fn ridges(&self, x: f64, z: f64, octaves: u32) -> f64 {
        let (mut px, mut pz) = (x * 0.42 + 11.3, z * 0.42 - 7.9);
        let (mut sum, mut strength, mut slopes) = (0.0, 1.0, [0.0, 0.0]);
        for octave in 0..octaves {
            let [n, dx, dz] = noise::slope(px, pz, self.seed.wrapping_add(u64::from(octave)));
            slopes = [slopes[0] + dx, slopes[1] + dz];
            sum += strength * n / (1.0 + slopes[0] * slopes[0] + slopes[1] * slopes[1]);
            strength *= 0.5;
            (px, pz) = (1.6 * px - 1.2 * pz, 1.2 * px + 1.6 * pz);
        }
        (sum / 1.05).powf(1.15)
    }

    /// Dunes in two sizes on a rolling plain, with ripples near the eye.
    fn dune(&self, x: f64, z: f64, octaves: u32) -> f64 {
        let mut height = 0.22 * noise::fractal(x * 0.22, z * 0.22, 2, self.seed ^ 3);
        for (level, (size, turn, high)) in [(0.75, 0.3, 0.13), (2.7, -0.35, 0.02)]
            .into_iter()
            .enumerate()
        {
            let seed = self.seed.wrapping_add(level as u64);
            let bend = 2.4 * noise::fractal(x * size * 0.55, z * size * 0.4, 2, seed ^ 4);
            let place = z * size + x * size * turn + bend;
            let place = place - place.floor();
            // The wind lifts sand up a long slope; it slides down a short one.
            let rise = if place < 0.7 {
                step(0.0, 1.0, place / 0.7 * 0.86) / step(0.0, 1.0, 0.86)
            } else {
                1.0 - step(0.7, 1.0, place)
            };
            height += high * rise * (0.25 + noise::value(x * size * 0.6, z * size * 0.8, seed ^ 5));
        }
        if octaves > 8 {
            let bend = 30.0 * noise::value(x * 9.0, z * 9.0, self.seed);
            height += 0.00012 * (x * 150.0 + bend + z * 330.0).sin();
        }
        height
    }

    fn normal(&self, x: f64, z: f64, far: f64) -> Triple {
        let reach = 0.0007 * far + 0.0004;
        let fine = |x: f64, z: f64| self.height(x, z, 12) + self.wood(x, z, far);
        unit([
            fine(x - reach, z) - fine(x + reach, z),
            2.0 * reach,
            fine(x, z - reach) - fine(x, z + reach),
        ])
    }

    /// Where woods grow, 0..1.
    fn wooded(&self, x: f64, y: f64, z: f64, up: f64) -> f64 {
        if self.ground != Ground::Alps {
            return 0.0;
        }
        let patch = noise::fractal(x * 2.1, z * 2.1, 4, self.seed ^ 21);
        step(0.40, 0.50, patch + 0.12 * (0.45 - y))
            * step(0.62, 0.36, y + 0.2 * (patch - 0.5))
            * step(0.5, 0.66, up)
            * step(0.008, 0.02, y)
    }

    /// Tree tops as bumps on the ground.
    fn wood(&self, x: f64, z: f64, far: f64) -> f64 {
        if self.ground != Ground::Alps {
            return 0.0;
        }
        let (near, _, _) = noise::scattered(x * 84.0, z * 84.0, self.seed ^ 31);
        0.0095 * (1.0 - near).max(0.0) * step(14.0, 3.0, far)
    }

    fn land(&self, from: Triple, ray: Triple, far: f64) -> Triple {
        let at = add(from, scale(ray, far));
        let bare = {
            let reach = 0.004 + 0.001 * far;
            let high = |x: f64, z: f64| self.height(x, z, 6);
            unit([
                high(at[0] - reach, at[2]) - high(at[0] + reach, at[2]),
                2.0 * reach,
                high(at[0], at[2] - reach) - high(at[0], at[2] + reach),
            ])
        };
        let woods = self.wooded(at[0], at[1], at[2], bare[1]);
        let mut normal = self.normal(at[0], at[2], far);
        if woods < 0.5 {
            let reach = 0.0007 * far + 0.0004;
            let high = |x: f64, z: f64| self.height(x, z, 12);
            normal = unit([
                high(at[0] - reach, at[2]) - high(at[0] + reach, at[2]),
                2.0 * reach,
                high(at[0], at[2] - reach) - high(at[0], at[2] + reach),
            ]);
        }
        let skin = self.skin(at, normal, bare, woods);
        let sun = dot(normal, self.sky.sun).max(0.0) * self.shadow(at);
        let bounce = 0.12 * (0.5 - 0.5 * normal[1] + 0.2);
        let light = add(
            add(scale(self.sky.light, sun), self.sky.ambient(normal)),
            scale(self.sky.light, bounce * self.sky.sun[1]),
        );
        let veil = 1.0 - (-(far * self.haze) * (1.0 - 0.25 * step(0.2, 1.5, at[1]))).exp();
        self.sky.through(times(skin, light), ray, veil)
    }

    /// The colour of the ground itself.
    fn skin(&self, at: Triple, normal: Triple, bare: Triple, woods: f64) -> Triple {
        let [x, y, z] = at;
        let spot = noise::fractal(x * 9.0, z * 9.0, 5, self.seed ^ 41);
        match self.ground {
            Ground::Desert => mix(rgb(0xc8935a), rgb(0xe0b27c), spot),
            Ground::Canyon => {
                let layer = noise::fractal(y * 14.0 + 0.4 * spot, 0.3, 4, self.seed ^ 42);
                let rock = mix(rgb(0x7a3c24), rgb(0xd08a58), layer);
                let dust = mix(rgb(0xb07850), rgb(0x8a7a4c), step(0.35, 0.6, spot));
                mix(rock, dust, step(0.72, 0.9, bare[1]) * 0.8)
            }
            Ground::Alps => {
                let strata = noise::fractal(y * 7.0 + x * 0.7, z * 1.1 + spot, 4, self.seed ^ 43);
                let rock = mix(rgb(0x3c3935), rgb(0x827a70), 0.3 * spot + 0.7 * strata);
                let meadow = mix(rgb(0x33461c), rgb(0x74773a), spot);
                let green = step(0.6, 0.78, bare[1]) * step(1.0, 0.5, y + 0.4 * (spot - 0.5));
                let ground = mix(rock, meadow, green);
                let one = noise::scattered(x * 84.0, z * 84.0, self.seed ^ 31).2;
                let which = noise::at(one[0], one[1], self.seed ^ 51);
                let fir = mix(rgb(0x101f10), rgb(0x24381c), which);
                let leaf = mix(
                    rgb(0x6e5c24),
                    rgb(0x84481e),
                    noise::at(one[1], one[0], self.seed),
                );
                let tree = if which < self.autumn * 0.8 { leaf } else { fir };
                let shore = mix(rgb(0x6a6048), ground, step(0.004, 0.022, y));
                let land = mix(shore, tree, woods);
                let drift = y + 0.5 * (noise::fractal(x * 3.0, z * 3.0, 5, self.seed ^ 44) - 0.5);
                let white =
                    step(self.snow - 0.12, self.snow + 0.12, drift) * step(0.5, 0.68, normal[1]);
                mix(land, rgb(0xeef2fa), white)
            }
        }
    }

    /// How much of the sun reaches a point, with a soft edge.
    fn shadow(&self, at: Triple) -> f64 {
        let (mut far, mut light) = (0.012, 1.0_f64);
        for _ in 0..56 {
            let [x, y, z] = add(at, scale(self.sky.sun, far));
            if y > self.rise * 1.3 {
                break;
            }
            let above = y - self.height(x, z, 7);
            light = light.min(22.0 * above / far);
            if light <= 0.0 {
                return 0.0;
            }
            far += (above * 0.6).max(0.012 + 0.02 * far);
        }
        light.clamp(0.0, 1.0)
    }

    fn water(&self, from: Triple, ray: Triple, far: f64) -> Triple {
        let at = add(from, scale(ray, far));
        let calm = 1.0 / (1.0 + 0.9 * far);
        let breeze = step(
            0.42,
            0.62,
            noise::fractal(at[0] * 0.8, at[2] * 0.35, 3, self.seed ^ 61),
        );
        let wave = |shift: f64| {
            let fine = noise::fractal(at[0] * 46.0 + shift, at[2] * 20.0, 4, self.seed ^ 62) - 0.5;
            let wide = noise::fractal(at[0] * 9.0 + shift, at[2] * 3.5, 2, self.seed ^ 63) - 0.5;
            fine * (0.006 + 0.035 * breeze) + wide * 0.004
        };
        let normal = unit([wave(0.0) * calm, 1.0, wave(71.0) * calm * 1.4]);
        let mut back = mirrored(ray, normal);
        back[1] = back[1].max(0.002);
        let back = unit(back);
        let seen = match self.march(at, back, FAR * 0.7, 6) {
            Some(distance) => self.land(at, back, distance),
            None => self.sky.see(back),
        };
        let facing = (-dot(ray, normal)).clamp(0.0, 1.0);
        let fresnel = 0.03 + 0.97 * (1.0 - facing).powi(5);
        let bed = self.height(at[0], at[2], 5);
        let shallow = step(-0.05, 0.0, bed);
        let deep = mix(rgb(0x06222c), rgb(0x2a6a66), shallow * 0.7);
        let body = times(
            deep,
            add(
                scale(self.sky.light, 0.3),
                self.sky.ambient([0.0, 1.0, 0.0]),
            ),
        );
        let veil = 1.0 - (-(far * self.haze)).exp();
        // Smooth water far off is nearer a mirror than Fresnel alone says, as its waves hide each other.
        self.sky
            .through(mix(body, seen, (fresnel * 1.1 + 0.12).min(1.0)), ray, veil)
    }
}

/// Cliffs and ledges out of smooth slopes.
fn terraces(height: f64, rise: f64) -> f64 {
    if height <= 0.02 {
        return height;
    }
    let level = rise / 9.0;
    let place = height / level;
    let base = place.floor();
    (base + step(0.25, 0.75, place - base) * 0.8 + 0.2 * (place - base)) * level
}
