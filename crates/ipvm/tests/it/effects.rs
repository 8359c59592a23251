//! Effects from the command line, against real servers. Without these, somebody could get a mail twice, or be told that
//! one was not sent that was; and whoever has to settle that would not learn how.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ipvm_testkit::mail::{Mail, MailServer};
use ipvm_testkit::web::Web;
use ipvm_testkit::{Asked, CALC, asking, component};
use serde_json::{Value, json};

use crate::home::{Home, Ran};
use crate::parties::Party;

/// A home whose owner may send mail at a server on this machine.
struct Post {
    home: Home,
    server: MailServer,
}

impl Post {
    fn new() -> Self {
        let (home, server) = (Home::new(), MailServer::start());
        home.file("calc.wasm", component(CALC));
        let at = server.address();
        let add = ["provider", "add", "mail", "smtp", "--server", &at];
        home.ok(&[&add[..], &["--tls", "none", "--allow-private", &at]].concat());
        Self { home, server }
    }

    /// Writes `letters.yaml`: a mail to each, with ten letters from a function, and a note of what came of all.
    fn letters(&self, recipients: &[&str]) {
        let mut text = "ipvm: \"0.2\"\nname: letters\ntasks:\n  text: { mod: calc.wasm, fun: blob, args: [10] }\n".to_owned();
        let mut all = Vec::new();
        for to in recipients {
            let label = to.split('@').next().unwrap();
            text += &format!(
                "  {label}: {{ cmd: /msg/send, args: {{ from: \"mailto:alice@example.com\", to: [\"{to}\"], subject: hello, body: {{await: text}} }} }}\n"
            );
            all.push(format!("{{await: {label}}}"));
        }
        let all = all.join(", ");
        text += &format!("  sent: {{ cmd: /kv/set, args: {{ key: sent, value: [{all}] }} }}\n");
        self.home.file("letters.yaml", text);
    }

    fn run(&self, more: &[&str]) -> Ran {
        self.home.run(&[&["run", "letters.yaml"], more].concat())
    }

    /// A run that ends with this exit code, as `--json` tells of it.
    #[track_caller]
    fn report(&self, code: i32, more: &[&str]) -> Value {
        let ran = self.run(&[more, &["--json"]].concat()).code(code);
        serde_json::from_slice(&ran.out).unwrap()
    }

    /// What is in doubt.
    fn doubts(&self) -> Vec<Value> {
        let doubts = self.home.json(&["workflow", "doubt", "list", "--json"]);
        doubts.as_array().unwrap().clone()
    }

    #[track_caller]
    fn mails_to(&self, to: &str) -> Vec<Mail> {
        let mails = self.server.mails().into_iter();
        mails.filter(|mail| mail.to == [to]).collect()
    }
}

const BOB: &str = "bob@example.com";
const CAROL: &str = "carol@example.com";
const LOST: &str = "lost@example.com";
const HELD: &str = "held@example.com";

#[test]
fn each_mail_is_sent_once_and_once_more_only_when_asked_for() {
    let post = Post::new();
    post.letters(&[BOB, CAROL]);
    let ran = post
        .run(&[])
        .code(0)
        .says("ok bob")
        .says("done: 4 tasks: 4 executed");
    assert!(!ran.err.contains("--again"), "{}", ran.err);
    let first = post.server.mails();
    assert_eq!(first.len(), 2);
    for to in [BOB, CAROL] {
        let [mail] = &post.mails_to(to)[..] else {
            panic!("{to}: {first:?}")
        };
        assert_eq!(mail.from, "alice@example.com");
        assert!(mail.text.contains("\nSubject: hello\n"), "{}", mail.text);
        assert!(mail.text.contains("\n\nxxxxxxxxxx\n"), "{}", mail.text);
    }
    // What is done is told, and not done again.
    let again = post.run(&[]).code(0);
    let again = again
        .says("nothing was done")
        .says("`--again`")
        .says("0 executed");
    assert!(again.text().contains("<bafy"), "the results are shown");
    assert_eq!(post.server.mails(), first);
    let report = post.report(0, &["--again"]);
    assert_eq!(
        report["executed"], 3,
        "the function is answered from memory"
    );
    let mails = post.server.mails();
    assert_eq!(mails.len(), 4);
    let ids: std::collections::BTreeSet<&str> = mails.iter().map(|mail| &*mail.id).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    for (label, class) in [("text", "pure"), ("bob", "mutation"), ("sent", "mutation")] {
        assert_eq!(report["tasks"][label]["class"], class, "{label}");
    }
    let bob = &report["tasks"]["bob"];
    let id = format!("<{}@ipvm>", bob["task"].as_str().unwrap());
    assert_eq!(
        bob["out"]["ok"],
        json!({"id": id, "accepted": [BOB], "answer": "250 taken"})
    );
    assert_eq!(post.mails_to(BOB)[1].id, id);
}

