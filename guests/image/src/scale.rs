//! Resampling and blurring, with transparency taken into account: colours are weighted by their
//! alpha, or the invisible colour of transparent pixels would bleed into visible ones.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{FilterType, MulDiv, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageBuffer};

use crate::picture::MAX_DECODED_BYTES;
use crate::problem::Problem;

/// Cubic and not Lanczos: its weights need no sine, so they are the same on every machine.
const FILTER: ResizeAlg = ResizeAlg::Convolution(FilterType::CatmullRom);

/// Whether a size is one at all.
pub(crate) fn check_some(width: u32, height: u32) -> Result<(), Problem> {
    if width == 0 || height == 0 {
        return Err(Problem::NoSize { width, height });
    }
    Ok(())
}

/// Whether a picture of this size may be made at all.
pub(crate) fn check_size(width: u32, height: u32, channels: u8) -> Result<(), Problem> {
    check_some(width, height)?;
    let needs = (u64::from(width) * u64::from(height)).saturating_mul(u64::from(channels));
    if needs > MAX_DECODED_BYTES {
        return Err(Problem::ResultTooLarge {
            width,
            height,
            needs,
        });
    }
    Ok(())
}

/// The largest size of `of`'s aspect inside `within`, never larger than `of` and at least 1 × 1.
pub(crate) fn fit(of: (u32, u32), within: (u32, u32)) -> (u32, u32) {
    if of.0 <= within.0 && of.1 <= within.1 {
        return of;
    }
    let (w, h) = (u64::from(of.0), u64::from(of.1));
    let (max_w, max_h) = (u64::from(within.0), u64::from(within.1));
    // The tighter side gets its bound; the other is rounded to the nearest pixel and stays within
    // its own bound, which is why it fits in 32 bits.
    let other = |side: u64, bound: u64, tight: u64| {
        let rounded = (side * bound + tight / 2) / tight;
        u32::try_from(rounded.max(1)).unwrap_or(u32::MAX)
    };
    if w * max_h >= h * max_w {
        (within.0, other(h, max_w, w))
    } else {
        (other(w, max_h, h), within.1)
    }
}

/// The picture at exactly this size.
pub(crate) fn resample(
    pixels: &DynamicImage,
    width: u32,
    height: u32,
) -> Result<DynamicImage, Problem> {
    check_size(width, height, pixels.color().channel_count())?;
    use DynamicImage as D;
    let raw = match pixels {
        D::ImageLuma8(_) => resized::<U8>(pixels, width, height),
        D::ImageLumaA8(_) => resized::<U8x2>(pixels, width, height),
        D::ImageRgba8(_) => resized::<U8x4>(pixels, width, height),
        _ => resized::<U8x3>(pixels, width, height),
    }?;
    same_kind(pixels, width, height, raw)
}

/// The picture through a Gaussian of this standard deviation, in pixels.
pub(crate) fn blurred(pixels: DynamicImage, sigma: f32) -> Result<DynamicImage, Problem> {
    use DynamicImage as D;
    let (width, height) = (pixels.width(), pixels.height());
    match pixels {
        D::ImageLumaA8(ref grey) => {
            let mut raw = grey.as_raw().clone();
            weigh::<U8x2>(&mut raw, width, height, Weigh::In)?;
            let weighted = same_kind(&pixels, width, height, raw)?.blur(sigma);
            let mut raw = weighted.into_bytes();
            weigh::<U8x2>(&mut raw, width, height, Weigh::Out)?;
            same_kind(&pixels, width, height, raw)
        }
        D::ImageRgba8(ref colour) => {
            let mut raw = colour.as_raw().clone();
            weigh::<U8x4>(&mut raw, width, height, Weigh::In)?;
            let weighted = same_kind(&pixels, width, height, raw)?.blur(sigma);
            let mut raw = weighted.into_bytes();
            weigh::<U8x4>(&mut raw, width, height, Weigh::Out)?;
            same_kind(&pixels, width, height, raw)
        }
        opaque => Ok(opaque.blur(sigma)),
    }
}

fn resized<P: PixelTrait>(
    pixels: &DynamicImage,
    width: u32,
    height: u32,
) -> Result<Vec<u8>, Problem> {
    let from = TypedImageRef::<P>::from_buffer(pixels.width(), pixels.height(), pixels.as_bytes())
        .map_err(failed)?;
    let mut raw = vec![0; width as usize * height as usize * P::size()];
    let mut to = TypedImage::<P>::from_buffer(width, height, &mut raw).map_err(failed)?;
    let options = ResizeOptions::new().resize_alg(FILTER);
    Resizer::new()
        .resize_typed(&from, &mut to, &options)
        .map_err(failed)?;
    Ok(raw)
}

enum Weigh {
    /// Colours times alpha.
    In,
    /// Colours divided by alpha.
    Out,
}

fn weigh<P: PixelTrait>(
    raw: &mut [u8],
    width: u32,
    height: u32,
    direction: Weigh,
) -> Result<(), Problem> {
    let mut view = TypedImage::<P>::from_buffer(width, height, raw).map_err(failed)?;
    match direction {
        Weigh::In => MulDiv::new().multiply_alpha_inplace_typed(&mut view),
        Weigh::Out => MulDiv::new().divide_alpha_inplace_typed(&mut view),
    }
    .map_err(failed)
}

/// Raw pixels as a picture with the channels of another.
fn same_kind(
    like: &DynamicImage,
    width: u32,
    height: u32,
    raw: Vec<u8>,
) -> Result<DynamicImage, Problem> {
    use DynamicImage as D;
    match like {
        D::ImageLuma8(_) => ImageBuffer::from_raw(width, height, raw).map(D::ImageLuma8),
        D::ImageLumaA8(_) => ImageBuffer::from_raw(width, height, raw).map(D::ImageLumaA8),
        D::ImageRgba8(_) => ImageBuffer::from_raw(width, height, raw).map(D::ImageRgba8),
        _ => ImageBuffer::from_raw(width, height, raw).map(D::ImageRgb8),
    }
    .ok_or_else(|| failed("the pixels do not fill the picture"))
}

fn failed(cause: impl ToString) -> Problem {
    Problem::NotScaled {
        cause: cause.to_string(),
    }
}
