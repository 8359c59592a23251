//! Hostile and huge files end in a message, in bounded time and memory.

use crate::fake::{build, build_with, fake};
use ipvm_workflow::author::{MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, parse};
use std::time::{Duration, Instant};

/// What parsing says; it has to say it at once.
fn refused(bytes: &[u8]) -> String {
    let start = Instant::now();
    let message = parse(bytes).unwrap_err().to_string();
    // Anything that is not linear takes minutes here.
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?} for {message}",
        start.elapsed()
    );
    message
}

/// Breaks: a small file could stop the program by a stack overflow, or keep it busy for ever.
#[test]
fn open_brackets() {
    const COUNT: usize = 200_000;
    let limit = "recursion limit exceeded";
    for (open, expect) in [
        ("[", limit),
        ("{", limit),
        ("[[{", limit),
        ("- ", "nested more than 64 levels"),
        ("? ", "a key has to be text"),
    ] {
        for before in ["", "a: ", "ipvm: \"0.2\"\na:\n  "] {
            let message = refused(format!("{before}{}", open.repeat(COUNT)).as_bytes());
            let in_line = before == "a: " && open.ends_with(' ');
            assert!(
                message.contains(expect) || in_line,
                "{before}{open}: {message}"
            );
        }
    }
    assert!(
        refused(format!("{{\"a\":{}", "[".repeat(COUNT)).as_bytes())
            .contains("1:69: this is nested more than 64")
    );
    assert!(refused("{\"a\":".repeat(COUNT).as_bytes()).contains("nested more than 64 levels"));
    assert!(
        refused(
            &[0xa1, 0x61, 0x61]
                .into_iter()
                .chain([0x81; COUNT])
                .collect::<Vec<_>>()
        )
        .contains("nested deeper")
    );
    assert!(refused(format!("a: {}", "\"".repeat(COUNT)).as_bytes()).contains("1:6"));
}

/// Breaks: the limit would be another than the one that is named, or differ between encodings.
#[test]
fn depth() {
    for (before, after) in [("", ""), ("# yaml\n", "")] {
        let text = |levels: usize| {
            format!(
                "{before}{{\"a\":{}{}}}{after}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(parse(text(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refused(text(MAX_DEPTH + 1).as_bytes()).contains("nested more than 64 levels"));
    }
    let cbor = |levels: usize| {
        [0xa1, 0x61, 0x61]
            .into_iter()
            .chain(vec![0x81; levels - 2])
            .chain([0x80])
            .collect::<Vec<u8>>()
    };
    assert!(parse(&cbor(MAX_DEPTH)).is_ok());
    assert!(refused(&cbor(MAX_DEPTH + 1)).contains("nested more than 64 levels"));
}

/// Breaks: a few lines that refer to each other would fill the memory.
#[test]
fn alias_bomb() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f"])
    {
        bomb += &format!(
            "{name}: &{name} [*{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}]\n"
        );
    }
    assert!(refused(bomb.as_bytes()).starts_with("1:4: anchors (&name) are not accepted"));
}

/// Breaks: a file far larger than any workflow would be read to its end.
#[test]
fn size() {
    let message = refused(&vec![b' '; usize::try_from(MAX_FILE_BYTES).unwrap() + 1]);
    assert!(
        message.contains("67108865 bytes, more than the 67108864"),
        "{message}"
    );
    // The tokens of these would need gigabytes.
    for (what, text) in [
        ("commas", format!("a: [{}", ",".repeat(5_000_000))),
        (
            "document markers",
            format!("a: [{}", "\n---".repeat(5_000_000)),
        ),
        ("directives", format!("a: [{}", "\n%a".repeat(5_000_000))),
    ] {
        assert!(
            refused(text.as_bytes()).contains("structure characters"),
            "{what}"
        );
    }
}

/// Breaks: a file with millions of values would take memory without a limit.
#[test]
fn number_of_values() {
    let list = |count: usize| format!("{{\"a\":[{}1]}}", "1,".repeat(count - 1));
    assert!(
        parse(list(MAX_NODES - 1).as_bytes())
            .unwrap_err()
            .to_string()
            .contains("more than 2000000 values")
    );
}

/// Breaks: what is no text at all would be taken for one, or crash the reader.
#[test]
fn not_text() {
    assert!(
        refused(b"ipvm: x\nab\xff").starts_with("2:3: this is neither UTF-8 text nor DAG-CBOR")
    );
    assert!(refused(b"\0asm\x0d\0\x01\0").contains("unprintable"));
    assert!(refused(b"\xa1\x61").contains("not DAG-CBOR"));
    // Canonical or refused: an indefinite map, and keys in the wrong order.
    assert!(refused(b"\xbf\x61\x61\x01\xff").contains("not DAG-CBOR"));
    assert!(refused(b"\xa2\x61\x62\x01\x61\x61\x01").contains("not DAG-CBOR"));
}

/// Breaks: a few kilobytes of params would stand for gigabytes of arguments.
#[test]
fn param_bomb() {
    let uses = "{param: p}, ".repeat(2_000);
    let text = format!(
        "ipvm: \"0.2\"\nparams: {{p: \"{}\"}}\ntasks: {{t: {{mod: ./image.wasm, fun: any, args: [[{uses}]]}}}}",
        "x".repeat(100_000)
    );
    let message = build(&text).unwrap_err().to_string();
    assert_eq!(
        message,
        "3:178: this is over 1048576 bytes when encoded; pass large values as {file: path}, and gather many results in stages"
    );
}

/// Breaks: a list in `each` would multiply a large argument without a limit.
#[test]
fn each_bomb() {
    let text = format!(
        "ipvm: \"0.2\"\nparams: {{p: \"{}\"}}\ntasks: {{t: {{each: [{}0], mod: ./image.wasm, fun: any, args: [[{{item: true}}, {{param: p}}]]}}}}",
        "x".repeat(1_000_000),
        "0, ".repeat(299)
    );
    let message = build(&text).unwrap_err().to_string();
    assert!(
        message.contains("more than 268435456 bytes together; put what the tasks have in common"),
        "{message}"
    );
}

/// Breaks: many short mentions of one text, or an argument that is too large for each of many items, would
/// cost memory and time without a limit.
#[test]
fn repeated_bombs() {
    let mut sources = fake();
    sources
        .files
        .insert("big.txt".into(), vec![b'x'; 1_000_000]);
    let params: String = (0..5_000)
        .map(|i| format!("p{i}: {{text: big.txt}}, "))
        .collect();
    let text = format!(
        "ipvm: \"0.2\"\nparams: {{{params}}}\ntasks: {{t: {{mod: ./image.wasm, fun: none}}}}"
    );
    let message = build_with(&text, &[], &mut sources)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("the params have more than 67108864 bytes together"),
        "{message}"
    );

    let text = format!(
        "ipvm: \"0.2\"\nparams: {{p: {{text: big.txt}}}}\ntasks: {{t: {{each: [{}], mod: ./image.wasm, fun: any, args: [{{param: p}}, {{param: p}}]}}}}",
        "0, ".repeat(50_000)
    );
    let message = build_with(&text, &[], &mut sources)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("this is over 1048576 bytes when encoded") && !message.contains('\n'),
        "{message}"
    );
}

