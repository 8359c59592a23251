//! Accounts: `ipvm provider`. Without these, a password could be seen by whoever looks at a terminal, a script's output
//! or a disk, and somebody who has written it wrong would not learn what to write.

use std::collections::HashSet;

use ipvm_testkit::mail::MailServer;
use ipvm_testkit::web::Web;
use serde_json::{Value, json};

use crate::home::Home;
use crate::needles::{self, Needles};

const PASSWORD: &str = "correct-horse-battery-staple-4471";
const TOKEN: &str = "tok_live_51JZp0f9WqXr2LmN8vBt";
const API_KEY: &str = "sk-0f9e8d7c6b5a49382716fedcba";

/// A home with one account of each kind that has a secret, and the servers that they are for.
struct Scene {
    home: Home,
    web: Web,
    mail: MailServer,
    secrets: Needles,
    control: Needles,
}

impl Scene {
    fn new() -> Self {
        let (web, mail) = (Web::start(), MailServer::start());
        let home = Home::new();
        home.ok(&["key", "show"]);
        home.file("token.txt", format!("{TOKEN}\r\n"));
        home.file("key.txt", API_KEY);
        let (mut secrets, mut control) = (Needles::default(), Needles::default());
        for (what, secret) in [("password", PASSWORD), ("token", TOKEN), ("key", API_KEY)] {
            secrets.add(what, secret.as_bytes());
            secrets.cid(
                what,
                &ipvm_ipld::cid_of(ipvm_ipld::codec::RAW, secret.as_bytes()),
            );
        }
        control.add("name", b"/api-key");
        Self {
            home,
            web,
            mail,
            secrets,
            control,
        }
    }

    /// Adds the accounts: a secret on stdin, one in a file that an editor has ended with a line break, one without.
    fn add(&self) {
        let (web, mail) = (self.web.address(), self.mail.address());
        let add = |args: &[&str]| {
            self.home
                .run(&[&["provider", "add"], args].concat())
                .code(0)
        };
        let said = add(&[
            "web",
            "http",
            "--host",
            &web,
            "--allow-private",
            &web,
            "--bearer-file",
            "token.txt",
        ]);
        self.say_nothing(&said.out, &said.err);
        assert!(
            said.err.contains("`ipvm provider test web` tries it"),
            "{}",
            said.err
        );
        let args = [
            "provider",
            "add",
            "mail",
            "smtp",
            "--server",
            &mail,
            "--tls",
            "none",
            "--user",
            "alice",
            "--from",
            "alice@example.com",
            "--allow-private",
            &mail,
            "--secret-file",
            "-",
        ];
        let said = self
            .home
            .run_with_input(&args, format!("{PASSWORD}\n").as_bytes())
            .code(0);
        self.say_nothing(&said.out, &said.err);
        let said = add(&["api-key", "secret", "--secret-file", "key.txt"]);
        self.say_nothing(&said.out, &said.err);
    }

    #[track_caller]
    fn say_nothing(&self, out: &[u8], err: &str) {
        for said in [out, err.as_bytes()] {
            let found = self.secrets.found_in(said);
            assert!(
                found.is_empty(),
                "{found:?} in {}",
                String::from_utf8_lossy(said)
            );
        }
    }

    /// No file of the home and no row of its databases has a secret in the clear; what is not secret is found.
    #[track_caller]
    fn keeps_nothing_in_the_clear(&self) {
        let mut control = HashSet::new();
        for (path, bytes) in needles::home(&self.home.path()) {
            let found = self.secrets.found_in(&bytes);
            assert!(found.is_empty(), "{path} holds {found:?}");
            control.extend(self.control.found_in(&bytes));
        }
        assert!(control.contains("name"), "{control:?}");
    }
}

#[test]
fn secrets_reach_their_server_and_nobody_else() {
    let scene = Scene::new();
    scene.add();
    scene.keeps_nothing_in_the_clear();
    let list = scene.home.ok(&["provider", "list"]);
    let json = scene.home.ok(&["provider", "list", "--json"]);
    let help = scene
        .home
        .ok(&["provider", "add", "mail", "smtp", "--help"]);
    for said in [&list, &json, &help] {
        scene.say_nothing(said.as_bytes(), "");
    }
    let accounts: Value = serde_json::from_str(&json).unwrap();
    let listed: Vec<(&str, &str)> = accounts
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(
        listed,
        [("api-key", "secret"), ("mail", "smtp"), ("web", "http")]
    );
    let owner = &scene.home.json(&["key", "show", "--json"])["owner"];
    assert_eq!(&accounts[1]["subject"], owner);
    assert_eq!(accounts[1]["user"], "alice");
    assert_eq!(accounts[2]["auth"], "bearer token");
    for word in [
        "api-key",
        "alice",
        "tls: none",
        "from: alice@example.com",
        "bearer token",
        &scene.web.address(),
    ] {
        assert!(list.contains(word), "{word} in {list}");
    }
    // Each is tried without doing anything.
    let test = |name: &str| scene.home.ok(&["provider", "test", name]);
    let tried = test("mail");
    assert!(
        tried.contains("the login of alice is accepted") && tried.contains("nothing was sent"),
        "{tried}"
    );
    test("web");
    let asked = scene.web.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.line.starts_with("HEAD ") || asked.line.starts_with("OPTIONS ")),
        "{asked:?}"
    );
    // Both arrive.
    let uri = format!("http://{}/page", scene.web.address());
    let text = format!(
        "ipvm: \"0.2\"\nname: use\ntasks:\n  page: {{ cmd: /crud/read, args: {{ uri: \"{uri}\" }} }}\n  mail: {{ cmd: /msg/send, args: {{ from: alice@example.com, to: [bob@example.com], subject: s, body: b }} }}\n"
    );
    scene.home.file("use.yaml", text);
    let ran = scene.home.run(&["run", "use.yaml", "--json"]).code(0);
    scene.say_nothing(&ran.out, &ran.err);
    assert_eq!(
        scene.web.asked().last().unwrap().authorization,
        format!("Bearer {TOKEN}")
    );
    let login = data_encoding_of(&format!("\0alice\0{PASSWORD}"));
    assert_eq!(scene.mail.mails()[0].login, login);
    scene.keeps_nothing_in_the_clear();
}

