//! The example functions of this repository, where they are built.

use crate::fixture::{Blocks, LIMITS, call, engine, load_bytes};
use ipvm_ipld::{Ipld, Limits, cid_of, codec, json};
use ipvm_wasm::{Call, Cancel};
use std::path::Path;

/// A red PNG of 4 × 2 pixels, in base64.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAIAAADwyuo0AAAAEElEQVR42mP4z8AARwzIHABvqgf5aN2vpwAAAABJRU5ErkJggg";

/// Width and height of a PNG.
fn size(png: &[u8]) -> (u32, u32) {
    assert!(png.starts_with(b"\x89PNG"));
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// A real guest, built by a real toolchain, through the whole path.
#[test]
fn thumbnail() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/image.wasm");
    let Ok(bytes) = std::fs::read(&file) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{} is missing",
            file.display()
        );
        println!("skipped: {} is not built", file.display());
        return;
    };
    let module = load_bytes(engine(), &bytes).unwrap();
    assert_eq!(
        module.interface().find("thumbnail").unwrap().to_string(),
        "thumbnail: func(photo: list<u8>, max-width: u32, max-height: u32) -> result<list<u8>, string>"
    );
    let photo = json::from_str(
        &format!(r#"{{"/": {{"bytes": "{PNG}"}}}}"#),
        Limits::default(),
    )
    .unwrap();
    let thumbnail = |photo: Ipld| {
        call(
            &module,
            "thumbnail",
            &[photo, Ipld::Integer(2), Ipld::Integer(2)],
        )
        .unwrap()
    };
    let Ok(Ipld::Bytes(small)) = thumbnail(photo.clone()) else {
        panic!()
    };
    assert_eq!(size(&small), (2, 1));
    assert_eq!(thumbnail(photo.clone()), Ok(Ipld::Bytes(small)));
    // Its own error is its answer, and no error of the call.
    assert!(matches!(
        thumbnail(Ipld::Bytes(b"no picture".to_vec())),
        Err(Ipld::String(_))
    ));

    // Photos behind links are read straight into the guest.
    let Ipld::Bytes(png) = &photo else { panic!() };
    let cid = cid_of(codec::RAW, png);
    let mut blocks = Blocks::default();
    blocks.bytes.insert(cid, png.clone());
    let args = [Ipld::List(vec![
        Ipld::Link(cid),
        photo.clone(),
        Ipld::Link(cid),
    ])];
    let call = Call {
        function: "contact-sheet",
        args: &args,
        limits: LIMITS,
        content: &blocks,
        cancel: &Cancel::new(),
        seed: [0; 32],
    };
    let Ok(Ipld::Bytes(sheet)) = module.call(&call).unwrap().out else {
        panic!()
    };
    assert!(size(&sheet).0 > 4);
}
