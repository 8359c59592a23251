//! An HTTP read as an effect, against a plain client: what it costs that the request is a signed task with a durable
//! receipt, checked addresses and known faults.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ipvm_effects::{Account, Effects, HttpAccount, Limits, NoContent, Request, provider_for};
use ipvm_ipld::{Ipld, cid_of, codec};
use ipvm_node::{Access, Cancel, FileRequest, Node, RunOptions, RunState, Serving};
use ipvm_testkit::web::Web;

use super::measure::{Figure, Plan, Row};
use super::setting::Setting;

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let web = Web::start();
    let uri = format!("http://{}/page", web.address());
    let client = reqwest::blocking::Client::builder()
        .no_proxy()
        .build()
        .context("a client")?;
    let mut plainly = |_| -> Result<String> { Ok(client.get(&uri).send()?.text()?) };
    let account = Account::Http(HttpAccount {
        allow_private: vec![web.address()],
        ..HttpAccount::default()
    });
    let effects = Effects::new();
    let plan = Plan {
        name: "HTTP read, provider alone",
        floor: "the same read by reqwest (blocking)",
        target: "–",
        conditions: "a server on loopback that closes after each answer; address checked, no receipt",
        rounds: setting.count(500, 2),
    };
    let alone = Figure::measure(&plan, &mut plainly, |round| {
        read(&effects, &account, &uri, round)
    })?;
    let home = tempfile::tempdir()?;
    let node = node(home.path(), account)?;
    let file = home.path().join("page.yaml");
    std::fs::write(
        &file,
        format!(
            "ipvm: \"0.2\"\ntasks:\n  page: {{ cmd: /crud/read, args: {{ uri: \"{uri}\" }} }}\n"
        ),
    )?;
    let plan = Plan {
        name: "HTTP read, whole run",
        conditions: "workflow read, request signed and stored, read, receipt signed and durable: two commits",
        ..plan
    };
    let whole = Figure::measure(&plan, &mut plainly, |_| run_file(&node, &file))?;
    Ok(vec![alone.into(), whole.into()])
}

fn read(effects: &Effects, account: &Account, uri: &str, round: usize) -> Result<Ipld> {
    let command = "/crud/read".parse()?;
    let args = BTreeMap::from([("uri".to_owned(), Ipld::from(uri))]);
    let kind = provider_for(&command, &args).context("a provider")?;
    let request = Request {
        task: &cid_of(codec::RAW, &round.to_le_bytes()),
        command: &command,
        args: &args,
        account,
        limits: Limits {
            time: Duration::from_secs(10),
            output: 1 << 20,
        },
        content: &NoContent,
        cancel: &|| false,
        leaving: &|| true,
    };
    let done = effects.provider(kind).perform(&request);
    done.map_err(|fault| anyhow!("{fault}"))
}

fn node(home: &std::path::Path, account: Account) -> Result<Node> {
    let node = Node::open(&home.join("home"), Access::Write)?;
    let subject = node.owner().clone();
    node.add_account(&Serving {
        name: "local".to_owned(),
        subject,
        account,
        hedge: None,
    })?;
    Ok(node)
}

fn run_file(node: &Node, file: &std::path::Path) -> Result<()> {
    let request = FileRequest {
        file: file.to_path_buf(),
        ..FileRequest::default()
    };
    let prepared = node.prepare(&request)?;
    let report = node.run(
        &prepared,
        &RunOptions::default(),
        &Cancel::new(),
        &mut |_| (),
    )?;
    ensure!(
        report.status == RunState::Ok && report.executed == 1,
        "not read"
    );
    Ok(())
}
