//! The WIT interface `ipvm:image/image` of this component.

use crate::picture::Format as PictureFormat;
use crate::problem::Problem;
use crate::{ops, sheet};

wit_bindgen::generate!({ world: "images", path: "wit" });

use exports::ipvm::image::image::{Format, Guest};

struct Images;

export!(Images);

type Answer = Result<Vec<u8>, String>;

fn answer(result: Result<Vec<u8>, Problem>) -> Answer {
    result.map_err(|problem| problem.to_string())
}

impl Guest for Images {
    fn thumbnail(photo: Vec<u8>, max_width: u32, max_height: u32) -> Answer {
        answer(ops::thumbnail(&photo, max_width, max_height))
    }

    fn resize(photo: Vec<u8>, width: u32, height: u32) -> Answer {
        answer(ops::resize(&photo, width, height))
    }

    fn crop(photo: Vec<u8>, x: u32, y: u32, width: u32, height: u32) -> Answer {
        answer(ops::crop(&photo, x, y, width, height))
    }

    fn grayscale(photo: Vec<u8>) -> Answer {
        answer(ops::grayscale(&photo))
    }

    fn blur(photo: Vec<u8>, sigma: f32) -> Answer {
        answer(ops::blur(&photo, sigma))
    }

    fn rotate(photo: Vec<u8>, degrees: u32) -> Answer {
        answer(ops::rotate(&photo, degrees))
    }

    fn convert(photo: Vec<u8>, format: Format) -> Answer {
        let format = match format {
            Format::Png => PictureFormat::Png,
            Format::Jpeg => PictureFormat::Jpeg,
        };
        answer(ops::convert(&photo, format))
    }

    fn contact_sheet(photos: Vec<Vec<u8>>) -> Answer {
        answer(sheet::contact_sheet(&photos))
    }
}
