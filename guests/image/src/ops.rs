//! The functions over one picture: bytes of a file in, bytes of a file out.

use crate::picture::{Format, Picture};
use crate::problem::Problem;
use crate::scale;

/// Largest standard deviation of a blur, in pixels. The work grows with it, and far below this
/// nothing is left to recognise.
const MAX_SIGMA: f32 = 100.0;

/// The photo inside `max_width` × `max_height` pixels, its aspect kept, never enlarged.
///
/// # Errors
/// What [`Picture::decode`] and [`Picture::encode`] find, and a bound of zero.
pub fn thumbnail(photo: &[u8], max_width: u32, max_height: u32) -> Result<Vec<u8>, Problem> {
    scale::check_some(max_width, max_height)?;
    let picture = Picture::decode(photo)?;
    picture_within(picture, max_width, max_height)?.encode()
}

/// The photo at exactly this size in pixels.
///
/// # Errors
/// What [`Picture::decode`] and [`Picture::encode`] find, and a size that is zero or too large.
pub fn resize(photo: &[u8], width: u32, height: u32) -> Result<Vec<u8>, Problem> {
    scale::check_size(width, height, 1)?;
    let picture = Picture::decode(photo)?;
    let pixels = scale::resample(&picture.pixels, width, height)?;
    picture.with_pixels(pixels).encode()
}

/// The rectangle of this size whose upper left corner is (`x`, `y`), in pixels.
///
/// # Errors
/// What [`Picture::decode`] and [`Picture::encode`] find, and a rectangle that is empty or not
/// inside the photo.
pub fn crop(photo: &[u8], x: u32, y: u32, width: u32, height: u32) -> Result<Vec<u8>, Problem> {
    scale::check_some(width, height)?;
    let picture = Picture::decode(photo)?;
    let of = picture.size();
    let inside = |start: u32, length: u32, side: u32| {
        start.checked_add(length).is_some_and(|end| end <= side)
    };
    if !inside(x, width, of.0) || !inside(y, height, of.1) {
        return Err(Problem::Outside {
            x,
            y,
            width,
            height,
            of,
        });
    }
    let pixels = picture.pixels.crop_imm(x, y, width, height);
    picture.with_pixels(pixels).encode()
}

/// The photo in shades of grey; transparency stays.
///
/// # Errors
/// What [`Picture::decode`] and [`Picture::encode`] find.
pub fn grayscale(photo: &[u8]) -> Result<Vec<u8>, Problem> {
    let picture = Picture::decode(photo)?;
    let pixels = picture.pixels.grayscale();
    picture.with_pixels(pixels).encode()
}

/// The photo through a Gaussian blur of standard deviation `sigma`, in pixels.
///
/// # Errors
/// What [`Picture::decode`] and [`Picture::encode`] find, and a `sigma` that is not above 0 and at
/// most 100.
pub fn blur(photo: &[u8], sigma: f32) -> Result<Vec<u8>, Problem> {
    // Below the smallest normal number the kernel's weights are no numbers any more.
    if !(sigma.is_normal() && sigma > 0.0 && sigma <= MAX_SIGMA) {
        return Err(Problem::Sigma(sigma));
    }
    let mut picture = Picture::decode(photo)?;
    picture.pixels = scale::blurred(picture.pixels, sigma)?;
    picture.encode()
}

/// The photo turned clockwise.
///
/// # Errors
/// What [`Picture::decode`] and [`Picture::encode`] find, and an angle other than 90, 180 or 270.
pub fn rotate(photo: &[u8], degrees: u32) -> Result<Vec<u8>, Problem> {
    if ![90, 180, 270].contains(&degrees) {
        return Err(Problem::Degrees(degrees));
    }
    let mut picture = Picture::decode(photo)?;
    match degrees {
        90 => picture.pixels = picture.pixels.rotate90(),
        180 => image::imageops::rotate180_in_place(&mut picture.pixels),
        _ => picture.pixels = picture.pixels.rotate270(),
    }
    picture.encode()
}

/// The photo in another file format.
///
/// # Errors
/// What [`Picture::decode`] and [`Picture::encode`] find.
pub fn convert(photo: &[u8], format: Format) -> Result<Vec<u8>, Problem> {
    let mut picture = Picture::decode(photo)?;
    picture.format = format;
    picture.encode()
}

/// A picture inside these bounds, its aspect kept, never enlarged.
pub(crate) fn picture_within(
    picture: Picture,
    max_width: u32,
    max_height: u32,
) -> Result<Picture, Problem> {
    let (width, height) = scale::fit(picture.size(), (max_width, max_height));
    if (width, height) == picture.size() {
        return Ok(picture);
    }
    let pixels = scale::resample(&picture.pixels, width, height)?;
    Ok(picture.with_pixels(pixels))
}
