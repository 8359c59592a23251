//! Effects against real servers. Without these: something could be done twice, or without a right to it, or where it
//! was not granted; or what was done could be told as not done.

use std::time::Duration;

use ipvm_ipld::{Ipld, cbor, json};
use ipvm_node::{
    Account, AccountSecret, Asking, Bounds, Cancel, FileRequest, Foreign, HttpAccount, HttpAuth,
    Node, NodeError, Prepared, RunOptions, RunReport, RunState, Serving, Settlement, Status,
};
use ipvm_testkit::web::Web;
use ipvm_testkit::{Asked, Folder, asking};
use ipvm_ucan::Encoding;

use crate::helpers::{open, prepare, results, run, step, workflow};

/// Lets the owner's effects reach a server on this machine.
pub(crate) fn grant(node: &Node, web: &Web) {
    grant_with(node, web, None);
}

fn grant_with(node: &Node, web: &Web, hedge: Option<Duration>) {
    let account = HttpAccount {
        allow_private: vec![web.address()],
        ..HttpAccount::default()
    };
    node.add_account(&Serving {
        name: "local".to_owned(),
        subject: node.owner().clone(),
        account: Account::Http(account),
        hedge,
    })
    .unwrap();
}

fn again(node: &Node, folder: &Folder) -> Prepared {
    let request = FileRequest {
        file: folder.path("workflow.yaml"),
        again: true,
        ..FileRequest::default()
    };
    node.prepare(&request).unwrap()
}

fn run_prepared(node: &Node, prepared: &Prepared) -> RunReport {
    let options = RunOptions::default();
    node.run(prepared, &options, &Cancel::new(), &mut |_| ())
        .unwrap()
}

/// The reason in the error that a step ended with.
fn reason(node: &Node, report: &RunReport, label: &str) -> String {
    let receipt = step(report, label).receipt.expect("a receipt");
    let error = node.outcome(&receipt).unwrap();
    assert!(!error.is_ok(), "{label}: {error:?}");
    json::to_string(error.value())
}

/// A workflow of tasks `label: (command, path at the server)`, each with `body` if there is one.
fn at(web: &Web, tasks: &[(&str, &str, &str, &str)]) -> Folder {
    let lines = tasks.iter().map(|(label, cmd, path, body)| {
        let body = match *body {
            "" => String::new(),
            body => format!(", body: {body}"),
        };
        let address = web.address();
        format!(
            "  {label}: {{ cmd: /crud/{cmd}, args: {{ uri: \"http://{address}{path}\"{body} }} }}\n"
        )
    });
    Folder::with_workflow(&workflow(&lines.collect::<String>()))
}

#[test]
fn a_finished_run_that_wrote_is_shown_and_not_done_again() {
    let web = Web::start();
    let folder = at(
        &web,
        &[
            ("page", "read", "/page", ""),
            ("mail", "create", "/mail", "{await: page}"),
        ],
    );
    let node = open(&folder.home());
    grant(&node, &web);
    let first = run(&node, &folder);
    assert_eq!((first.status, first.executed), (RunState::Ok, 2));
    let second = run(&node, &folder);
    assert_eq!((second.status, second.executed), (RunState::Ok, 0));
    assert_eq!(results(&node, &first), results(&node, &second));
    assert_eq!(web.lines(), ["GET /page", "POST /mail"]);
    let third = run_prepared(&node, &again(&node, &folder));
    assert_eq!((third.status, third.executed), (RunState::Ok, 2));
    let keys: Vec<String> = web.asked().into_iter().map(|asked| asked.key).collect();
    assert_eq!(keys.len(), 4);
    assert_eq!(keys[1], step(&first, "mail").task.to_string());
    assert_ne!(keys[1], keys[3], "another run is another task");
}

/// Queries alone are asked anew each time: that is what they are for.
#[test]
fn a_run_of_queries_is_a_new_one() {
    let web = Web::start();
    let folder = at(&web, &[("page", "read", "/page", "")]);
    let node = open(&folder.home());
    grant(&node, &web);
    for _ in 0..2 {
        assert_eq!(run(&node, &folder).executed, 1);
    }
    assert_eq!(web.lines().len(), 2);
}

