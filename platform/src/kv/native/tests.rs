use test_redis::Server;

use super::*;
use crate::kv::{Batch, Store, put_all, remove_all};

/// Does the same on a SQLite file and on a Redis.
fn on_both(work: impl Fn(&str)) {
    let (redis, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let file = rusqlite::Connection::open(folder.path().join("sqlite_key_value.db")).unwrap();
    let table = "CREATE TABLE spin_key_value (store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (store, key))";
    file.execute(table, []).unwrap();
    for location in [Location::StateDir(folder.path().to_owned()), Location::Redis(redis.database(1))] {
        open_at(&location).unwrap();
        work(&format!("{location:?}"));
    }
}

fn put(records: impl IntoIterator<Item = (String, String)>) {
    let mut batch = Batch::default();
    for (key, value) in records {
        batch.put_text(key, value);
    }
    put_all(&mut batch).unwrap();
}

fn read(key: &str) -> Option<Vec<u8>> {
    let store = futures::executor::block_on(Store::open()).unwrap();
    futures::executor::block_on(store.bytes(key)).unwrap()
}

#[test]
fn a_listing_has_every_record_of_its_prefix_once_and_in_order() {
    on_both(|place| {
        let keys = |prefix: &str, count: usize| (0..count).map(|n| format!("{prefix}{n:04}")).collect::<Vec<_>>();
        let wanted = [keys("a/", 700), keys("a/x/", 3), vec!["a/é".to_owned()]].concat();
        let foreign = ["a", "a0", "A/1", "b/1", "a*", ""].map(str::to_owned);
        put(wanted.iter().chain(&foreign).map(|key| (key.clone(), format!("of {key}"))));
        for most in [1, 256, 10_000] {
            let (mut listing, mut listed) = (list("a/").unwrap(), Vec::new());
            loop {
                let page = listing.next_page(most).unwrap();
                if page.is_empty() {
                    break;
                }
                assert!(page.len() <= most as usize);
                listed.extend(page);
            }
            let expected: Vec<_> = wanted.iter().map(|key| (key.clone(), format!("of {key}").into_bytes())).collect();
            assert_eq!(listed, expected, "{place}, {most} at a time");
        }
        // Characters of patterns stand for themselves.
        assert_eq!(list("a*").unwrap().next_page(9).unwrap().len(), 1, "{place}");
    });
}

#[test]
fn what_is_deleted_during_a_listing_is_not_its_end() {
    on_both(|place| {
        put((0..30).map(|n| (format!("a/{n:02}"), String::new())));
        let mut listing = list("a/").unwrap();
        assert_eq!(listing.next_page(10).unwrap().len(), 10);
        remove_all(&(10..20).map(|n| format!("a/{n:02}")).collect::<Vec<_>>()).unwrap();
        assert_eq!(listing.next_page(10).unwrap()[0].0, "a/20", "{place}");
        assert_eq!(listing.next_page(10).unwrap(), [], "{place}");
    });
}

#[test]
fn only_what_was_seen_is_replaced() {
    on_both(|place| {
        let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        put([own("same", "1"), own("other", "1"), own("empty", "")]);
        let replace = |key: &str, old: &str| {
            let [old, new] = [old, "new"].map(|text| text.as_bytes().to_vec());
            Replacement { key: key.to_owned(), old, new }
        };
        let all = [replace("same", "1"), replace("other", "2"), replace("absent", ""), replace("empty", "")];
        assert_eq!(replace_each(&all).unwrap(), [true, false, false, true], "{place}");
        let left = ["same", "other", "absent", "empty"].map(|key| read(key).map(|it| String::from_utf8(it).unwrap()));
        assert_eq!(left, [Some("new"), Some("1"), None, Some("new")].map(|it| it.map(str::to_owned)), "{place}");
        assert!(replace_each(&[]).unwrap().is_empty());
    });
}
