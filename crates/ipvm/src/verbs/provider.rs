//! `ipvm provider`: which accounts serve whom.

use crate::cli::provider::{Algorithm, Dns, Http, Kind, Provider, Reach, Smtp, Tls};
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::people::People;
use crate::ui::human::{clean, time};
use crate::ui::json;
use crate::ui::table::Table;
use ipvm_node::{
    Account, AccountSecret, DnsAccount, FileAccount, HttpAccount, HttpAuth, IpfsAccount, Node,
    Serving, SmtpAccount, SmtpTls, TsigAlgorithm,
};
use ipvm_ucan::Did;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest file with a secret or with certificates, in bytes.
const MAX_FILE: u64 = 1 << 20;

pub(crate) fn provider(context: &mut Context, verb: &Provider) -> anyhow::Result<Code> {
    match verb {
        Provider::Add {
            name,
            subject,
            kind,
        } => add(context, name, subject.as_deref(), kind),
        Provider::List { json } => list(context, *json),
        Provider::Test { name } => {
            let seen = context.reader()?.test_account(name)?;
            writeln!(context.out, "{}", clean(&seen))?;
            Ok(Code::Done)
        }
        Provider::Remove { name } => {
            if context.writer()?.remove_account(name)? {
                return Ok(Code::Done);
            }
            let message = format!("there is no account {name:?}");
            Err(Fault::usage(message, "`ipvm provider list` shows those there are").into())
        }
    }
}

fn add(context: &Context, name: &str, subject: Option<&str>, kind: &Kind) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let subject = match subject {
        Some(name) => node.principal(name)?,
        None => node.owner().clone(),
    };
    if let Kind::Secret { secret_file } = kind {
        node.add_provider_secret(name, &subject, &secret(secret_file)?)?;
    } else {
        node.add_account(&serving(name, subject, kind)?)?;
    }
    hint(context, &node, name, kind);
    Ok(Code::Done)
}

fn hint(context: &Context, node: &Node, name: &str, kind: &Kind) {
    let is_secret = matches!(kind, Kind::Secret { .. });
    if !is_secret && node.account(name).is_ok() {
        context.note(&format!("kept; `ipvm provider test {name}` tries it"));
    }
}

fn serving(name: &str, subject: Did, kind: &Kind) -> anyhow::Result<Serving> {
    let (account, hedge) = match kind {
        Kind::Http(http) => (Account::Http(http_account(http)?), http.hedge),
        Kind::Smtp(smtp) => (Account::Smtp(smtp_account(smtp)?), None),
        Kind::Dns(dns) => (Account::Dns(dns_account(dns)?), dns.hedge),
        Kind::File { folders } => (Account::File(file_account(folders)?), None),
        Kind::Ipfs { gateway, reach } => (Account::Ipfs(ipfs_account(gateway, reach)?), None),
        Kind::Secret { .. } => anyhow::bail!("a secret is no account"),
    };
    Ok(Serving {
        name: name.to_owned(),
        subject,
        account,
        hedge: hedge.map(Duration::from_millis),
    })
}

fn http_account(http: &Http) -> anyhow::Result<HttpAccount> {
    let auth = match (
        &http.bearer_file,
        &http.user,
        &http.header,
        &http.secret_file,
    ) {
        (Some(file), ..) => HttpAuth::Bearer(secret(file)?),
        (_, Some(user), _, Some(file)) => HttpAuth::Basic(user.clone(), secret(file)?),
        (_, _, Some(header), Some(file)) => HttpAuth::Header(header.clone(), secret(file)?),
        (.., Some(_)) => {
            let help = "add `--user NAME` or `--header NAME`";
            return Err(
                Fault::usage("--secret-file alone does not say what it is for", help).into(),
            );
        }
        _ => HttpAuth::None,
    };
    if http.hosts.is_empty() && !matches!(auth, HttpAuth::None) {
        let message = "credentials without a host would go wherever a workflow says";
        return Err(Fault::usage(message, "add `--host HOST`").into());
    }
    Ok(HttpAccount {
        hosts: (!http.hosts.is_empty()).then(|| http.hosts.clone()),
        auth,
        allow_private: http.reach.allow_private.clone(),
        idempotency: http.idempotent,
        roots: roots(&http.reach)?,
    })
}

