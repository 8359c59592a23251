//! Files: inside what is granted, and nowhere else.

use crate::ask::{Ask, words};
use ipvm_effects::{Account, FileAccount};
use ipvm_ipld::Ipld;
use std::path::Path;

fn ask(folder: &Path, uri: &str) -> Ask<'static> {
    let account = Account::File(FileAccount {
        folders: vec![folder.to_owned()],
    });
    assert_eq!(account.check(), Ok(()));
    Ask::new("/crud/read", &format!(r#"{{"uri": "{uri}"}}"#), account)
}

/// A link or a detour that leads out of the folder gives a stranger the person's keys.
#[test]
fn only_granted_files_are_read() {
    let all = tempfile::tempdir().unwrap();
    let all = all.path().canonicalize().unwrap();
    let folder = all.join("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a b.txt"), b"inside").unwrap();
    std::fs::write(all.join("secret"), b"outside").unwrap();
    std::os::unix::fs::symlink(all.join("secret"), folder.join("out")).unwrap();
    std::os::unix::fs::symlink("a b.txt", folder.join("in")).unwrap();
    std::os::unix::fs::symlink(&all, folder.join("up")).unwrap();

    let shown = folder.display();
    for uri in [
        format!("file://{shown}/a%20b.txt"),
        format!("file://localhost{shown}/in"),
    ] {
        assert_eq!(
            ask(&folder, &uri).perform(),
            Ok(Ipld::Bytes(b"inside".to_vec())),
            "{uri}"
        );
    }
    for uri in [
        format!("file://{}/secret", all.display()),
        format!("file://{shown}/../secret"),
        format!("file://{shown}/%2e%2e/secret"),
        format!("file://{shown}/..%2fsecret"),
        format!("file://{shown}/out"),
        format!("file://{shown}/up/secret"),
        format!("file://{shown}x/secret"),
        "file:///etc/passwd".to_owned(),
        "file:///no/such/file".to_owned(),
    ] {
        assert_eq!(
            words(ask(&folder, &uri).perform()),
            ("refused", "not granted"),
            "{uri}"
        );
    }
    let none = Ask::new(
        "/crud/read",
        &format!(r#"{{"uri": "file://{shown}/in"}}"#),
        Account::File(FileAccount::default()),
    );
    assert_eq!(words(none.perform()), ("refused", "not granted"));
}

/// What is no file, or too large, or asked for wrongly, says so.
#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    std::fs::write(folder.join("ten"), b"0123456789").unwrap();
    let uri = |name: &str| format!("file://{}/{name}", folder.display());

    let mut exact = ask(&folder, &uri("ten"));
    exact.limits.output = 10;
    exact.perform().unwrap();
    exact.limits.output = 9;
    assert_eq!(words(exact.perform()), ("failed", "too large"));
    assert_eq!(
        words(ask(&folder, &uri("none")).perform()),
        ("failed", "not readable")
    );
    assert_eq!(
        words(ask(&folder, &uri("")).perform()),
        ("failed", "not a file")
    );
    for bad in ["file://host/a", "file:///a?b", "file:///a#b"] {
        assert_eq!(
            words(ask(&folder, bad).perform()),
            ("refused", "bad arguments"),
            "{bad}"
        );
    }
    let mut write = ask(&folder, &uri("ten"));
    write.command = "/crud/delete";
    assert_eq!(words(write.perform()), ("refused", "not offered"));
    assert!(folder.join("ten").exists());
    let mut more = ask(&folder, &uri("ten"));
    more.args.insert("as".to_owned(), "text".into());
    assert_eq!(words(more.perform()), ("refused", "bad arguments"));
    let stopped = Ask {
        cancel: &|| true,
        ..ask(&folder, &uri("ten"))
    };
    assert_eq!(words(stopped.perform()), ("cancelled", ""));
}

/// Whoever may write into the folder must not get at what is outside by being quick.
#[test]
fn a_link_that_changes_meanwhile_leads_nowhere_else() {
    let all = tempfile::tempdir().unwrap();
    let all = all.path().canonicalize().unwrap();
    let folder = all.join("in");
    std::fs::create_dir(&folder).unwrap();
    let targets = [folder.join("good"), all.join("secret")];
    for target in &targets {
        std::fs::write(target, target.file_name().unwrap().as_encoded_bytes()).unwrap();
    }
    // The folder that the path leads through is exchanged, again and again, for a link to the one outside.
    let (inner, outer) = (folder.join("d"), all.join("d"));
    for (place, target) in [(&inner, &targets[0]), (&outer, &targets[1])] {
        std::fs::create_dir(place).unwrap();
        std::fs::copy(target, place.join("f")).unwrap();
    }
    let uri = format!("file://{}/d/f", folder.display());
    let done = std::sync::atomic::AtomicBool::new(false);
    let (inside, hidden) = (folder.join("d"), folder.join("hidden"));
    let mut seen = std::collections::BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::rename(&inside, &hidden).unwrap();
                std::os::unix::fs::symlink(&outer, &inside).unwrap();
                std::fs::remove_file(&inside).unwrap();
                std::fs::rename(&hidden, &inside).unwrap();
            }
        });
        for _ in 0..20_000 {
            let result = ask(&folder, &uri).perform();
            let what = match result {
                Ok(Ipld::Bytes(bytes)) => String::from_utf8(bytes).unwrap(),
                other => words(other).1.to_owned(),
            };
            *seen.entry(what).or_insert(0) += 1;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(!seen.contains_key("secret"), "{seen:?}");
    assert!(
        seen.contains_key("good") && seen.contains_key("not granted"),
        "{seen:?}"
    );
}
