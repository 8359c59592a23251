//! What is wrong in a file is named with its place, the reason and the remedy.

use crate::fake::{build, build_with, fake};
use ipvm_ipld::cbor;

/// Compiles a text, after `ipvm: "0.2"` on the first line, and compares all that is reported, one per line.
fn check(text: &str, expect: &str) {
    check_whole(&format!("ipvm: \"0.2\"\n{text}"), expect);
}

fn check_whole(text: &str, expect: &str) {
    match build(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(e) => assert_eq!(e.to_string(), expect, "in:\n{text}"),
    }
}

/// Breaks: a file of another version would be misread.
#[test]
fn version() {
    let expect = |at: &str, found: &str| {
        format!(
            "{at}: the version {found} of the file format is not the one that is read here; write ipvm: \"0.2\", or use a version of ipvm made for this file"
        )
    };
    check_whole("ipvm: \"0.3\"\nnonsense: [1]", &expect("1:7", "\"0.3\""));
    check_whole(
        "tasks: {}\nipvm: 0.2",
        &expect("2:7", "0.2 (a number; the version is text in quotes)"),
    );
    check_whole(
        "ipvm: 1",
        &expect("1:7", "1 (a number; the version is text in quotes)"),
    );
    check_whole("ipvm: [1]", &expect("1:7", "a list"));
    check_whole(
        "tasks: {}",
        "1:1: the file has no \"ipvm\"; write ipvm: \"0.2\" as its first line",
    );
    check_whole(
        "hello",
        "1:1: a workflow is expected here, not text; begin the file with ipvm: \"0.2\", then tasks",
    );
    check_whole("", "the file is empty; begin with ipvm: \"0.2\" and tasks");
    check_whole(
        "# only a comment\n",
        "the file is empty; begin with ipvm: \"0.2\" and tasks",
    );
}

/// Breaks: a mistyped key would be passed over in silence.
#[test]
fn keys() {
    check(
        "nmae: x\ntasks: {t: {mod: ./image.wasm, fun: none, agrs: []}}",
        "2:1: unknown key \"nmae\" in a workflow file; did you mean \"name\"?\n\
         3:43: unknown key \"agrs\" in a task; did you mean \"args\"?",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: none, zzz: []}}",
        "2:43: unknown key \"zzz\" in a task; the keys here are mod, fun, args, each, cmd, subject, config, rescue, undo",
    );
    check(
        "tasks:\n  a: {mod: ./image.wasm, fun: none}\n  b: {mod: ./image.wasm, fun: none}\n  a: {}",
        "5:3: the key \"a\" occurs twice in this map; the first is at 3:3; rename or remove one of them",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [{x: 1, y: 2, x: 3}]}}",
        "2:62: the key \"x\" occurs twice in this map; the first is at 2:50; rename or remove one of them",
    );
    check(
        "tasks: {1: {mod: ./image.wasm, fun: none}}",
        "2:9: a key has to be text, and this is a whole number; put it in quotes: \"1\"",
    );
    check(
        "tasks: {[a]: 1}",
        "2:9: a key has to be text, and this is a list; write a simple name as the key",
    );
    check(
        "tasks: {? {a: 1} : 1}",
        "2:11: a key has to be text, and this is a map; write a simple name as the key",
    );
    check(
        "tasks: {: 1}",
        "2:9: a key has to be text, and this is nothing (null); put it in quotes: \"\"",
    );
    check(
        "global: {fule: 1}\ntasks: {t: {mod: ./image.wasm, fun: none, rescue: {mod: ./handlers.wasm, fn: ignore}}}",
        "2:10: unknown key \"fule\" in a configuration; did you mean \"fuel\"?\n\
         3:51: a handler has no \"fun\"; write { mod: ./handlers.wasm, fun: name }\n\
         3:74: unknown key \"fn\" in a handler; did you mean \"fun\"?",
    );
}