/// Breaks: tasks that all gather all others would need memory by the square of their number.
#[test]
fn await_bomb() {
    let items = "0, ".repeat(3_000);
    let text = format!(
        "ipvm: \"0.2\"\ntasks:\n  a: {{each: [{items}], mod: ./image.wasm, fun: any, args: [{{item: true}}]}}\n  \
         b: {{each: [{items}], mod: ./image.wasm, fun: any, args: [{{await: a}}]}}"
    );
    let message = build(&text).unwrap_err().to_string();
    assert!(
        message.contains("wait for each other in more than 4000000 places; gather in stages"),
        "{message}"
    );
}

/// Breaks: a workflow over the limit would be found out only when it is stored, or never.
#[test]
fn number_of_tasks() {
    let text = format!(
        "{{\"ipvm\": \"0.2\", \"params\": {{\"p\": [{}0]}}, \"tasks\": {{\"t\": {{\"each\": {{\"param\": \"p\"}}, \"cmd\": \"/time/now\"}}, \"u\": {{\"cmd\": \"/msg/send\", \"args\": {{\"x\": {{\"await\": \"t[7]\"}}}}}}}}}}",
        "0,".repeat(100_000)
    );
    let message = build(&text).unwrap_err().to_string();
    assert!(
        message.contains("the workflow has more than 100000 tasks; split the work"),
        "{message}"
    );
    assert!(!message.contains('\n'), "{message}");
}

/// Breaks: a long chain would overflow the stack; the cost would grow by the square.
#[test]
fn long_chain() {
    // Backwards, so that the order of the file is of no help.
    let chain = |count: usize| {
        let mut text = "ipvm: \"0.2\"\ntasks:\n  t0: { mod: ./image.wasm, fun: none }\n".to_owned();
        for i in (1..count).rev() {
            text += &format!(
                "  t{i}: {{ mod: ./image.wasm, fun: any, args: [ {{await: t{}}} ] }}\n",
                i - 1
            );
        }
        text
    };
    let compiled = build(&chain(20_000)).unwrap();
    assert_eq!(compiled.graph.len(), 20_000);
    assert_eq!(compiled.workflow.encode().unwrap().chunks.len(), 20);

    let closed = chain(5_000).replace("fun: none", "fun: any, args: [ {await: t4999} ]");
    let message = build(&closed).unwrap_err().to_string();
    let expect = "3:54: the tasks wait for each other: t0 → t4999 → t4998 →";
    assert!(message.starts_with(expect), "{message}");
    assert!(message.contains("… (4988 more)"), "{message}");
}

/// Breaks: gathering ten thousand results, or one too many for a task, would fail otherwise than by a message.
#[test]
fn wide_gather() {
    let text = |count: usize| {
        format!(
            "{{\"ipvm\": \"0.2\", \"params\": {{\"p\": [{}0]}}, \"tasks\": {{\"t\": {{\"each\": {{\"param\": \"p\"}}, \"mod\": \"./image.wasm\", \"fun\": \"any\", \"args\": [{{\"item\": true}}]}}, \"all\": {{\"mod\": \"./image.wasm\", \"fun\": \"any\", \"args\": [{{\"await\": \"t\"}}]}}}}}}",
            "0,".repeat(count - 1)
        )
    };
    let compiled = build(&text(10_000)).unwrap();
    // All items are equal: ten thousand labels of one task.
    assert_eq!(compiled.graph.deps(0), [1]);
    let message = build(&text(22_000)).unwrap_err().to_string();
    assert!(
        message.contains("this is over 1048576 bytes when encoded"),
        "{message}"
    );
}