#[test]
fn what_was_not_done_is_tried_again_and_what_was_answered_is_not() {
    let web = Web::start();
    let folder = at(
        &web,
        &[
            ("busy", "create", "/a/busy/2", "hello"),
            ("gone", "read", "/gone", ""),
        ],
    );
    let node = open(&folder.home());
    grant(&node, &web);
    let report = run(&node, &folder);
    assert_eq!(step(&report, "busy").status, Status::Ok);
    assert!(reason(&node, &report, "gone").contains("404"));
    let lines = web.lines();
    let count = |line: &str| lines.iter().filter(|own| *own == line).count();
    assert_eq!((count("POST /a/busy/2"), count("GET /gone")), (3, 1));
    let keys: std::collections::BTreeSet<String> =
        web.asked().into_iter().map(|asked| asked.key).collect();
    assert_eq!(
        keys.len(),
        2,
        "each attempt has the same key; a query has none"
    );
}

/// What ends for want of an account or a grant is done by the same command once that is there.
#[test]
fn nothing_goes_where_it_is_not_granted() {
    let web = Web::start();
    let folder = at(
        &web,
        &[
            ("page", "read", "/page", ""),
            ("to", "read", "/to?http://127.0.0.1:9/x", ""),
        ],
    );
    let node = open(&folder.home());
    let report = run(&node, &folder);
    assert_eq!(report.status, RunState::Error);
    assert!(reason(&node, &report, "page").contains("private address"));
    assert!(reason(&node, &report, "page").contains("--allow-private"));
    assert_eq!(web.lines(), Vec::<String>::new(), "seen at the server");
    grant(&node, &web);
    let report = run(&node, &folder);
    assert_eq!(step(&report, "page").status, Status::Ok);
    assert!(reason(&node, &report, "to").contains("private address"));
    assert!(web.lines().iter().all(|line| line != "GET /x"));
}