/// Breaks: a task without a function would fail only when it runs.
#[test]
fn shapes_of_tasks() {
    check(
        "name: x",
        "1:1: there are no tasks; add at least one under \"tasks\"",
    );
    check(
        "tasks: {}",
        "2:1: there are no tasks; add at least one under \"tasks\"",
    );
    check(
        "tasks: {t: {each: [], cmd: /msg/send}}",
        "1:1: there are no tasks; add at least one under \"tasks\"",
    );
    check(
        "tasks: [a]",
        "2:8: a map of tasks is expected here, not a list; write tasks: { label: { mod: …, fun: … } }",
    );
    check(
        "tasks: {t: 5}",
        "2:12: a task is expected here, not a whole number; write a map: keys with values",
    );
    check(
        "tasks: {t: {args: []}}",
        "2:9: the task has no \"mod\"; write mod: ./functions.wasm, or a CID (or cmd for another command)\n\
         2:9: the task has no \"fun\"; write fun: and the name of a function of the module",
    );
    check(
        "tasks: {t: {mod: ./image.wasm}}",
        "2:9: the task has no \"fun\"; write fun: and the name of a function of the module",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: none, cmd: /msg/send}}",
        "2:43: a task has either \"mod\" and \"fun\" or \"cmd\", and this has both; keep \"mod\" and \"fun\" to call a function, or \"cmd\" for any other command",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: none, subject: bob}}",
        "2:43: \"subject\" does not go with \"mod\"; leave it out: functions are always called for the owner",
    );
    check(
        "tasks: {t: {mod: [1], fun: 7}}",
        "2:18: the path or CID of a module is expected here, not a list; write the path of a .wasm file, or a CID\n\
         2:28: the name of a function is expected here, not a whole number; write the name as text",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: none, args: {a: 1}}}",
        "2:49: the arguments of a function are a list, and this gives a map; write the arguments out here; {quote: …} keeps a map as it is",
    );
    check(
        "tasks: {t: {cmd: /time/now, args: [1]}, u: {cmd: /time/now, args: {await: v}}, v: {cmd: /time/now}}",
        "2:35: the arguments of a command are a map, and this gives a list; write the arguments out here; {quote: …} keeps a map as it is\n\
         2:67: the arguments of a command are a map, and this gives a promise; write the arguments out here; {quote: …} keeps a map as it is",
    );
    check(
        "tasks: {t: {cmd: msg}, u: {cmd: /wasm/run}, v: {cmd: /}, w: {cmd: /Msg}}",
        "2:18: the command \"msg\" must begin with a slash, as in /crud/read; write a command such as /msg/send\n\
         2:33: \"/wasm/run\" does not go with \"cmd\"; write \"mod\", \"fun\" and \"args\" instead of it\n\
         2:54: \"/\" is not a command to run; write a command such as /msg/send\n\
         2:67: the command \"/Msg\" must be lower case; write a command such as /msg/send",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: none, undo: {cmd: /crud/delete}}}",
        "2:43: a pure task changes nothing, so there is nothing to undo; leave \"undo\" out",
    );
    check(
        "tasks: {t: {cmd: /crud/create, undo: {each: [1], cmd: /crud/delete}}}",
        "2:39: unknown key \"each\" in \"undo\"; the keys here are mod, fun, args, cmd, subject",
    );
}

/// Breaks: a label could not be shown, awaited, or used for a file.
#[test]
fn names() {
    let help = "use letters, digits, \"-\", \"_\" and \".\", at most 256 bytes";
    check(
        "tasks: {\"a b\": {mod: ./image.wasm, fun: none}, \"x[0]\": {mod: ./image.wasm, fun: none}, \"\": {mod: ./image.wasm, fun: none}}",
        &format!(
            "2:9: \"a b\" cannot be a label: it has other characters than those; {help}\n\
             2:48: \"x[0]\" cannot be a label: it has other characters than those; {help}\n\
             2:88: \"\" cannot be a label: it is empty; {help}"
        ),
    );
    let long = "x".repeat(257);
    check(
        &format!("tasks: {{{long}: {{mod: ./image.wasm, fun: none}}}}"),
        &format!("2:9: \"{long}\" cannot be a label: it is too long; {help}"),
    );
    let help = "use letters, digits, \"-\", \"_\", \".\" and spaces, at most 100 characters";
    check(
        "name: ../x\ntasks: {t: {mod: ./image.wasm, fun: none}}",
        &format!("2:7: \"../x\" cannot be a name: it is used as the name of a folder; {help}"),
    );
    check(
        "name: 5\ntasks: {t: {mod: ./image.wasm, fun: none}}",
        "2:7: the name of the workflow is expected here, not a whole number; write a short text",
    );
    check(
        "name: x\nmeta: {name: y}\ntasks: {t: {mod: ./image.wasm, fun: none}}",
        "3:7: \"meta\" has a \"name\" of its own; use the \"name\" at the top of the file",
    );
    let numbers = "7000000000, ".repeat(100_000);
    check(
        &format!(
            "meta: {{n: [{numbers}]}}\nroles: {{\"\": bob}}\ntasks: {{t: {{mod: ./image.wasm, fun: none}}}}"
        ),
        "2:7: this is over 524288 bytes when encoded; pass large values as {file: path}, and gather many results in stages\n\
         3:9: \"\" cannot be a role: it is empty or too long; use 1 to 256 bytes",
    );
    check(
        "meta: [1]\ntasks: {t: {mod: ./image.wasm, fun: none}}",
        "2:7: a map is expected here, not a list; write meta: { key: value }",
    );
}