#[test]
fn what_the_server_puts_off_is_tried_again_and_what_it_refuses_is_not() {
    let post = Post::new();
    post.letters(&["busy@example.com", "no@example.com", BOB]);
    let ran = post.run(&[]).code(1).says("error no: nothing was sent");
    let ran = ran
        .says("error sent: because of no")
        .says("ok busy")
        .says("ok bob");
    assert!(!ran.err.contains("in doubt"), "{}", ran.err);
    assert_eq!(post.server.times("RCPT TO:<busy@"), 2, "451, then again");
    assert_eq!(post.server.times("RCPT TO:<no@"), 1);
    assert_eq!(post.server.mails().len(), 2);
    let report = post.report(1, &[]);
    assert_eq!(
        (&report["status"], &report["executed"]),
        (&json!("error"), &json!(0))
    );
    assert_eq!(report["tasks"]["no"]["out"]["error"]["code"], 550);
    assert_eq!(report["tasks"]["sent"]["because"], "no");
    assert_eq!(
        post.server.times("RCPT TO:<no@"),
        1,
        "an answer is a result"
    );
}

/// What every verb says of one doubt; the task's CID.
#[track_caller]
fn tells_of_the_doubt(post: &Post, label: &str, why: Option<&str>) -> String {
    let shown = post.home.json(&["workflow", "show", "letters", "--json"]);
    assert_eq!(shown["status"], "in-doubt");
    let task = &shown["tasks"][label];
    assert_eq!(
        (&task["status"], &task["class"]),
        (&json!("in-doubt"), &json!("mutation"))
    );
    assert!(task["receipt"].is_null() && task["out"].is_null(), "{task}");
    assert_eq!(shown["tasks"]["sent"]["status"], "pending");
    let text = post.home.ok(&["workflow", "show", "letters"]);
    assert!(text.starts_with("letters  in-doubt\n"), "{text}");
    assert!(
        text.lines()
            .any(|line| line.starts_with("in-doubt ") && line.contains(label)),
        "{text}"
    );
    let runs = post.home.json(&["workflow", "list", "--json"]);
    assert_eq!(runs[0]["status"], "in-doubt", "{runs}");
    let [doubt] = &post.doubts()[..] else {
        panic!("{:?}", post.doubts())
    };
    assert_eq!(
        (&doubt["label"], &doubt["task"]),
        (&json!(label), &task["task"])
    );
    assert_eq!(
        (&doubt["command"], &doubt["name"]),
        (&json!("/msg/send"), &json!("letters"))
    );
    assert_eq!(
        (&doubt["run"], &doubt["reason"].as_str().is_some()),
        (&shown["run"], &why.is_some())
    );
    let task = task["task"].as_str().unwrap().to_owned();
    let told = post.home.run(&["workflow", "doubt", "list"]).code(0);
    told.says("Message-ID <TASK@ipvm>");
    let list = post.home.ok(&["workflow", "doubt", "list"]);
    let line = list
        .lines()
        .find(|line| line.starts_with(&task))
        .expect("a line");
    assert!(line.contains("/msg/send") && line.contains(label), "{line}");
    assert!(
        line.contains(why.unwrap_or("a process ended in the middle")),
        "{line}"
    );
    task
}

