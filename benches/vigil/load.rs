//! The load: requests over kept-alive connections, one at a time on each.
//!
//! It uses raw sockets and prepared bytes, in which only the ids change: so its own cost is small, and the same in
//! every comparison.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A placeholder in a body for an id that no other request has.
pub(crate) const ID: &str = "############";
/// A placeholder in a body for a patient.
pub(crate) const PATIENT: &str = "@@@@@@@@";
/// The number of patients. Each reports again and again, and seldom twice in one batch of a worker.
pub(crate) const PATIENTS: u64 = 5_000;

/// A prepared request.
pub(crate) struct Request {
    bytes: Vec<u8>,
    ids: Vec<usize>,
    patients: Vec<usize>,
    status: u16,
    says: &'static str,
}

impl Request {
    /// A request whose good answer has this `status`.
    pub(crate) fn new(method: &str, path: &str, headers: &[(&str, &str)], body: &str, status: u16) -> Self {
        let text = head(method, path, headers, body.len()) + body;
        let places = |mark: &str| text.match_indices(mark).map(|(at, _)| at).collect();
        Request { ids: places(ID), patients: places(PATIENT), bytes: text.into_bytes(), status, says: "" }
    }

    /// A request with a binary body, in which nothing changes.
    pub(crate) fn binary(path: &str, headers: &[(&str, &str)], body: &[u8], status: u16) -> Self {
        let bytes = [head("POST", path, headers, body.len()).as_bytes(), body].concat();
        Request { ids: Vec::new(), patients: Vec::new(), bytes, status, says: "" }
    }

    /// An answer is good only if its body contains this text.
    pub(crate) fn says(self, says: &'static str) -> Self {
        Request { says, ..self }
    }
}

fn head(method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: vigil\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text + "\r\n"
}

/// Hands out ids, for one whole run of the benchmarks.
#[derive(Default)]
pub(crate) struct Ids(Cell<u64>);

impl Ids {
    fn fill(&self, bytes: &mut [u8], request: &Request) {
        let first = self.0.get();
        self.0.set(first + request.ids.len() as u64);
        for (id, at) in (first..).zip(&request.ids) {
            digits(id, &mut bytes[*at..at + ID.len()]);
        }
        for (id, at) in (first..).zip(&request.patients) {
            digits(id % PATIENTS, &mut bytes[*at..at + PATIENT.len()]);
        }
    }
}

fn digits(mut number: u64, place: &mut [u8]) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, answer: Vec::with_capacity(64 << 10) })
    }

    /// Opens this many connections to one address.
    pub(crate) async fn open_many(address: SocketAddr, count: usize) -> Result<Vec<Self>> {
        try_join_all((0..count).map(|_| Self::open(address))).await
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        let end = self.answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(self.answer.len(), |end| end + 4);
        &self.answer[end..]
    }

    /// A header of the last answer; its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = &self.answer[..self.answer.len() - self.body().len()];
        let lines = std::str::from_utf8(head).ok()?.lines();
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|it| it.1.trim())
    }

    /// Sends bytes. Returns the status, and the time until the answer had arrived.
    async fn ask(&mut self, bytes: &[u8]) -> Result<(u16, Duration)> {
        let sent = Instant::now();
        self.stream.write_all(bytes).await?;
        self.answer.clear();
        let end = loop {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the connection was closed");
            if let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.answer[..end])?;
        let given = head.get(9..12).and_then(|text| text.parse::<u16>().ok()).context("no status")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        // An answer of 204 or 304 has no body, and by RFC 9110 it needs no length.
        let bare = matches!(given, 204 | 304);
        let length = if bare { 0 } else { length.context("an answer without content-length")? };
        while self.answer.len() < end + length {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the connection was closed");
        }
        Ok((given, sent.elapsed()))
    }

    /// Sends bytes and returns the time until the good answer had arrived.
    async fn exchange(&mut self, bytes: &[u8], request: &Request) -> Result<Duration> {
        let (given, took) = self.ask(bytes).await?;
        let answer = String::from_utf8_lossy(&self.answer);
        if given != request.status || !answer.contains(request.says) {
            bail!("{}", answer.chars().take(300).collect::<String>());
        }
        Ok(took)
    }

    /// Asks for what may be unchanged, whatever the answer is. Returns its status and its time.
    pub(crate) async fn read(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<(u16, Duration)> {
        self.ask(head("GET", path, headers, 0).as_bytes()).await
    }

    /// Sends one request.
    pub(crate) async fn send(&mut self, request: &Request, ids: &Ids) -> Result<Duration> {
        let mut bytes = request.bytes.clone();
        ids.fill(&mut bytes, request);
        self.exchange(&bytes, request).await
    }
}

/// The end of a slice.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After this time.
    After(Duration),
    /// After this many requests.
    Sent(u64),
}

/// The measurements of one or several slices.
#[derive(Default, Clone)]
pub(crate) struct Sample {
    pub(crate) times: Vec<Duration>,
    pub(crate) elapsed: Duration,
    /// The CPU time of the host and of Redis.
    pub(crate) computed: [Duration; 2],
}

impl Sample {
    pub(crate) fn add(&mut self, mut other: Sample) {
        self.times.append(&mut other.times);
        self.elapsed += other.elapsed;
        for (own, more) in self.computed.iter_mut().zip(other.computed) {
            *own += more;
        }
    }

    /// Requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The time within which this share of the requests was answered, milliseconds.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() as f64 * share) as usize;
        times.get(at.min(times.len().saturating_sub(1))).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

/// Keeps every connection busy with one request after another.
pub(crate) async fn slice(
    connections: &mut [Connection],
    request: &Request,
    ids: &Ids,
    until: Until,
) -> Result<Sample> {
    let (began, sent) = (Instant::now(), Cell::new(0));
    let open = || match until {
        Until::After(time) => began.elapsed() < time,
        Until::Sent(count) => sent.replace(sent.get() + 1) < count,
    };
    let work = connections.iter_mut().map(async |connection| {
        let (mut bytes, mut times) = (request.bytes.clone(), Vec::new());
        while open() {
            ids.fill(&mut bytes, request);
            times.push(connection.exchange(&bytes, request).await?);
        }
        anyhow::Ok(times)
    });
    let times = try_join_all(work).await?;
    Ok(Sample { elapsed: began.elapsed(), times: times.concat(), computed: Default::default() })
}