/// Breaks: a task would wait for ever, or for the wrong one.
#[test]
fn awaits() {
    check(
        "tasks:\n  small: {mod: ./image.wasm, fun: none}\n  t: {mod: ./image.wasm, fun: any, args: [{await: smal}]}",
        "4:51: unknown label \"smal\"; did you mean \"small\"?",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [{await: qqqqqq}]}}",
        "2:57: unknown label \"qqqqqq\"; use the name of a task of this file, or the CID of a task",
    );
    check(
        "tasks:\n  a: {mod: ./image.wasm, fun: none}\n  m: {each: [1, 2], mod: ./image.wasm, fun: any, args: [{item: true}]}\n  t: {mod: ./image.wasm, fun: any, args: [[{await: \"a[0]\"}, {await: \"m[2]\"}, {await: \"m[01]\"}, {await: \"mm[1]\"}]]}",
        "5:52: \"a\" has no \"each\", so it has no items; leave the [number] out, or give the task an \"each\"\n\
         5:69: there is no \"m[2]\": \"m\" has 2 items, numbered from 0; use a smaller number, or the bare label for the list of all\n\
         5:86: there is no \"m[01]\": \"m\" has 2 items, numbered from 0; use a smaller number, or the bare label for the list of all\n\
         5:104: unknown label \"mm[1]\"; did you mean \"m\"?",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [{await: [x]}]}}",
        "2:57: the label or CID of a task is expected here, not a list; write {await: label}",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [{await: bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq}]}}",
        "2:57: bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq cannot name a task: the CID of a task is a DAG-CBOR one; take it from `ipvm receipt show` or `ipvm run --json`",
    );
    check(
        "tasks: {a: {mod: ./image.wasm, fun: none}, t: {mod: ./image.wasm, fun: any, args: [{await/ok: a, x: 1}]}}",
        "2:85: \"await/ok\" is reserved and has to stand alone in its map; remove the other keys of the map, or rename this one",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [{quote: {x: [{\"await/*\": a}]}}]}}",
        "2:63: a map with the key \"await/*\" cannot be passed on as data: on the wire it always means a promise, quoted or not; rename the key, or pass the map as a file in DAG-CBOR with {link: CID}",
    );
    check(
        "params: {p: [{await: t}], q: {param: p}, r: {item: true}}\nmeta: {m: {await: t}}\ntasks: {t: {mod: ./image.wasm, fun: none}}",
        "2:22: \"await\" has no meaning in a param; use it in the args of a task, or write {quote: …} for a plain map\n\
         2:38: \"param\" has no meaning in a param; use it in the args of a task, or write {quote: …} for a plain map\n\
         2:52: \"item\" has a meaning only in a task with \"each\"; add \"each\" to the task, or write {quote: {item: …}} for a plain map\n\
         3:19: \"await\" has no meaning in \"meta\"; use it in the args of a task, or write {quote: …} for a plain map",
    );
}

/// Breaks: a workflow that can never end would be started.
#[test]
fn cycles() {
    let help = "remove one of these awaits";
    check(
        "tasks:\n  a: {mod: ./image.wasm, fun: any, args: [{await: a}]}",
        &format!("3:51: the tasks wait for each other: a → a; {help}"),
    );
    check(
        "tasks:\n  z: {mod: ./image.wasm, fun: any, args: [{await: b}]}\n  c: {mod: ./image.wasm, fun: any, args: [{await: a}]}\n  b: {mod: ./image.wasm, fun: any, args: [{await: c}]}\n  a: {mod: ./image.wasm, fun: any, args: [{x: {await: b}}]}",
        &format!("4:51: the tasks wait for each other: c → a → b → c; {help}"),
    );
    check(
        "tasks:\n  m: {each: [1, {await: s}], mod: ./image.wasm, fun: any, args: [{item: true}]}\n  s: {mod: ./image.wasm, fun: any, args: [{await: m}]}",
        &format!("3:25: the tasks wait for each other: m[1] → s → m[1]; {help}"),
    );
}

/// Breaks: `each` would be misunderstood without a word.
#[test]
fn each() {
    let help = "add \"each\" to the task, or write {quote: {item: …}} for a plain map";
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [{item: true}]}}",
        &format!("2:56: \"item\" has a meaning only in a task with \"each\"; {help}"),
    );
    check(
        "tasks: {t: {each: [1], mod: ./image.wasm, fun: any, args: [{item: size}]}}",
        "2:67: true is expected here, not text; write {item: true}, or {quote: {item: …}} for a plain map",
    );
    check(
        "tasks: {t: {each: [{item: true}], mod: ./image.wasm, fun: any, args: [{item: true}]}}",
        &format!("2:27: \"item\" has a meaning only in a task with \"each\"; {help}"),
    );
    let each = "write each: [a, b, …], each: {param: name} or each: {glob: pattern}";
    check(
        "params: {n: 5}\ntasks:\n  t: {each: 3, mod: ./image.wasm, fun: none}\n  u: {each: {param: n}, mod: ./image.wasm, fun: none}\n  v: {each: {x: 1}, mod: ./image.wasm, fun: none}\n  w: {mod: ./image.wasm, fun: any, args: [[{await: t}, {await: \"u[7]\"}]]}",
        &format!(
            "4:13: a list, a param or a glob is expected here, not a whole number; {each}\n\
             5:21: a param that is a list is expected here, not a whole number; {each}\n\
             6:13: a list, a param or a glob is expected here, not a map; {each}"
        ),
    );
    check(
        "tasks: {t: {each: {glob: \"./none/*.jpg\"}, mod: ./image.wasm, fun: none}}",
        "2:26: no file matches \"./none/*.jpg\"; check the folder and the pattern; it starts at the workflow file's folder",
    );
    check(
        "params: {g: {glob: \"./photos/*.jpg\"}}\ntasks: {t: {mod: ./image.wasm, fun: any, args: [{param: g}]}}",
        "3:57: the param \"g\" is a glob, which has a meaning only under \"each\"; use it as each: {param: name}, and {item: true} in the args",
    );
}

/// Breaks: a mistyped param would be taken for another, or `--set` for something that has an effect.
#[test]
fn params() {
    check(
        "params: {sizes: [1], photo: 2}\ntasks: {t: {each: {param: size}, mod: ./image.wasm, fun: any, args: [{param: foto}]}}",
        "3:27: unknown param \"size\"; did you mean \"sizes\"?\n\
         3:78: unknown param \"foto\"; did you mean \"photo\"?"
            .lines()
            .next()
            .unwrap(),
    );
    check(
        "params: {sizes: [1], photo: 2}\ntasks: {t: {mod: ./image.wasm, fun: any, args: [{param: other}]}}",
        "3:57: unknown param \"other\"; the params are photo, sizes",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [{param: [x]}]}}",
        "2:57: the name of a param is expected here, not a list; write {param: name}",
    );
    let file = "ipvm: \"0.2\"\nparams: {photo: 1}\ntasks: {t: {mod: ./image.wasm, fun: any, args: [{param: photo}]}}";
    let set = |set: &str, expect: &str| {
        let e = build_with(file, &[set], &mut fake()).unwrap_err();
        assert_eq!(e.to_string(), expect, "{set}");
    };
    set(
        "phto=1",
        "--set phto: unknown param \"phto\"; did you mean \"photo\"?",
    );
    set(
        "zzz=1",
        "--set zzz: unknown param \"zzz\"; the params are photo",
    );
    set(
        "photo=@no.jpg",
        "--set photo: there is no file \"no.jpg\"; check the path; it starts at the workflow file's folder",
    );
    set(
        "photo=[{a: 1, a: 2}]",
        "--set photo: the key \"a\" occurs twice in this map; rename or remove one of them",
    );
    set(
        "photo=99999999999999999999",
        "--set photo: the number 99999999999999999999 is out of range: whole numbers go from -9007199254740991 to 9007199254740991; put it in quotes if text is meant",
    );
    set(
        "photo={await: t}",
        "--set photo: \"await\" has no meaning in a param; use it in the args of a task, or write {quote: …} for a plain map",
    );
    for wrong in ["photo", "=1", ""] {
        assert!(
            wrong.parse::<ipvm_workflow::author::Set>().is_err(),
            "{wrong}"
        );
    }
}

