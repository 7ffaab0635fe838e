//! Statistics of pixels, in one pass, with memory that does not grow with the image.
//!
//! Mechanism: there is a count for each of the 256 or 65,536 values that a stored pixel can have. Minimum, maximum,
//! mean and histogram are exact and derived from the counts.

use alloc::vec;
use alloc::vec::Vec;

/// The layout of the pixels, as the image states it (DICOM PS3.3, C.7.6.3).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Layout {
    /// Rows of a frame.
    pub rows: Option<u16>,
    /// Columns of a frame.
    pub columns: Option<u16>,
    /// Samples of a pixel; 3 for colours.
    pub samples: Option<u16>,
    /// Whether two pixels side by side share their colour, so that native pixels of three samples take the room of two.
    pub halved: bool,
    /// Frames; 1 if the image does not state it.
    pub frames: Option<u32>,
    /// Bits that a sample takes in the file.
    pub allocated: Option<u16>,
    /// Bits of them that are used.
    pub stored: Option<u16>,
    /// The highest used bit.
    pub high_bit: Option<u16>,
    /// Whether samples are two's complement.
    pub signed: bool,
    /// Rescale slope.
    pub slope: Option<f64>,
    /// Rescale intercept.
    pub intercept: Option<f64>,
}

impl Layout {
    /// The size of all pixels in bytes, if enough is stated.
    pub(super) fn bytes(&self) -> Option<u64> {
        let samples = match self.samples.unwrap_or(1) {
            3 if self.halved => 2,
            samples => samples,
        };
        let frames = self.frames.unwrap_or(1).into();
        let bits = [self.rows?.into(), self.columns?.into(), samples.into(), self.allocated?.into()];
        // Pixels of one bit are packed.
        Some(bits.into_iter().try_fold(frames, u64::checked_mul)?.div_ceil(8))
    }
}

/// The statistics of the pixels. All figures are of stored values, before slope and intercept.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The number of samples.
    pub count: u64,
    /// The minimum.
    pub min: i32,
    /// The maximum.
    pub max: i32,
    /// The mean.
    pub mean: f64,
    /// The number of values in one bin of the histogram.
    pub bin_width: u32,
    /// Samples in each bin; the first begins at `min`. At most 256.
    pub histogram: Vec<u64>,
}

/// The most bins of a histogram.
const BINS: u32 = 256;

/// Counts samples as they come.
pub(super) struct Counter {
    counts: Vec<u32>,
    wide: bool,
    shift: u32,
    stored: u32,
    signed: bool,
    left: u64,
    half: Option<u8>,
}

impl Counter {
    /// A counter for pixels of this layout. None if their size is not 8 or 16 bits, or if something is missing or
    /// contradictory.
    pub(super) fn new(layout: &Layout) -> Option<Self> {
        let allocated = layout.allocated.filter(|bits| matches!(bits, 8 | 16))?;
        let stored = layout.stored.filter(|bits| (1..=allocated).contains(bits))?;
        let high = layout.high_bit.unwrap_or(stored - 1);
        let shift = (high + 1).checked_sub(stored).filter(|_| high < allocated)?;
        let counts = vec![0; 1 << allocated];
        let (shift, stored, wide) = (shift.into(), stored.into(), allocated == 16);
        Some(Counter { counts, wide, shift, stored, signed: layout.signed, left: layout.bytes()?, half: None })
    }

    /// Counts a piece of the pixel data. Bytes after the last pixel are padding.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let take = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let Some(mut bytes) = bytes.get(..take) else { return };
        self.left -= take as u64;
        if !self.wide {
            bytes.iter().for_each(|&byte| self.count(byte.into()));
            return;
        }
        if let (Some(low), Some((&high, rest))) = (self.half, bytes.split_first()) {
            self.count(u16::from_le_bytes([low, high]));
            (self.half, bytes) = (None, rest);
        }
        let (pairs, rest) = bytes.as_chunks::<2>();
        pairs.iter().for_each(|pair| self.count(u16::from_le_bytes(*pair)));
        self.half = rest.first().copied().or(self.half);
    }

    fn count(&mut self, raw: u16) {
        if let Some(count) = self.counts.get_mut(usize::from(raw)) {
            *count += 1;
        }
    }

    /// The signed or unsigned value of raw bits.
    fn value(&self, raw: u32) -> i32 {
        let value = (raw >> self.shift) & ((1 << self.stored) - 1);
        let negative = self.signed && value >> (self.stored - 1) == 1;
        // At most 16 bits: both fit.
        value as i32 - if negative { 1 << self.stored } else { 0 }
    }

    /// The statistics; none if there was no pixel.
    pub(super) fn finish(&self) -> Option<Statistics> {
        let found = || (0..).zip(&self.counts).filter(|(_, count)| **count > 0).map(|(raw, n)| (self.value(raw), *n));
        let min = found().map(|(value, _)| value).min()?;
        let max = found().map(|(value, _)| value).max()?;
        let bin_width = (max.abs_diff(min) + 1).div_ceil(BINS);
        let mut histogram = vec![0; (max.abs_diff(min) / bin_width + 1) as usize];
        let (mut count, mut sum) = (0u64, 0i64);
        for (value, n) in found() {
            count += u64::from(n);
            sum += i64::from(value) * i64::from(n);
            if let Some(bin) = histogram.get_mut((value.abs_diff(min) / bin_width) as usize) {
                *bin += u64::from(n);
            }
        }
        Some(Statistics { count, min, max, mean: sum as f64 / count as f64, bin_width, histogram })
    }
}
