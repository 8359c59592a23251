//! Which accounts serve whom: settings and secrets, sealed under the owner's key.
//!
//! An account is for one subject. For the owner of the home there are two without being added, which have no credentials
//! and reach public addresses only: `http` and, for queries, `dns`.
//!
//! What an account is for, its kind and its subject, stands beside what is sealed and is bound to it, so that an effect opens
//! the accounts that can serve it and no other.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipvm_effects::{
    Account, DnsAccount, FileAccount, HttpAccount, HttpAuth, IpfsAccount, Kind, Secret,
    SmtpAccount, SmtpTls, TsigAlgorithm,
};
use ipvm_ipld::fields::{FieldError, Fields, as_bool, as_list, as_string, as_unsigned};
use ipvm_ipld::{Ipld, Limits, cbor};
use ipvm_store::{Batch, Setting};
use ipvm_ucan::Did;

use crate::memo::Args;
use crate::{Node, NodeError};

/// Most accounts of one home.
const MAX_ACCOUNTS: usize = 1_000;
/// Longest name of an account, in bytes.
const MAX_NAME: usize = 64;
/// What their settings' names begin with; after it come kind, subject and name.
const PREFIX: &str = "provider/";
/// The kind of a secret for `/secret/get`.
const SECRET: &str = "secret";
/// What their sealing is for.
const PURPOSE: &str = "provider accounts";

/// An account with the terms on which it serves.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What people call it.
    pub name: String,
    /// Whose effects it performs.
    pub subject: Did,
    /// Server, credentials and grants.
    pub account: Account,
    /// After how long without an answer a query is asked a second time, at once with the first.
    pub hedge: Option<Duration>,
}

/// An entry of the list of accounts.
#[derive(Clone, Debug)]
pub struct AccountInfo {
    /// Its name.
    pub name: String,
    /// Its kind: of a provider, or `secret`.
    pub kind: &'static str,
    /// Whose effects it performs.
    pub subject: Did,
    /// Since when, in seconds since the epoch.
    pub since: i64,
    /// Its settings in words, without secrets.
    pub settings: Vec<(&'static str, String)>,
}

/// What is kept under a name.
enum Entry {
    Account(Serving),
    Secret { subject: Did, secret: Secret },
}

impl Node {
    /// Keeps an account, in the place of one with the same name.
    ///
    /// # Errors
    /// The account cannot be used as it is written, the name is not one, or there are too many.
    pub fn add_account(&self, serving: &Serving) -> Result<(), NodeError> {
        serving
            .account
            .check()
            .map_err(|error| NodeError::Name(error.to_string()))?;
        if serving.hedge.is_some() && serving.account.kind() == Kind::Smtp {
            return Err(NodeError::Name(
                "hedging is for queries: /msg/send is a mutation, and a second mail is never sent in a race".into(),
            ));
        }
        let place = Place::new(
            serving.account.kind().as_str(),
            &serving.subject,
            &serving.name,
        );
        self.keep_entry(&place, &to_ipld(serving))
    }

    /// Keeps a secret that `/secret/get` gives to tasks of the subject.
    ///
    /// # Errors
    /// As [`Node::add_account`].
    pub fn add_provider_secret(
        &self,
        name: &str,
        subject: &Did,
        secret: &Secret,
    ) -> Result<(), NodeError> {
        let entry = Ipld::Map(Args::from([
            text("kind", SECRET),
            text("subject", &subject.to_string()),
            text("secret", secret.expose()),
        ]));
        self.keep_entry(&Place::new(SECRET, subject, name), &entry)
    }

    /// Takes an account or a secret away; whether there was one.
    ///
    /// # Errors
    /// The store fails.
    pub fn remove_account(&self, name: &str) -> Result<bool, NodeError> {
        let mut batch = Batch::new();
        for kept in self.store().settings()? {
            if Place::of(&kept.name).is_some_and(|place| place.name == name) {
                batch.unset(kept.name);
            }
        }
        if batch.is_empty() {
            return Ok(false);
        }
        self.store().commit(batch)?;
        Ok(true)
    }