/// Breaks: a missing file or a wrong argument would be reported without its place, or a thousand times.
#[test]
fn what_is_outside() {
    let files = "check the path; it starts at the workflow file's folder";
    check(
        "params: {p: {file: ./gone.jpg}}\ntasks:\n  t: {mod: ./gone.wasm, fun: none}\n  u: {mod: ./image.wasm, fun: any, args: [{text: ./gone.txt}]}\n  v: {mod: ./gone.wasm, fun: other, args: [{param: p}]}",
        &format!(
            "2:20: there is no file \"./gone.jpg\"; {files}\n\
             4:12: there is no file \"./gone.wasm\"; {files}\n\
             5:50: there is no file \"./gone.txt\"; {files}"
        ),
    );
    check(
        "tasks:\n  t: {mod: ./image.wasm, fun: thumbnails}\n  u: {mod: ./image.wasm, fun: twice}\n  v: {mod: ./photo.jpg, fun: none}",
        "3:31: the module has no function \"thumbnails\"; did you mean \"thumbnail\"?\n\
         4:31: \"twice\" is the short name of more than one function of the module; write one of ipvm:image/ops@1.0.0#twice, ipvm:image/more@1.0.0#twice\n\
         5:12: this is not a Wasm module; give a .wasm file",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: blur}}",
        "2:37: the module has no function \"blur\"; the functions are thumbnail, grayscale, contact-sheet, any, none, twice, twice, ignore",
    );
    check(
        "tasks:\n  t: {mod: ./image.wasm, fun: thumbnail, args: [{file: ./photo.jpg}, wide, 3]}\n  u: {mod: ./image.wasm, fun: thumbnail, args: [{file: ./photo.jpg}]}\n  v: {each: [1, 2, 3], mod: ./image.wasm, fun: grayscale, args: [{item: true}]}\n  w: {mod: ./image.wasm, fun: grayscale}",
        "3:70: thumbnail: argument 1 does not fit; look at its type\n\
         4:48: thumbnail: 1 arguments instead of 3; look at its type\n\
         5:66: grayscale: argument 0 does not fit; look at its type\n\
         6:3: grayscale: 0 arguments instead of 1; look at its type",
    );
    let names = "see `ipvm name list`";
    check(
        "roles: {r: carol}\ntasks: {t: {cmd: /msg/send, subject: dave}, u: {cmd: /msg/send, subject: carol}}",
        &format!(
            "2:12: \"carol\" is neither a DID nor a known name; {names}\n\
             3:38: \"dave\" is neither a DID nor a known name; {names}"
        )
        .lines()
        .collect::<Vec<_>>()
        .join("\n"),
    );
}