fn smtp_account(smtp: &Smtp) -> anyhow::Result<SmtpAccount> {
    let (server, port) = match smtp.server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
            let port = port.parse().map_err(|_| {
                let message = format!("{port:?} is no port");
                Fault::usage(message, "write --server mail.example.com:587")
            })?;
            (host.trim_matches(['[', ']']).to_owned(), port)
        }
        _ => {
            let port = match smtp.tls {
                Tls::None => 25,
                Tls::Starttls => 587,
                Tls::Implicit => 465,
            };
            (smtp.server.clone(), port)
        }
    };
    Ok(SmtpAccount {
        server,
        port,
        tls: match smtp.tls {
            Tls::None => SmtpTls::None,
            Tls::Starttls => SmtpTls::StartTls,
            Tls::Implicit => SmtpTls::Implicit,
        },
        user: smtp.user.clone(),
        secret: smtp.secret_file.as_deref().map(secret).transpose()?,
        from: smtp.from.clone(),
        allow_private: smtp.reach.allow_private.clone(),
        roots: roots(&smtp.reach)?,
    })
}

fn dns_account(dns: &Dns) -> anyhow::Result<DnsAccount> {
    Ok(DnsAccount {
        server: dns.server.clone(),
        zone: dns.zone.clone(),
        key: dns.key.clone(),
        algorithm: match dns.algorithm {
            Algorithm::HmacSha256 => TsigAlgorithm::HmacSha256,
            Algorithm::HmacSha512 => TsigAlgorithm::HmacSha512,
        },
        secret: dns.secret_file.as_deref().map(secret).transpose()?,
        unsigned: dns.unsigned,
        allow_private: dns.allow_private.clone(),
    })
}

fn file_account(folders: &[PathBuf]) -> anyhow::Result<FileAccount> {
    let whole = |folder: &PathBuf| {
        fs::canonicalize(folder).map_err(|error| {
            let message = format!("{}: {error}", folder.display());
            Fault::usage(message, "name a folder that is there")
        })
    };
    let folders = folders.iter().map(whole).collect::<Result<_, _>>()?;
    Ok(FileAccount { folders })
}

fn ipfs_account(gateway: &str, reach: &Reach) -> anyhow::Result<IpfsAccount> {
    Ok(IpfsAccount {
        gateway: Some(gateway.to_owned()),
        allow_private: reach.allow_private.clone(),
        roots: roots(reach)?,
    })
}

fn roots(reach: &Reach) -> anyhow::Result<Option<String>> {
    reach.roots.as_deref().map(text).transpose()
}

fn secret(file: &Path) -> anyhow::Result<AccountSecret> {
    let text = text(file)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        let message = format!("{} is empty", file.display());
        return Err(Fault::usage(message, "put the secret into it").into());
    }
    Ok(AccountSecret::new(text))
}

fn text(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().take(MAX_FILE).read_to_string(&mut text),
        false => {
            fs::File::open(file).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
        }
    };
    read.map_err(|error| {
        let message = format!("cannot read {}: {error}", file.display());
        Fault::usage(message, "name a file with text; `-` is stdin")
    })?;
    Ok(text)
}

fn list(context: &mut Context, as_json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let accounts = node.accounts()?;
    let out = &mut context.out;
    if as_json {
        json::list(out, |list| {
            accounts.iter().try_for_each(|account| {
                list.object(|o| {
                    o.text("name", &account.name)?;
                    o.text("kind", account.kind)?;
                    o.text("subject", account.subject.as_str())?;
                    o.number("since", account.since)?;
                    account
                        .settings
                        .iter()
                        .try_for_each(|(key, value)| o.text(key, value))
                })
            })
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    let people = People::of(&node)?;
    let mut table = Table::with_heading(&["NAME", "KIND", "SUBJECT", "SINCE", "SETTINGS"]);
    for account in &accounts {
        let settings = account.settings.iter();
        let settings: Vec<String> = settings
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        table.row([
            clean(&account.name).into_owned(),
            account.kind.to_owned(),
            people.brief(&account.subject),
            time(account.since),
            clean(&settings.join("; ")).into_owned(),
        ]);
    }
    table.write(out)?;
    Ok(Code::Done)
}
