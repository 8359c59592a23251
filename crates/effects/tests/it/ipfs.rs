//! Content by its CID: from here, or from a gateway that nobody has to trust.

use crate::ask::{Ask, problem, words};
use crate::http_server::{Reply, Server};
use crate::raw::closed_port;
use ipvm_effects::{Account, Class, Content, Effects, Fault, IpfsAccount, Kind, Probe};
use ipvm_ipld::unixfs::{Directory, Entry};
use ipvm_ipld::{Block, Cid, Ipld, codec, unixfs};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Blocks = BTreeMap<String, Vec<u8>>;

/// A file of several blocks in a folder in a folder, and their names: root, file, blocks.
fn tree() -> (Cid, Cid, Vec<u8>, Blocks) {
    let bytes: Vec<u8> = (0..2_500_000_u32).map(|i| ((i * 31) >> 7) as u8).collect();
    let (file, mut blocks) = unixfs::import(&bytes);
    let mut inner = file;
    for name in ["b c.bin", "a"] {
        let mut folder = Directory::new();
        folder
            .push(Entry {
                name: name.to_owned(),
                cid: inner,
                tree_bytes: 1,
            })
            .unwrap();
        let (root, more) = folder.finish().unwrap();
        blocks.extend(more);
        inner = root.cid;
    }
    let blocks = blocks.into_iter().map(|block| {
        let (cid, data) = block.into_parts();
        (cid.to_string(), data)
    });
    (inner, file, bytes, blocks.collect())
}

/// A trustless gateway with these blocks.
fn gateway(blocks: Blocks) -> Server {
    Server::start(move |seen| {
        assert_eq!(seen.header("accept"), "application/vnd.ipld.raw");
        let path = seen.path.strip_suffix("?format=raw").unwrap();
        match path.strip_prefix("/ipfs/").unwrap() {
            "bafkqaaa" => Reply(200, Vec::new(), Vec::new()),
            cid => match blocks.get(cid) {
                Some(data) => Reply(200, Vec::new(), data.clone()),
                None => Reply::status(404),
            },
        }
    })
}

fn account(gateway: &Server) -> IpfsAccount {
    IpfsAccount {
        gateway: Some(gateway.url("")),
        allow_private: vec!["127.0.0.1".into()],
        roots: None,
    }
}

fn read(account: IpfsAccount, uri: &str) -> Ask<'static> {
    let args = format!(r#"{{"uri": "ipfs://{uri}"}}"#);
    let mut ask = Ask::new("/crud/read", &args, Account::Ipfs(account));
    ask.limits.output = 10 << 20;
    ask
}

/// Blocks that are here, and how often they were asked for.
struct Here(Blocks, Mutex<usize>);

impl Content for Here {
    fn read(&self, cid: &Cid, _: u64) -> Result<Vec<u8>, String> {
        self.block(cid)
    }

    fn block(&self, cid: &Cid) -> Result<Vec<u8>, String> {
        *self.1.lock().unwrap() += 1;
        let found = self.0.get(&cid.to_string()).cloned();
        found.ok_or_else(|| format!("{cid} is not here"))
    }
}

/// A file is the same wherever its blocks come from, and what is here is not asked elsewhere.
#[test]
fn content_comes_from_here_and_from_a_gateway() {
    let (root, file, bytes, blocks) = tree();
    let server = gateway(blocks.clone());
    let expected = Ok(Ipld::Bytes(bytes));
    for uri in [file.to_string(), format!("{root}/a/b%20c.bin")] {
        assert_eq!(read(account(&server), &uri).perform(), expected, "{uri}");
    }
    // The file in four blocks, twice, and two folders.
    assert_eq!(server.seen().len(), 4 + 4 + 2);

    let here = Here(blocks.clone(), Mutex::new(0));
    for uri in [file.to_string(), format!("{root}/a/b%20c.bin")] {
        let ask = Ask {
            content: &here,
            ..read(IpfsAccount::default(), &uri)
        };
        assert_eq!(ask.perform(), expected, "{uri}");
    }
    assert_eq!(*here.1.lock().unwrap(), 10);
    let mut part = blocks;
    part.remove(&file.to_string()).unwrap();
    let here = Here(part, Mutex::new(0));
    let ask = Ask {
        content: &here,
        ..read(account(&server), &format!("{root}/a/b%20c.bin"))
    };
    assert_eq!(ask.perform(), expected);
    assert_eq!(server.seen().len(), 11);
}