/// Breaks: broken inline data would reach a function, or fail only there.
#[test]
fn inline_data() {
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [[{bytes: \"a%b=\"}, {bytes: [1]}, {link: nonsense}, {link: 5}, {file: 1}, {text: 2}]]}}",
        "2:58: this is not base64: invalid symbol at 1; use the standard alphabet (A–Z a–z 0–9 + /)\n\
         2:75: base64 is expected here, not a list; write {bytes: base64}\n\
         2:88: \"nonsense\" is not a CID: Failed to parse multihash; write a CIDv1 with sha2-256, such as bafy…\n\
         2:106: a CID is expected here, not a whole number; write {link: CID}\n\
         2:117: the path of a file is expected here, not a whole number; write {file: path}\n\
         2:128: the path of a text file is expected here, not a whole number; write {text: path}",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [9007199254740992]}}",
        "2:49: the number 9007199254740992 is out of range: whole numbers go from -9007199254740991 to 9007199254740991; put it in quotes if text is meant",
    );
    check(
        "tasks: {t: {mod: ./image.wasm, fun: any, args: [.inf]}}",
        "2:49: the number .inf is not finite, and the formats have no such number; put it in quotes if text is meant",
    );
}

/// Breaks: a limit or check in a file would silently be another.
#[test]
fn terms() {
    let fuel = "is not an amount of fuel; write a whole number such as 5_000_000_000";
    let memory = "is not an amount of memory; write a whole number with B, kB, MB, GB, KiB, MiB or GiB, such as 256MiB";
    let time = "is not a length of time; write a whole number with ms, s, m or h, such as 30s (without a unit: milliseconds)";
    check(
        "defaults: {fuel: 5s, memory: 1.5GiB, time: 30 parsecs, disk: -1, retry: 101, secret: 1}\ntasks: {t: {mod: ./image.wasm, fun: none, config: {fuel: 0, memory: 1.5, time: [1]}}}",
        &format!(
            "2:18: \"5s\" {fuel}\n\
             2:30: \"1.5GiB\" {memory}\n\
             2:44: \"30 parsecs\" {time}\n\
             2:62: \"-1\" {memory}\n\
             2:73: \"101\" is not a number of further attempts; write a whole number from 0 to 100\n\
             2:86: true or false is expected here, not a whole number; write true or false\n\
             3:58: \"0\" {fuel}\n\
             3:69: \"1.5\" {memory}\n\
             3:80: a length of time is expected here, not a list; {}",
            &time["is not a length of time; ".len()..]
        ),
    );
    let terms = "write attestation, {oracle: DID}, {optimistic: {confirmations, referee}} or {consensus: {agents, threshold}}";
    let bob = crate::fake::bob();
    check(
        &format!(
            "tasks:\n  a: {{mod: ./image.wasm, fun: none, config: {{check: zero-knowledge}}}}\n  b: {{mod: ./image.wasm, fun: none, config: {{check: {{zkp: {{}}}}}}}}\n  c: {{mod: ./image.wasm, fun: none, config: {{check: oracle}}}}\n  d: {{mod: ./image.wasm, fun: none, config: {{check: {{optimistic: {{confirmations: 0}}}}}}}}\n  e: {{mod: ./image.wasm, fun: none, config: {{check: {{consensus: {{agents: [{bob}], threshold: 2}}}}}}}}\n  f: {{mod: ./image.wasm, fun: none, config: {{check: {{oracel: bob}}}}}}"
        ),
        &format!(
            "3:53: the check \"zero-knowledge\" is not offered; use attestation, oracle, optimistic or consensus\n\
             4:54: the check \"zkp\" is not offered; use attestation, oracle, optimistic or consensus\n\
             5:53: a check with its terms is expected here, not text; {terms}\n\
             6:54: an optimistic check has no \"referee\"; {terms}\n\
             6:82: \"0\" is not a count; write a whole number from 1\n\
             7:65: this consensus cannot be reached: a threshold of 2 cannot be met by 1 agents; name each agent once, and a threshold from 1 to their number\n\
             8:54: the check \"oracel\" is not offered; did you mean \"oracle\"?"
        ),
    );
}

