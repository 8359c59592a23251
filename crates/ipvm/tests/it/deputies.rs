//! A hostile delegate who uses what others gave, said or keep: delegations of somebody else, receipts of an executor that
//! was asked for something else, data that looks like a promise, revocations of what is not the revoker's. Without these:
//! whoever may do a little on a machine could do there what others may, or read what is private.

use std::collections::BTreeMap;

use ipvm_ipld::{Cid, Ipld, car};
use ipvm_testkit::component;
use ipvm_ucan::{
    Container, Delegation, Encoding, Invocation, InvocationPayload, Keypair, Outcome, Receipt,
    ReceiptMeta, ReceiptPayload, Revocation,
};
use ipvm_workflow::{Plan, Step, Task, Workflow, step_nonce};

use crate::attacks::{Link, NOW, Scene};

/// Two functions of a spy:
///
/// - `disguise(what: cid) -> list<tuple<string, cid>>`: `{"await/ok": what}`, as data
/// - `peek(bytes: list<u8>, rest: list<tuple<string, cid>>) -> list<u8>`: the bytes
const SPY: &str = r#"
(component
  (import "ipvm:guest/types@0.1.0" (instance $guest
    (type $of-cid (record (field "bytes" (list u8)))) (export "cid" (type (eq $of-cid)))))
  (alias export $guest "cid" (type $cid))
  (core module $m
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "disguise") (param i32 i32) (result i32)
      (i32.store (i32.const 32) (i32.const 64))
      (i32.store (i32.const 36) (i32.const 8))
      (i32.store (i32.const 40) (local.get 0))
      (i32.store (i32.const 44) (local.get 1))
      (i32.store (i32.const 8) (i32.const 32))
      (i32.store (i32.const 12) (i32.const 1))
      (i32.const 8))
    (func (export "peek") (param i32 i32 i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1))
      (i32.const 8))
    (data (i32.const 64) "await/ok"))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "disguise") (param "what" $cid) (result (list (tuple string $cid)))
    (canon lift (core func $i "disguise") (memory $memory) (realloc (core func $realloc))))
  (func (export "peek") (param "bytes" (list u8)) (param "rest" (list (tuple string $cid)))
    (result (list u8))
    (canon lift (core func $i "peek") (memory $memory) (realloc (core func $realloc)))))
"#;

/// A file of Alice that nobody was given; its CID.
fn private(scene: &Scene) -> String {
    scene.alice.home.file("plan.txt", "attack at dawn");
    scene.alice.home.ok(&["add", "--quiet", "plan.txt"])
}

/// Adds a public module with the functions of a spy; its CID.
fn spy(scene: &Scene) -> String {
    let home = &scene.alice.home;
    home.file("spy.wasm", component(SPY));
    let module = home.ok(&["add", "--quiet", "spy.wasm"]);
    home.ok(&["store", "pin", "--public", &module]);
    module
}

/// A request with tokens beside it.
fn with(request: &[u8], tokens: &[&[u8]]) -> Vec<u8> {
    let mut container = Container::decode(request).unwrap();
    for token in tokens {
        container.insert(token.to_vec());
    }
    container.encode(Encoding::Raw).unwrap()
}

fn invocation_in(request: &[u8]) -> Invocation {
    let container = Container::decode(request).unwrap();
    let mut found = container
        .iter()
        .filter_map(|token| Invocation::decode(token).ok());
    found.next().unwrap()
}

/// What a receipt says beside its result.
fn facts(inv: Cid) -> ReceiptMeta {
    ReceiptMeta {
        inv,
        computation: None,
        memo: None,
        log: None,
        engine: "mine".to_owned(),
        fuel: 1,
        started: NOW(),
        took: 1,
    }
}