/// A gateway that gives other bytes than asked for must not be believed.
#[test]
fn a_gateway_is_not_trusted() {
    let (_, file, _, mut blocks) = tree();
    let block = Block::new(codec::RAW, b"right".to_vec());
    blocks.insert(block.cid().to_string(), b"wrong".to_vec());
    let last = blocks
        .keys()
        .find(|cid| cid.starts_with("bafkrei"))
        .cloned()
        .unwrap();
    blocks.get_mut(&last).unwrap()[7] ^= 1;
    let big = Block::new(codec::RAW, b"big".to_vec());
    blocks.insert(big.cid().to_string(), vec![0; (4 << 20) + 1]);
    let server = gateway(blocks);
    for cid in [block.cid(), &file] {
        let result = read(account(&server), &cid.to_string()).perform();
        assert_eq!(words(result.clone()), ("not done", "wrong block"));
        assert!(problem(result).message.contains("hash"));
    }
    let result = read(account(&server), &big.cid().to_string()).perform();
    assert_eq!(words(result), ("failed", "too large"));
}

/// What cannot be read says why.
#[test]
fn what_cannot_be_read_is_named() {
    let (root, file, bytes, blocks) = tree();
    let server = gateway(blocks);
    let ask = |uri: &str| read(account(&server), uri).perform();
    let none = Block::new(codec::RAW, b"nowhere".to_vec());
    assert_eq!(words(ask(&none.cid().to_string())), ("failed", "not found"));
    assert_eq!(words(ask(&format!("{root}/z"))), ("failed", "not found"));
    assert_eq!(words(ask(&format!("{root}/a"))), ("failed", "not a file"));
    assert_eq!(words(ask(&format!("{file}/x"))), ("failed", "not a file"));
    let cbor = Block::new(codec::DAG_CBOR, vec![0xa0]);
    assert_eq!(
        words(ask(&cbor.cid().to_string())),
        ("failed", "not a file")
    );
    let nowhere = read(IpfsAccount::default(), &file.to_string());
    assert_eq!(words(nowhere.perform()), ("failed", "not found"));

    let mut exact = read(account(&server), &file.to_string());
    exact.limits.output = bytes.len() as u64;
    exact.perform().unwrap();
    exact.limits.output -= 1;
    assert_eq!(words(exact.perform()), ("failed", "too large"));

    let before = server.seen().len();
    for bad in ["", "x", &format!("{file}?x"), &format!("{root}/../a")] {
        assert_eq!(words(ask(bad)), ("refused", "bad arguments"), "{bad}");
    }
    let mut closed = account(&server);
    closed.allow_private.clear();
    assert_eq!(
        words(read(closed, &file.to_string()).perform()),
        ("refused", "private address")
    );
    let mut write = read(account(&server), &file.to_string());
    write.command = "/crud/update";
    assert_eq!(words(write.perform()), ("refused", "not offered"));
    assert_eq!(write.probe(), Ok(Probe::NotDone));
    let stopped = Ask {
        cancel: &|| true,
        ..read(account(&server), &file.to_string())
    };
    assert_eq!(stopped.perform(), Err(Fault::Cancelled));
    assert_eq!(server.seen().len(), before);

    let busy = Server::start(|_| Reply(429, vec![("retry-after".into(), "3".into())], Vec::new()));
    match read(account(&busy), &file.to_string()).perform() {
        Err(Fault::NotDone(_, after)) => assert_eq!(after, Some(Duration::from_secs(3))),
        other => panic!("{other:?}"),
    }
    let broken = crate::raw::Raw::start(|mut stream| {
        crate::raw::read_head(&mut stream);
    });
    let mut lost = account(&server);
    lost.gateway = Some(broken.url("/"));
    assert_eq!(
        words(read(lost, &file.to_string()).perform()),
        ("not done", "connection broke")
    );
}

/// `ipvm provider test` must not say that a gateway works when it gives no blocks.
#[test]
fn an_account_can_be_tried() {
    let effects = Effects::new();
    let ipfs = effects.provider(Kind::Ipfs);
    let server = gateway(Blocks::new());
    let good = Account::Ipfs(account(&server));
    assert!(ipfs.test(&good).unwrap().contains("gives blocks"));
    let page = Arc::new(Server::start(|_| Reply::ok("<html>")));
    assert!(ipfs.test(&Account::Ipfs(account(&page))).is_err());
    let mut nobody = account(&server);
    nobody.gateway = Some(format!("http://127.0.0.1:{}", closed_port()));
    assert!(ipfs.test(&Account::Ipfs(nobody)).is_err());
    assert!(
        ipfs.test(&Account::Ipfs(IpfsAccount::default()))
            .unwrap()
            .contains("no gateway")
    );
    let wrong = Account::Ipfs(IpfsAccount {
        gateway: Some("gateway.example".into()),
        ..IpfsAccount::default()
    });
    assert!(
        wrong
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("gateway")
    );
    let class = |command: &str| ipfs.class(&command.parse().unwrap(), &good);
    assert_eq!(class("/crud/read"), Some(Class::Query));
    assert_eq!(class("/crud/delete"), None);
}
