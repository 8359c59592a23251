//! What users rely on when they hand a file to one of the functions: which picture comes back, and
//! which words when none does. Without these, a decoder's update could change either unnoticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Cursor;

use image::{DynamicImage, GrayAlphaImage, ImageFormat, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
use ipvm_guest_image::picture::{Format, Picture};
use ipvm_guest_image::{ops, sheet};

/// A gradient with a red upper left corner, so that turns and flips can be told apart.
fn scene(width: u32, height: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| {
        if x < width / 4 && y < height / 4 {
            Rgb([230, 20, 20])
        } else {
            Rgb([20, (x * 200 / width) as u8, (y * 200 / height) as u8])
        }
    };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel))
}

fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    file(&scene(width, height), ImageFormat::Jpeg)
}

fn png(width: u32, height: u32) -> Vec<u8> {
    file(&scene(width, height), ImageFormat::Png)
}

/// Decoded by the library itself, which applies no orientation.
fn seen(photo: &[u8]) -> DynamicImage {
    image::load_from_memory(photo).unwrap()
}

fn size(photo: &[u8]) -> (u32, u32) {
    let picture = seen(photo);
    (picture.width(), picture.height())
}

/// In which corner the red is: (right, bottom).
fn red_corner(photo: &[u8]) -> (bool, bool) {
    let picture = seen(photo).to_rgb8();
    let (right, bottom) = (picture.width() - 2, picture.height() - 2);
    [(1, 1), (right, 1), (1, bottom), (right, bottom)]
        .into_iter()
        .find(|&(x, y)| picture.get_pixel(x, y).0[0] > 150)
        .map(|(x, y)| (x > 1, y > 1))
        .unwrap()
}

fn fails(result: Result<Vec<u8>, ipvm_guest_image::problem::Problem>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_thumbnail_fits_keeps_the_aspect_and_never_grows() {
    let cases = [
        ((400, 300), (128, 128), (128, 96)),
        ((300, 400), (128, 128), (96, 128)),
        ((400, 300), (1000, 60), (80, 60)),
        ((40, 30), (128, 128), (40, 30)),
        ((400, 4), (10, 10), (10, 1)),
        ((64, 64), (u32::MAX, 32), (32, 32)),
    ];
    for (of, within, expect) in cases {
        let small = ops::thumbnail(&jpeg(of.0, of.1), within.0, within.1).unwrap();
        assert_eq!(size(&small), expect, "{of:?} within {within:?}");
    }
}

#[test]
fn jpeg_stays_jpeg_and_all_else_becomes_png() {
    let cases = [
        (ImageFormat::Jpeg, ImageFormat::Jpeg),
        (ImageFormat::Png, ImageFormat::Png),
        (ImageFormat::WebP, ImageFormat::Png),
    ];
    for (given, expect) in cases {
        let photo = file(&scene(40, 30), given);
        for out in [
            ops::thumbnail(&photo, 20, 20),
            ops::resize(&photo, 9, 31),
            ops::crop(&photo, 1, 2, 3, 4),
            ops::grayscale(&photo),
            ops::blur(&photo, 1.5),
            ops::rotate(&photo, 90),
        ] {
            let format = image::guess_format(&out.unwrap()).unwrap();
            assert_eq!(format, expect, "{given:?}");
        }
    }
}

#[test]
fn resize_and_crop_give_exactly_what_was_asked() {
    assert_eq!(size(&ops::resize(&png(40, 30), 7, 90).unwrap()), (7, 90));
    let cut = ops::crop(&png(40, 30), 5, 6, 10, 8).unwrap();
    assert_eq!(seen(&cut), scene(40, 30).crop_imm(5, 6, 10, 8));
    assert_eq!(
        size(&ops::crop(&png(40, 30), 0, 0, 40, 30).unwrap()),
        (40, 30)
    );
}

#[test]
fn rotation_is_clockwise() {
    let cases = [
        (90, (60, 80), (true, false)),
        (180, (80, 60), (true, true)),
        (270, (60, 80), (false, true)),
    ];
    for (degrees, expect, corner) in cases {
        let turned = ops::rotate(&png(80, 60), degrees).unwrap();
        assert_eq!(
            (size(&turned), red_corner(&turned)),
            (expect, corner),
            "{degrees}"
        );
    }
}

#[test]
fn gray_has_no_colour_and_keeps_transparency() {
    let grey = seen(&ops::grayscale(&jpeg(40, 30)).unwrap());
    assert!(!grey.color().has_color());
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 4, Rgba([255, 255, 255, 77])));
    let grey = seen(&ops::grayscale(&file(&clear, ImageFormat::Png)).unwrap());
    assert_eq!(
        grey,
        DynamicImage::ImageLumaA8(GrayAlphaImage::from_pixel(4, 4, LumaA([255, 77])))
    );
}