    /// All accounts and secrets, in the order of their names.
    ///
    /// # Errors
    /// The store cannot be read, or the owner's key is locked.
    pub fn accounts(&self) -> Result<Vec<AccountInfo>, NodeError> {
        let entries = self.kept_accounts(|_| true)?.into_iter();
        let info = |(name, since, entry): (String, i64, Entry)| match entry {
            Entry::Secret { subject, .. } => AccountInfo {
                name,
                kind: SECRET,
                subject,
                since,
                settings: Vec::new(),
            },
            Entry::Account(serving) => AccountInfo {
                name,
                kind: serving.account.kind().as_str(),
                since,
                settings: in_words(&serving),
                subject: serving.subject,
            },
        };
        Ok(entries.map(info).collect())
    }

    /// The account with a name.
    ///
    /// # Errors
    /// As [`Node::accounts`]; or there is none.
    pub fn account(&self, name: &str) -> Result<Serving, NodeError> {
        let found = self.kept_accounts(|place| place.name == name)?;
        match found.into_iter().next() {
            Some((_, _, Entry::Account(serving))) => Ok(serving),
            Some(_) => Err(NodeError::Name(format!(
                "{name} is a secret: there is no server to ask"
            ))),
            None => Err(NodeError::Name(format!(
                "there is no account {name:?}; `ipvm provider list` shows those there are"
            ))),
        }
    }

    /// Tries an account by one harmless exchange; what was seen, in words.
    ///
    /// # Errors
    /// As [`Node::account`]; or what does not work.
    pub fn test_account(&self, name: &str) -> Result<String, NodeError> {
        let serving = self.account(name)?;
        let provider = self.effects().provider(serving.account.kind());
        provider
            .test(&serving.account)
            .map_err(|problem| NodeError::Account {
                name: name.to_owned(),
                problem: Box::new(problem),
            })
    }

    /// The accounts of a kind that serve a subject's request, in the order in which they are tried.
    pub(super) fn serving(
        &self,
        kind: Kind,
        subject: &Did,
        args: &Args,
    ) -> Result<Vec<Serving>, NodeError> {
        let mut found: Vec<Serving> = Vec::new();
        let can_serve = |place: &Place<'_>| place.can_be(kind.as_str(), subject);
        for (_, _, entry) in self.kept_accounts(can_serve)? {
            if let Entry::Account(serving) = entry
                && serving.account.kind() == kind
                && serving.subject == *subject
            {
                found.push(serving);
            }
        }
        // Where none is for it, the first says so.
        let others = found.extract_if(.., |serving| !serving.account.serves(args));
        let others: Vec<Serving> = others.collect();
        if found.is_empty() && !self.is_ours(subject)? {
            return Ok(others);
        }
        if found.is_empty() {
            let account = match kind {
                Kind::Http => Some(Account::Http(HttpAccount::default())),
                Kind::Dns => Some(Account::Dns(DnsAccount::default())),
                Kind::Ipfs => Some(Account::Ipfs(IpfsAccount::default())),
                Kind::Smtp | Kind::File => None,
            };
            found.extend(account.map(|account| Serving {
                name: kind.as_str().to_owned(),
                subject: subject.clone(),
                account,
                hedge: None,
            }));
        }
        Ok(found)
    }

    /// A secret that was given to this home for a subject.
    pub(super) fn secret_named(
        &self,
        name: &str,
        subject: &Did,
    ) -> Result<Option<Secret>, NodeError> {
        let found =
            self.kept_accounts(|place| place.name == name && place.can_be(SECRET, subject))?;
        Ok(match found.into_iter().next() {
            Some((
                _,
                _,
                Entry::Secret {
                    subject: of,
                    secret,
                },
            )) if of == *subject => Some(secret),
            _ => None,
        })
    }

