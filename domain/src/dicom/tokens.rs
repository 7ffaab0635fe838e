//! The tokenizer: it reads elements from a stream, with the headers, nesting and lengths of a data set (DICOM PS3.5,
//! section 7).
//!
//! Guarantee: it keeps one header or one short value, and one frame for each open sequence and item. A stated length
//! never makes it wait for more than the file may hold, and is never trusted beyond the enclosing element.
//!
//! The crates of dicom-rs read from a blocking source and hold whole values. This tokenizer takes pieces as they
//! arrive.

use alloc::vec::Vec;

use super::collect::Collector;
use super::vr::Vr;
use super::{DEEPEST, Fault, LONGEST_VALUE, Problem};

const ITEM: u32 = 0xfffe_e000;
const ITEM_END: u32 = 0xfffe_e00d;
const SEQUENCE_END: u32 = 0xfffe_e0dd;
const PIXEL_DATA: u32 = 0x7fe0_0010;
const UNDEFINED: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    DataSet,
    Sequence,
    Item,
    /// The fragments of compressed pixels.
    Fragments,
}

/// An open sequence or item. Its content ends at `bound` at the latest.
#[derive(Clone, Copy)]
struct Frame {
    kind: Kind,
    bound: u64,
    /// It ends with a delimiter, not by its length.
    delimited: bool,
    implicit: bool,
    last: Option<u32>,
}

#[derive(Clone, Copy)]
enum State {
    /// A header of this many bytes.
    Header(usize),
    Value(u32, Vr, usize),
    Skip(u64),
    Pixels(u64),
}

/// The tokenizer of one data set.
pub(super) struct Tokens {
    frames: Vec<Frame>,
    state: State,
    carry: Vec<u8>,
    position: u64,
    encapsulated: bool,
}

impl Tokens {
    /// A data set that begins at `position` and ends before `limit`.
    pub(super) fn new(implicit: bool, encapsulated: bool, position: u64, limit: u64) -> Self {
        let root = Frame { kind: Kind::DataSet, bound: limit, delimited: true, implicit, last: None };
        let (frames, state) = (Vec::from([root]), State::Header(8));
        Tokens { frames, state, carry: Vec::new(), position, encapsulated }
    }