/// The text in base64.
fn data_encoding_of(text: &str) -> String {
    let json = ipvm_ipld::json::to_string(&ipvm_ipld::Ipld::Bytes(text.as_bytes().to_vec()));
    let value: Value = serde_json::from_str(&json).unwrap();
    let unpadded = value["/"]["bytes"].as_str().unwrap().to_owned();
    let padding = (4 - unpadded.len() % 4) % 4;
    unpadded + &"=".repeat(padding)
}

#[test]
fn an_account_is_replaced_and_taken_away() {
    let scene = Scene::new();
    scene.add();
    let named = |name: &str| {
        let accounts = scene.home.json(&["provider", "list", "--json"]);
        let accounts = accounts.as_array().unwrap().clone();
        accounts.into_iter().find(|one| one["name"] == name)
    };
    scene
        .home
        .ok(&["provider", "add", "web", "http", "--host", "example.org"]);
    let web = named("web").unwrap();
    assert_eq!(
        (&web["hosts"], &web["auth"]),
        (&json!("example.org"), &Value::Null)
    );
    scene.home.ok(&["provider", "remove", "web"]);
    assert_eq!(named("web"), None);
    scene
        .home
        .run(&["provider", "remove", "web"])
        .code(2)
        .says("there is no account \"web\"")
        .says("provider list");
    scene
        .home
        .run(&["provider", "test", "web"])
        .code(2)
        .says("provider list");
    scene
        .home
        .run(&["provider", "test", "api-key"])
        .code(2)
        .says("no server to ask");
    // What is taken away serves nobody.
    scene.home.ok(&["provider", "remove", "mail"]);
    scene.home.file("use.yaml", "ipvm: \"0.2\"\ntasks:\n  mail: { cmd: /msg/send, args: { from: alice@example.com, to: [bob@example.com], subject: s, body: b } }\n");
    scene
        .home
        .run(&["run", "use.yaml"])
        .code(1)
        .says("no account serves /msg/send")
        .says("`ipvm provider add NAME smtp");
    assert_eq!(scene.mail.mails(), []);
}

#[test]
fn a_server_that_does_not_answer_is_told_by_test() {
    let scene = Scene::new();
    // A port that was free a moment ago, and nobody listens at.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let add = [
        "provider",
        "add",
        "mail",
        "smtp",
        "--server",
        &closed,
        "--allow-private",
        &closed,
    ];
    scene.home.ok(&add);
    let ran = scene.home.run(&["provider", "test", "mail"]).code(1);
    ran.says(&closed).says("add it again under its name");
    let add = ["provider", "add", "mail", "smtp", "--server", &closed];
    scene.home.ok(&add);
    let ran = scene.home.run(&["provider", "test", "mail"]).code(1);
    ran.says("private").says("--allow-private HOST:PORT");
}

#[test]
fn what_is_written_wrong_says_what_to_write() {
    let scene = Scene::new();
    scene.home.file("empty.txt", "\n");
    let at = scene.mail.address();
    for (args, says) in [
        (["bad name", "http"].as_slice(), "is no name for an account"),
        (&["x"], "smtp"),
        (&["x", "gopher"], "<NAME> <KIND>"),
        (&["x", "smtp"], "--server"),
        (
            &["x", "smtp", "--server", &at, "--user", "alice"],
            "--secret-file",
        ),
        (
            &["x", "smtp", "--server", &at, "--secret-file", "key.txt"],
            "--user",
        ),
        (
            &["x", "smtp", "--server", "mail.example.com:smtp"],
            "--server mail.example.com:587",
        ),
        (&["x", "smtp", "--server", &at, "--hedge", "5"], "--hedge"),
        (&["x", "smtp", "--server", &at, "--from", "alice"], "from"),
        (
            &[
                "x",
                "smtp",
                "--server",
                &at,
                "--user",
                "alice",
                "--secret-file",
                "none.txt",
            ],
            "cannot read none.txt",
        ),
        (
            &[
                "x",
                "smtp",
                "--server",
                &at,
                "--user",
                "alice",
                "--secret-file",
                "empty.txt",
            ],
            "put the secret into it",
        ),
        (
            &["x", "http", "--secret-file", "key.txt"],
            "add `--user NAME` or `--header NAME`",
        ),
        (
            &["x", "http", "--user", "alice", "--secret-file", "key.txt"],
            "--host",
        ),
        (
            &[
                "x",
                "http",
                "--bearer-file",
                "key.txt",
                "--user",
                "a",
                "--secret-file",
                "key.txt",
            ],
            "cannot be used with",
        ),
        (
            &["x", "http", "--allow-private", "http://here/"],
            "write a host name",
        ),
        (&["x", "http", "--subject", "nobody"], "nobody"),
        (&["x", "secret"], "--secret-file"),
        (
            &["x", "secret", "--secret-file", "empty.txt"],
            "put the secret into it",
        ),
    ] {
        let ran = scene.home.run(&[&["provider", "add"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{args:?}: {says:?} in {}", ran.err);
        scene.say_nothing(&ran.out, &ran.err);
    }
    assert_eq!(scene.home.json(&["provider", "list", "--json"]), json!([]));
}
