//! Collects from a data set its de-identified attributes as JSON, and the description of its pixels.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::pixels::{Counter, Layout};
use super::profile::{self, Action};
use super::text::Charset;
use super::value::{self, quoted};
use super::vr::Vr;
use super::{Counts, Guide, LONGEST_METADATA, Pixels, Problem};

const CHARACTER_SET: u32 = 0x0008_0005;

/// Receives elements and writes the attributes that may be shown.
pub(super) struct Collector<'a> {
    guide: Guide<'a>,
    json: String,
    /// For each open object and array: whether it already has a member.
    begun: Vec<bool>,
    /// The number of open sequences and items that are not shown at all.
    muted: usize,
    charsets: Vec<Charset>,
    pub(super) counts: Counts,
    pub(super) complete: bool,
    layout: Layout,
    counter: Option<Counter>,
    pixels: Option<Pixels>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(guide: Guide<'a>) -> Self {
        Collector {
            guide,
            json: String::from("{"),
            begun: Vec::from([false]),
            muted: 0,
            charsets: Vec::from([Charset::default()]),
            counts: Counts::default(),
            complete: true,
            layout: Layout::default(),
            counter: None,
            pixels: None,
        }
    }

    /// The representation of an element that does not state it itself.
    pub(super) fn vr_of(&self, tag: u32) -> Vr {
        match (self.guide.vr_of)(tag) {
            _ if tag & 0xffff == 0 => Vr::UL,
            // The dictionary gives one answer; the standard says "US or SS".
            Some(Vr::US) if self.layout.signed && EITHER.contains(&tag) => Vr::SS,
            Some(vr) => vr,
            None => Vr::UN,
        }
    }

    fn action(&self, tag: u32, vr: Vr) -> Action {
        profile::action(tag, vr, (self.guide.vr_of)(tag))
    }

    /// Whether the value of an element is needed. This also counts the action for the element.
    pub(super) fn wants(&mut self, tag: u32, vr: Vr) -> bool {
        if self.muted > 0 {
            return false;
        }
        if tag == CHARACTER_SET || is_layout(tag) {
            return true;
        }
        let action = self.action(tag, vr);
        if action == Action::Remove {
            self.counts.removed += 1;
            return false;
        }
        if vr.is_bulk() || action == Action::Empty {
            self.counts.emptied += u32::from(action == Action::Empty);
            self.element(tag, vr, None);
            return false;
        }
        true
    }

    pub(super) fn omitted(&mut self) {
        self.complete = false;
    }

    /// The value of an element for which `wants` was true.
    pub(super) fn value(&mut self, tag: u32, vr: Vr, bytes: &[u8]) -> Result<(), Problem> {
        if tag == CHARACTER_SET {
            let named = value::ascii(bytes).unwrap_or_default();
            let charset = Charset::parse(&named).ok_or(Problem::CharacterSet)?;
            if let Some(current) = self.charsets.last_mut() {
                *current = charset;
            }
        }
        if self.begun.len() == 1 {
            self.note(tag, vr, bytes);
        }
        let charset = self.charsets.last().copied().unwrap_or_default();
        let shown = match self.action(tag, vr) {
            Action::Remap => self.remapped(bytes, |_| false),
            Action::Dummy => {
                self.counts.replaced += 1;
                profile::dummy(vr, self.guide.remap)
            }
            Action::Keep if vr == Vr::UI => self.remapped(bytes, profile::is_of_the_standard),
            Action::Keep => value::values(vr, bytes, charset),
            Action::Empty => None,
            // Only the layout of the pixels was read from it.
            Action::Remove => {
                self.counts.removed += 1;
                return Ok(());
            }
        };
        self.element(tag, vr, shown.as_deref());
        Ok(())
    }

    /// The unique identifiers in a value, each replaced unless it `stays`.
    fn remapped(&mut self, bytes: &[u8], stays: fn(&str) -> bool) -> Option<String> {
        let uids = value::ascii(bytes)?;
        let (mut shown, mut changed) = (Vec::new(), false);
        for uid in uids.split('\\').map(|uid| uid.trim_matches([' ', '\0'])).filter(|uid| !uid.is_empty()) {
            changed |= !stays(uid);
            shown.push(if stays(uid) { quoted(uid) } else { quoted(&(self.guide.remap)(uid)) });
        }
        self.counts.remapped += u32::from(changed);
        (!shown.is_empty()).then(|| shown.join(","))
    }

    /// Records the layout of the pixels.
    fn note(&mut self, tag: u32, vr: Vr, bytes: &[u8]) {
        let whole = || value::whole(vr, bytes);
        let short = || whole().and_then(|number| u16::try_from(number).ok());
        let layout = &mut self.layout;
        match tag {
            0x0028_0002 => layout.samples = short(),
            0x0028_0004 => layout.halved = value::ascii(bytes).is_some_and(|name| HALVED.contains(&name.trim())),
            0x0028_0008 => {
                layout.frames = whole().and_then(|number| u32::try_from(number).ok()).filter(|frames| *frames > 0)
            }
            0x0028_0010 => layout.rows = short(),
            0x0028_0011 => layout.columns = short(),
            0x0028_0100 => layout.allocated = short(),
            0x0028_0101 => layout.stored = short(),
            0x0028_0102 => layout.high_bit = short(),
            0x0028_0103 => layout.signed = short() == Some(1),
            0x0028_1052 => layout.intercept = value::decimal(vr, bytes).filter(|number| number.is_finite()),
            0x0028_1053 => layout.slope = value::decimal(vr, bytes).filter(|number| number.is_finite()),
            _ => {}
        }
    }

    /// Begins a member of the open object; false if there is no room for it.
    fn member(&mut self, tag: u32, vr: Vr) -> bool {
        if self.json.len() > LONGEST_METADATA {
            self.complete = false;
            return false;
        }
        self.comma();
        // Writing to a string does not fail.
        let _ = write!(self.json, r#""{tag:08X}":{{"vr":"{}""#, vr.as_str());
        true
    }

    fn comma(&mut self) {
        if let Some(begun) = self.begun.last_mut()
            && core::mem::replace(begun, true)
        {
            self.json.push(',');
        }
    }

    fn element(&mut self, tag: u32, vr: Vr, values: Option<&str>) {
        if !self.member(tag, vr) {
            return;
        }
        if let Some(values) = values {
            self.json.extend([r#","Value":["#, values, "]"]);
        }
        self.json.push('}');
    }

    pub(super) fn begin_sequence(&mut self, tag: u32, vr: Vr) {
        if self.muted > 0 {
            self.muted += 1;
            return;
        }
        match self.action(tag, Vr::SQ) {
            Action::Remove => {
                self.counts.removed += 1;
                self.muted = 1;
            }
            Action::Empty | Action::Dummy | Action::Remap => {
                self.counts.emptied += 1;
                self.element(tag, Vr::SQ, None);
                self.muted = 1;
            }
            // A sequence whose representation is not SQ: the meaning of its elements is unknown.
            Action::Keep if vr != Vr::SQ || !self.member(tag, vr) => self.muted = 1,
            Action::Keep => {
                self.json.push_str(r#","Value":["#);
                self.begun.push(false);
            }
        }
    }

    pub(super) fn end_sequence(&mut self) {
        if self.muted > 0 {
            self.muted -= 1;
            return;
        }
        self.begun.pop();
        self.json.push_str("]}");
    }

    pub(super) fn begin_item(&mut self) {
        if self.muted > 0 {
            self.muted += 1;
            return;
        }
        if self.json.len() > LONGEST_METADATA {
            // Empty items take space too.
            self.complete = false;
            self.muted = 1;
            return;
        }
        self.comma();
        self.json.push('{');
        self.begun.push(false);
        self.charsets.push(self.charsets.last().copied().unwrap_or_default());
    }

    pub(super) fn end_item(&mut self) {
        if self.muted > 0 {
            self.muted -= 1;
            return;
        }
        self.begun.pop();
        self.charsets.pop();
        self.json.push('}');
    }

    /// Native pixels of this many bytes follow.
    pub(super) fn begin_pixels(&mut self, bytes: u64, encapsulated: bool) -> Result<(), Problem> {
        if self.layout.bytes().is_some_and(|needed| bytes < needed && !encapsulated) {
            return Err(Problem::Pixels);
        }
        self.counter = if encapsulated { None } else { Counter::new(&self.layout) };
        self.pixels = Some(Pixels { layout: self.layout, bytes, fragments: None, statistics: None });
        Ok(())
    }

    pub(super) fn pixels(&mut self, bytes: &[u8]) {
        if let Some(counter) = &mut self.counter {
            counter.push(bytes);
        }
    }

    /// Compressed pixels follow, in fragments.
    pub(super) fn encapsulated(&mut self) {
        self.pixels = Some(Pixels { layout: self.layout, bytes: 0, fragments: Some(0), statistics: None });
    }

    pub(super) fn fragment(&mut self, length: u32) {
        if let Some(pixels) = &mut self.pixels {
            pixels.bytes += u64::from(length);
            pixels.fragments = pixels.fragments.map(|count| count + 1);
        }
    }

    /// The attributes as JSON, and the pixels.
    pub(super) fn finish(mut self) -> (String, Option<Pixels>, Counts, bool) {
        self.json.push('}');
        if let Some(pixels) = &mut self.pixels {
            pixels.statistics = self.counter.as_ref().and_then(Counter::finish);
            // The first item of compressed pixels is the offset table.
            pixels.fragments = pixels.fragments.map(|count| count.saturating_sub(1));
        }
        (self.json, self.pixels, self.counts, self.complete)
    }
}

fn is_layout(tag: u32) -> bool {
    matches!(tag, 0x0028_0002..=0x0028_0103 | 0x0028_1052 | 0x0028_1053)
}

/// The photometric interpretations in which two pixels side by side share their colour.
const HALVED: [&str; 2] = ["YBR_FULL_422", "YBR_PARTIAL_422"];

/// "US or SS": Pixel Representation decides (DICOM PS3.5, annex A.1).
const EITHER: [u32; 10] = [
    0x0028_0106,
    0x0028_0107,
    0x0028_0108,
    0x0028_0109,
    0x0028_0110,
    0x0028_0111,
    0x0028_0120,
    0x0028_0121,
    0x0028_1101,
    0x0040_9216,
];