/// A workflow of one task in a CAR file, and the arguments of a request for it.
fn workflow_of(scene: &Scene, task: Task, nonce: &[u8]) -> BTreeMap<String, Ipld> {
    let cmd = task.cmd.to_string();
    let step = Step {
        task,
        config: None,
        rescue: None,
        undo: None,
    };
    let plan = Plan::of(Workflow {
        nonce: nonce.to_vec(),
        meta: None,
        parent: None,
        roles: None,
        global: None,
        defaults: None,
        steps: BTreeMap::from([("step".to_owned(), step)]),
        rescue: None,
    })
    .unwrap();
    let mut file = car::header(&[plan.cid()]);
    let encoded = plan.encoded();
    for block in encoded.chunks.iter().chain([&encoded.root]) {
        file.extend(car::frame(block.cid(), block.data().len()));
        file.extend_from_slice(block.data());
    }
    scene.alice.home.file("work.car", file);
    let number = |n: i64| Ipld::Integer(n.into());
    BTreeMap::from([
        ("workflow".to_owned(), Ipld::Link(plan.cid())),
        ("fuel".to_owned(), number(10_000_000_000)),
        ("memory".to_owned(), number(256 << 20)),
        ("time".to_owned(), number(60_000)),
        (
            "commands".to_owned(),
            Ipld::List(vec![Ipld::from(cmd.as_str())]),
        ),
    ])
}

fn value_of(key: &Keypair, cmd: &str, more: &[(&str, &str)], nonce: &[u8]) -> Task {
    let args = more
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Ipld::from(*value)));
    Task {
        sub: key.did().clone(),
        cmd: cmd.parse().unwrap(),
        args: args.collect(),
        nonce: step_nonce(nonce, "step"),
    }
}

/// Breaks: a delegation to this home, which is no secret, would be a right for whoever has a copy of it.
#[test]
fn what_somebody_gave_to_this_home_is_not_for_others_to_use() {
    let scene = Scene::new();
    let (friend, mallory, agent) = (&scene.friend, &scene.mallory, &scene.agent);
    // The friend lets this home work for it.
    let trust = Link {
        from: friend,
        to: agent,
        sub: Some(friend.did().clone()),
        cmd: "/kv",
        pol: "",
        exp: Some(NOW() + 3600),
    }
    .sign();
    let asks = |by: &Keypair, args: BTreeMap<String, Ipld>, more: &[&Delegation]| {
        let named = |invocation: &mut InvocationPayload| {
            invocation.cmd = "/workflow/run".parse().unwrap();
            invocation.aud = Some(scene.machine.clone());
            invocation.nonce = b"once".to_vec();
        };
        let right = Link {
            from: agent,
            to: by,
            sub: Some(scene.machine.clone()),
            cmd: "/workflow/run",
            pol: "",
            exp: Some(NOW() + 3600),
        };
        let request = scene.request(by, &[right.sign()], args, named);
        let more: Vec<&[u8]> = more.iter().map(|token| token.bytes()).collect();
        with(&request, &more)
    };
    let executes = |request: &[u8]| {
        scene.alice.home.file("request.ucan", request);
        scene.alice.home.run(&[
            "ucan",
            "execute",
            "request.ucan",
            "--content",
            "work.car",
            "--json",
        ])
    };
    let set = value_of(
        friend,
        "/kv/set",
        &[("key", "pin"), ("value", "4711")],
        b"a",
    );
    let args = workflow_of(&scene, set, b"a");
    executes(&asks(friend, args, &[&trust])).code(0);

    // With a copy of that delegation somebody else asks for the same resources.
    let get = value_of(friend, "/kv/get", &[("key", "pin")], b"b");
    let args = workflow_of(&scene, get, b"b");
    let ran = executes(&asks(mallory, args.clone(), &[&trust])).code(3);
    let out = String::from_utf8(ran.out).unwrap();
    assert!(
        !out.contains("4711") && out.contains("InvalidClaim"),
        "{out}"
    );
    // Whoever passed it on may, and so may the friend itself.
    let passed = Link {
        from: friend,
        to: mallory,
        sub: Some(friend.did().clone()),
        cmd: "/kv/get",
        pol: "",
        exp: Some(NOW() + 3600),
    }
    .sign();
    let ran = executes(&asks(mallory, args, &[&trust, &passed])).code(0);
    assert!(String::from_utf8(ran.out).unwrap().contains("4711"));
}