#[test]
fn a_blur_spreads_light_evenly() {
    let mut dot = RgbImage::new(41, 41);
    dot.put_pixel(20, 20, Rgb([255; 3]));
    let photo = file(&DynamicImage::ImageRgb8(dot), ImageFormat::Png);
    let soft = seen(&ops::blur(&photo, 1.5).unwrap()).to_rgb8();
    let at = |x, y| soft.get_pixel(x, y).0[0];
    assert!(at(20, 20) < 40 && at(20, 20) > at(22, 20) && at(22, 20) > 0);
    assert_eq!(
        (at(18, 20), at(20, 18), at(20, 22)),
        (at(22, 20), at(22, 20), at(22, 20))
    );
    assert_eq!(at(35, 35), 0);
}

#[test]
fn the_hidden_colour_of_transparent_pixels_never_shows() {
    // Left half red, right half fully transparent green: mixing them unweighted gives a brown rim.
    let halves = RgbaImage::from_fn(64, 16, |x, _| {
        if x < 32 {
            Rgba([255, 0, 0, 255])
        } else {
            Rgba([0, 255, 0, 0])
        }
    });
    let photo = file(&DynamicImage::ImageRgba8(halves), ImageFormat::Png);
    for out in [
        ops::resize(&photo, 21, 5),
        ops::blur(&photo, 3.0),
        ops::thumbnail(&photo, 30, 30),
    ] {
        for pixel in seen(&out.unwrap()).to_rgba8().pixels() {
            assert!(pixel.0[1] < 8 || pixel.0[3] < 4, "{pixel:?}");
        }
    }
    let white = ops::convert(&photo, Format::Jpeg).unwrap();
    let corner = *seen(&white).to_rgb8().get_pixel(60, 8);
    assert!(corner.0.iter().all(|&part| part > 250), "{corner:?}");
}

#[test]
fn every_depth_of_png_is_read() {
    let scene = scene(16, 16);
    let all = [
        DynamicImage::ImageLuma8(scene.to_luma8()),
        DynamicImage::ImageLumaA8(scene.to_luma_alpha8()),
        DynamicImage::ImageRgba8(scene.to_rgba8()),
        DynamicImage::ImageLuma16(scene.to_luma16()),
        DynamicImage::ImageLumaA16(scene.to_luma_alpha16()),
        DynamicImage::ImageRgb16(scene.to_rgb16()),
        DynamicImage::ImageRgba16(scene.to_rgba16()),
    ];
    for picture in all {
        let photo = file(&picture, ImageFormat::Png);
        for out in [
            ops::thumbnail(&photo, 8, 8),
            ops::blur(&photo, 2.0),
            ops::convert(&photo, Format::Png),
        ] {
            let out = seen(&out.unwrap());
            assert_eq!(
                (out.color().has_color(), out.color().has_alpha()),
                (picture.color().has_color(), picture.color().has_alpha())
            );
        }
    }
}

/// A JPEG with an EXIF orientation, as cameras write it (EXIF 2.32 §4.6.4, tag 0x0112).
fn camera_jpeg(orientation: u8) -> Vec<u8> {
    let plain = jpeg(80, 60);
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, &exif, &plain[2..]].concat()
}