/// Wrong words are refused, and settle nothing.
#[track_caller]
fn refuses_wrong_words(post: &Post, task: &str) {
    let resolve = |args: &[&str]| {
        post.home
            .run(&[&["workflow", "doubt", "resolve"], args].concat())
    };
    resolve(&[task]).code(2).says("--done");
    resolve(&[task, "--done", "--not-done"])
        .code(2)
        .says("--not-done");
    resolve(&[task, "--not-done", "--result", "1"])
        .code(2)
        .says("--result");
    resolve(&[task, "--result", "1"]).code(2).says("--done");
    resolve(&[task, "--done", "--result", "{"])
        .code(2)
        .says("is not DAG-JSON");
    for wrong in [
        "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq",
        "letters",
        &task[..7],
    ] {
        resolve(&[wrong, "--done"])
            .code(2)
            .says("names no doubt")
            .says("workflow doubt list");
    }
    assert_eq!(post.doubts().len(), 1);
}

#[test]
fn a_mail_without_an_answer_is_in_doubt_until_somebody_says_what_became_of_it() {
    for done in [true, false] {
        let post = Post::new();
        post.letters(&[LOST, BOB]);
        let ran = post
            .run(&[])
            .code(4)
            .says("in-doubt lost: ")
            .says("ok bob")
            .says("in doubt: 4 tasks");
        let ran = ran.says("`ipvm workflow doubt list`").says("--not-done");
        assert!(!ran.err.contains("\nerror"), "{}", ran.err);
        // To ask again changes nothing.
        let report = post.report(4, &[]);
        assert_eq!(
            (&report["status"], &report["executed"]),
            (&json!("in-doubt"), &json!(0))
        );
        assert_eq!(report["tasks"]["lost"]["status"], "in-doubt");
        assert_eq!(post.mails_to(LOST).len(), 1);
        let task = tells_of_the_doubt(&post, "lost", Some("perhaps done"));
        refuses_wrong_words(&post, &task);
        if !done {
            let said = post
                .home
                .run(&["workflow", "doubt", "resolve", &task[..20], "--not-done"]);
            said.code(0).says("`lost` was not done, by your word");
            assert!(post.doubts().is_empty());
            post.report(4, &[]);
            let mails = post.mails_to(LOST);
            assert_eq!(mails.len(), 2, "sent once more, as the person said");
            assert_eq!(
                mails[0].id, mails[1].id,
                "whoever got both can tell that they are one"
            );
            assert_eq!(post.doubts().len(), 1);
            continue;
        }
        let resolve = ["workflow", "doubt", "resolve", &task, "--done", "--result"];
        let said = post.home.run(&[&resolve[..], &[r#"{"id": 7}"#]].concat());
        said.code(0).says("`lost` was done, by your word");
        let report = post.report(0, &[]);
        assert_eq!(
            (&report["status"], &report["executed"]),
            (&json!("ok"), &json!(1))
        );
        assert_eq!(report["tasks"]["lost"]["out"]["ok"], json!({"id": 7}));
        assert_eq!(
            (post.mails_to(LOST).len(), post.mails_to(BOB).len()),
            (1, 1)
        );
        let receipt = report["tasks"]["lost"]["receipt"].as_str().unwrap();
        let shown = post.home.json(&["receipt", "show", receipt, "--json"]);
        assert!(
            shown["engine"]
                .as_str()
                .unwrap()
                .contains("settled by a person"),
            "{shown}"
        );
        post.home.ok(&["store", "verify"]);
    }
}

#[cfg(unix)]
#[test]
fn a_process_killed_while_the_server_holds_its_answer_leaves_a_doubt() {
    let post = Post::new();
    post.letters(&[HELD, BOB]);
    let mut command = post.home.command(&["run", "letters.yaml"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let other = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("ok bob")));
    assert!(other.is_some(), "one mail is reported");
    post.server.wait_for(2);
    // While it is under way it is no doubt.
    let shown = post.home.json(&["workflow", "show", "letters", "--json"]);
    assert_eq!(shown["tasks"]["held"]["receipt"], Value::Null);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was killed");
    let [doubt] = &post.doubts()[..] else {
        panic!("{:?}", post.doubts())
    };
    assert_eq!(
        (&doubt["label"], &doubt["reason"]),
        (&json!("held"), &Value::Null)
    );
    let list = post.home.ok(&["workflow", "doubt", "list"]);
    assert!(list.contains("run the workflow again"), "{list}");
    // A mail server cannot tell; it is not asked to send again.
    post.run(&[])
        .code(4)
        .says("in-doubt held: ")
        .says("a process that ended");
    let task = tells_of_the_doubt(&post, "held", Some("a process that ended"));
    refuses_wrong_words(&post, &task);
    assert_eq!(
        (post.mails_to(HELD).len(), post.mails_to(BOB).len()),
        (1, 1)
    );
    let resolve = ["workflow", "doubt", "resolve", &task, "--done"];
    // Another mail's place in the note would be taken by what nobody said.
    let told = post.home.run(&resolve).code(2);
    let told = told.says("`sent` awaits the result of `held`");
    told.says(&format!(r#"--result '{{"id": "<{task}@ipvm>"}}'"#));
    assert_eq!(post.doubts().len(), 1, "nothing is settled");
    post.home
        .ok(&[&resolve[..], &["--result", "null"]].concat());
    let report = post.report(0, &[]);
    assert_eq!(report["tasks"]["held"]["out"], json!({"ok": null}));
    assert_eq!(
        (post.mails_to(HELD).len(), post.mails_to(BOB).len()),
        (1, 1)
    );
    post.home.ok(&["store", "verify"]);
}

#[test]
fn what_nobody_awaits_is_settled_without_a_result_and_says_so() {
    let site = Site::new();
    let uri = site.uri("/lost");
    let tasks =
        format!("tasks:\n  lost: {{ cmd: /crud/create, args: {{ uri: \"{uri}\", body: x }} }}\n");
    let report = site.run(4, &tasks);
    let task = report["tasks"]["lost"]["task"].as_str().unwrap();
    let resolve = ["workflow", "doubt", "resolve", task, "--done"];
    let said = site.home.run(&resolve).code(0);
    said.says("its result is null, since nobody awaits it");
    let report = site.run(0, &tasks);
    assert_eq!(report["tasks"]["lost"]["out"], json!({"ok": null}));
}

/// The server waits for more; a person would have to look for a mail that cannot be there.
#[cfg(unix)]
#[test]
fn a_process_killed_before_the_mail_has_left_leaves_no_doubt() {
    let post = Post::new();
    post.letters(&["stuck@example.com"]);
    let mut command = post.home.command(&["run", "letters.yaml"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    post.server.wait_until_stuck();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was killed");
    assert!(post.doubts().is_empty(), "{:?}", post.doubts());
    let report = post.report(0, &[]);
    assert_eq!(report["status"], "ok");
    assert_eq!(post.server.times("RCPT TO:<stuck@"), 2);
    assert_eq!(post.server.mails().len(), 1);
}

/// A home whose owner may ask a server on this machine.
struct Site {
    home: Home,
    web: Web,
}

impl Site {
    fn new() -> Self {
        let (home, web) = (Home::new(), Web::start());
        let site = Self { home, web };
        let at = site.web.address();
        site.home
            .ok(&["provider", "add", "local", "http", "--allow-private", &at]);
        site
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.web.address())
    }

    /// Runs a file with these tasks, and what else it says.
    #[track_caller]
    fn run(&self, code: i32, tasks: &str) -> Value {
        let text = format!("ipvm: \"0.2\"\nname: site\n{tasks}");
        self.home.file("site.yaml", text);
        let ran = self.home.run(&["run", "site.yaml", "--json"]).code(code);
        serde_json::from_slice(&ran.out).unwrap()
    }
}

#[test]
fn the_report_says_what_each_command_does_to_the_world() {
    let site = Site::new();
    site.home.file("calc.wasm", component(CALC));
    let mut tasks = "tasks:\n  pure: { mod: calc.wasm, fun: add, args: [1, 2] }\n".to_owned();
    let commands = [
        ("read", "query"),
        ("create", "mutation"),
        ("update", "idempotent"),
        ("delete", "idempotent"),
    ];
    for (command, _) in commands {
        let uri = site.uri("/page");
        let body = match command {
            "create" | "update" => ", body: hello",
            _ => "",
        };
        tasks +=
            &format!("  {command}: {{ cmd: /crud/{command}, args: {{ uri: \"{uri}\"{body} }} }}\n");
    }
    tasks += "  now: { cmd: /time/now }\n";
    let report = site.run(0, &tasks);
    for (label, class) in commands.iter().chain(&[("pure", "pure"), ("now", "query")]) {
        assert_eq!(report["tasks"][*label]["class"], *class, "{label}");
    }
    assert_eq!(report["tasks"]["read"]["out"]["ok"]["status"], 200);
    let mut lines = site.web.lines();
    lines.sort();
    assert_eq!(
        lines,
        ["DELETE /page", "GET /page", "POST /page", "PUT /page"]
    );
    let shown = site.home.json(&["workflow", "show", "site", "--json"]);
    assert_eq!(shown["tasks"]["update"], report["tasks"]["update"]);
}

#[test]
fn a_private_address_is_refused_and_the_message_says_how_to_allow_it() {
    let site = Site::new();
    // Another server that nobody has allowed.
    let inside = Web::start();
    let read =
        |uri: &str| format!("tasks:\n  page: {{ cmd: /crud/read, args: {{ uri: \"{uri}\" }} }}\n");
    let uri = format!("http://{}/metadata", inside.address());
    for uri in [uri.clone(), site.uri(&format!("/to?{uri}"))] {
        let report = site.run(1, &read(&uri));
        let error = &report["tasks"]["page"]["out"]["error"];
        assert_eq!(
            (&error["reason"], &error["kind"]),
            (&json!("refused"), &json!("private address"))
        );
        let ran = site.home.run(&["run", "site.yaml"]).code(1);
        ran.says("error page: refused (private address): ")
            .says("`ipvm provider add NAME KIND --allow-private HOST:PORT`");
    }
    assert_eq!(inside.lines(), Vec::<String>::new(), "it was never asked");
    assert_eq!(site.web.lines().len(), 2, "the redirect was seen");
    // What the message says, done.
    let at = inside.address();
    site.home
        .ok(&["provider", "add", "inside", "http", "--allow-private", &at]);
    site.run(0, &read(&uri));
    assert_eq!(inside.lines(), ["GET /metadata"]);
}

#[test]
fn a_function_asks_for_what_its_workflow_lets_it() {
    let site = Site::new();
    let args = format!(
        r#"{{"uri": "{}", "as": "text", "body": "hello"}}"#,
        site.uri("/asked")
    );
    let args = ipvm_ipld::json::from_str(&args, Default::default()).unwrap();
    let args = ipvm_ipld::cbor::encode(&args).unwrap();
    let asked = Asked {
        role: "web",
        cmd: "/crud/create",
        args: &args,
    };
    site.home.file("asking.wasm", asking(&[], Some(&asked)));
    let tasks = "tasks:\n  asks: { mod: asking.wasm, fun: tell, args: [7] }\n  got: { cmd: /kv/set, args: { key: got, value: {await: asks} } }\n";
    // Without a binding nothing is asked for, and the message says what is missing.
    let report = site.run(1, tasks);
    let error = &report["tasks"]["asks"]["out"]["error"];
    assert_eq!(error["kind"], "unbound role");
    let ran = site.home.run(&["run", "site.yaml"]).code(1);
    ran.says("the role \"web\"").says("add it to `roles:`");
    assert_eq!(site.web.lines(), Vec::<String>::new());
    // Whoever awaits the function gets the answer to what it asked for.
    let report = site.run(0, &format!("roles: {{ web: owner }}\n{tasks}"));
    assert_eq!(site.web.lines(), ["POST /asked"]);
    let out = &report["tasks"]["asks"]["out"]["ok"];
    assert_eq!(out["body"], "POST /asked", "{report}");
    // Once for a run; a new run asks anew, though nothing is computed.
    site.home
        .run(&["run", "site.yaml"])
        .code(0)
        .says("nothing was done");
    assert_eq!(site.web.lines().len(), 1);
    site.home.ok(&["run", "site.yaml", "--again"]);
    assert_eq!(site.web.lines().len(), 2);
    // A call binds no roles.
    let called = site.home.run(&["call", "asking.wasm", "tell", "7"]).code(2);
    called.says("asks for effects").says("`roles:`");
    assert_eq!(site.web.lines().len(), 2);
}

/// What is done in this home alone. Two that count the same thing would lose a count; a signature would be one of a token.
#[test]
fn effects_of_this_home_do_what_they_say() {
    let site = Site::new();
    let set = |value: u32, version: u32| {
        format!("{{ cmd: /kv/set, args: {{ key: n, value: {value}, version: {version} }} }}")
    };
    let report = site.run(0, &format!("tasks:\n  a: {}\n", set(10, 0)));
    assert_eq!(report["outputs"]["a"], json!({"version": 1}));
    let report = site.run(
        1,
        &format!("tasks:\n  a: {}\n  b: {}\n", set(20, 1), set(30, 0)),
    );
    let error = &report["tasks"]["b"]["out"]["error"];
    assert_eq!(error["reason"], "conflict");
    let read = site.run(0, "tasks:\n  n: { cmd: /kv/get, args: { key: n } }\n  all: { cmd: /kv/list, args: { prefix: n } }\n  none: { cmd: /kv/list, args: { after: n } }\n");
    assert_eq!(
        read["outputs"],
        json!({"n": {"value": 20, "version": 2}, "all": ["n"], "none": []})
    );
    let gone = site.run(
        0,
        "tasks:\n  n: { cmd: /kv/delete, args: { key: n, version: 2 } }\n",
    );
    assert_eq!(gone["outputs"]["n"], json!({"version": 2}));
    // Whoever saw 20 as version 2 must not take another value for it, however often the key was deleted.
    let sets = "tasks:\n  n: { cmd: /kv/set, args: { key: n, value: 40, version: 0 } }\n";
    let new = site.run(0, sets);
    assert_eq!(new["outputs"]["n"], json!({"version": 3}));
    let stale = site.run(1, &format!("tasks:\n  n: {}\n", set(21, 2)));
    assert_eq!(stale["tasks"]["n"]["out"]["error"]["version"], 3);
    site.run(0, "tasks:\n  n: { cmd: /kv/delete, args: { key: n } }\n");
    let before = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let asked = site.run(0, "tasks:\n  now: { cmd: /time/now }\n  a: { cmd: /random/bytes, args: { len: 32 } }\n  b: { cmd: /random/bytes, args: { len: 32 } }\n  n: { cmd: /kv/get, args: { key: n } }\n");
    let out = &asked["outputs"];
    assert!(out["now"].as_u64().unwrap() >= before.as_secs());
    assert_eq!(
        out["a"]["/"]["bytes"].as_str().unwrap().len(),
        43,
        "32 bytes in base64"
    );
    assert_ne!(out["a"], out["b"]);
    assert_eq!(out["n"], Value::Null, "deleted");
    // Wrong arguments are named.
    for (args, says) in [
        (
            "{ cmd: /random/bytes, args: { len: 1048577 } }",
            "at most 1048576",
        ),
        ("{ cmd: /random/bytes, args: { length: 1 } }", "len"),
        ("{ cmd: /time/now, args: { zone: here } }", "zone"),
        (
            "{ cmd: /kv/set, args: { key: \"\", value: 1 } }",
            "keys have 1 to 1024",
        ),
        (
            "{ cmd: /crypto/sign, args: { message: 7 } }",
            "must be bytes or text",
        ),
    ] {
        let report = site.run(1, &format!("tasks:\n  t: {args}\n"));
        let error = report["tasks"]["t"]["out"]["error"]["message"].to_string();
        assert!(error.contains(says), "{args}: {error}");
    }
}

#[test]
fn a_signature_is_over_a_fixed_prefix_and_the_message() {
    let party = Party::new();
    let run = |subject: &str, code: i32| {
        let text = format!(
            "ipvm: \"0.2\"\ntasks:\n  t: {{ cmd: /crypto/sign, subject: \"{subject}\", args: {{ message: hello }} }}\n"
        );
        party.home.file("sign.yaml", text);
        party.home.run(&["run", "sign.yaml", "--json"]).code(code)
    };
    for (who, did) in [("owner", &party.owner), ("agent", &party.agent)] {
        let report: Value = serde_json::from_slice(&run(who, 0).out).unwrap();
        let signed = &report["outputs"]["t"];
        assert_eq!(signed["did"], did.as_str());
        // Ed25519 gives one signature for one message.
        let key = party.secret(&format!("{who}.key"));
        let expect = key.sign(b"ipvm signed message\nhello").to_vec();
        let expect = ipvm_ipld::json::to_string(&ipvm_ipld::Ipld::Bytes(expect));
        assert_eq!(
            signed["signature"],
            serde_json::from_str::<Value>(&expect).unwrap()
        );
    }
    run(&Party::new().owner, 3);
}

/// Whoever asks why a mail is not sent must not hear that it is answered from memory, nor that a sound receipt is wrong.
#[test]
fn receipts_of_effects_are_explained_verified_and_traced() {
    let post = Post::new();
    post.letters(&[BOB, LOST]);
    let explain = || post.home.json(&["explain", "letters.yaml", "--json"]);
    let of = |explained: &Value, label: &str| {
        let all = explained.as_array().unwrap().iter();
        all.clone()
            .find(|one| one["label"] == label)
            .unwrap()
            .clone()
    };
    let before = explain();
    assert_eq!(of(&before, "bob")["verdict"], "miss");
    assert_eq!(of(&before, "bob")["class"], "mutation");
    assert_eq!(post.server.mails(), [], "to explain is not to do");
    let report = post.report(4, &[]);
    let told = explain();
    let bob = of(&told, "bob");
    assert_eq!(
        (&bob["verdict"], &bob["receipt"]),
        (&json!("done"), &report["tasks"]["bob"]["receipt"])
    );
    assert_eq!(of(&told, "lost")["verdict"], "in-doubt");
    assert_eq!(of(&told, "text")["verdict"], "hit");
    let sent = of(&told, "sent");
    assert_eq!(
        sent["reasons"],
        json!(["its inputs must be computed first: `lost`"])
    );
    let text = post.home.ok(&["explain", "letters.yaml"]);
    assert!(text.contains("mutation: done in this run, "), "{text}");
    assert!(text.contains("`ipvm workflow doubt list`"), "{text}");
    let task = report["tasks"]["bob"]["task"].as_str().unwrap();
    assert!(
        post.home
            .ok(&["explain", task])
            .contains("mutation: done in this run")
    );
    let lost = report["tasks"]["lost"]["task"].as_str().unwrap();
    assert!(post.home.ok(&["explain", lost]).starts_with("in-doubt"));
    // Signature and authority are checked, and it is said that nothing was compared.
    let verified = post.home.json(&["receipt", "verify", task, "--json"]);
    assert_eq!(
        (&verified["same"], &verified["recomputed"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(verified["recorded"], report["tasks"]["bob"]["out"]);
    assert!(
        verified["authority"]
            .as_str()
            .unwrap()
            .contains("/msg/send")
    );
    let text = post.home.ok(&["receipt", "verify", task]);
    assert!(
        text.contains("cannot be done again") && text.contains("signature"),
        "{text}"
    );
    assert_eq!(post.server.mails().len(), 2, "nothing was sent by all that");
}

/// A workflow of functions alone, one of which asks: what it asks for is another thing in each run, though the function
/// and its task are not.
#[test]
fn what_a_function_asked_for_is_traced_and_what_awaited_it_is_verified() {
    let site = Site::new();
    let args = ipvm_ipld::json::from_str(r#"{"len": 4}"#, Default::default()).unwrap();
    let args = ipvm_ipld::cbor::encode(&args).unwrap();
    let asked = Asked {
        role: "dice",
        cmd: "/random/bytes",
        args: &args,
    };
    site.home.file("asking.wasm", asking(&[], Some(&asked)));
    let guests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests");
    site.home.file(
        "hash.wasm",
        std::fs::read(guests.join("hash.wasm")).unwrap(),
    );
    let tasks = "roles: { dice: owner }\ntasks:\n  asks: { mod: asking.wasm, fun: tell, args: [7] }\n  after: { mod: hash.wasm, fun: cid, args: [{await: asks}] }\n";
    let reports = [site.run(0, tasks), site.run(0, tasks)];
    assert_ne!(reports[0]["outputs"], reports[1]["outputs"]);
    assert_eq!(
        reports[0]["tasks"]["after"]["task"],
        reports[1]["tasks"]["after"]["task"]
    );
    for report in &reports {
        let after = report["tasks"]["after"]["receipt"].as_str().unwrap();
        let verified = site.home.json(&["receipt", "verify", after, "--json"]);
        assert_eq!(
            (&verified["same"], &verified["recomputed"]),
            (&json!(true), &report["tasks"]["after"]["out"])
        );
        let trace = site.home.json(&["receipt", "trace", after, "--json"]);
        let dice = &trace["inputs"][0];
        assert_eq!(
            (&dice["what"], &dice["receipt"]),
            (&json!("/random/bytes"), &report["tasks"]["asks"]["receipt"])
        );
        assert_eq!(
            (&dice["cause"]["what"], &dice["cause"]["cause"]),
            (&json!("tell"), &Value::Null)
        );
        assert_eq!(dice["cause"]["inputs"][0]["path"], "asking.wasm");
    }
    let after = reports[1]["tasks"]["after"]["receipt"].as_str().unwrap();
    let text = site.home.ok(&["receipt", "trace", after]);
    assert!(text.contains("asked for by tell"), "{text}");
    let shown = site.home.json(&["workflow", "show", "site", "--json"]);
    assert_eq!(
        shown["outputs"], reports[1]["outputs"],
        "a run of functions that ask can be read again"
    );
    let explained = site.home.json(&["explain", "site.yaml", "--json"]);
    let verdict = |at: usize| {
        (
            explained[at]["label"].clone(),
            explained[at]["verdict"].clone(),
        )
    };
    assert_eq!(verdict(0), (json!("asks"), json!("hit")));
    // What it awaits will be another thing in the next run.
    assert_eq!(verdict(1), (json!("after"), json!("miss")));
    let text = site.home.ok(&["explain", "site.yaml"]);
    assert!(
        text.contains("what it asks for is done once for each run"),
        "{text}"
    );
    site.home.ok(&["store", "verify"]);
}
