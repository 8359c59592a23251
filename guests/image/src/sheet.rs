//! The contact sheet: many photos on one picture.

use image::{DynamicImage, GenericImage, Rgb, RgbImage};

use crate::ops::picture_within;
use crate::picture::{Format, Picture, over};
use crate::problem::Problem;
use crate::scale;

/// Most photos on one sheet: with more, even the smallest cells would not fit on a screen.
pub const MAX_PHOTOS: usize = 10_000;

/// Largest side of a cell, in pixels; larger photos are made smaller.
const MAX_CELL: u32 = 256;

/// The same for a sheet of very many photos.
const MIN_CELL: u32 = 24;

/// About how wide a sheet gets, in pixels, before its cells become smaller.
const SHEET_WIDTH: u32 = 2400;

/// Space between cells and around all of them, in pixels.
const GAP: u32 = 10;

/// The even ground of the sheet: a light, neutral grey, on which dark and bright photos stand out.
const GROUND: u8 = 238;

/// Where the cells of a sheet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grid {
    columns: u32,
    rows: u32,
    /// Width and height of every cell, in pixels.
    cell: (u32, u32),
}

impl Grid {
    /// The grid for `count` photos whose sheet is about as wide as it is high; a row more or less
    /// counts less than empty places at the end.
    fn new(count: u32, cell: (u32, u32)) -> Self {
        let (w, h) = (f64::from(cell.0 + GAP), f64::from(cell.1 + GAP));
        let columns = (f64::from(count) * h / w).sqrt().ceil();
        // Between 1 and `count`, so the cast is exact.
        let columns = columns.clamp(1.0, f64::from(count)) as u32;
        Self {
            columns,
            rows: count.div_ceil(columns),
            cell,
        }
    }

    fn size(&self) -> (u32, u32) {
        (
            GAP + self.columns * (self.cell.0 + GAP),
            GAP + self.rows * (self.cell.1 + GAP),
        )
    }

    /// The upper left corner of the `index`th picture, of this size, centred in its cell.
    fn place(&self, index: u32, size: (u32, u32)) -> (u32, u32) {
        let (column, row) = (index % self.columns, index / self.columns);
        (
            GAP + column * (self.cell.0 + GAP) + (self.cell.0 - size.0) / 2,
            GAP + row * (self.cell.1 + GAP) + (self.cell.1 - size.1) / 2,
        )
    }
}

/// Largest side of a cell on a sheet of `count` photos, in pixels.
fn cell_limit(count: u32) -> u32 {
    let columns = f64::from(count).sqrt().ceil().max(1.0) as u32;
    (SHEET_WIDTH / columns)
        .saturating_sub(GAP)
        .clamp(MIN_CELL, MAX_CELL)
}

/// All photos, in order, row by row on one PNG. The cells are as large as the largest photo, but at
/// most 256 × 256 pixels, and less where a sheet of many photos would get much wider than 2,400.
///
/// # Errors
/// An empty or too long list, a sheet that would be too large, and [`Problem::InList`] with the
/// number of a photo that cannot be read.
pub fn contact_sheet(photos: &[Vec<u8>]) -> Result<Vec<u8>, Problem> {
    if photos.is_empty() {
        return Err(Problem::NoPhotos);
    }
    if photos.len() > MAX_PHOTOS {
        return Err(Problem::TooManyPhotos(photos.len()));
    }
    let at = |index: usize| {
        move |problem| Problem::InList {
            number: index + 1,
            of: photos.len(),
            problem: Box::new(problem),
        }
    };
    // At most MAX_PHOTOS, so the cast is exact.
    let count = photos.len() as u32;
    let limit = cell_limit(count);
    // The headers alone give the grid, so only one photo at a time is ever decoded.
    let mut cell = (1, 1);
    for (index, photo) in photos.iter().enumerate() {
        let size = Picture::size_of(photo).map_err(at(index))?;
        let (width, height) = scale::fit(size, (limit, limit));
        cell = (width.max(cell.0), height.max(cell.1));
    }
    let grid = Grid::new(count, cell);
    let (width, height) = grid.size();
    scale::check_size(width, height, 3)?;
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([GROUND; 3]));
    for (index, photo) in (0..).zip(photos) {
        let small = Picture::decode(photo)
            .and_then(|picture| picture_within(picture, cell.0, cell.1))
            .map_err(at(index as usize))?;
        let (x, y) = grid.place(index, small.size());
        paste(&mut sheet, &small.pixels, x, y);
    }
    Picture::new(DynamicImage::ImageRgb8(sheet), Format::Png).encode()
}

/// Puts a picture on the sheet; where it is transparent, the ground shows.
fn paste(sheet: &mut RgbImage, picture: &DynamicImage, x: u32, y: u32) {
    let colours = picture.to_rgba8();
    let flat = RgbImage::from_fn(colours.width(), colours.height(), |x, y| {
        let [r, g, b, alpha] = colours.get_pixel(x, y).0;
        Rgb([r, g, b].map(|channel| over(channel, alpha, GROUND)))
    });
    // The grid has room for every picture, so this cannot fail.
    let _ = sheet.copy_from(&flat, x, y);
}