    fn keep_entry(&self, place: &Place<'_>, entry: &Ipld) -> Result<(), NodeError> {
        let name = place.name;
        let is_name = (1..=MAX_NAME).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !is_name {
            return Err(NodeError::Name(format!(
                "{name:?} is no name for an account; use up to {MAX_NAME} letters, digits, `-`, `_` and `.`"
            )));
        }
        let kept = self.store().settings()?;
        let places = kept.iter().filter_map(|kept| Place::of(&kept.name));
        let places: Vec<Place<'_>> = places.collect();
        if places.len() >= MAX_ACCOUNTS && !places.iter().any(|own| own.name == name) {
            return Err(NodeError::Name(format!(
                "there are {MAX_ACCOUNTS} accounts, which is the most; remove one with `ipvm provider remove NAME`"
            )));
        }
        let key = place.to_string();
        let clear = zeroize::Zeroizing::new(cbor::encode(entry)?);
        let value = self.vault()?.seal_bytes(PURPOSE, key.as_bytes(), &clear)?;
        let mut batch = Batch::new();
        for own in places.iter().filter(|own| own.name == name) {
            batch.unset(own.to_string());
        }
        batch.set(Setting {
            name: key,
            since: self.now(),
            value,
        });
        Ok(self.store().commit(batch)?)
    }

    /// What is kept at the places that are wanted, in the order of names. Nothing else is opened.
    fn kept_accounts(
        &self,
        wanted: impl Fn(&Place<'_>) -> bool,
    ) -> Result<Vec<(String, i64, Entry)>, NodeError> {
        let mut entries = Vec::new();
        for kept in self.store().settings()? {
            let Some(place) = Place::of(&kept.name).filter(&wanted) else {
                continue;
            };
            let name = place.name;
            let damaged = |why: &str| NodeError::Name(format!("the account {name:?} {why}"));
            let clear = self
                .vault()?
                .open_bytes(PURPOSE, kept.name.as_bytes(), &kept.value);
            let clear = clear.ok_or_else(|| damaged("was sealed under another key"))?;
            let value = cbor::decode(&clear, Limits::default())?;
            let entry =
                from_ipld(name, value).map_err(|error| damaged(&format!("is damaged: {error}")))?;
            entries.push((name.to_owned(), kept.since, entry));
        }
        entries.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        Ok(entries)
    }
}

/// Where an account is kept: the name of its setting, to which what is sealed is bound.
struct Place<'a> {
    /// Kind and subject; none of an account that an earlier build kept, of which only what is sealed tells them.
    of: Option<(&'a str, Cow<'a, str>)>,
    name: &'a str,
}

impl<'a> Place<'a> {
    fn new(kind: &'a str, subject: &Did, name: &'a str) -> Self {
        Self {
            of: Some((kind, Cow::Owned(subject.to_string()))),
            name,
        }
    }

    /// That of a setting, if it is an account.
    fn of(setting: &'a str) -> Option<Self> {
        let rest = setting.strip_prefix(PREFIX)?;
        let parts = rest.split_once('/');
        let parts = parts.and_then(|(kind, rest)| Some((kind, rest.rsplit_once('/')?)));
        Some(match parts {
            Some((kind, (subject, name))) => Self {
                of: Some((kind, Cow::Borrowed(subject))),
                name,
            },
            None => Self {
                of: None,
                name: rest,
            },
        })
    }

    /// Whether what is kept here can be of this kind, for this subject.
    fn can_be(&self, kind: &str, subject: &Did) -> bool {
        let of = self.of.as_ref();
        of.is_none_or(|(own, whose)| *own == kind && *whose == subject.to_string())
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Some((kind, subject)) => write!(f, "{PREFIX}{kind}/{subject}/{}", self.name),
            None => write!(f, "{PREFIX}{}", self.name),
        }
    }
}

fn text(key: &str, value: &str) -> (String, Ipld) {
    (key.to_owned(), Ipld::String(value.to_owned()))
}

fn texts(values: &[String]) -> Ipld {
    Ipld::List(values.iter().cloned().map(Ipld::String).collect())
}

