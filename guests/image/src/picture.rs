//! Pictures in memory, and how they come from and go to files.

use std::fmt;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits,
};

use crate::problem::Problem;

/// Most bytes that a decoded picture may take, its 8-bit copy included: 64 megapixels of RGB, which
/// leaves room for the work itself under a task's default memory limit of 256 MiB. It is checked
/// against the file's header, so a small file that unpacks to a huge picture is an error and not an
/// exhausted machine.
pub const MAX_DECODED_BYTES: u64 = 192 * 1024 * 1024;

/// Most bytes that a PNG may unpack beside its pixels: a colour profile, text, a row.
const MAX_BESIDE_BYTES: u64 = 16 * 1024 * 1024;

/// Quality of every JPEG written, of 100: no visible loss on photographs at a fair size.
const JPEG_QUALITY: u8 = 85;

/// The formats that pictures are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lossless, with transparency.
    Png,
    /// For photographs; no transparency.
    Jpeg,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
        })
    }
}

/// An upright picture with 8 bits per channel.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Always one of `ImageLuma8`, `ImageLumaA8`, `ImageRgb8`, `ImageRgba8`.
    pub(crate) pixels: DynamicImage,
    /// The format it is written in unless another is asked for.
    pub(crate) format: Format,
    /// The ICC colour profile of the file it came from.
    profile: Option<Vec<u8>>,
}

impl Picture {
    /// A picture without a colour profile (so: sRGB).
    pub(crate) fn new(pixels: DynamicImage, format: Format) -> Self {
        Self {
            pixels,
            format,
            profile: None,
        }
    }

    /// Decodes a PNG, JPEG or WebP file and sets it upright.
    ///
    /// # Errors
    /// [`Problem::Empty`], [`Problem::NotAPicture`], [`Problem::Damaged`],
    /// [`Problem::TooLarge`] or [`Problem::Unpacks`].
    pub fn decode(photo: &[u8]) -> Result<Self, Problem> {
        let (mut decoder, kind) = open(photo)?;
        let orientation = decoder
            .orientation()
            .map_err(|error| unread(kind, &error))?;
        // A profile that cannot be read costs exact colours, not the picture.
        let profile = decoder.icc_profile().unwrap_or_default();
        let pixels = DynamicImage::from_decoder(decoder).map_err(|error| unread(kind, &error))?;
        let mut pixels = to_eight_bits(pixels);
        pixels.apply_orientation(orientation);
        Ok(Self {
            pixels,
            format: if kind == ImageFormat::Jpeg {
                Format::Jpeg
            } else {
                Format::Png
            },
            profile,
        })
    }

    /// Width and height of the upright picture in a file, from its header alone.
    ///
    /// # Errors
    /// As [`Picture::decode`], as far as a header tells.
    pub(crate) fn size_of(photo: &[u8]) -> Result<(u32, u32), Problem> {
        let (mut decoder, kind) = open(photo)?;
        let (width, height) = decoder.dimensions();
        let orientation = decoder
            .orientation()
            .map_err(|error| unread(kind, &error))?;
        use image::metadata::Orientation as O;
        Ok(match orientation {
            O::Rotate90 | O::Rotate270 | O::Rotate90FlipH | O::Rotate270FlipH => (height, width),
            O::NoTransforms | O::Rotate180 | O::FlipHorizontal | O::FlipVertical => (width, height),
        })
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.pixels.width(), self.pixels.height())
    }

    /// The same picture's file with other pixels.
    pub(crate) fn with_pixels(self, pixels: DynamicImage) -> Self {
        Self { pixels, ..self }
    }

    /// The bytes of its file.
    ///
    /// # Errors
    /// [`Problem::NotWritten`], such as for a JPEG of more than 65,535 pixels a side.
    pub fn encode(&self) -> Result<Vec<u8>, Problem> {
        let mut file = Vec::new();
        let written = match self.format {
            Format::Png => self.write(
                // A sixth larger than the default level, at a third of the time and fuel.
                PngEncoder::new_with_quality(
                    &mut file,
                    CompressionType::Fast,
                    FilterType::Adaptive,
                ),
                &self.pixels,
            ),
            Format::Jpeg => self.write(
                JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY),
                &opaque(&self.pixels),
            ),
        };
        written.map_err(|error| Problem::NotWritten {
            width: self.pixels.width(),
            height: self.pixels.height(),
            format: self.format,
            cause: error.to_string(),
        })?;
        Ok(file)
    }

    fn write(
        &self,
        mut encoder: impl ImageEncoder,
        pixels: &DynamicImage,
    ) -> Result<(), image::ImageError> {
        let colours = ExtendedColorType::from(pixels.color());
        if let Some(profile) = &self.profile
            && profile_fits(profile, pixels.color().has_color())
        {
            // Both encoders here take profiles; one that would not leaves a picture without.
            let _ = encoder.set_icc_profile(profile.clone());
        }
        encoder.write_image(pixels.as_bytes(), pixels.width(), pixels.height(), colours)
    }
}

