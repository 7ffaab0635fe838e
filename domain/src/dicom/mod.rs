//! A streaming reader of DICOM Part 10 files. It gives the attributes without identities, and a description of the
//! pixels.
//!
//! Guarantee: memory does not grow with the file. The reader holds one value of up to [`LONGEST_VALUE`], shown
//! attributes of up to [`LONGEST_METADATA`], and a count for each possible pixel value. For any input, reading ends
//! with a report or with the first fault and its position, in time proportional to the number of bytes.
//!
//! Mechanism: [`Reader`] takes pieces. It reads the file meta information, chooses the transfer syntax, inflates a
//! deflated data set, and passes it to the tokenizer. The tokenizer passes elements to the collector.
//!
//! Not for: decompressing images; big endian (1.2.840.10008.1.2.2), which the standard retired in 2006.

mod attributes;
mod collect;
mod meta;
mod pixels;
mod profile;
mod text;
mod tokens;
mod value;
mod vr;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use collect::Collector;
use meta::Meta;
pub use pixels::{Layout, Statistics};
use tokens::Tokens;
pub use vr::Vr;

/// The longest file, bytes.
pub const LONGEST_FILE: u64 = 64 * 1024 * 1024;
/// The most bytes that a deflated data set may inflate to.
pub const LONGEST_INFLATED: u64 = 256 * 1024 * 1024;
/// The longest value that is shown, bytes.
pub const LONGEST_VALUE: usize = 64 * 1024;
/// The limit of the shown attributes, bytes. Attributes beyond it are left out.
pub const LONGEST_METADATA: usize = 1024 * 1024;
/// The maximum nesting depth of sequences and items.
pub const DEEPEST: usize = 64;
/// Preamble, `DICM`, and the header of the first element.
const START: usize = meta::BEGIN + 8;

/// The kind of fault of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It does not begin like a DICOM Part 10 file.
    NotDicom,
    /// Its file meta information is invalid.
    Meta,
    /// Its transfer syntax is not supported.
    TransferSyntax,
    /// Its character set is unknown.
    CharacterSet,
    /// An element with an unknown representation.
    Representation,
    /// An element that is out of order.
    Order,
    /// A length beyond the end of the enclosing element, or no length where one is required.
    Length,
    /// A delimiter, an item or an element at a place where it is not allowed.
    Nesting,
    /// Sequences nested too deeply.
    TooDeep,
    /// Fewer pixels than rows, columns and frames ask for.
    Pixels,
    /// A deflated data set that is invalid or inflates to too many bytes.
    Deflate,
    /// The file ends too early.
    Truncated,
}

impl Problem {
    /// The rule in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Problem::NotDicom => "must be a DICOM Part 10 file: 128 bytes, DICM, file meta information",
            Problem::Meta => "the file meta information must be explicit little endian and name a transfer syntax",
            Problem::TransferSyntax => "the transfer syntax must be little endian, deflated or encapsulated",
            Problem::CharacterSet => "the specific character set must be one that DICOM defines",
            Problem::Representation => "an element must have a value representation that DICOM defines",
            Problem::Order => "elements must stand in the order of their tags, each once",
            Problem::Length => "an element must end before what it is in",
            Problem::Nesting => "items and delimiters must stand in sequences",
            Problem::TooDeep => "sequences must not be nested deeper than 32",
            Problem::Pixels => "the pixel data must be as long as rows, columns and frames say",
            Problem::Deflate => "a deflated data set must be whole and not longer than 256 MiB",
            Problem::Truncated => "the file must not end before its last element does",
        }
    }
}

/// A fault of a file, and the number of bytes read when it was found. For a deflated data set, these are inflated
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The kind of fault.
    pub problem: Problem,
    /// The position.
    pub position: u64,
}

/// The functions that the caller provides to the reader.
#[derive(Clone, Copy)]
pub struct Guide<'a> {
    /// The dictionary: the representation of a standard attribute; none if the standard does not define it.
    pub vr_of: fn(u32) -> Option<Vr>,
    /// Maps a unique identifier to another one, always to the same.
    pub remap: &'a dyn Fn(&str) -> String,
}

/// The number of attributes that each action changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Removed.
    pub removed: u32,
    /// Emptied.
    pub emptied: u32,
    /// Replaced by a dummy value.
    pub replaced: u32,
    /// Unique identifiers that were remapped.
    pub remapped: u32,
}

/// The pixels of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    /// Their layout, as the file states it.
    pub layout: Layout,
    /// Their length in the file, bytes.
    pub bytes: u64,
    /// The number of fragments, if they are compressed.
    pub fragments: Option<u32>,
    /// Their statistics, if they are native and of 8 or 16 bits.
    pub statistics: Option<Statistics>,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The transfer syntax.
    pub transfer_syntax: String,
    /// The shown attributes, an object of the DICOM JSON model.
    pub metadata: String,
    /// True if no attribute was left out because of the length limit.
    pub complete: bool,
    /// The number of changes to attributes.
    pub counts: Counts,
    /// The pixels, if there are any.
    pub pixels: Option<Pixels>,
}