#[test]
fn an_effect_of_unknown_outcome_is_in_doubt_until_somebody_settles_it() {
    for done in [true, false] {
        let web = Web::start();
        let folder = at(
            &web,
            &[
                ("lost", "create", "/lost", "hello"),
                ("after", "create", "/after", "{await: lost}"),
                ("beside", "create", "/beside", "hello"),
            ],
        );
        let node = open(&folder.home());
        grant(&node, &web);
        for _ in 0..2 {
            let report = run(&node, &folder);
            assert_eq!(report.status, RunState::InDoubt);
            assert_eq!(step(&report, "lost").status, Status::InDoubt);
            assert_eq!(step(&report, "after").status, Status::Pending);
            assert_eq!(step(&report, "beside").status, Status::Ok);
        }
        let shown = node.run_report(&node.find_run("test").unwrap()).unwrap();
        assert_eq!(shown.status, RunState::InDoubt);
        assert_eq!(step(&shown, "lost").status, Status::InDoubt);
        let doubts = node.doubts().unwrap();
        assert_eq!(doubts.len(), 1);
        assert_eq!(
            (&*doubts[0].label, &*doubts[0].command),
            ("lost", "/crud/create")
        );
        let settlement = match done {
            true => Settlement::Done(Some(Ipld::from("by hand"))),
            false => Settlement::NotDone,
        };
        let task = doubts[0].task.to_string();
        assert!(node.settle_doubt("bafynothing", &settlement).is_err());
        let request = FileRequest {
            file: folder.path("workflow.yaml"),
            again: true,
            ..FileRequest::default()
        };
        let error = node.prepare(&request).unwrap_err().to_string();
        assert!(
            error.contains("doubt list"),
            "a new run would do it anew: {error}"
        );
        node.settle_doubt(&task[..20], &settlement).unwrap();
        let report = run(&node, &folder);
        let lines = web.lines();
        let lost = lines.iter().filter(|line| *line == "POST /lost").count();
        match done {
            true => {
                assert_eq!((report.status, lost), (RunState::Ok, 1));
                assert_eq!(results(&node, &report)["lost"], r#"{"ok":"by hand"}"#);
                let after = web
                    .asked()
                    .into_iter()
                    .find(|asked| asked.line == "POST /after");
                assert_eq!(after.unwrap().body, b"by hand");
                node.audit_runs(&mut |finding| panic!("{finding}")).unwrap();
            }
            // It is done once more, as the person said, and has no answer again.
            false => assert_eq!((report.status, lost), (RunState::InDoubt, 2)),
        }
    }
}

#[test]
fn a_late_query_is_asked_a_second_time_and_the_first_answer_counts() {
    let web = Web::start();
    let folder = at(&web, &[("page", "read", "/second", "")]);
    let node = open(&folder.home());
    grant_with(&node, &web, Some(Duration::from_millis(20)));
    let report = run(&node, &folder);
    assert_eq!(step(&report, "page").status, Status::Ok);
    assert_eq!(web.lines(), ["GET /second", "GET /second"]);
}

/// Arguments of a request, as a guest writes them.
fn args(text: &str) -> Vec<u8> {
    cbor::encode(&json::from_str(text, Default::default()).unwrap()).unwrap()
}

/// A workflow whose function asks for these things of the role `web`, and a task that awaits its result.
fn asks(fork: &[(&str, String)], join: Option<(&str, String)>, roles: &str) -> Folder {
    let own: Vec<(String, Vec<u8>)> = fork
        .iter()
        .map(|(cmd, text)| ((*cmd).to_owned(), args(text)))
        .collect();
    let asked = |(cmd, args): &'static (String, Vec<u8>)| Asked {
        role: "web",
        cmd,
        args,
    };
    let own: &'static [(String, Vec<u8>)] = Box::leak(own.into_boxed_slice());
    let last: Option<&'static (String, Vec<u8>)> =
        join.map(|(cmd, text)| &*Box::leak(Box::new((cmd.to_owned(), args(&text)))));
    let fork: Vec<Asked<'_>> = own.iter().map(asked).collect();
    let join = last.map(asked);
    let folder = Folder::with_workflow(&format!(
        "ipvm: \"0.2\"\nname: test\n{roles}tasks:
  asks: {{ mod: asking.wasm, fun: tell, args: [7] }}
  got: {{ cmd: /kv/set, args: {{ key: got, value: {{\"await/*\": asks}} }} }}
"
    ));
    folder.write("asking.wasm", asking(&fork, join.as_ref()));
    folder
}

fn post(web: &Web, path: &str, body: &str) -> String {
    format!(
        r#"{{"uri": "http://{}{path}", "as": "text", "body": {body}}}"#,
        web.address()
    )
}

/// What ended up under the key `got`.
fn got(node: &Node) -> String {
    let value = node
        .store()
        .value(&node.owner().to_string(), "got")
        .unwrap();
    json::to_string(&cbor::decode(&value.unwrap().value, Default::default()).unwrap())
}

const ROLES: &str = "roles: { web: owner }\n";

#[test]
fn a_function_asks_and_whoever_awaits_it_gets_the_end_of_the_chain() {
    let web = Web::start();
    let folder = asks(
        &[
            (
                "/crud/create",
                post(&web, "/second-fork", r#"{"await/ok": {"fork": 1}}"#),
            ),
            ("/crud/create", post(&web, "/first-fork", r#""hello""#)),
        ],
        Some((
            "/crud/create",
            post(&web, "/join", r#"{"await/ok": {"fork": 0}}"#),
        )),
        ROLES,
    );
    let node = open(&folder.home());
    grant(&node, &web);
    let report = run(&node, &folder);
    assert_eq!(report.status, RunState::Ok, "{:?}", results(&node, &report));
    assert_eq!(
        web.lines(),
        ["POST /first-fork", "POST /second-fork", "POST /join"]
    );
    assert!(got(&node).contains("POST /join"), "{}", got(&node));
    // What was asked for is caused by the receipt that asked.
    let receipt = node
        .receipt(&step(&report, "asks").receipt.unwrap())
        .unwrap()
        .unwrap();
    let cause = node
        .invocation_of(&receipt)
        .unwrap()
        .payload()
        .cause
        .unwrap();
    let asking = node.receipt(&cause).unwrap().unwrap();
    assert_eq!(asking.payload().ran, step(&report, "asks").task);
    assert_eq!(asking.payload().out.value(), &Ipld::Integer(7));
    assert_eq!(asking.payload().run.as_ref().unwrap().fork.len(), 2);
    // The same run again does nothing; a new one asks anew, though the function is not computed again.
    assert_eq!(run(&node, &folder).executed, 0);
    assert_eq!(web.lines().len(), 3);
    run_prepared(&node, &again(&node, &folder));
    assert_eq!(web.lines().len(), 6);
    node.audit_runs(&mut |finding| panic!("{finding}")).unwrap();
}

#[test]
fn what_a_function_asks_for_without_a_right_is_refused_and_can_be_handled() {
    let web = Web::start();
    let asked = |web: &Web| ("/crud/create", post(web, "/x", r#""hello""#));
    let stranger = open(&Folder::new().home());
    let theirs = format!("roles: {{ web: \"{}\" }}\n", stranger.owner());
    for (roles, says) in [("", "unbound role"), (theirs.as_str(), "no capability")] {
        let folder = asks(&[], Some(asked(&web)), roles);
        let node = open(&folder.home());
        grant(&node, &web);
        let report = run(&node, &folder);
        assert!(reason(&node, &report, "asks").contains(says));
        assert_eq!(step(&report, "got").status, Status::Ok, "it is handled");
        assert!(got(&node).contains(says), "{}", got(&node));
        assert_eq!(web.lines(), Vec::<String>::new());
    }
}

/// A function that could await any task would read what its caller was never given.
#[test]
fn a_function_can_await_its_own_requests_alone() {
    let web = Web::start();
    let task = ipvm_ipld::cid_of(ipvm_ipld::codec::DAG_CBOR, b"another's");
    for body in [
        format!(r#"{{"await/ok": {{"/": "{task}"}}}}"#),
        r#"{"await/ok": {"fork": 3}}"#.to_owned(),
        r#"{"await/ok": {"fork": 0}, "x": 1}"#.to_owned(),
        r#"[{"await/*": "x"}]"#.to_owned(),
    ] {
        let folder = asks(&[("/crud/create", post(&web, "/x", &body))], None, ROLES);
        let node = open(&folder.home());
        grant(&node, &web);
        let report = run(&node, &folder);
        assert!(
            reason(&node, &report, "asks").contains("bad result"),
            "{body}"
        );
    }
    assert_eq!(web.lines(), Vec::<String>::new());
}

/// A right is passed on with a condition; what a promise or a function brings in is held against it too.
#[test]
fn a_policy_holds_for_what_promises_and_functions_bring() {
    let web = Web::start();
    let other = Folder::new();
    let alice = open(&other.home());
    let policy = format!(r#".uri like "http://{}/ok*""#, web.address());
    let subject = alice.owner().to_string();
    let uri = |path: &str| format!("http://{}{path}", web.address());
    let folder = Folder::new();
    let node = open(&folder.home());
    crate::authority::delegate(&alice, &node, "/crud/create", &policy);
    let mut serving = Serving {
        name: "alices".to_owned(),
        subject: alice.owner().clone(),
        account: Account::Http(HttpAccount {
            allow_private: vec![web.address()],
            ..HttpAccount::default()
        }),
        hedge: None,
    };
    let run_tasks = |tasks: &str| {
        folder.write("workflow.yaml", workflow(tasks));
        let prepared = prepare(&node, &folder);
        node.run(
            &prepared,
            &RunOptions::default(),
            &Cancel::new(),
            &mut |_| (),
        )
        .map_err(Box::new)
    };
    let post = |uri: &str| {
        format!(
            "  post: {{ cmd: /crud/create, subject: \"{subject}\", args: {{ uri: {uri}, body: hello }} }}\n"
        )
    };
    // Without an account the right alone does nothing.
    let report = run_tasks(&post(&format!("\"{}\"", uri("/ok")))).unwrap();
    assert!(reason(&node, &report, "post").contains("no account"));
    assert!(!node.was_refused(&report).unwrap(), "it is allowed");
    node.add_account(&serving).unwrap();
    let report = run_tasks(&post(&format!("\"{}\"", uri("/ok")))).unwrap();
    assert_eq!(report.status, RunState::Ok);
    // Said openly, it is refused before anything is done.
    let error = run_tasks(&post(&format!("\"{}\"", uri("/evil")))).unwrap_err();
    assert!(matches!(*error, NodeError::NoChain(_)), "{error}");
    // Through a promise.
    let through = "  kept: { mod: echo.wasm, fun: same, args: [URI] }\n"
        .replace("URI", &format!("\"{}\"", uri("/evil")));
    folder.write("echo.wasm", ipvm_testkit::component(ECHO));
    let report = run_tasks(&(through + &post("{await: kept}"))).unwrap();
    assert!(reason(&node, &report, "post").contains("MatchError"));
    assert!(node.was_refused(&report).unwrap());
    // Through a function's request.
    let evil = args(&format!(
        r#"{{"uri": "{}", "body": "hello"}}"#,
        uri("/evil")
    ));
    let asked = Asked {
        role: "web",
        cmd: "/crud/create",
        args: &evil,
    };
    folder.write("asking.wasm", asking(&[], Some(&asked)));
    folder.write(
        "workflow.yaml",
        format!("ipvm: \"0.2\"\nname: test\nroles: {{ web: \"{subject}\" }}\ntasks:\n  asks: {{ mod: asking.wasm, fun: ask, args: [] }}\n"),
    );
    let report = run(&node, &folder);
    assert!(reason(&node, &report, "asks").contains("no capability"));
    assert!(node.was_refused(&report).unwrap());
    assert_eq!(web.lines(), ["POST /ok"], "seen at the server");
    serving.hedge = Some(Duration::from_millis(1));
    node.add_account(&serving).unwrap();
}

/// `same(text: string) -> string`
const ECHO: &str = r#"
(component
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3))))
    (func (export "same") (param i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "same") (param "text" string) (result string)
    (canon lift (core func $i "same") (memory $memory) (realloc (core func $realloc)))))
"#;

/// An account for one host is nothing to others, so that its credentials go nowhere else; and where nothing was done, the
/// next account is asked.
#[test]
fn the_account_that_is_for_the_host_is_asked_and_then_the_next() {
    let web = Web::start();
    let folder = at(
        &web,
        &[
            ("mail", "create", "/mail/busy/1", "hello"),
            ("page", "read", "/page", ""),
        ],
    );
    let node = open(&folder.home());
    let hosts = [
        ("a-other", "api.example.com".to_owned()),
        ("b-this", web.address()),
        ("c-this-too", web.address()),
    ];
    for (name, host) in hosts {
        let account = HttpAccount {
            hosts: Some(vec![host]),
            auth: HttpAuth::Bearer(AccountSecret::new(name)),
            allow_private: vec![web.address()],
            ..HttpAccount::default()
        };
        node.add_account(&Serving {
            name: name.to_owned(),
            subject: node.owner().clone(),
            account: Account::Http(account),
            hedge: None,
        })
        .unwrap();
    }
    let report = run(&node, &folder);
    assert_eq!(report.status, RunState::Ok, "{:?}", results(&node, &report));
    let asked = web.asked();
    let tokens = |line: &str| -> Vec<&str> {
        let own = asked.iter().filter(|asked| asked.line == line);
        own.map(|asked| &*asked.authorization).collect()
    };
    assert_eq!(tokens("GET /page"), ["Bearer b-this"]);
    assert_eq!(
        tokens("POST /mail/busy/1"),
        ["Bearer b-this", "Bearer c-this-too"]
    );
}

/// What others ask for is done once per task, however often and with whatever request it is asked for.
#[test]
fn a_task_that_others_ask_for_is_done_once() {
    let web = Web::start();
    let (own, other) = (Folder::new(), Folder::new());
    let (alice, bob) = (open(&own.home()), open(&other.home()));
    grant(&alice, &web);
    let policy = format!(r#".uri like "http://{}/*""#, web.address());
    crate::authority::delegate(&alice, &bob, "/crud/create", &policy);
    let ask = |path: &str, nonce: u8| {
        let uri = format!("http://{}{path}", web.address());
        let asking = Asking {
            cmd: "/crud/create".parse().unwrap(),
            args: [("uri".to_owned(), Ipld::from(uri))].into(),
            subject: Some(alice.owner().clone()),
            audience: Some(alice.agent().clone()),
            expires: Some(4_000_000_000),
            nonce: Some(vec![nonce; 12]),
            bounds: Bounds::default(),
            proofs: vec![],
        };
        bob.ask(&asking)
            .map(|container| container.encode(Encoding::Raw).unwrap())
            .map_err(Box::new)
    };
    let execute = |tokens: &[u8]| {
        let request = Foreign {
            tokens,
            content: None,
            documents: &[],
        };
        alice
            .execute_request(&request, &Cancel::new(), &mut |_| ())
            .unwrap()
    };
    let request = ask("/mail", 1).unwrap();
    let first = execute(&request);
    assert_eq!(
        (first.status, first.memo, first.receipts.len()),
        (RunState::Ok, false, 1)
    );
    // The same request, and another one for the same task.
    for tokens in [&request, &ask("/mail", 1).unwrap()] {
        let again = execute(tokens);
        assert_eq!((again.status, again.memo), (RunState::Ok, true));
        assert_eq!(again.receipts[0].cid(), first.receipts[0].cid());
    }
    assert_eq!(web.lines(), ["POST /mail"]);
    // Another task does it once more.
    execute(&ask("/mail", 2).unwrap());
    assert_eq!(web.lines().len(), 2);
    // What may have been done is not done again for whoever asks, and settled for all.
    let lost = ask("/lost", 3).unwrap();
    for tokens in [&lost, &ask("/lost", 3).unwrap()] {
        let answer = execute(tokens);
        assert_eq!(
            (answer.status, answer.receipts.len()),
            (RunState::InDoubt, 0)
        );
    }
    let doubt = alice.doubts().unwrap().remove(0);
    let task = doubt.task.to_string();
    let error = alice.settle_doubt(&task, &Settlement::Done(None));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("whoever asked for it awaits"), "{error}");
    let done = Settlement::Done(Some(Ipld::Null));
    alice.settle_doubt(&task, &done).unwrap();
    let settled = execute(&lost);
    assert_eq!((settled.status, settled.memo), (RunState::Ok, true));
    let inv = alice.invocation_of(&settled.receipts[0]).unwrap();
    assert_eq!(&inv.payload().iss, bob.owner(), "it answers bob's request");
    assert_eq!(
        web.lines()
            .iter()
            .filter(|line| *line == "POST /lost")
            .count(),
        1
    );
    // What the delegation does not cover is refused, and nothing is sent.
    assert!(
        bob.ask(&Asking {
            cmd: "/crud/delete".parse().unwrap(),
            args: [(
                "uri".to_owned(),
                Ipld::from(format!("http://{}/mail", web.address()))
            )]
            .into(),
            subject: Some(alice.owner().clone()),
            audience: Some(alice.agent().clone()),
            expires: Some(4_000_000_000),
            nonce: None,
            bounds: Bounds::default(),
            proofs: vec![],
        })
        .is_err()
    );
    assert_eq!(web.lines().len(), 3);
}

/// Without turns, two tasks could both see that a key has no value, and both set it.
#[test]
fn of_many_that_set_a_key_at_once_one_succeeds() {
    let tasks = (0..24).map(|n| {
        format!("  t{n}: {{ cmd: /kv/set, args: {{ key: one, value: {n}, version: 0 }} }}\n")
    });
    let counted =
        (0..24).map(|n| format!("  u{n}: {{ cmd: /kv/set, args: {{ key: many, value: {n} }} }}\n"));
    let folder = Folder::with_workflow(&workflow(&tasks.chain(counted).collect::<String>()));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    let ok = |prefix: &str| {
        let steps = report.steps.iter();
        steps
            .filter(|step| step.label.starts_with(prefix) && step.status == Status::Ok)
            .count()
    };
    assert_eq!((ok("t"), ok("u")), (1, 24));
    let store = node.store();
    let owner = node.owner().to_string();
    assert_eq!(store.last_version(&owner).unwrap(), 25, "each set counts");
    let newest = |key: &str| store.value(&owner, key).unwrap().unwrap().version;
    assert_eq!(newest("one").max(newest("many")), 25);
}