/// Breaks: a workflow could write outside the output folder, or one result over another.
#[test]
fn outputs() {
    let tasks = "tasks:\n  one: {mod: ./image.wasm, fun: none}\n  many: {each: [1, 2], mod: ./image.wasm, fun: any, args: [{item: true}]}\n";
    let paths = "use a relative path such as small.jpg or pictures/small.jpg";
    let check = |outputs: &str, expect: &str| check(&format!("{tasks}outputs: {outputs}"), expect);
    check(
        "{one: /etc/x}",
        &format!(
            "5:16: \"/etc/x\" cannot be an output's path: it is absolute, and outputs stay inside the output folder; {paths}"
        ),
    );
    check(
        "{one: a/../../x}",
        &format!(
            "5:16: \"a/../../x\" cannot be an output's path: it leads out of the output folder; {paths}"
        ),
    );
    check(
        "{one: \"\"}",
        &format!("5:16: \"\" cannot be an output's path: it is empty; {paths}"),
    );
    check(
        "{one: [x]}",
        "5:16: the path of a file is expected here, not a list; write a relative path such as small.jpg",
    );
    check(
        "{onee: x}",
        "5:11: unknown label \"onee\"; did you mean \"one\"?",
    );
    check(
        "{bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq: x}",
        "5:11: unknown label \"bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq\"; use the name of a task of this file, or the CID of a task",
    );
    check(
        "{many: pics/x.jpg}",
        "5:17: \"many\" has one result per item, and this path has no place for the item's number; put {index} into it, such as \"pics/x-{index}.jpg\"",
    );
    check(
        "{one: \"x{index}\"}",
        "5:16: \"one\" has a single result, so there is no number to put for {index}; leave {index} out",
    );
    check(
        "{one: x, \"many[0]\": ./x}",
        "5:30: \"x\" is already the output of \"one\", or a folder that it is in; give every output its own path",
    );
    check(
        "{one: x, \"many[0]\": x/y}",
        "5:30: \"x/y\" is already the output of \"one\", or a folder that it is in; give every output its own path",
    );
    check(
        "[x]",
        "5:10: a map of outputs is expected here, not a list; write outputs: { label: path }",
    );
}