#[test]
fn what_the_camera_held_sideways_comes_out_upright() {
    let (landscape, portrait) = ((40, 30), (30, 40));
    let cases = [
        (1, landscape, (false, false)),
        (2, landscape, (true, false)),
        (3, landscape, (true, true)),
        (4, landscape, (false, true)),
        (5, portrait, (false, false)),
        (6, portrait, (true, false)),
        (7, portrait, (true, true)),
        (8, portrait, (false, true)),
    ];
    for (orientation, expect, corner) in cases {
        let small = ops::thumbnail(&camera_jpeg(orientation), 40, 40).unwrap();
        assert_eq!(
            (size(&small), red_corner(&small)),
            (expect, corner),
            "orientation {orientation}"
        );
    }
    let sheet = sheet::contact_sheet(&[camera_jpeg(6)]).unwrap();
    assert_eq!(size(&sheet), (60 + 20, 80 + 20));
}

#[test]
fn a_profile_is_kept_while_it_fits() {
    use image::{ImageDecoder, ImageEncoder, codecs};
    let mut profile = vec![0; 132];
    profile[16..20].copy_from_slice(b"RGB ");
    let mut photo = Vec::new();
    let mut encoder = codecs::jpeg::JpegEncoder::new(&mut photo);
    encoder.set_icc_profile(profile.clone()).unwrap();
    encoder.encode_image(&scene(40, 30)).unwrap();
    let kept = |photo: Vec<u8>| {
        let mut decoder = codecs::jpeg::JpegDecoder::new(Cursor::new(photo)).unwrap();
        decoder.icc_profile().unwrap()
    };
    assert_eq!(kept(ops::thumbnail(&photo, 9, 9).unwrap()), Some(profile));
    assert_eq!(kept(ops::grayscale(&photo).unwrap()), None);
}

#[test]
fn a_sheet_has_a_square_grid_of_centred_cells() {
    let photos = |count: usize| vec![jpeg(60, 60); count];
    let cases = [
        (1, (1, 1)),
        (2, (2, 1)),
        (4, (2, 2)),
        (5, (3, 2)),
        (9, (3, 3)),
        (10, (4, 3)),
    ];
    for (count, (columns, rows)) in cases {
        let sheet = sheet::contact_sheet(&photos(count)).unwrap();
        assert_eq!(image::guess_format(&sheet).unwrap(), ImageFormat::Png);
        assert_eq!(
            size(&sheet),
            (10 + columns * 70, 10 + rows * 70),
            "{count} photos"
        );
    }
    let many = sheet::contact_sheet(&vec![png(300, 200); 200]).unwrap();
    assert_eq!(
        size(&many),
        (10 + 12 * 160, 10 + 17 * 110),
        "a sheet of many has smaller cells"
    );
    // The widest gives the width of the cells (at most 256), the highest their height.
    let mixed = [png(60, 20), png(20, 40), png(4000, 10)];
    let sheet = sheet::contact_sheet(&mixed).unwrap();
    assert_eq!(size(&sheet), (10 + 266, 10 + 3 * 50));
    let ground = *seen(&sheet).to_rgb8().get_pixel(12, 12);
    assert_eq!(
        ground,
        Rgb([238; 3]),
        "a small photo is centred, not stretched"
    );
}

#[test]
fn equal_input_gives_equal_bytes() {
    let photo = jpeg(120, 90);
    for run in [
        |p: &[u8]| ops::thumbnail(p, 50, 50),
        |p: &[u8]| ops::blur(p, 2.5),
        |p: &[u8]| ops::rotate(p, 90),
    ] {
        assert_eq!(run(&photo).unwrap(), run(&photo).unwrap());
    }
}

/// The checksum of PNG chunks (PNG §5.5).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// A small PNG whose header promises this size.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut photo = png(8, 8);
    photo[16..20].copy_from_slice(&width.to_be_bytes());
    photo[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&photo[12..29]);
    photo[29..33].copy_from_slice(&sum.to_be_bytes());
    photo
}

