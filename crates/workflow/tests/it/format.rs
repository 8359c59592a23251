//! Every construct of the file format, and what becomes of it.

use crate::fake::{Built, alice, bob, build, build_with, fake, ipld, owner, shown};
use ipvm_ipld::{Ipld, Limits, cbor, cid_of, codec, json};
use ipvm_workflow::author::{Base, Position, compile, parse};
use ipvm_workflow::{Check, Config, step_nonce};

/// Compiles `ipvm: "0.2"` and the text.
fn made(text: &str) -> Built {
    let text = format!("ipvm: \"0.2\"\n{text}");
    build(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The arguments of a step as DAG-JSON, links by name.
fn args(compiled: &Built, label: &str) -> String {
    let step = compiled
        .workflow
        .steps
        .get(label)
        .unwrap_or_else(|| panic!("no {label}"));
    match step.task.args.get("fun") {
        Some(_) => shown(&step.task.args["args"], compiled),
        None => shown(&Ipld::Map(step.task.args.clone()), compiled),
    }
}

/// One task `t` with these args, beside a task `a`, and what they become.
fn check(value: &str, expect: &str) {
    let text = format!(
        "params: {{ n: 7, s: text, f: {{file: ./photo.jpg}}, deep: [1, {{link: bafkqaaa}}] }}\n\
         tasks: {{ a: {{ mod: ./image.wasm, fun: none }}, t: {{ mod: ./image.wasm, fun: any, args: [{value}] }} }}"
    );
    let text = text.replace("bafkqaaa", &cid_of(codec::RAW, b"photo").to_string());
    let compiled = made(&text);
    assert_eq!(args(&compiled, "t"), format!("[{expect}]"), "{value}");
}

/// Breaks: a value in a file would reach the function as something else.
#[test]
fn values() {
    check("null", "null");
    check("~", "null");
    check("true", "true");
    check("yes", r#""yes""#);
    check("-12", "-12");
    check("0x1F", "31");
    check("1.5", "1.5");
    check("1e3", "1000.0");
    check("5_000", r#""5_000""#);
    check("\"12\"", r#""12""#);
    check("'it''s'", r#""it's""#);
    check("\"\\u00e9\\n\"", r#""é\n""#);
    check("plain words", r#""plain words""#);
    check("[1, [2, []], {}]", "[1,[2,[]],{}]");
    check("{b: 1, a: {c: 2}}", r#"{"a":{"c":2},"b":1}"#);
    check("!!str 12", r#""12""#);
    check("! 12", r#""12""#);
    check("!!int 12", "12");
    check("!!seq [1]", "[1]");
}

/// Breaks: inline data would be taken literally, or plain data as inline data.
#[test]
fn inline_data() {
    check("{file: ./photo.jpg}", "<photo>");
    check("{text: ./note.txt}", r#""hello\n""#);
    check("{bytes: aGVsbG8=}", r#"{"/":{"bytes":"aGVsbG8"}}"#);
    check("{bytes: aGVsbG8}", r#"{"/":{"bytes":"aGVsbG8"}}"#);
    check("{bytes: \"aGV\\n sbG8\"}", r#"{"/":{"bytes":"aGVsbG8"}}"#);
    check("{bytes: \"\"}", r#"{"/":{"bytes":""}}"#);
    check("{link: bafkqaaa}", "<photo>");
    check("{param: n}", "7");
    check("{param: s}", r#""text""#);
    check("{param: f}", "<photo>");
    check("{x: [{param: deep}]}", r#"{"x":[[1,<photo>]]}"#);
    check("{quote: {file: ./nowhere}}", r#"{"file":"./nowhere"}"#);
    check(
        "{quote: {quote: {param: [1]}}}",
        r#"{"quote":{"param":[1]}}"#,
    );
    check("{quote: {await: a}}", r#"{"await":"a"}"#);
    check("{quote: {item: true}}", r#"{"item":true}"#);
    check("{quote: 5}", "5");
    check(
        "{file: ./photo.jpg, size: 1}",
        r#"{"file":"./photo.jpg","size":1}"#,
    );
    check("{await: a, then: b}", r#"{"await":"a","then":"b"}"#);
    check("{glob: \"*\"}", r#"{"glob":"*"}"#);
}

/// Breaks: a task would run without its input, or with the wrong one.
#[test]
fn awaits() {
    check("{await: a}", r#"{"await/ok":<a>}"#);
    check("{await/ok: a}", r#"{"await/ok":<a>}"#);
    check("{await/error: a}", r#"{"await/error":<a>}"#);
    check("{\"await/*\": a}", r#"{"await/*":<a>}"#);
    check(
        "{x: [{y: {await: a}}]}",
        r#"{"x":[{"y":{"await/ok":<a>}}]}"#,
    );
    let outside = ipld(r#"{"/":"bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq"}"#);
    let Ipld::Link(task) = outside else { panic!() };
    let link = json::to_string(&Ipld::Link(task));
    check(
        &format!("{{await: {task}}}"),
        &format!(r#"{{"await/ok":{link}}}"#),
    );
    check(
        &format!("{{\"await/*\": {task}}}"),
        &format!(r#"{{"await/*":{link}}}"#),
    );
}

const THUMBNAILS: &str = r#"
name: thumbnails
params: { photo: {file: ./photo.jpg}, sizes: [64, 128, 256] }
defaults: { fuel: 5_000_000_000, memory: 256MiB, time: 30s }
roles: { mail: alice-mail }
tasks:
  small:
    mod: ./image.wasm
    fun: thumbnail
    args: [ {param: photo}, 128, 128 ]
  grey: { mod: ./image.wasm, fun: grayscale, args: [ {await: small} ] }
  each-size:
    each: {param: sizes}
    mod: ./image.wasm
    fun: thumbnail
    args: [ {param: photo}, {item: true}, {item: true} ]
  sheet: { mod: ./image.wasm, fun: contact-sheet, args: [ {await: each-size} ] }
  told:
    cmd: /msg/send
    subject: alice-mail
    args: { from: "mailto:alice@example.com", to: ["bob@example.com"], subject: done, body: {await: grey} }
    rescue: { mod: ./handlers.wasm, fun: ignore }
outputs: { small: small.jpg, sheet: sheet.png }
"#;

/// Breaks: the example of the formats would not be what it says.
#[test]
fn the_example() {
    let compiled = made(THUMBNAILS);
    let labels: Vec<&str> = compiled.workflow.steps.keys().map(String::as_str).collect();
    assert_eq!(
        labels,
        [
            "each-size[0]",
            "each-size[1]",
            "each-size[2]",
            "grey",
            "sheet",
            "small",
            "told"
        ]
    );
    assert_eq!(args(&compiled, "small"), "[<photo>,128,128]");
    assert_eq!(args(&compiled, "each-size[1]"), "[<photo>,128,128]");
    assert_eq!(args(&compiled, "grey"), r#"[{"await/ok":<each-size[1]>}]"#);
    let sheet = r#"[[{"await/ok":<each-size[0]>},{"await/ok":<each-size[1]>},{"await/ok":<each-size[2]>}]]"#;
    assert_eq!(args(&compiled, "sheet"), sheet);
    let told = &compiled.workflow.steps["told"];
    assert_eq!(
        args(&compiled, "told"),
        r#"{"body":{"await/ok":<grey>},"from":"mailto:alice@example.com","subject":"done","to":["bob@example.com"]}"#
    );
    assert_eq!(
        (told.task.sub.clone(), told.task.cmd.as_str()),
        (alice(), "/msg/send")
    );
    assert_eq!(
        told.task.nonce,
        step_nonce(&compiled.workflow.nonce, "told")
    );
    assert_eq!(
        told.rescue.as_ref().unwrap().module,
        cid_of(codec::RAW, b"handlers module")
    );
    assert_eq!(
        told.rescue.as_ref().unwrap().function,
        "ipvm:image/ops@1.0.0#ignore"
    );
    let small = &compiled.workflow.steps["small"].task;
    assert_eq!((small.sub.clone(), small.nonce.len()), (owner(), 0));
    assert_eq!(
        small.args["fun"],
        Ipld::String("ipvm:image/ops@1.0.0#thumbnail".into())
    );
    assert_eq!(
        small.args["mod"],
        Ipld::Link(cid_of(codec::RAW, b"image module"))
    );

    assert_eq!(compiled.name.as_deref(), Some("thumbnails"));
    assert_eq!(
        compiled.workflow.meta.as_ref().unwrap()["name"],
        Ipld::String("thumbnails".into())
    );
    assert_eq!(compiled.workflow.roles.as_ref().unwrap()["mail"], alice());
    let defaults = Config {
        fuel: Some(5_000_000_000),
        memory: Some(256 << 20),
        time: Some(30_000),
        ..Config::default()
    };
    assert_eq!(compiled.workflow.defaults, Some(defaults));
    assert_eq!(compiled.workflow.nonce.len(), 16);

    let labels: Vec<(&str, bool, &[u32])> = compiled
        .labels
        .iter()
        .map(|label| (label.name.as_str(), label.each, label.steps.as_slice()))
        .collect();
    assert_eq!(
        labels,
        [
            ("small", false, &[5][..]),
            ("grey", false, &[3][..]),
            ("each-size", true, &[0, 1, 2][..]),
            ("sheet", false, &[4][..]),
            ("told", false, &[6][..]),
        ]
    );
    // `small` does the same work as `each-size[1]`: one task, which `grey` awaits.
    assert_eq!(compiled.graph.twin(5), 1);
    assert_eq!(compiled.graph.deps(3), [1]);
    assert_eq!(compiled.graph.deps(4), [0, 1, 2]);
    assert_eq!(compiled.graph.dependents(1), [3, 4]);
    assert_eq!(
        compiled.positions[6],
        Some(Position {
            line: 19,
            column: 3
        })
    );
    let outputs: Vec<(&str, u32, &str)> = compiled
        .outputs
        .iter()
        .map(|output| (output.label.as_str(), output.step, output.path.as_str()))
        .collect();
    assert_eq!(
        outputs,
        [("small", 5, "small.jpg"), ("sheet", 4, "sheet.png")]
    );
    let read: Vec<&str> = compiled
        .sources
        .keys()
        .map(|(_, path)| path.as_str())
        .collect();
    assert_eq!(read, ["./handlers.wasm", "./image.wasm", "./photo.jpg"]);
    compiled.workflow.encode().unwrap();
}

/// Breaks: a run of 100,000 tasks would read its files 100,000 times.
#[test]
fn everything_is_asked_for_once() {
    let mut sources = fake();
    build_with(&format!("ipvm: \"0.2\"{THUMBNAILS}"), &[], &mut sources).unwrap();
    let mut asked = sources.asked.clone();
    asked.sort();
    let expect = [
        "./handlers.wasm",
        "./image.wasm",
        "./photo.jpg",
        "function contact-sheet",
        "function grayscale",
        "function ignore",
        "function thumbnail",
        "subject alice-mail",
    ];
    assert_eq!(asked, expect);
    assert_eq!(sources.checked, 6);
}

/// Breaks: `each` would make other tasks than its list says, or lose their order.
#[test]
fn each() {
    let compiled = made(
        r#"
params: { list: [{file: ./photo.jpg}, {quote: {file: x}}], pictures: {glob: "./photos/*.jpg"} }
tasks:
  first: { mod: ./image.wasm, fun: none }
  lit: { each: [{await: first}, [1, 2], {param: list}, {file: ./photo.jpg}], mod: ./image.wasm, fun: any, args: [{x: {item: true}}] }
  par: { each: {param: list}, mod: ./image.wasm, fun: any, args: [{item: true}] }
  glo: { each: {glob: "./photos/*.jpg"}, mod: ./image.wasm, fun: any, args: [{item: true}] }
  pic: { each: {param: pictures}, mod: ./image.wasm, fun: any, args: [{item: true}] }
  non: { each: [], mod: ./image.wasm, fun: any, args: [{item: true}] }
  all: { mod: ./image.wasm, fun: any, args: [[{await: glo}, {await: "glo[1]"}, {await: non}, {await/error: par}]] }
  spread: { mod: ./image.wasm, fun: twice-is-unused, args: {await: first} }
"#
        .replace("  spread: { mod: ./image.wasm, fun: twice-is-unused, args: {await: first} }\n", "")
        .as_str(),
    );
    assert_eq!(args(&compiled, "lit[0]"), r#"[{"x":{"await/ok":<first>}}]"#);
    assert_eq!(args(&compiled, "lit[1]"), r#"[{"x":[1,2]}]"#);
    assert_eq!(
        args(&compiled, "lit[2]"),
        r#"[{"x":[<photo>,{"file":"x"}]}]"#
    );
    assert_eq!(args(&compiled, "lit[3]"), r#"[{"x":<photo>}]"#);
    assert_eq!(args(&compiled, "par[0]"), "[<photo>]");
    assert_eq!(args(&compiled, "par[1]"), r#"[{"file":"x"}]"#);
    // Sorted by path, whatever order the files were found in.
    assert_eq!(
        (args(&compiled, "glo[0]"), args(&compiled, "glo[1]")),
        ("[<a>]".into(), "[<b>]".into())
    );
    assert_eq!(args(&compiled, "pic[0]"), "[<a>]");
    let all = r#"[[[{"await/ok":<glo[0]>},{"await/ok":<glo[1]>}],{"await/ok":<glo[1]>},[],[{"await/error":<par[0]>},{"await/error":<par[1]>}]]]"#;
    assert_eq!(args(&compiled, "all"), all);
    let empty = compiled
        .labels
        .iter()
        .find(|label| label.name == "non")
        .unwrap();
    assert_eq!((empty.each, empty.steps.len()), (true, 0));
    // An effect for no item is no effect: the workflow is pure, and has no nonce.
    let text = "tasks: { t: { mod: ./image.wasm, fun: none }, u: { each: [], cmd: /msg/send } }";
    let none = made(text).workflow;
    assert!(none.nonce.is_empty() && none.encode().is_ok());
    let step = |label: &str| {
        compiled
            .workflow
            .steps
            .keys()
            .position(|name| name == label)
            .unwrap() as u32
    };
    assert_eq!(compiled.graph.deps(step("lit[0]")), [step("first")]);
    assert!(compiled.graph.deps(step("lit[1]")).is_empty());
}

/// Breaks: many tasks would have to be listed one by one as arguments.
#[test]
fn arguments_can_be_a_param_or_the_list_of_an_each() {
    let compiled = made(
        r#"
params: { args: [1], named: {to: x} }
tasks:
  p: { mod: ./image.wasm, fun: any, args: {param: args} }
  one: { each: [1], mod: ./image.wasm, fun: any, args: [{item: true}] }
  s: { mod: ./image.wasm, fun: any, args: {await: one} }
  c: { cmd: /msg/send, args: {param: named} }
  d: { cmd: /time/now }
"#,
    );
    assert_eq!(args(&compiled, "p"), "[1]");
    assert_eq!(args(&compiled, "s"), r#"[{"await/ok":<one[0]>}]"#);
    assert_eq!(args(&compiled, "c"), r#"{"to":"x"}"#);
    assert_eq!(args(&compiled, "d"), "{}");
    assert_eq!(compiled.workflow.steps["d"].task.sub, owner());
}

/// Breaks: `--set` would be ignored, or read a word as something else.
#[test]
fn sets() {
    let text = r#"
ipvm: "0.2"
params: { p: {file: ./missing.jpg} }
tasks: { t: { mod: ./image.wasm, fun: any, args: [{param: p}] } }
"#;
    let check = |set: &str, expect: &str| {
        let compiled =
            build_with(text, &[set], &mut fake()).unwrap_or_else(|e| panic!("{set}: {e}"));
        assert_eq!(args(&compiled, "t"), format!("[{expect}]"), "{set}");
        compiled
    };
    let compiled = check("p=@other.jpg", "<other>");
    let read: Vec<_> = compiled
        .sources
        .keys()
        .filter(|(_, path)| path == "other.jpg")
        .collect();
    assert_eq!(read, [&(Base::CommandLine, "other.jpg".to_owned())]);
    check("p=12", "12");
    check("p=true", "true");
    check("p=", "null");
    check("p=some words: here", r#""some words: here""#);
    check("p=a=b", r#""a=b""#);
    check("p=[1, two, {x: 3}]", r#"[1,"two",{"x":3}]"#);
    check(r#"p={"x": [1.5, "é"]}"#, r#"{"x":[1.5,"é"]}"#);
    check("p={file: other.jpg}", "<other>");
    check("p=\"@other.jpg\"", r#""@other.jpg""#);
    check("p=[not closed", r#""[not closed""#);
    check("p={a} and {b}", r#""{a} and {b}""#);
    let twice = build_with(text, &["p=1", "p=2"], &mut fake()).unwrap();
    assert_eq!(args(&twice, "t"), "[2]");
    let each = text.replace(
        "args: [{param: p}]",
        "each: {param: p}, args: [{item: true}]",
    );
    let each = build_with(&each, &["p=[5, 6]"], &mut fake()).unwrap();
    assert_eq!(
        (args(&each, "t[0]"), args(&each, "t[1]")),
        ("[5]".into(), "[6]".into())
    );
}

/// Breaks: limits, checks, handlers and compensations in a file would not reach the wire.
#[test]
fn terms() {
    let compiled = made(
        r#"
global: { time: 1h, fuel: 1_000 }
defaults: { check: {oracle: bob} }
rescue: { mod: ./handlers.wasm, fun: ignore }
meta: { team: [{param: who}], version: 3 }
params: { who: us }
tasks:
  a:
    mod: ./image.wasm
    fun: none
    config: { secret: true, fuel: 12, memory: 1 GiB, disk: 5MB, time: 250ms, retry: 2, check: attestation }
  b: { mod: ./image.wasm, fun: none, config: { check: {optimistic: {confirmations: 2, referee: bob}} } }
  c: { mod: ./image.wasm, fun: none, config: { check: {consensus: {agents: [bob, alice-mail], threshold: 2}} } }
  d:
    cmd: /crud/create
    args: { uri: "https://example.com/x" }
    undo: { cmd: /crud/delete, subject: bob, args: { uri: "https://example.com/x", was: {await: d}, later: {await: e} } }
  e: { mod: ./image.wasm, fun: any, args: [{await: d}] }
"#,
    );
    let workflow = &compiled.workflow;
    let config = |label: &str| workflow.steps[label].config.clone().unwrap();
    let whole = Config {
        secret: Some(true),
        check: Some(Check::Attestation),
        fuel: Some(12),
        memory: Some(1 << 30),
        disk: Some(5_000_000),
        time: Some(250),
        retry: Some(2),
    };
    assert_eq!(config("a"), whole);
    assert_eq!(
        config("b").check,
        Some(Check::Optimistic {
            confirmations: 2,
            referee: bob()
        })
    );
    assert_eq!(
        config("c").check,
        Some(Check::Consensus {
            agents: vec![bob(), alice()],
            threshold: 2
        })
    );
    assert_eq!(workflow.global.as_ref().unwrap().time, Some(3_600_000));
    assert_eq!(
        workflow.defaults.as_ref().unwrap().check,
        Some(Check::Oracle(bob()))
    );
    assert_eq!(
        workflow.rescue.as_ref().unwrap().function,
        "ipvm:image/ops@1.0.0#ignore"
    );
    assert_eq!(
        shown(&Ipld::Map(workflow.meta.clone().unwrap()), &compiled),
        r#"{"team":["us"],"version":3}"#
    );
    let undo = workflow.steps["d"].undo.as_ref().unwrap();
    assert_eq!(
        (undo.sub.clone(), undo.cmd.as_str()),
        (bob(), "/crud/delete")
    );
    let args = r#"{"later":{"await/ok":<e>},"uri":"https://example.com/x","was":{"await/ok":<d>}}"#;
    assert_eq!(shown(&Ipld::Map(undo.args.clone()), &compiled), args);
    assert_eq!(undo.nonce, step_nonce(&workflow.nonce, "d"));
    let encoded = workflow.encode().unwrap();
    let mut get =
        |_: &ipvm_ipld::Cid| Ok::<_, std::convert::Infallible>(encoded.chunks[0].data().to_vec());
    assert_eq!(
        &ipvm_workflow::Workflow::decode(encoded.root.data(), &mut get).unwrap(),
        workflow
    );
}

/// Breaks: results would be written to other places than the file says.
#[test]
fn outputs() {
    let compiled = made(
        r#"
tasks:
  one: { mod: ./image.wasm, fun: none }
  many: { each: [1, 2], mod: ./image.wasm, fun: any, args: [{item: true}] }
outputs: { one: ./a/one.txt, many: "m/{index}-{index}.txt", "many[1]": last.txt }
"#,
    );
    let outputs: Vec<(&str, &str)> = compiled
        .outputs
        .iter()
        .map(|output| (output.label.as_str(), output.path.as_str()))
        .collect();
    let expect = [
        ("one", "a/one.txt"),
        ("many[0]", "m/0-0.txt"),
        ("many[1]", "m/1-1.txt"),
        ("many[1]", "last.txt"),
    ];
    assert_eq!(outputs, expect);
}

/// Breaks: the three encodings of a file would be three workflows.
#[test]
fn the_encodings_agree() {
    let json_text = r#"{"ipvm": "0.2", "name": "x", "params": {"p": [1, 2.5]},
        "tasks": {"a": {"mod": "./image.wasm", "fun": "any", "args": [{"param": "p"}]},
                  "b": {"mod": "./image.wasm", "fun": "any", "args": [[{"await": "a"}, "\ud83d\ude00\/"]]}}}"#;
    let yaml_text = r#"
ipvm: "0.2"
name: x
params:
  p:
  - 1
  - 2.5
tasks:
  a:
    mod: ./image.wasm
    fun: any
    args:
    - {param: p}
  b:
    mod: ./image.wasm
    fun: any
    args:
    -
      - await: a
      - "😀/"
"#;
    let from_json = build(json_text).unwrap();
    let from_yaml = build(yaml_text).unwrap();
    let cbor_bytes = cbor::encode(&json::from_str(json_text, Limits::default()).unwrap()).unwrap();
    let document = parse(&cbor_bytes).unwrap();
    let from_cbor =
        Built::from(compile(document, &crate::fake::settings(&[]), &mut fake()).unwrap());
    assert_eq!(from_json.workflow, from_yaml.workflow);
    assert_eq!(from_json.workflow, from_cbor.workflow);
    assert!(from_json.workflow.nonce.is_empty());
    assert_eq!(
        from_json.positions[1],
        Some(Position {
            line: 3,
            column: 19
        })
    );
    assert_eq!(from_cbor.positions, [None, None]);
    assert_eq!(args(&from_yaml, "b"), r#"[[{"await/ok":<a>},"😀/"]]"#);
}

/// Breaks: native bytes and links of DAG-CBOR would be lost.
#[test]
fn dag_cbor_values() {
    let link = Ipld::Link(cid_of(codec::RAW, b"photo"));
    let mut file = ipld(
        r#"{"ipvm": "0.2", "tasks": {"t": {"mod": "./image.wasm", "fun": "any", "args": []}}}"#,
    );
    let Ipld::Map(top) = &mut file else { panic!() };
    let Some(Ipld::Map(tasks)) = top.get_mut("tasks") else {
        panic!()
    };
    let Some(Ipld::Map(task)) = tasks.get_mut("t") else {
        panic!()
    };
    let bytes = ipld(r#"{"/":{"bytes":"AQI"}}"#);
    let quoted = |key: &str, value: &Ipld| Ipld::Map([(key.to_owned(), value.clone())].into());
    let values = vec![
        bytes.clone(),
        link.clone(),
        quoted("bytes", &bytes),
        quoted("link", &link),
    ];
    task.insert("args".to_owned(), Ipld::List(vec![Ipld::List(values)]));
    let document = parse(&cbor::encode(&file).unwrap()).unwrap();
    let compiled =
        Built::from(compile(document, &crate::fake::settings(&[]), &mut fake()).unwrap());
    assert_eq!(
        args(&compiled, "t"),
        r#"[[{"/":{"bytes":"AQI"}},<photo>,{"/":{"bytes":"AQI"}},<photo>]]"#
    );
}

/// Breaks: nobody would be told that a query after a mutation may fail when it is too late.
#[test]
fn what_comes_after_a_mutation_is_pointed_out() {
    let text = "tasks:
  a-read: { cmd: /crud/read, args: { uri: \"https://example.com/\" } }
  b-made: { cmd: /crud/create, args: { uri: \"https://example.com/\", body: {await: a-read} } }
  c-sent: { cmd: /msg/send, args: { body: {await: b-made} } }
  d-late: { cmd: /crud/read, args: { uri: {await: c-sent} } }
  e-set: { cmd: /crud/update, args: { uri: {await: a-read} } }
";
    let made = made(text);
    let misplaced: Vec<(u32, u32)> = made.plan.misplaced().collect();
    assert_eq!(
        misplaced,
        [(3, 2)],
        "only what reads or computes, and only after what writes"
    );
}