/// The decoder of a file whose picture is within [`MAX_DECODED_BYTES`].
fn open(photo: &[u8]) -> Result<(impl ImageDecoder + '_, ImageFormat), Problem> {
    if photo.is_empty() {
        return Err(Problem::Empty);
    }
    let kind = kind_of(photo)?;
    let mut reader = ImageReader::with_format(Cursor::new(photo), kind);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BESIDE_BYTES);
    reader.limits(limits);
    let decoder = reader
        .into_decoder()
        .map_err(|error| unread(kind, &error))?;
    let (width, height) = decoder.dimensions();
    let colours = decoder.color_type();
    let pixels = u64::from(width) * u64::from(height);
    let copy = if colours.bytes_per_pixel() == colours.channel_count() {
        0
    } else {
        pixels.saturating_mul(u64::from(colours.channel_count()))
    };
    let needs = decoder.total_bytes().saturating_add(copy);
    if needs > MAX_DECODED_BYTES {
        return Err(Problem::TooLarge {
            width,
            height,
            needs,
        });
    }
    Ok((decoder, kind))
}

fn kind_of(photo: &[u8]) -> Result<ImageFormat, Problem> {
    match image::guess_format(photo) {
        Ok(kind @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) => Ok(kind),
        Ok(other) => Err(Problem::NotAPicture {
            hint: format!(" (it looks like {})", name_of(other)),
        }),
        // HEIC, what telephones take, is a box of type "ftyp" (ISO/IEC 14496-12 §4.3).
        Err(_) if photo.get(4..8) == Some(b"ftyp") => Err(Problem::NotAPicture {
            hint: " (it looks like HEIC or a film)".to_owned(),
        }),
        Err(_) => Err(Problem::NotAPicture {
            hint: String::new(),
        }),
    }
}

fn name_of(kind: ImageFormat) -> &'static str {
    match kind {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Ico => "ICO",
        ImageFormat::Avif => "AVIF",
        _ => "another picture format",
    }
}

fn unread(kind: ImageFormat, error: &image::ImageError) -> Problem {
    let format = name_of(kind);
    match error {
        image::ImageError::Limits(_) => Problem::Unpacks { format },
        _ => Problem::Damaged {
            format,
            cause: error.to_string(),
        },
    }
}

fn to_eight_bits(pixels: DynamicImage) -> DynamicImage {
    use DynamicImage as D;
    match pixels {
        D::ImageLuma8(_) | D::ImageLumaA8(_) | D::ImageRgb8(_) | D::ImageRgba8(_) => pixels,
        D::ImageLuma16(_) => D::ImageLuma8(pixels.into_luma8()),
        D::ImageLumaA16(_) => D::ImageLumaA8(pixels.into_luma_alpha8()),
        other if other.color().has_alpha() => D::ImageRgba8(other.into_rgba8()),
        other => D::ImageRgb8(other.into_rgb8()),
    }
}

/// The picture on white, if it has transparency.
fn opaque(pixels: &DynamicImage) -> DynamicImage {
    match pixels {
        DynamicImage::ImageLumaA8(grey) => DynamicImage::ImageLuma8(image::GrayImage::from_fn(
            grey.width(),
            grey.height(),
            |x, y| {
                let [luma, alpha] = grey.get_pixel(x, y).0;
                image::Luma([over(luma, alpha, 255)])
            },
        )),
        DynamicImage::ImageRgba8(colour) => DynamicImage::ImageRgb8(image::RgbImage::from_fn(
            colour.width(),
            colour.height(),
            |x, y| {
                let [r, g, b, alpha] = colour.get_pixel(x, y).0;
                image::Rgb([r, g, b].map(|channel| over(channel, alpha, 255)))
            },
        )),
        other => other.clone(),
    }
}

/// One channel of a pixel with transparency over an even ground.
pub(crate) fn over(channel: u8, alpha: u8, ground: u8) -> u8 {
    let (channel, alpha, ground) = (u32::from(channel), u32::from(alpha), u32::from(ground));
    let sum = channel * alpha + ground * (255 - alpha);
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

/// Whether an ICC profile (its "data colour space", bytes 16 to 19 of the header, ICC.1:2022 §7.2.8)
/// speaks about such pixels: a CMYK profile does not once the picture is RGB, nor an RGB one once it
/// is grey.
fn profile_fits(profile: &[u8], colour: bool) -> bool {
    profile.get(16..20) == Some(if colour { b"RGB " } else { b"GRAY" })
}