fn to_ipld(serving: &Serving) -> Ipld {
    let mut map = Args::from([
        text("kind", serving.account.kind().as_str()),
        text("subject", &serving.subject.to_string()),
    ]);
    let mut put = |key: &str, value: Option<Ipld>| {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    };
    let string = |value: &Option<String>| value.clone().map(Ipld::String);
    let secret = |secret: &Secret| Some(Ipld::String(secret.expose().to_owned()));
    let hedge = serving
        .hedge
        .map(|hedge| Ipld::Integer(i128::from(hedge.as_millis() as u64)));
    put("hedge", hedge);
    match &serving.account {
        Account::Http(http) => {
            put("hosts", http.hosts.as_deref().map(texts));
            put("private", Some(texts(&http.allow_private)));
            put("idempotency", Some(Ipld::Bool(http.idempotency)));
            put("roots", string(&http.roots));
            match &http.auth {
                HttpAuth::None => {}
                HttpAuth::Bearer(token) => put("bearer", secret(token)),
                HttpAuth::Basic(user, password) => {
                    put("user", Some(Ipld::String(user.clone())));
                    put("secret", secret(password));
                }
                HttpAuth::Header(name, value) => {
                    put("header", Some(Ipld::String(name.clone())));
                    put("secret", secret(value));
                }
            }
        }
        Account::Smtp(smtp) => {
            put("server", Some(Ipld::String(smtp.server.clone())));
            put("port", Some(Ipld::Integer(smtp.port.into())));
            put("tls", Some(Ipld::String(tls_name(smtp.tls).to_owned())));
            put("user", string(&smtp.user));
            put("secret", smtp.secret.as_ref().and_then(secret));
            put("from", Some(texts(&smtp.from)));
            put("private", Some(texts(&smtp.allow_private)));
            put("roots", string(&smtp.roots));
        }
        Account::Dns(dns) => {
            put("server", string(&dns.server));
            put("zone", string(&dns.zone));
            put("key", string(&dns.key));
            put(
                "algorithm",
                Some(Ipld::String(algorithm_name(dns.algorithm).to_owned())),
            );
            put("secret", dns.secret.as_ref().and_then(secret));
            put("unsigned", Some(Ipld::Bool(dns.unsigned)));
            put("private", Some(texts(&dns.allow_private)));
        }
        Account::File(file) => {
            let folders = file.folders.iter();
            let folders = folders.map(|folder| folder.to_string_lossy().into_owned());
            put("folders", Some(texts(&folders.collect::<Vec<_>>())));
        }
        Account::Ipfs(ipfs) => {
            put("gateway", string(&ipfs.gateway));
            put("private", Some(texts(&ipfs.allow_private)));
            put("roots", string(&ipfs.roots));
        }
    }
    Ipld::Map(map)
}

fn from_ipld(name: &str, value: Ipld) -> Result<Entry, String> {
    let mut map = Fields::new(value, "account").map_err(|error| error.to_string())?;
    let read = |map: &mut Fields| -> Result<(String, String), FieldError> {
        Ok((map.get("kind", as_string)?, map.get("subject", as_string)?))
    };
    let (kind, subject) = read(&mut map).map_err(|error| error.to_string())?;
    let subject: Did = subject
        .parse()
        .map_err(|error: ipvm_ucan::DidError| error.to_string())?;
    if kind == SECRET {
        let secret = map
            .get("secret", as_string)
            .map_err(|error| error.to_string())?;
        return Ok(Entry::Secret {
            subject,
            secret: Secret::new(secret),
        });
    }
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = kind.ok_or_else(|| "it is of an unknown kind".to_owned())?;
    let read = |map: &mut Fields| -> Result<Serving, FieldError> {
        let hedge = map.get_optional("hedge", as_unsigned)?;
        Ok(Serving {
            name: name.to_owned(),
            subject,
            account: account_of(kind, map)?,
            hedge: hedge.map(Duration::from_millis),
        })
    };
    read(&mut map)
        .map(Entry::Account)
        .map_err(|error| error.to_string())
}