#[test]
fn huge_pictures_are_refused_before_they_are_unpacked() {
    for (width, height) in [
        (50_000, 50_000),
        (2_000_000, 40),
        (8200, 8200),
        (65_535, 65_535),
    ] {
        let told = fails(ops::thumbnail(&bomb(width, height), 10, 10));
        assert!(
            told.contains(&format!("{width} x {height} pixels")),
            "{told}"
        );
        assert!(told.contains("at most 192 MiB are allowed"), "{told}");
    }
    let wide = fails(ops::thumbnail(&bomb(u32::MAX >> 1, 3), 10, 10));
    assert!(
        wide.starts_with("the PNG photo unpacks to more than is allowed"),
        "{wide}"
    );
    assert!(fails(ops::resize(&png(8, 8), 60_000, 60_000)).contains("at most 192 MiB"));
    assert!(fails(ops::resize(&png(8, 8), u32::MAX, u32::MAX)).contains("ask for a smaller one"));
}

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    let photo = jpeg(40, 30);
    let cases = [
        (
            ops::grayscale(b""),
            "the photo is empty (0 bytes): pass the bytes of a PNG, JPEG or WebP file",
        ),
        (
            ops::grayscale(b"hello"),
            "the photo is not a PNG, JPEG or WebP file: convert it to one of these first",
        ),
        (
            ops::grayscale(b"GIF89a\x01\0\x01\0"),
            "the photo is not a PNG, JPEG or WebP file (it looks like GIF): convert it to one of these first",
        ),
        (
            ops::grayscale(b"\0\0\0\x18ftypheic"),
            "the photo is not a PNG, JPEG or WebP file (it looks like HEIC or a film): convert it to one of these \
             first",
        ),
        (
            ops::thumbnail(&photo, 0, 5),
            "0 x 5 pixels would be no picture: width and height must be at least 1",
        ),
        (
            ops::crop(&photo, 35, 0, 10, 10),
            "the rectangle of 10 x 10 pixels at (35, 0) is not inside the photo, which has 40 x 30 pixels: choose x \
             + width <= 40 and y + height <= 30",
        ),
        (
            ops::crop(&photo, u32::MAX, 0, 10, 10),
            "the rectangle of 10 x 10 pixels at (4294967295, 0) is not inside the photo, which has 40 x 30 pixels: \
             choose x + width <= 40 and y + height <= 30",
        ),
        (
            ops::blur(&photo, 0.0),
            "sigma is 0, but must be above 0 and at most 100 (pixels)",
        ),
        (
            ops::blur(&photo, -1.0),
            "sigma is -1, but must be above 0 and at most 100 (pixels)",
        ),
        (
            ops::blur(&photo, f32::NAN),
            "sigma is NaN, but must be above 0 and at most 100 (pixels)",
        ),
        (
            ops::rotate(&photo, 45),
            "degrees is 45, but must be 90, 180 or 270 (clockwise)",
        ),
        (
            sheet::contact_sheet(&[]),
            "there are no photos: a contact sheet needs at least one",
        ),
        (
            sheet::contact_sheet(&[photo.clone(), Vec::new()]),
            "photo 2 of 2: the photo is empty (0 bytes): pass the bytes of a PNG, JPEG or WebP file",
        ),
        (
            sheet::contact_sheet(&vec![Vec::new(); 10_001]),
            "10001 photos are too many for one contact sheet: pass at most 10000",
        ),
    ];
    for (result, expect) in cases {
        assert_eq!(fails(result), expect);
    }
}

#[test]
fn damaged_files_are_errors_and_never_panics() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let whole = file(&scene(33, 21), format);
        for cut in 1..whole.len() {
            let _ = ops::thumbnail(&whole[..cut], 9, 9);
        }
        for place in 0..whole.len() {
            let mut bent = whole.clone();
            bent[place] ^= 0x55;
            let _ = Picture::decode(&bent);
        }
    }
    let half = &png(64, 64)[..200];
    let told = fails(ops::grayscale(half));
    assert!(told.starts_with("the PNG photo is damaged ("), "{told}");
    assert!(told.ends_with("): pass an undamaged copy of it"), "{told}");
}
