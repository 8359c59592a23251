//! Several workflows at once. Without these one of them could lose its outputs or its place in the report, or hide that
//! another failed.

use crate::home::Home;

fn home() -> Home {
    let home = Home::new();
    home.file("calc.wasm", ipvm_testkit::component(ipvm_testkit::CALC));
    let sums = |name: &str, n: u32, more: &str| {
        format!(
            "ipvm: \"0.2\"\nname: {name}\nparams: {{ n: {n} }}\ntasks:\n  \
             sum: {{ mod: ./calc.wasm, fun: add, args: [{{param: n}}, 1] }}\n  \
             half: {{ mod: ./calc.wasm, fun: halve, args: [{{await: sum}}] }}\n{more}"
        )
    };
    home.file("one.yaml", sums("one", 3, "outputs: { half: half.json }\n"));
    home.file("two.yaml", sums("two", 5, "outputs: { half: half.json }\n"));
    home.file("odd.yaml", sums("odd", 6, ""));
    home
}

#[test]
fn each_has_its_report_and_its_outputs() {
    let home = home();
    let ran = home.run(&["run", "two.yaml", "one.yaml"]).code(0);
    assert!(
        ran.err.contains("ok one/sum ") && ran.err.contains("ok two/sum "),
        "{}",
        ran.err
    );
    let paths = "ipvm-out/two/half.json\nipvm-out/one/half.json";
    assert_eq!(ran.text(), paths, "in the order of the files");
    assert_eq!(home.read("ipvm-out/two/half.json"), b"3\n");
    assert_eq!(home.read("ipvm-out/one/half.json"), b"2\n");

    let reports = home.json(&["run", "one.yaml", "two.yaml", "--json", "--out", "there"]);
    let halves: Vec<_> = reports
        .as_array()
        .unwrap()
        .iter()
        .map(|report| {
            (
                report["tasks"]["half"]["out"]["ok"].clone(),
                report["reused"].clone(),
            )
        })
        .collect();
    assert_eq!(halves, [(2.into(), 2.into()), (3.into(), 2.into())]);
    assert_eq!(home.read("there/one/half.json"), b"2\n");
    assert_eq!(home.read("there/two/half.json"), b"3\n");

    let told = home
        .run(&[
            "run",
            "one.yaml",
            "two.yaml",
            "--again",
            "--progress",
            "json",
        ])
        .code(0);
    let names = told
        .err
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["name"].as_str().unwrap().to_owned()
        });
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["one", "one", "two", "two"]);
}

#[test]
fn one_that_fails_is_told_and_the_others_are_done() {
    let home = home();
    let ran = home.run(&["run", "odd.yaml", "one.yaml"]).code(1);
    let ran = ran.says("failed: 2 tasks").says("done: 2 tasks");
    assert_eq!(ran.text(), "odd/sum\t7\nipvm-out/one/half.json");
}

#[test]
fn what_fits_not_all_of_them_is_refused_before_any_is_run() {
    let home = home();
    home.run(&["run", "one.yaml", "none.yaml"])
        .code(2)
        .says("none.yaml");
    home.run(&["run", "one.yaml", "odd.yaml", "--set", "m=1"])
        .code(2)
        .says("one.yaml:")
        .says("unknown param \"m\"");
    home.run(&["run", "one.yaml", "one.yaml"])
        .code(2)
        .says("two of these workflows are called \"one\"");
    assert_eq!(
        home.json(&["workflow", "list", "--json"]),
        serde_json::json!([])
    );
    // What all of them have can be set.
    let reports = home.json(&["run", "one.yaml", "two.yaml", "--set", "n=7", "--json"]);
    assert_eq!(reports[0]["tasks"]["half"]["out"]["ok"], 4);
    assert_eq!(reports[1]["tasks"]["half"]["out"]["ok"], 4);
}