enum Stage {
    /// At least this many bytes of the file are needed to read its meta information.
    Start(usize),
    Plain(Tokens),
    Deflated(Box<Inflater>),
}

struct Inflater {
    state: Box<InflateState>,
    output: Vec<u8>,
    tokens: Tokens,
    ended: bool,
}

/// A reader of one file.
pub struct Reader<'a> {
    stage: Stage,
    head: Vec<u8>,
    transfer_syntax: String,
    collector: Collector<'a>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a file.
    pub fn new(guide: Guide<'a>) -> Self {
        let collector = Collector::new(guide);
        Reader { stage: Stage::Start(START), head: Vec::new(), transfer_syntax: String::new(), collector }
    }

    /// Reads a piece.
    ///
    /// # Errors
    /// The first fault. After a fault nothing more can be read.
    pub fn push(&mut self, mut input: &[u8]) -> Result<(), Fault> {
        loop {
            match &mut self.stage {
                Stage::Start(wanted) => {
                    let taken = input.len().min(wanted.saturating_sub(self.head.len()));
                    let (now, rest) = input.split_at_checked(taken).unwrap_or((input, &[]));
                    self.head.extend_from_slice(now);
                    if self.head.len() < *wanted {
                        return Ok(());
                    }
                    input = rest;
                    self.stage = self.start()?;
                    if !matches!(self.stage, Stage::Start(_)) {
                        // Bytes that were read ahead to find the data set belong to it.
                        let begun = core::mem::take(&mut self.head);
                        self.push(&begun)?;
                    }
                }
                Stage::Plain(tokens) => return tokens.push(input, &mut self.collector),
                Stage::Deflated(inflater) => return inflater.push(input, &mut self.collector),
            }
        }
    }

    fn fault(&self, problem: Problem) -> Fault {
        Fault { problem, position: self.head.len() as u64 }
    }

    /// The next stage, from the bytes in `head`.
    fn start(&mut self) -> Result<Stage, Fault> {
        if self.head.get(128..meta::BEGIN) != Some(b"DICM") {
            return Err(self.fault(Problem::NotDicom));
        }
        let (end, named) = match meta::read(&self.head).ok_or_else(|| self.fault(Problem::Meta))? {
            Meta::More(wanted) => return Ok(Stage::Start(wanted)),
            Meta::Whole(end, named) => (end, named),
        };
        let begin = end as u64;
        let stage = match named.as_str() {
            "1.2.840.10008.1.2" => Stage::Plain(Tokens::new(true, false, begin, LONGEST_FILE)),
            "1.2.840.10008.1.2.1" => Stage::Plain(Tokens::new(false, false, begin, LONGEST_FILE)),
            "1.2.840.10008.1.2.1.99" => Stage::Deflated(Box::new(Inflater {
                state: InflateState::new_boxed(DataFormat::Raw),
                output: vec![0; 32 * 1024],
                tokens: Tokens::new(false, false, 0, LONGEST_INFLATED),
                ended: false,
            })),
            // JPEG and its family, MPEG, run-length, and deflated frames: the data set around them is explicit.
            uid if ["1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8."]
                .iter()
                .any(|known| uid.starts_with(known)) =>
            {
                Stage::Plain(Tokens::new(false, true, begin, LONGEST_FILE))
            }
            _ => return Err(self.fault(Problem::TransferSyntax)),
        };
        self.transfer_syntax = named;
        self.head.drain(..end);
        Ok(stage)
    }

    /// The end of the file.
    /// # Errors
    /// [`Problem::Truncated`] if the file is incomplete, [`Problem::NotDicom`] if it never began.
    pub fn finish(self) -> Result<Report, Fault> {
        match &self.stage {
            Stage::Start(_) if self.head.get(128..132) == Some(b"DICM") => return Err(self.fault(Problem::Truncated)),
            Stage::Start(_) => return Err(self.fault(Problem::NotDicom)),
            Stage::Plain(tokens) => tokens.finish()?,
            Stage::Deflated(inflater) => {
                inflater.tokens.finish()?;
                if !inflater.ended {
                    return Err(Fault { problem: Problem::Truncated, position: inflater.tokens.position() });
                }
            }
        }
        let (metadata, pixels, counts, complete) = self.collector.finish();
        Ok(Report { transfer_syntax: self.transfer_syntax, metadata, complete, counts, pixels })
    }
}

impl Inflater {
    fn push(&mut self, mut input: &[u8], to: &mut Collector<'_>) -> Result<(), Fault> {
        while !self.ended {
            let result = inflate(&mut self.state, input, &mut self.output, MZFlush::None);
            input = input.get(result.bytes_consumed..).unwrap_or_default();
            self.tokens.push(self.output.get(..result.bytes_written).unwrap_or_default(), to)?;
            let fault = |position| Fault { problem: Problem::Deflate, position };
            match result.status {
                Ok(MZStatus::StreamEnd) => self.ended = true,
                // The input gives no more output.
                Err(MZError::Buf) => return Ok(()),
                Ok(_) if result.bytes_written == 0 && input.is_empty() => return Ok(()),
                Ok(_) => {}
                Err(_) => return Err(fault(self.tokens.position())),
            }
        }
        // Padding to an even length may follow.
        Ok(())
    }
}
