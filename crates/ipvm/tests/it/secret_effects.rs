//! Secrets that a workflow gets by `/secret/get`, and effects that use them. Without these, a password would be in the
//! home in the clear as soon as a task had used it, or its hash, by which a guess of it can be checked.

use ipvm_testkit::web::Web;
use serde_json::{Value, json};

use crate::secrets::{NAME, Scene};

const KEY: &str = "sk-77d1c2b3a4958671-of-the-weather-service";

/// A scene with a secret under a name, and a server that may be told it.
fn scene() -> (Scene, Web) {
    let (mut scene, web) = (Scene::new(), Web::start());
    scene.home.file("key.txt", KEY);
    scene.secret.add("key", KEY.as_bytes());
    let cid = ipvm_ipld::cid_of(ipvm_ipld::codec::RAW, KEY.as_bytes());
    scene.secret.cid("key", &cid);
    let at = web.address();
    scene.home.ok(&[
        "provider",
        "add",
        "weather-key",
        "secret",
        "--secret-file",
        "key.txt",
    ]);
    scene
        .home
        .ok(&["provider", "add", "local", "http", "--allow-private", &at]);
    (scene, web)
}

/// A file in which two tasks use the secret, with `more` below.
fn workflow(web: &Web, more: &str) -> String {
    let uri = format!("http://{}", web.address());
    format!(
        "ipvm: \"0.2\"
name: {NAME}
tasks:
  get: {{ cmd: /secret/get, args: {{ name: weather-key }} }}
  note: {{ mod: calc.wasm, fun: echo-pairs, args: [{{ key: {{await: get}} }}] }}
  post: {{ cmd: /crud/create, args: {{ uri: \"{uri}/post\", body: {{await: get}}, as: text }} }}
  weather: {{ mod: calc.wasm, fun: count, args: [{{file: ./weather.bin}}] }}
{}",
        more.replace("URI", &uri)
    )
}

#[test]
fn a_secret_and_what_awaits_it_are_nowhere_in_the_clear() {
    let (mut scene, web) = scene();
    scene.home.file(
        "secret.yaml",
        workflow(&web, "outputs: { note: note.json }\n"),
    );
    let ran = scene
        .home
        .run(&["run", "secret.yaml", "--json", "--progress", "json"])
        .code(0);
    scene.said_nothing(&ran);
    let report: Value = serde_json::from_slice(&ran.out).unwrap();
    for label in ["get", "note", "post"] {
        let task = &report["tasks"][label];
        assert_eq!(
            (&task["secret"], &task["status"]),
            (&json!(true), &json!("ok")),
            "{label}"
        );
        assert!(
            task["out"].is_null() && task["task"].is_null() && task["receipt"].is_null(),
            "{task}"
        );
    }
    assert_eq!(report["tasks"]["get"]["class"], "query");
    assert!(report["tasks"]["weather"]["receipt"].is_string());
    // It was used: by the function, and at the server.
    let note = scene.home.read(format!("ipvm-out/{NAME}/note.json"));
    assert!(String::from_utf8(note).unwrap().contains(KEY));
    assert_eq!(web.asked()[0].body, KEY.as_bytes());
    scene.know(&["get", "note", "post"]);
    for known in ["get receipt", "get invocation", "post task", "note receipt"] {
        assert!(scene.secret.knows(known), "{known}");
    }
    scene.check("after the run");
    for args in [
        ["provider", "list", "--json"].as_slice(),
        &["workflow", "show", "secret-1", "--json"],
        &["receipt", "list", "--json"],
        &["store", "verify"],
        &["explain", "secret.yaml", "--json"],
    ] {
        scene.says_nothing(args);
    }
    // The run wrote at a server, so that the same command does nothing.
    scene
        .home
        .run(&["run", "secret.yaml"])
        .code(0)
        .says("nothing was done");
    assert_eq!(web.lines(), ["POST /post"]);
    scene.check("after the same run");
    // Without the secret in this home nothing is sent.
    scene.home.ok(&["provider", "remove", "weather-key"]);
    let ran = scene.home.run(&["run", "secret.yaml", "--again"]).code(1);
    ran.says("there is no secret \"weather-key\"")
        .says("`ipvm provider add weather-key secret --secret-file FILE`");
    assert_eq!(web.lines().len(), 1);
}

#[test]
fn a_secret_is_not_kept_under_a_key() {
    let (mut scene, web) = scene();
    let more = "  kept: { cmd: /kv/set, args: { key: kept, value: {await: get} } }\n";
    scene.home.file("secret.yaml", workflow(&web, more));
    let ran = scene.home.run(&["run", "secret.yaml"]).code(1);
    let ran = ran.says("error kept: refused (secret): a secret value cannot be kept under a key");
    scene.said_nothing(&ran);
    scene.know(&["get", "note", "post", "kept"]);
    scene.check("after the refusal");
    let read = "ipvm: \"0.2\"\nname: read\ntasks:\n  kept: { cmd: /kv/get, args: { key: kept } }\n  keys: { cmd: /kv/list }\n";
    scene.home.file("read.yaml", read);
    let report = scene.home.json(&["run", "read.yaml", "--json"]);
    assert_eq!(report["outputs"], json!({"kept": null, "keys": []}));
}

#[test]
fn a_doubt_about_secret_work_is_sealed_and_can_be_settled() {
    let (mut scene, web) = scene();
    let more = "  lost: { cmd: /crud/create, args: { uri: \"URI/lost\", body: {await: get} } }\n  after: { mod: calc.wasm, fun: echo-pairs, args: [{await: lost}] }\n";
    scene.home.file("secret.yaml", workflow(&web, more));
    let ran = scene.home.run(&["run", "secret.yaml", "--json"]).code(4);
    scene.said_nothing(&ran);
    let labels = ["get", "note", "post", "lost", "after"];
    scene.know(&labels);
    scene.check("in doubt");
    let shown = scene.says_nothing(&["workflow", "show", "secret-1"]);
    assert!(shown.contains("in-doubt"), "{shown}");
    // To settle it, its owner has to name it.
    let doubts = scene.home.json(&["workflow", "doubt", "list", "--json"]);
    assert_eq!(doubts.as_array().unwrap().len(), 1);
    assert_eq!(doubts[0]["label"], "lost");
    let task = doubts[0]["task"].as_str().unwrap();
    let result = format!(r#"{{"key": "{KEY}"}}"#);
    scene.home.ok(&[
        "workflow", "doubt", "resolve", task, "--done", "--result", &result,
    ]);
    scene.check("settled");
    scene.home.run(&["run", "secret.yaml"]).code(0);
    scene.know(&labels);
    assert!(scene.secret.knows("lost receipt") && scene.secret.knows("after receipt"));
    scene.check("after it went on");
    assert_eq!(
        web.lines()
            .iter()
            .filter(|line| *line == "POST /lost")
            .count(),
        1
    );
    scene.home.ok(&["store", "verify"]);
}
