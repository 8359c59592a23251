//! The examples as a newcomer runs them. Without this the first minute could fail.

use std::path::{Path, PathBuf};

use crate::home::Home;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// Copies an example into the current folder of commands, so that its inputs can be changed.
fn copy(home: &Home, name: &str) {
    for entry in std::fs::read_dir(example(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            home.file(
                path.file_name().unwrap().to_str().unwrap(),
                std::fs::read(&path).unwrap(),
            );
        }
    }
}

fn outputs(home: &Home, report: &serde_json::Value) -> Vec<(String, Vec<u8>)> {
    let listed = report["outputs"].as_object().unwrap();
    listed
        .iter()
        .map(|(label, path)| (label.clone(), home.read(path.as_str().unwrap())))
        .collect()
}

#[test]
fn thumbnails_are_right_and_then_remembered() {
    let home = Home::new();
    copy(&home, "thumbnails");
    let first = home.json(&["run", "workflow.yaml", "--json"]);
    assert_eq!(first["status"], "ok");
    assert_eq!(first["reused"], 0);
    let written = outputs(&home, &first);
    assert_eq!(written.len(), 8);
    for (label, bytes) in &written {
        let picture = image::load_from_memory(bytes).unwrap();
        assert!(picture.width() >= 16 && picture.height() >= 16, "{label}");
        let first = picture.to_rgb8().pixels().next().copied().unwrap();
        assert!(
            picture.to_rgb8().pixels().any(|pixel| *pixel != first),
            "{label} is of one colour"
        );
    }

    let again = home.json(&["run", "workflow.yaml", "--json"]);
    assert_eq!(again["executed"], 0);
    assert_eq!(again["reused"], first["executed"]);
    for (label, task) in first["tasks"].as_object().unwrap() {
        assert_eq!(again["tasks"][label]["out"], task["out"]);
        assert_eq!(again["tasks"][label]["receipt"], task["receipt"]);
    }

    let other = Home::new();
    copy(&other, "thumbnails");
    let elsewhere = other.json(&["run", "workflow.yaml", "--json"]);
    for (label, task) in first["tasks"].as_object().unwrap() {
        assert_eq!(
            elsewhere["tasks"][label]["out"], task["out"],
            "{label}: equal under other keys"
        );
        assert_ne!(elsewhere["tasks"][label]["receipt"], task["receipt"]);
    }
}

#[test]
fn one_pixel_changes_everything_downstream_and_explain_names_it() {
    let home = Home::new();
    copy(&home, "thumbnails");
    let first = home.json(&["run", "workflow.yaml", "--json"]);
    let mut picture = image::load_from_memory(&home.read("photo.jpg"))
        .unwrap()
        .to_rgb8();
    picture.put_pixel(10, 10, image::Rgb([255, 0, 255]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Jpeg)
        .unwrap();
    home.file("photo.jpg", bytes.into_inner());
    let told = home.ok(&["explain", "workflow.yaml"]);
    assert!(told.contains("photo.jpg"), "{told}");
    let changed = home.json(&["run", "workflow.yaml", "--json"]);
    assert_eq!(
        changed["executed"], first["executed"],
        "all of it comes from the photo"
    );

    // What does not depend on the changed file is not touched.
    let text = String::from_utf8(home.read("workflow.yaml")).unwrap();
    let more = "  other: { mod: image.wasm, fun: grayscale, args: [{file: other.jpg}] }\n";
    let text = text.replacen("tasks:\n", &format!("tasks:\n{more}"), 1);
    home.file(
        "other.jpg",
        std::fs::read(example("thumbnails").join("photo.jpg")).unwrap(),
    );
    home.file("workflow.yaml", text);
    let with_other = home.json(&["run", "workflow.yaml", "--json"]);
    assert_eq!(with_other["executed"], 1);
    assert_eq!(with_other["reused"], first["executed"]);
}

#[test]
fn an_error_in_one_branch_is_told_and_the_exit_code_says_so() {
    let home = Home::new();
    copy(&home, "thumbnails");
    home.file("broken.jpg", b"\xff\xd8\xff\xe0 not a picture");
    home.file(
        "broken.yaml",
        "ipvm: \"0.2\"\ntasks:
  bad: { mod: image.wasm, fun: grayscale, args: [{file: broken.jpg}] }
  next: { mod: image.wasm, fun: grayscale, args: [{await: bad}] }
  good: { mod: image.wasm, fun: thumbnail, args: [{file: photo.jpg}, 64, 64] }
outputs: { good: good.jpg }
",
    );
    // The outputs are all there, so the run did what was asked.
    let ran = home.run(&["run", "broken.yaml", "--json"]).code(0);
    let report: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(report["status"], "error");
    assert_eq!(report["tasks"]["next"]["because"], "bad");
    assert_eq!(report["tasks"]["good"]["status"], "ok");
    let text = String::from_utf8(home.read("broken.yaml")).unwrap();
    home.file(
        "broken.yaml",
        text.replace("{ good: good.jpg }", "{ good: good.jpg, next: next.jpg }"),
    );
    home.run(&["run", "broken.yaml"]).code(1).says("bad");
}