fn account_of(kind: Kind, map: &mut Fields) -> Result<Account, FieldError> {
    let mut string = |key: &'static str| map.get_optional(key, as_string);
    let (user, server, roots) = (string("user")?, string("server")?, string("roots")?);
    let (bearer, header) = (string("bearer")?, string("header")?);
    let (zone, key, gateway) = (string("zone")?, string("key")?, string("gateway")?);
    let (tls, algorithm) = (string("tls")?, string("algorithm")?);
    let secret = string("secret")?.map(Secret::new);
    let allow_private = list(map, "private")?.unwrap_or_default();
    Ok(match kind {
        Kind::Http => Account::Http(HttpAccount {
            hosts: list(map, "hosts")?,
            auth: match (bearer, user, header, secret) {
                (Some(token), ..) => HttpAuth::Bearer(Secret::new(token)),
                (_, Some(user), _, Some(secret)) => HttpAuth::Basic(user, secret),
                (_, _, Some(header), Some(secret)) => HttpAuth::Header(header, secret),
                _ => HttpAuth::None,
            },
            allow_private,
            idempotency: map
                .get_optional("idempotency", as_bool)?
                .unwrap_or_default(),
            roots,
        }),
        Kind::Smtp => Account::Smtp(SmtpAccount {
            server: server.unwrap_or_default(),
            port: u16::try_from(map.get("port", as_unsigned)?).unwrap_or_default(),
            tls: match tls.as_deref() {
                Some("none") => SmtpTls::None,
                Some("implicit") => SmtpTls::Implicit,
                _ => SmtpTls::StartTls,
            },
            user,
            secret,
            from: list(map, "from")?.unwrap_or_default(),
            allow_private,
            roots,
        }),
        Kind::Dns => Account::Dns(DnsAccount {
            server,
            zone,
            key,
            algorithm: match algorithm.as_deref() {
                Some("hmac-sha512") => TsigAlgorithm::HmacSha512,
                _ => TsigAlgorithm::HmacSha256,
            },
            secret,
            unsigned: map.get_optional("unsigned", as_bool)?.unwrap_or_default(),
            allow_private,
        }),
        Kind::File => Account::File(FileAccount {
            folders: list(map, "folders")?
                .unwrap_or_default()
                .into_iter()
                .map(PathBuf::from)
                .collect(),
        }),
        Kind::Ipfs => Account::Ipfs(IpfsAccount {
            gateway,
            allow_private,
            roots,
        }),
    })
}

fn list(map: &mut Fields, key: &'static str) -> Result<Option<Vec<String>>, FieldError> {
    let Some(items) = map.get_optional(key, as_list)? else {
        return Ok(None);
    };
    let items = items.into_iter().map(|item| as_string(item, key));
    items.collect::<Result<_, _>>().map(Some)
}

fn tls_name(tls: SmtpTls) -> &'static str {
    match tls {
        SmtpTls::None => "none",
        SmtpTls::StartTls => "starttls",
        SmtpTls::Implicit => "implicit",
    }
}

fn algorithm_name(algorithm: TsigAlgorithm) -> &'static str {
    match algorithm {
        TsigAlgorithm::HmacSha256 => "hmac-sha256",
        TsigAlgorithm::HmacSha512 => "hmac-sha512",
    }
}