/// Breaks: data that a function made to look like a promise would hide a link to private content from the check.
#[test]
fn data_that_looks_like_a_promise_hides_no_link() {
    let scene = Scene::new();
    let module = spy(&scene);
    let right = scene.right("/wasm/run", "");
    let chain = std::slice::from_ref(&right);
    let named = |function: &str, args: String| {
        let text = crate::parties::call(&module, function, &args);
        let value = ipvm_ipld::json::from_str(&text, ipvm_ipld::Limits::default()).unwrap();
        let Ipld::Map(args) = value else { panic!() };
        scene.request(&scene.mallory, chain, args, |_| ())
    };
    let link = |cid: &str| format!(r#"{{"/": "{cid}"}}"#);
    // Mallory knows the hash. While the content is not here, it is a name like any other.
    let plan = ipvm_ipld::cid_of(ipvm_ipld::codec::RAW, b"attack at dawn").to_string();
    let done = scene.done(&named("disguise", format!("[{}]", link(&plan))));
    let task = done["receipts"][0]["task"].as_str().unwrap().to_owned();
    assert_eq!(private(&scene), plan);
    let awaited = format!(r#"{{"await/ok": {}}}"#, link(&task));
    let peek = named("peek", format!("[{}, {awaited}]", link(&plan)));
    scene.refused(&peek, "InvalidClaim", "may not use the content");
}

/// Breaks: an executor that was asked for something could name private content as its result, and have it read to itself.
#[test]
fn what_another_executor_says_it_made_is_not_its_to_use() {
    let scene = Scene::new();
    let (plan, module) = (private(&scene), spy(&scene));
    let mallory = &scene.mallory;
    let home = &scene.alice.home;
    // Alice asks Mallory's machine for bytes.
    home.ok(&["name", "add", "mallory", mallory.did().as_str()]);
    let passed = Link {
        from: mallory,
        to: &scene.alice.secret("owner.key"),
        sub: Some(mallory.did().clone()),
        cmd: "/wasm/run",
        pol: "",
        exp: Some(NOW() + 3600),
    }
    .sign();
    home.file("passed.ucan", passed.bytes());
    home.ok(&["ucan", "import", "passed.ucan"]);
    let args = crate::parties::call(&scene.module, "blob", "[7]");
    home.ok(&[
        "ucan",
        "invoke",
        "/wasm/run",
        "--sub",
        "mallory",
        "--args",
        &args,
        "-o",
        "asked.ucan",
    ]);
    let asked = invocation_in(&home.read("asked.ucan"));
    let task = asked.payload().task().unwrap();
    let lie = Receipt::sign(
        mallory,
        ReceiptPayload {
            ran: task,
            out: Outcome::Ok(Ipld::Link(plan.parse().unwrap())),
            run: None,
            meta: facts(asked.cid()),
        },
    )
    .unwrap();
    let answer = with(&home.read("asked.ucan"), &[lie.bytes()]);
    home.file("lie.ucan", answer);
    let taken = home.json(&["ucan", "import", "lie.ucan", "--json"]);
    assert_eq!(
        taken["accepted"], 1,
        "Alice asked for it, and has an answer"
    );

    let right = scene.right("/wasm/run", "");
    let chain = std::slice::from_ref(&right);
    let text = format!(r#"[{{"await/ok": {{"/": "{task}"}}}}, {{}}]"#);
    let text = crate::parties::call(&module, "peek", &text);
    let value = ipvm_ipld::json::from_str(&text, ipvm_ipld::Limits::default()).unwrap();
    let Ipld::Map(args) = value else { panic!() };
    let peek = scene.request(mallory, chain, args, |_| ());
    scene.refused(&peek, "InvalidClaim", "may not use the content");
    // Nor is it handed out with the receipt.
    let reads = |invocation: &mut InvocationPayload| {
        invocation.sub = mallory.did().clone();
        invocation.aud = Some(scene.machine.clone());
        invocation.cmd = "/receipt/read".parse().unwrap();
        invocation.nonce = b"x".to_vec();
    };
    let args = BTreeMap::from([("task".to_owned(), Ipld::Link(task))]);
    let done = scene.done(&scene.request(mallory, &[], args, reads));
    assert_eq!(done["content"], serde_json::json!([]), "{done}");
}

/// Breaks: a receipt could name any request that is here as its own, and count as belonging to whoever made that.
#[test]
fn a_receipt_names_the_request_of_its_own_task() {
    let scene = Scene::new();
    let right = scene.right("/wasm/run", "");
    let request = scene.request(
        &scene.mallory,
        &[right],
        scene.args("add", "[2, 3]"),
        |_| (),
    );
    scene.done(&request);
    let elsewhere = ipvm_ipld::cid_of(ipvm_ipld::codec::DAG_CBOR, b"another task");
    let home = &scene.alice.home;
    let module: Cid = scene.module.parse().unwrap();
    for inv in [invocation_in(&request).cid(), module] {
        let receipt = Receipt::sign(
            &scene.friend,
            ReceiptPayload {
                ran: elsewhere,
                out: Outcome::Ok(Ipld::Null),
                run: None,
                meta: facts(inv),
            },
        )
        .unwrap();
        home.file("other.ucan", receipt.bytes());
        let friend = scene.friend.did().as_str();
        home.run(&["ucan", "import", "other.ucan", "--accept", friend])
            .code(3)
            .says("without the invocation of its task");
    }
}

/// Breaks: a key that was replaced, perhaps since it is in other hands, could go on to say what this home computed.
#[test]
fn a_key_that_was_replaced_signs_no_new_results() {
    let scene = Scene::new();
    let home = &scene.alice.home;
    let (old_owner, old_agent) = (scene.alice.secret("owner.key"), &scene.agent);
    let right = scene.right("/wasm/run", "");
    let args = scene.args("add", "[1, 1]");
    scene.done(&scene.request(&scene.mallory, &[right], args, |_| ()));
    home.ok(&["key", "rotate", "owner"]);
    home.ok(&["key", "rotate", "agent"]);

    let args = scene.args("add", "[2, 2]");
    let asked = |executor: &Keypair| {
        let own = |invocation: &mut InvocationPayload| {
            invocation.sub = old_owner.did().clone();
            invocation.aud = Some(executor.did().clone());
        };
        scene.request(&old_owner, &[], args.clone(), own)
    };
    let forge = |executor: &Keypair, file: &str| {
        let request = asked(executor);
        let invocation = invocation_in(&request);
        let receipt = Receipt::sign(
            executor,
            ReceiptPayload {
                ran: invocation.payload().task().unwrap(),
                out: Outcome::Ok(Ipld::Integer(5)),
                run: None,
                meta: facts(invocation.cid()),
            },
        );
        home.file(file, with(&request, &[receipt.unwrap().bytes()]));
    };
    forge(old_agent, "forged.ucan");
    home.run(&["ucan", "import", "forged.ucan"])
        .code(3)
        .says("a key that this home replaced");
    forge(&scene.friend, "asked.ucan");
    let taken = home.json(&["ucan", "import", "asked.ucan", "--json"]);
    assert_eq!(taken["strangers"], 1, "the old owner asks nobody: {taken}");
    // What was here before goes on to count.
    home.ok(&["ucan", "import", "answer.ucan"]);
}

/// Breaks: anybody could have what others gave listed as revoked, and keep it from being passed on.
#[test]
fn a_revocation_through_a_path_of_the_revokers_own_making_takes_nothing_back() {
    let scene = Scene::new();
    let (agent, friend, mallory) = (&scene.agent, &scene.friend, &scene.mallory);
    let home = &scene.alice.home;
    let given = scene.right("/wasm/run", "");
    home.file("given.ucan", given.bytes());
    home.ok(&["ucan", "import", "given.ucan"]);
    // What Mallory issued leads to the agent as well, but is about something else: about Mallory, or about nothing.
    let own = |sub: &Keypair, cmd| Link {
        from: friend,
        to: agent,
        sub: Some(sub.did().clone()),
        cmd,
        pol: "",
        exp: None,
    };
    let about_friend = own(friend, "/wasm").sign();
    let path = [about_friend.clone(), given.clone()];
    let links = path.iter().map(|link| Ipld::Link(link.cid())).collect();
    let forged = Invocation::sign(
        friend,
        InvocationPayload {
            iss: friend.did().clone(),
            sub: friend.did().clone(),
            aud: None,
            cmd: "/ucan/revoke".parse().unwrap(),
            args: BTreeMap::from([
                ("revoke".to_owned(), Ipld::Link(given.cid())),
                ("path".to_owned(), Ipld::List(links)),
            ]),
            prf: vec![],
            nonce: vec![],
            exp: None,
            iat: None,
            cause: None,
            meta: None,
        },
    )
    .unwrap();
    assert!(
        Revocation::sign(friend, &path).is_err(),
        "the library signs no such thing"
    );
    let mut container = Container::new();
    for token in [about_friend.bytes(), given.bytes(), forged.bytes()] {
        container.insert(token.to_vec());
    }
    home.file("forged.ucan", container.encode(Encoding::Raw).unwrap());
    home.run(&["ucan", "import", "forged.ucan"]).code(3);
    let state = |cid: &Cid| {
        let list = home.json(&["ucan", "list", "--json"]);
        let mut all = list.as_array().unwrap().iter();
        let found = all.find(|one| one["delegation"] == cid.to_string());
        found.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&given.cid()), "valid");

    // A true path of somebody who is above it in one way, and not in the other.
    let link = |from, to, cmd| Link {
        from,
        to,
        sub: Some(scene.machine.clone()),
        cmd,
        pol: "",
        exp: None,
    };
    let (bob, carol) = (Keypair::from_seed(&[71; 32]), Keypair::from_seed(&[72; 32]));
    let direct = link(agent, &bob, "/wasm").sign();
    let around = link(agent, mallory, "/wasm").sign();
    let around_2 = link(mallory, &bob, "/wasm").sign();
    let last = link(&bob, &carol, "/wasm/run").sign();
    let revocation =
        Revocation::sign(mallory, &[around.clone(), around_2.clone(), last.clone()]).unwrap();
    let mut container = Container::new();
    for token in [&direct, &around, &around_2, &last] {
        container.insert(token.bytes().to_vec());
    }
    container.insert(revocation.bytes().to_vec());
    home.file("two.ucan", container.encode(Encoding::Raw).unwrap());
    home.ok(&["ucan", "import", "two.ucan"]);
    assert_eq!(
        state(&last.cid()),
        "valid",
        "Mallory is not above it on the direct way"
    );
}

/// Breaks: whoever knows what somebody keeps secret could have it handled openly from then on, by asking for work on it.
#[test]
fn a_copy_that_came_with_a_request_opens_no_secret() {
    let scene = Scene::new();
    let home = &scene.alice.home;
    home.file("plan.txt", "attack at dawn");
    let plan = home.ok(&["add", "--quiet", "--secret", "plan.txt"]);
    let right = scene.right("/wasm/run", "");
    let args = scene.args("count", &format!(r#"[{{"/": "{plan}"}}]"#));
    let request = scene.request(&scene.mallory, &[right], args, |_| ());
    home.file("request.ucan", request);
    let cid: Cid = plan.parse().unwrap();
    let mut copy = car::header(&[cid]);
    copy.extend(car::frame(&cid, 14));
    copy.extend(b"attack at dawn");
    home.file("copy.car", copy);
    let words = ["ucan", "execute", "request.ucan", "--content", "copy.car"];
    let done = home.json(&[&words[..], &["-o", "answer.ucan", "--json"]].concat());
    assert_eq!(
        done["receipts"][0]["out"]["ok"], 14,
        "Mallory has the content"
    );
    let text = "ipvm: \"0.2\"\nname: w\ntasks:\n  size: { mod: calc.wasm, fun: count, args: [{file: ./plan.txt}] }\n";
    home.file("w.yaml", text);
    home.run(&["run", "w.yaml"]).code(0).says("kept sealed");
    // Until its owner says so.
    home.ok(&["add", "plan.txt"]);
    let explained = home.ok(&["explain", "w.yaml"]);
    assert!(!explained.contains("secret"), "{explained}");
}

/// Breaks: who asks for what cannot be done here would be told of workflows and compilers, and scripts nothing at all.
#[test]
fn what_cannot_be_done_here_is_refused_by_name() {
    let scene = Scene::new();
    let asks = |cmd: &str, args: BTreeMap<String, Ipld>| {
        let right = scene.right("/", "");
        let named = |invocation: &mut InvocationPayload| {
            invocation.cmd = cmd.parse().unwrap();
            invocation.aud = Some(scene.machine.clone());
            invocation.nonce = b"once".to_vec();
        };
        scene.request(&scene.mallory, &[right], args, named)
    };
    let nothing = BTreeMap::new;
    scene.refused(
        &asks("/some/thing", nothing()),
        "Unsupported",
        "is not offered",
    );
    let name = BTreeMap::from([("name".to_owned(), Ipld::from("mail"))]);
    scene.refused(
        &asks("/secret/get", name),
        "Unsupported",
        "for the owner of this home alone",
    );
    let text = scene.args("add", "[1, 2]");
    let elsewhere = ipvm_ipld::cid_of(ipvm_ipld::codec::RAW, b"a module");
    let args = text.into_iter().map(|(key, value)| match key.as_str() {
        "mod" => (key, Ipld::Link(elsewhere)),
        _ => (key, value),
    });
    let request = asks("/wasm/run", args.collect());
    scene.refused(&request, "InvalidClaim", "did not come along");
}