/// Breaks: what YAML can do beyond a workflow file would be a way to attack its reader.
#[test]
fn yaml() {
    let syntax = "look at the indentation, quotes and brackets just before this place";
    check(
        "tasks: {t: &x {mod: ./image.wasm}}",
        "2:12: anchors (&name) are not accepted; write the value out, or use params for what occurs often",
    );
    check(
        "tasks: &x\n  t: *x",
        "2:8: anchors (&name) are not accepted; write the value out, or use params for what occurs often",
    );
    check(
        "tasks: *x",
        &format!("2:8: this is not YAML: while parsing node, found unknown anchor; {syntax}"),
    );
    check(
        "tasks: !mine {}",
        "2:8: the tag !mine is not accepted here; leave the tag out; bytes are written {bytes: base64}",
    );
    check(
        "tasks: !!binary aGk=",
        "2:8: the tag !!binary is not accepted here; leave the tag out; bytes are written {bytes: base64}",
    );
    check(
        "tasks: !!int x",
        "2:8: the tag !!int is not accepted here; leave the tag out; bytes are written {bytes: base64}",
    );
    check(
        "tasks: !!map [1]",
        "2:8: the tag !!map is not accepted here; leave the tag out; bytes are written {bytes: base64}",
    );
    check(
        "---\ntasks: {}",
        "2:1: a second document begins here; keep one workflow per file",
    );
    check(
        "tasks: {t: ]",
        &format!(
            "2:12: this is not YAML: while parsing a node, did not find expected node content; {syntax}"
        ),
    );
    check(
        "tasks:\n\t- x",
        &format!(
            "3:2: this is not YAML: tabs disallowed within this context (block indentation); {syntax}"
        ),
    );
    check(
        "tasks: \"abc",
        &format!(
            "2:8: this is not YAML: while scanning a quoted scalar, found unexpected end of stream; {syntax}"
        ),
    );
    check(
        "tasks: [a\nname: x",
        &format!("3:5: this is not YAML: illegal placement of ':' indicator; {syntax}"),
    );
}

/// Breaks: errors in files without places would have none at all.
#[test]
fn dag_cbor_has_paths() {
    let file = crate::fake::ipld(
        r#"{"ipvm": "0.2", "tasks": {"a b": {"mod": "./image.wasm", "fun": "any", "args": [[1, {"await": "x"}]]}, "t": {"fun": "none", "mod": "./image.wasm", "agrs": 1}}}"#,
    );
    let document = ipvm_workflow::author::parse(&cbor::encode(&file).unwrap()).unwrap();
    let e = ipvm_workflow::author::compile(document, &crate::fake::settings(&[]), &mut fake())
        .unwrap_err();
    let expect = "tasks.\"a b\": \"a b\" cannot be a label: it has other characters than those; use letters, digits, \"-\", \"_\" and \".\", at most 256 bytes\n\
                  tasks.\"a b\".args[0][1].await: unknown label \"x\"; use the name of a task of this file, or the CID of a task\n\
                  tasks.t.agrs: unknown key \"agrs\" in a task; did you mean \"args\"?";
    assert_eq!(e.to_string(), expect);
    assert!(e.iter().all(|diagnostic| diagnostic.position.is_none()));
}

/// Breaks: a long list of errors would bury the first, or cost time without end.
#[test]
fn at_most_twenty() {
    let tasks: String = (0..100)
        .map(|i| format!("  t{i}: {{mod: ./image.wasm, fun: none, x{i}: 1}}\n"))
        .collect();
    let e = build(&format!("ipvm: \"0.2\"\ntasks:\n{tasks}")).unwrap_err();
    assert_eq!(e.list.len(), 20);
    assert!(e.more && e.to_string().ends_with("\n… and more"));
    let lines: Vec<u32> = e
        .iter()
        .map(|diagnostic| diagnostic.position.unwrap().line)
        .collect();
    assert_eq!(lines, (3..23).collect::<Vec<_>>());
}
