//! Readers that follow a study see every submission once, while two hosts write and are killed, and Redis with them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::app::{ADMIN, App, until};
use crate::client::{Answer, Client};
use crate::faults::Burst;

const PATH: &str = "/v1/studies/A/submissions";

async fn get(address: SocketAddr, media: &str, query: &str) -> std::io::Result<Answer> {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("accept", media)];
    Client::connect(address).await?.send("GET", &format!("{PATH}{query}"), &headers, "").await
}

/// Follows the study by these hosts in turn, page by page, until it has seen so many submissions. Returns their ids.
async fn follow(addresses: [SocketAddr; 2], count: usize) -> Vec<String> {
    let (mut seen, mut cursor, mut turn) = (Vec::new(), "?limit=200".to_owned(), 0);
    while seen.len() < count {
        turn += 1;
        // A host that was killed, or whose Redis was, is asked again.
        let Some(page) = get(addresses[turn % 2], "application/json", &cursor).await.ok().filter(|it| it.status == 200)
        else {
            tokio::task::yield_now().await;
            continue;
        };
        let page = page.json();
        let rows = page["submissions"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| row["submissionId"].as_str().unwrap().to_owned()));
        cursor = format!("?limit=200&cursor={}", page["cursor"].as_str().unwrap());
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_sees_everything_once_while_hosts_and_redis_are_killed() {
    const EACH: usize = 2_000;
    let mut first = App::builder().own_process().probed().start().await;
    let mut second = App::builder().own_process().probed().start_beside(&first).await;
    let bursts = [Burst::start(&first, 1, EACH), Burst::start(&second, 2, EACH)];
    let follower = tokio::spawn(follow([first.address, second.address], 2 * EACH));
    for part in 1..=3 {
        bursts[part % 2].reached(part * EACH / 4).await;
        match part {
            1 => {
                first.kill();
                first.start_again().await;
            }
            2 => {
                second.kill();
                second.start_again().await;
            }
            _ => {
                first.redis.as_mut().unwrap().kill().unwrap();
                first.redis.as_mut().unwrap().restart().unwrap();
                first.recover().await;
                second.recover().await;
            }
        }
    }
    let mut acknowledged = BTreeSet::new();
    for burst in bursts {
        acknowledged.extend(burst.end().await.into_iter().map(|(id, _)| id));
    }
    assert_eq!(acknowledged.len(), 2 * EACH);
    until("all are seen", async || follower.is_finished().then_some(())).await;
    let seen = follower.await.unwrap();
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), acknowledged);
    assert_eq!(seen.len(), 2 * EACH, "each once");
    // Both hosts have sealed, one after the other.
    until("a part is sealed", async || (first.stored_keys("journal/A/").len() >= 2).then_some(())).await;

    // A stream that breaks off when its host is killed is the same as a whole one, put together at the last whole row.
    let whole = String::from_utf8(get(first.address, "application/x-ndjson", "").await.unwrap().body.to_vec()).unwrap();
    let address = first.address;
    let (begun, mut begin) = tokio::sync::oneshot::channel();
    let broken = tokio::spawn(partly(address, begun));
    let _ = (&mut begin).await;
    first.kill();
    let (mut parts, mut lines) = (broken.await.unwrap(), String::new());
    first.start_again().await;
    parts.truncate(parts.rfind('\n').map_or(0, |end| end + 1));
    let cursor = parts.lines().last().map(|line| serde_json::from_str::<Value>(line).unwrap()["cursor"].clone());
    lines.push_str(&parts);
    if !parts.contains("{\"end\"") {
        let query = cursor.map(|cursor| format!("?cursor={}", cursor.as_str().unwrap())).unwrap_or_default();
        let rest = get(address, "application/x-ndjson", &query).await.unwrap();
        lines.push_str(std::str::from_utf8(&rest.body).unwrap());
    }
    let rows = |text: &str| {
        let rows: Vec<String> = text.lines().filter(|line| !line.starts_with("{\"end\"")).map(str::to_owned).collect();
        let hash = Sha256::digest(rows.iter().map(|row| format!("{row}\n")).collect::<String>());
        (rows.len(), hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let end: Value = serde_json::from_str(whole.lines().last().unwrap()).unwrap();
    assert_eq!(rows(&whole), (2 * EACH, end["end"]["sha256"].as_str().unwrap().to_owned()));
    assert_eq!(rows(&lines), rows(&whole));
}

/// What comes of a stream until it ends or breaks off.
async fn partly(address: SocketAddr, begun: tokio::sync::oneshot::Sender<()>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {ADMIN}\r\naccept: application/x-ndjson\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = vec![0; 64 * 1024];
    let _ = stream.read_exact(&mut read).await;
    let _ = begun.send(());
    let _ = stream.read_to_end(&mut read).await;
    dechunked(&read)
}

/// The body of a chunked answer, as far as it came.
fn dechunked(answer: &[u8]) -> String {
    let Some(begin) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { return String::new() };
    let (mut rest, mut body) = (&answer[begin + 4..], Vec::new());
    while let Some(end) = rest.windows(2).position(|it| it == b"\r\n") {
        let Ok(size) = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16) else { break };
        let chunk = &rest[end + 2..];
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        if size == 0 || chunk.len() < size + 2 {
            break;
        }
        rest = &chunk[size + 2..];
    }
    String::from_utf8_lossy(&body).into_owned()
}