    /// The number of bytes read from the beginning of the file.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn fault(&self, problem: Problem) -> Fault {
        Fault { problem, position: self.position }
    }

    /// Reads a piece.
    pub(super) fn push(&mut self, mut input: &[u8], to: &mut Collector<'_>) -> Result<(), Fault> {
        while !input.is_empty() {
            let taken = match self.state {
                State::Header(wanted) => self.fill(input, wanted, |it| it.header(to))?,
                State::Value(tag, vr, wanted) => self.fill(input, wanted, |it| {
                    to.value(tag, vr, &it.carry).map_err(|problem| it.fault(problem))?;
                    it.begin(State::Header(8), to)
                })?,
                State::Skip(left) => {
                    let taken = take(input, left);
                    self.position += taken as u64;
                    self.begin(State::Skip(left - taken as u64), to)?;
                    taken
                }
                State::Pixels(left) => {
                    let taken = take(input, left);
                    to.pixels(input.get(..taken).unwrap_or_default());
                    self.position += taken as u64;
                    self.begin(State::Pixels(left - taken as u64), to)?;
                    taken
                }
            };
            input = input.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Collects up to `wanted` bytes and then processes them.
    fn fill(
        &mut self,
        input: &[u8],
        wanted: usize,
        done: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<usize, Fault> {
        let taken = input.len().min(wanted.saturating_sub(self.carry.len()));
        self.carry.extend_from_slice(input.get(..taken).unwrap_or_default());
        self.position += taken as u64;
        if self.carry.len() >= wanted {
            done(self)?;
        }
        Ok(taken)
    }

    /// Continues with `state`. Ends an element that has no bytes left, and every element that ends with it.
    fn begin(&mut self, state: State, to: &mut Collector<'_>) -> Result<(), Fault> {
        self.carry.clear();
        self.state = match state {
            State::Skip(0) | State::Pixels(0) => State::Header(8),
            State::Value(tag, vr, 0) => {
                to.value(tag, vr, &[]).map_err(|problem| self.fault(problem))?;
                State::Header(8)
            }
            state => state,
        };
        if matches!(self.state, State::Header(_)) {
            while let Some(top) = self.frames.last().filter(|top| !top.delimited && top.bound == self.position) {
                self.close(top.kind, to);
            }
        }
        Ok(())
    }

    fn close(&mut self, kind: Kind, to: &mut Collector<'_>) {
        self.frames.pop();
        match kind {
            Kind::Sequence => to.end_sequence(),
            Kind::Item => to.end_item(),
            Kind::DataSet | Kind::Fragments => {}
        }
    }

    /// The header in `carry`.
    fn header(&mut self, to: &mut Collector<'_>) -> Result<(), Fault> {
        let top = *self.frames.last().ok_or_else(|| self.fault(Problem::Nesting))?;
        if self.position > top.bound {
            return Err(self.fault(Problem::Length));
        }
        let field = |at: usize| self.carry.get(at..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
        let [a, b, c, d] = field(0);
        let tag = u32::from(u16::from_le_bytes([a, b])) << 16 | u32::from(u16::from_le_bytes([c, d]));
        let short = u32::from_le_bytes(field(4));
        if tag >> 16 == 0xfffe {
            return self.delimiter(tag, short, top, to);
        }
        if !matches!(top.kind, Kind::DataSet | Kind::Item) {
            return Err(self.fault(Problem::Nesting));
        }
        let (vr, length) = if top.implicit {
            (to.vr_of(tag), short)
        } else {
            let [one, two, low, high] = field(4);
            let code = [one, two];
            let code = core::str::from_utf8(&code).ok().and_then(Vr::parse);
            let vr = code.ok_or_else(|| self.fault(Problem::Representation))?;
            match (vr.is_long(), self.carry.len()) {
                (true, 8) => {
                    self.state = State::Header(12);
                    return Ok(());
                }
                (true, _) => (vr, u32::from_le_bytes(field(8))),
                (false, _) => (vr, u16::from_le_bytes([low, high]).into()),
            }
        };
        if top.last.is_some_and(|last| last >= tag) {
            return Err(self.fault(Problem::Order));
        }
        if let Some(top) = self.frames.last_mut() {
            top.last = Some(tag);
        }
        self.element(tag, vr, length, top, to)
    }

    fn element(&mut self, tag: u32, vr: Vr, length: u32, top: Frame, to: &mut Collector<'_>) -> Result<(), Fault> {
        let undefined = length == UNDEFINED;
        // A value whose writer did not know its representation is as in the implicit form (PS3.5, 6.2.2).
        let vr = match vr {
            Vr::UN if !undefined && to.vr_of(tag) != Vr::SQ => to.vr_of(tag),
            vr => vr,
        };
        if undefined && tag == PIXEL_DATA {
            if !self.encapsulated || top.kind != Kind::DataSet {
                return Err(self.fault(Problem::Length));
            }
            to.encapsulated();
            return self.open(Kind::Fragments, length, top.implicit, to);
        }
        if vr == Vr::SQ || undefined {
            if undefined && !matches!(vr, Vr::SQ | Vr::UN) {
                return Err(self.fault(Problem::Length));
            }
            to.begin_sequence(tag, vr);
            // An unknown element of undefined length holds a sequence in implicit form (PS3.5, 6.2.2).
            return self.open(Kind::Sequence, length, top.implicit || vr == Vr::UN, to);
        }
        self.check(length, top)?;
        if tag == PIXEL_DATA && top.kind == Kind::DataSet {
            to.begin_pixels(length.into(), self.encapsulated).map_err(|problem| self.fault(problem))?;
            return self.begin(State::Pixels(length.into()), to);
        }
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        if !to.wants(tag, vr) {
            return self.begin(State::Skip(length.into()), to);
        }
        if wanted > LONGEST_VALUE {
            to.omitted();
            return self.begin(State::Skip(length.into()), to);
        }
        self.begin(State::Value(tag, vr, wanted), to)
    }

    /// Checks that a length ends within the enclosing element.
    fn check(&self, length: u32, top: Frame) -> Result<u64, Fault> {
        let end = self.position + u64::from(length);
        if end <= top.bound { Ok(end) } else { Err(self.fault(Problem::Length)) }
    }

    fn open(&mut self, kind: Kind, length: u32, implicit: bool, to: &mut Collector<'_>) -> Result<(), Fault> {
        if self.frames.len() > DEEPEST {
            return Err(self.fault(Problem::TooDeep));
        }
        let around = *self.frames.last().ok_or_else(|| self.fault(Problem::Nesting))?;
        let delimited = length == UNDEFINED;
        let bound = if delimited { around.bound } else { self.check(length, around)? };
        self.frames.push(Frame { kind, bound, delimited, implicit, last: None });
        self.begin(State::Header(8), to)
    }

    /// The beginning of an item, or the end of an item or a sequence.
    fn delimiter(&mut self, tag: u32, length: u32, top: Frame, to: &mut Collector<'_>) -> Result<(), Fault> {
        match (tag, top.kind) {
            (ITEM, Kind::Sequence) => {
                to.begin_item();
                self.open(Kind::Item, length, top.implicit, to)
            }
            (ITEM, Kind::Fragments) if length != UNDEFINED => {
                self.check(length, top)?;
                to.fragment(length);
                self.begin(State::Skip(length.into()), to)
            }
            (ITEM_END, Kind::Item) | (SEQUENCE_END, Kind::Sequence | Kind::Fragments) if top.delimited => {
                self.close(top.kind, to);
                self.begin(State::Header(8), to)
            }
            _ => Err(self.fault(Problem::Nesting)),
        }
    }

    /// The end of the file.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        let whole = self.frames.len() == 1 && matches!(self.state, State::Header(_)) && self.carry.is_empty();
        if whole { Ok(()) } else { Err(self.fault(Problem::Truncated)) }
    }
}

fn take(input: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(input.len(), |left| left.min(input.len()))
}