/// The settings as people read them; of secrets only that there are some.
fn in_words(serving: &Serving) -> Vec<(&'static str, String)> {
    let mut words = Vec::new();
    let mut say = |key: &'static str, value: String| {
        if !value.is_empty() {
            words.push((key, value));
        }
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    if let Some(hedge) = serving.hedge {
        say("hedge", format!("{} ms", hedge.as_millis()));
    }
    match &serving.account {
        Account::Http(http) => {
            say(
                "hosts",
                http.hosts.as_deref().unwrap_or_default().join(", "),
            );
            say("private", http.allow_private.join(", "));
            let auth = match &http.auth {
                HttpAuth::None => String::new(),
                HttpAuth::Bearer(_) => "bearer token".to_owned(),
                HttpAuth::Basic(user, _) => format!("basic, user {user}"),
                HttpAuth::Header(name, _) => format!("header {name}"),
            };
            say("auth", auth);
            if http.idempotency {
                say("idempotency", "by Idempotency-Key".to_owned());
            }
        }
        Account::Smtp(smtp) => {
            let tls = tls_name(smtp.tls);
            say(
                "server",
                format!("{}:{} (tls: {tls})", smtp.server, smtp.port),
            );
            say("user", text(&smtp.user));
            say("from", smtp.from.join(", "));
            say("private", smtp.allow_private.join(", "));
        }
        Account::Dns(dns) => {
            say("server", text(&dns.server));
            say("zone", text(&dns.zone));
            let algorithm = algorithm_name(dns.algorithm);
            let key = dns.key.as_ref().map(|key| format!("{key} ({algorithm})"));
            say("key", key.unwrap_or_default());
            say("private", dns.allow_private.join(", "));
        }
        Account::File(file) => {
            let folders = file
                .folders
                .iter()
                .map(|folder| folder.display().to_string());
            say("folders", folders.collect::<Vec<_>>().join(", "));
        }
        Account::Ipfs(ipfs) => {
            say("gateway", text(&ipfs.gateway));
            say("private", ipfs.allow_private.join(", "));
        }
    }
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Access;
    use ipvm_ucan::Keypair;

    fn add(node: &Node, name: &str, account: Account) {
        let serving = Serving {
            name: name.to_owned(),
            subject: node.owner().clone(),
            account,
            hedge: None,
        };
        node.add_account(&serving).unwrap();
    }

    fn mail() -> Account {
        Account::Smtp(SmtpAccount {
            server: "mail.example.com".to_owned(),
            port: 25,
            tls: SmtpTls::StartTls,
            user: None,
            secret: None,
            from: Vec::new(),
            allow_private: Vec::new(),
            roots: None,
        })
    }

    /// What cannot be opened, in the place of an account.
    fn spoil(node: &Node, name: &str) {
        let settings = node.store().settings().unwrap();
        let mut of_name = settings.into_iter();
        let setting = of_name.find(|kept| kept.name.ends_with(name)).unwrap();
        let mut batch = Batch::new();
        batch.set(Setting {
            value: b"sealed by nobody".to_vec(),
            ..setting
        });
        node.store().commit(batch).unwrap();
    }

    /// Without this, each effect would have every password of the home in memory, and one account that is damaged would keep
    /// all effects from being done.
    #[test]
    fn an_effect_opens_the_accounts_that_can_serve_it_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let node = Node::open(folder.path(), Access::Write).unwrap();
        add(&node, "web", Account::Http(HttpAccount::default()));
        add(&node, "mail", mail());
        let owner = node.owner().clone();
        let secret = Secret::new("s3cret".to_owned());
        node.add_provider_secret("word", &owner, &secret).unwrap();
        spoil(&node, "mail");
        let args = Args::from([text("uri", "https://example.com/")]);
        let served = node.serving(Kind::Http, &owner, &args).unwrap();
        assert_eq!(served.len(), 1);
        let found = node.secret_named("word", &owner).unwrap().unwrap();
        assert_eq!(found.expose(), "s3cret");
        assert!(node.account("web").is_ok());
        // Those that need it say what is wrong.
        let errors = [
            node.serving(Kind::Smtp, &owner, &args).map(drop),
            node.account("mail").map(drop),
            node.accounts().map(drop),
        ];
        for error in errors {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("\"mail\" was sealed under"), "{error}");
        }
        // Another's are not even looked at.
        let other = Keypair::from_seed(&[7; 32]).did().clone();
        assert!(node.serving(Kind::Smtp, &other, &args).unwrap().is_empty());
        assert!(node.remove_account("mail").unwrap());
        let names: Vec<_> = node.accounts().unwrap().into_iter().collect();
        let names: Vec<_> = names.iter().map(|info| info.name.as_str()).collect();
        assert_eq!(names, ["web", "word"]);
    }

    /// One name is one account, of whatever kind; also where an earlier build kept it.
    #[test]
    fn an_account_takes_the_place_of_one_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let node = Node::open(folder.path(), Access::Write).unwrap();
        let old = Serving {
            name: "one".to_owned(),
            subject: node.owner().clone(),
            account: mail(),
            hedge: None,
        };
        let key = format!("{PREFIX}one");
        let clear = cbor::encode(&to_ipld(&old)).unwrap();
        let vault = node.vault().unwrap();
        let value = vault.seal_bytes(PURPOSE, key.as_bytes(), &clear).unwrap();
        let mut batch = Batch::new();
        batch.set(Setting {
            name: key,
            since: 1,
            value,
        });
        node.store().commit(batch).unwrap();
        let args = Args::new();
        let owner = node.owner().clone();
        let serves = |kind| node.serving(kind, &owner, &args).unwrap().len();
        assert_eq!(serves(Kind::Smtp), 1, "of an earlier build");
        add(&node, "one", Account::File(FileAccount { folders: vec![] }));
        assert_eq!((serves(Kind::Smtp), serves(Kind::File)), (0, 1));
        assert_eq!(node.accounts().unwrap().len(), 1);
    }
}
