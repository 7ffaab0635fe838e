//! A journal is read backwards without a gap, also while it is sealed and after Redis was lost.

use platform::kv::{Location, Store, open_at};
use platform::redis::{Redis, string, text};
use state::journal::{self, Position, Reader};
use state::names;

use crate::redis::{command, runtime};

/// Appends lines with these numbers to the journal of looks.
async fn append(redis: &Redis, numbers: std::ops::Range<usize>) {
    let script = "for n = ARGV[1], ARGV[2] - 1 do redis.call('XADD', KEYS[2], '*', 'e', n) end \
                  redis.call('HSETNX', KEYS[1], '*looks', '0-0')";
    let (begin, end) = (numbers.start.to_string(), numbers.end.to_string());
    command(redis, &["EVAL", script, "2", names::JOURNALS, "{vigil}:journal:*looks", &begin, &end]).await;
}

/// All lines before a position, the latest first, and how many pieces they came in. `between` runs after each piece.
async fn walk(redis: &Redis, store: &Store, between: impl AsyncFn()) -> (Vec<usize>, usize) {
    let study = names::LOOKS.into();
    let mut reader = Reader::open(redis, store, &study).await.unwrap();
    let (mut before, mut numbers, mut pieces) = (Position::END, Vec::new(), 0);
    loop {
        let lines = reader.lines_before(before).await.unwrap();
        let Some((last, _)) = lines.last() else { return (numbers, pieces) };
        before = *last;
        assert!(lines.len() <= 1024 && lines.is_sorted_by(|(one, _), (other, _)| one > other));
        numbers.extend(lines.iter().map(|(_, line)| line.parse::<usize>().unwrap()));
        pieces += 1;
        between().await;
    }
}

#[test]
fn what_is_sealed_and_what_is_not_come_once_and_the_latest_first() {
    let server = test_redis::Server::start();
    let redis = Redis::new(&server.url());
    open_at(&Location::Redis(server.database(1))).unwrap();
    runtime().block_on(async {
        let store = Store::open().await.unwrap();
        assert_eq!(walk(&redis, &store, async || {}).await, (Vec::new(), 0));
        append(&redis, 0..5000).await;
        let all: Vec<usize> = (0..5000).rev().collect();
        assert_eq!(walk(&redis, &store, async || {}).await, (all.clone(), 5));
        // It is sealed under the reader.
        let (numbers, _) = walk(&redis, &store, async || assert!(journal::seal(&redis).await.unwrap() <= 3)).await;
        assert_eq!(numbers, all);
        let left = redis.command("XLEN", vec![text("{vigil}:journal:*looks")]).await.unwrap();
        assert_eq!(left.first().and_then(string).unwrap(), "1928");
        assert_eq!(walk(&redis, &store, async || {}).await, (all.clone(), 5));
        // Somebody goes on in the middle of a segment, at its ends, and beyond all.
        let study = names::LOOKS.into();
        let mut reader = Reader::open(&redis, &store, &study).await.unwrap();
        let (mut positions, mut before) = (Vec::new(), Position::END);
        while let Some((last, _)) = reader.lines_before(before).await.unwrap().last() {
            let lines = reader.lines_before(before).await.unwrap();
            positions.extend(lines.iter().map(|(at, _)| *at));
            before = *last;
        }
        for place in [0, 1, 1023, 1927, 1928, 1929, 2951, 2952, 2953, 4998, 4999] {
            let mut reader = Reader::open(&redis, &store, &study).await.unwrap();
            let lines = reader.lines_before(positions[place]).await.unwrap();
            let next = lines.first().map(|(_, line)| line.parse::<usize>().unwrap());
            assert_eq!(next, all.get(place + 1).copied(), "{place}");
        }
        command(&redis, &["FLUSHDB"]).await;
        assert_eq!(walk(&redis, &store, async || {}).await.0, all[1928..]);
        append(&redis, 5000..5002).await;
        assert_eq!(walk(&redis, &store, async || {}).await.0[..3], [5001, 5000, 3071]);
    });
}
