//! The output of components.
//!
//! Guarantee: lines of different components and instances do not mix, and each names its component.
//!
//! Mechanism: the stream of an instance keeps an unfinished line to itself and writes each whole line with one call.
//! The line goes to the host's standard error and, if there is a log folder, unchanged to `<component>_stdout.txt` or
//! `<component>_stderr.txt` in it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A line longer than this is written in parts.
const LONGEST_LINE: usize = 16 << 10;

/// The two output streams of a component.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The destinations of one component's output.
pub(crate) struct Output {
    stdout: Arc<Sink>,
    stderr: Arc<Sink>,
}

struct Sink {
    /// The prefix of each line on standard error; `None` if nothing is written there.
    prefix: Option<String>,
    file: Option<File>,
}

impl Output {
    /// The output of a component.
    pub(crate) fn new(component: &str, quiet: bool, folder: Option<&Path>) -> anyhow::Result<Self> {
        let sink = |name: &str| -> anyhow::Result<Arc<Sink>> {
            let file = match folder {
                None => None,
                Some(folder) => {
                    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
                    let path = folder.join(format!("{component}_{name}.txt"));
                    let file = File::options().create(true).append(true).open(&path);
                    Some(file.with_context(|| format!("cannot write {}", path.display()))?)
                }
            };
            Ok(Arc::new(Sink { prefix: (!quiet).then(|| format!("[{component}] ")), file }))
        };
        Ok(Self { stdout: sink("stdout")?, stderr: sink("stderr")? })
    }

    /// A stream for one instance.
    pub(crate) fn open(&self, stream: Stream) -> Printer {
        let sink = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        Printer(Arc::new(Mutex::new(Lines { sink: sink.clone(), unfinished: Vec::new() })))
    }
}

impl Sink {
    fn write(&self, lines: &[u8]) {
        // Output that cannot be written is lost: nobody is left to hear of it.
        if let Some(mut file) = self.file.as_ref() {
            _ = file.write_all(lines);
        }
        if let Some(prefix) = &self.prefix {
            let mut text = Vec::with_capacity(lines.len() + prefix.len());
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                text.extend_from_slice(prefix.as_bytes());
                text.extend_from_slice(line);
                if !line.ends_with(b"\n") {
                    text.push(b'\n');
                }
            }
            _ = std::io::stderr().write_all(&text);
        }
    }
}

struct Lines {
    sink: Arc<Sink>,
    unfinished: Vec<u8>,
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        if self.sink.prefix.is_none() && self.sink.file.is_none() {
            return;
        }
        self.unfinished.extend_from_slice(bytes);
        let end = match self.unfinished.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if self.unfinished.len() > LONGEST_LINE => self.unfinished.len(),
            None => return,
        };
        let rest = self.unfinished.split_off(end);
        self.sink.write(&self.unfinished);
        self.unfinished = rest;
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.unfinished.is_empty() {
            self.sink.write(&self.unfinished);
        }
    }
}

/// One stream of one instance.
#[derive(Clone)]
pub(crate) struct Printer(Arc<Mutex<Lines>>);

impl Printer {
    fn print(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes);
    }
}

impl IsTerminal for Printer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printer {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Printer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.print(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Printer {
    async fn ready(&mut self) {}
}

impl OutputStream for Printer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LONGEST_LINE)
    }
}
