//! A canvas in linear light, and the little vector arithmetic that painting needs.
//!
//! Places are measured in heights of the picture: y runs from 0 (top) to 1 (bottom), x from 0 to
//! the aspect ratio. Every pixel is the mean of several samples, so edges are smooth.

use image::{Rgb, RgbImage};

use super::noise;

/// A colour in linear light (1 is the white of the paper), or a vector in space.
pub(crate) type Triple = [f64; 3];

pub(crate) fn add(a: Triple, b: Triple) -> Triple {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn sub(a: Triple, b: Triple) -> Triple {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: Triple, by: f64) -> Triple {
    a.map(|part| part * by)
}

pub(crate) fn times(a: Triple, b: Triple) -> Triple {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

pub(crate) fn mix(a: Triple, b: Triple, share: f64) -> Triple {
    let share = share.clamp(0.0, 1.0);
    add(scale(a, 1.0 - share), scale(b, share))
}

pub(crate) fn dot(a: Triple, b: Triple) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn unit(a: Triple) -> Triple {
    scale(a, 1.0 / dot(a, a).sqrt().max(1e-12))
}

pub(crate) fn mirrored(ray: Triple, normal: Triple) -> Triple {
    sub(ray, scale(normal, 2.0 * dot(ray, normal)))
}

/// 0 below `from`, 1 above `to`, smooth between; also the other way round.
pub(crate) fn step(from: f64, to: f64, x: f64) -> f64 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A colour as designers write it, 0xRRGGBB in sRGB.
pub(crate) fn rgb(hex: u32) -> Triple {
    [16, 8, 0].map(|shift| {
        let part = f64::from((hex >> shift) & 255) / 255.0;
        if part <= 0.040_45 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// The colour at `t` (0..1) of evenly spaced stops.
pub(crate) fn gradient(stops: &[Triple], t: f64) -> Triple {
    let last = stops.len() - 1;
    let place = t.clamp(0.0, 1.0) * last as f64;
    let index = (place as usize).min(last.saturating_sub(1));
    mix(
        stops[index],
        stops[(index + 1).min(last)],
        place - index as f64,
    )
}

/// See the module's head.
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    /// Samples a pixel, along one side.
    fine: usize,
    samples: Vec<Triple>,
}

impl Canvas {
    pub(crate) fn new(width: u32, height: u32, fine: usize) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self {
            width,
            height,
            fine,
            samples: vec![[0.0; 3]; width * height * fine * fine],
        }
    }

    pub(crate) fn aspect(&self) -> f64 {
        self.width as f64 / self.height as f64
    }

    /// The size of one sample.
    pub(crate) fn grain(&self) -> f64 {
        1.0 / (self.height * self.fine) as f64
    }

    /// Paints every sample from its place and what was there, on all cores.
    pub(crate) fn paint(&mut self, colour: impl Fn(f64, f64, Triple) -> Triple + Sync) {
        let (row, grain) = (self.width * self.fine, self.grain());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let rows = (self.height * self.fine).div_ceil(cores * 16);
        let strips = std::sync::Mutex::new(self.samples.chunks_mut(row * rows).enumerate());
        let take = || strips.lock().ok().and_then(|mut strips| strips.next());
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    while let Some((strip, samples)) = take() {
                        for (index, sample) in samples.iter_mut().enumerate() {
                            let (x, y) = (index % row, index / row + strip * rows);
                            let place = |n: usize| (n as f64 + 0.5) * grain;
                            *sample = colour(place(x), place(y), *sample);
                        }
                    }
                });
            }
        });
    }

    /// Paints inside a box only; a brush returns its colour and how much it covers.
    pub(crate) fn dab(
        &mut self,
        (left, top): (f64, f64),
        (right, bottom): (f64, f64),
        brush: impl Fn(f64, f64) -> (Triple, f64),
    ) {
        let (row, rows) = (self.width * self.fine, self.height * self.fine);
        let grain = self.grain();
        let clip = |n: f64, most: usize| ((n / grain).max(0.0) as usize).min(most);
        for y in clip(top, rows)..clip(bottom + grain, rows) {
            for x in clip(left, row)..clip(right + grain, row) {
                let (colour, cover) = brush((x as f64 + 0.5) * grain, (y as f64 + 0.5) * grain);
                if cover > 0.0 {
                    let sample = &mut self.samples[y * row + x];
                    *sample = mix(*sample, colour, cover);
                }
            }
        }
    }

    /// A disc whose edge is soft over the outer `soft` share of its radius.
    pub(crate) fn disc(
        &mut self,
        at: (f64, f64),
        radius: f64,
        soft: f64,
        colour: Triple,
        cover: f64,
    ) {
        let inner = radius * (1.0 - soft) - 1e-9;
        self.dab(
            (at.0 - radius, at.1 - radius),
            (at.0 + radius, at.1 + radius),
            |x, y| {
                let far = (x - at.0).hypot(y - at.1);
                (colour, cover * step(radius, inner, far))
            },
        );
    }

    /// Adds light around a place, falling off with the square of the distance.
    pub(crate) fn glow(&mut self, at: (f64, f64), radius: f64, light: Triple) {
        self.paint(|x, y, was| {
            let far = ((x - at.0).powi(2) + (y - at.1).powi(2)) / (radius * radius);
            add(was, scale(light, 1.0 / (1.0 + far).powi(2)))
        });
    }

    /// The finished photograph: exposed, with a film's soft shoulder, a darker rim and fine grain.
    pub(crate) fn develop(&self, exposure: f64, rim: f64, grain: f64) -> RgbImage {
        let (fine, row) = (self.fine, self.width * self.fine);
        let aspect = self.aspect();
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let mut light = [0.0; 3];
            for index in 0..fine * fine {
                let (dx, dy) = (index % fine, index / fine);
                let place = (y as usize * fine + dy) * row + x as usize * fine + dx;
                // Each sample is toned by itself, or a bright edge would stay jagged.
                light = add(light, self.samples[place].map(|part| tone(part * exposure)));
            }
            let (u, v) = (
                f64::from(x) / self.height as f64,
                f64::from(y) / self.height as f64,
            );
            let off =
                ((u - aspect / 2.0).powi(2) + (v - 0.5).powi(2)) / (aspect * aspect / 4.0 + 0.25);
            let speck = grain * (noise::at(i64::from(x), i64::from(y), 77) - 0.5);
            let shown = light.map(|part| {
                let part = part / (fine * fine) as f64 * (1.0 - rim * off * off);
                let part = if part <= 0.003_130_8 {
                    part * 12.92
                } else {
                    1.055 * part.powf(1.0 / 2.4) - 0.055
                };
                ((part + speck).clamp(0.0, 1.0) * 255.0).round() as u8
            });
            Rgb(shown)
        })
    }
}

/// Linear in the shadows and middle tones, bending softly towards white above.
fn tone(light: f64) -> f64 {
    const KNEE: f64 = 0.6;
    if light <= KNEE {
        light.max(0.0)
    } else {
        KNEE + (1.0 - KNEE) * (1.0 - (-(light - KNEE) / (1.0 - KNEE)).exp())
    }
}
