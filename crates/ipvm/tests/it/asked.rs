//! What functions ask for, over several runs of one file.

use crate::home::Home;
use ipvm_testkit::{Asked, asking};
use serde_json::{Value, json};

/// Without it, what a function asks for would be done again by the same command: a second mail, a second order.
#[test]
fn what_functions_asked_to_write_is_done_anew_only_if_that_is_said() {
    let home = Home::new();
    let args = ipvm_ipld::json::from_str(r#"{"key": "k", "value": 1}"#, Default::default());
    let args = ipvm_ipld::cbor::encode(&args.unwrap()).unwrap();
    let set = Asked {
        role: "keys",
        cmd: "/kv/set",
        args: &args,
    };
    home.file("fork.wasm", asking(std::slice::from_ref(&set), None));
    home.file("join.wasm", asking(&[], Some(&set)));
    home.file(
        "look.yaml",
        "ipvm: \"0.2\"\ntasks:\n  k: { cmd: /kv/get, args: { key: k } }\n",
    );
    let run = |file: &str, more: &[&str]| -> Value {
        home.json(&[&["run", file, "--json"], more].concat())
    };
    let version = || run("look.yaml", &[])["outputs"]["k"]["version"].clone();
    for (name, before) in [("fork", 0), ("join", 2)] {
        let file = format!("{name}.yaml");
        let text = format!(
            "ipvm: \"0.2\"\nroles: {{ keys: owner }}\ntasks:\n  asks: {{ mod: {name}.wasm, fun: tell, args: [7] }}\n"
        );
        home.file(&file, text);
        let first = run(&file, &[]);
        assert_eq!(version(), before + 1);
        let second = run(&file, &[]);
        assert_eq!(
            (&second["executed"], &second["run"]),
            (&json!(0), &first["run"])
        );
        assert_eq!(version(), before + 1, "nothing was done");
        run(&file, &["--again"]);
        assert_eq!(version(), before + 2);
    }
    // Nobody knows what a run asked for that is not on record any more.
    home.ok(&["store", "gc", "--keep-runs", "0"]);
    let refused = home.run(&["run", "fork.yaml"]).code(2);
    refused.says("`ipvm store gc`").says("--again");
    assert_eq!(version(), 4);
}
