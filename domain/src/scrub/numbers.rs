//! Finds identities made of digits: telephone numbers, identity numbers, bank cards.
//!
//! A *group* is an unbroken row of digits; groups with a few separators between them make a *run*. A number is a window
//! of a few groups in a run, so each group is visited a fixed number of times.
//!
//! Separators differ in strength. Space and marks stand inside numbers. Commas and line ends stand between the figures
//! of a list as well, and other signs between times or parts of a sentence, so only numbers with a checksum or a
//! telling grouping are found across them. A figure of medicine rarely begins with a zero; a part of a number often does.

use alloc::vec::Vec;

use super::national::is_national;
use super::phones::{is_mobile, is_phone};
use super::{Class, Span, is_cjk};
use crate::number::luhn;

/// The fewest digits of a number.
pub(super) const FEWEST_DIGITS: usize = 8;
/// The most digits of a number.
const MOST_DIGITS: usize = 19;
/// The most groups of a number, unless each has one digit: a longer row of those is a row of answers.
const MOST_GROUPS: usize = 8;
/// The most separators between two groups.
const MOST_SEPARATORS: u8 = 6;

/// The strength of the separators between two groups.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Space only, or nothing before the first group.
    #[default]
    Space,
    /// At least one mark.
    Mark,
    /// At least one comma or line end.
    List,
    /// At least one other sign, or very many of them.
    Odd,
}

/// The separators between two groups.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Separators {
    strength: Gap,
    /// The first ones.
    signs: [char; 3],
    len: u8,
}

impl Separators {
    /// Adds one; false if there are too many.
    fn push(&mut self, sign: char, strength: Gap) -> bool {
        if let Some(place) = self.signs.get_mut(usize::from(self.len)) {
            *place = sign;
        }
        self.len += 1;
        self.strength = self.strength.max(strength);
        self.len <= MOST_SEPARATORS
    }
}

#[derive(Clone, Copy)]
pub(super) struct Group {
    start: usize,
    end: usize,
    digits: [u8; MOST_DIGITS],
    pub(super) len: usize,
    /// The character before it.
    pub(super) before: char,
    /// Whether a plus sign begins the number here.
    pub(super) plus: bool,
    /// The end of the check letter X after it, if there is one.
    check: Option<usize>,
    /// The separators between the group before and this one.
    separators: Separators,
}

impl Group {
    pub(super) fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

/// A few groups of a run that may be a number.
pub(super) struct Window<'a> {
    pub(super) groups: &'a [Group],
    /// The digits, without those of a prefix that is left aside.
    pub(super) digits: &'a [u8],
    /// The number of digits of the first group that belong to the prefix.
    cut: usize,
}

impl<'a> Window<'a> {
    /// The lengths of the groups.
    pub(super) fn each(&self) -> impl Iterator<Item = usize> + Clone + 'a {
        let (groups, cut) = (self.groups, self.cut);
        groups.iter().enumerate().map(move |(at, group)| if at == 0 { group.len - cut } else { group.len })
    }

    /// Whether the groups have these lengths.
    pub(super) fn lengths(&self, expected: &[usize]) -> bool {
        self.groups.len() == expected.len() && self.each().eq(expected.iter().copied())
    }

    /// The window without its first digits.
    pub(super) fn without(&self, mut prefix: usize) -> Option<Self> {
        let (digits, mut groups) = (self.digits.get(prefix..)?, self.groups);
        while let [first, later @ ..] = groups
            && first.len <= prefix
        {
            prefix -= first.len;
            groups = later;
        }
        (!groups.is_empty()).then_some(Window { groups, digits, cut: prefix })
    }

    /// Whether every group but the first has at least this many digits.
    pub(super) fn later_at_least(&self, length: usize) -> bool {
        self.groups.iter().skip(1).all(|group| group.len >= length)
    }

    /// The strongest separators.
    pub(super) fn gap(&self) -> Gap {
        self.groups.iter().skip(1).map(|group| group.separators.strength).max().unwrap_or_default()
    }

    /// Whether the same separators stand between all groups.
    pub(super) fn is_alike(&self) -> bool {
        let mut gaps = self.groups.iter().skip(1).map(|group| group.separators);
        let first = gaps.next();
        gaps.all(|other| Some(other) == first)
    }

    /// The separator, if the same single one stands between all groups.
    pub(super) fn separator(&self) -> Option<char> {
        let first = self.groups.get(1)?.separators;
        (first.len == 1 && self.is_alike()).then_some(first.signs[0])
    }

    /// Whether there is one group, or digits stand one by one with the same separators between. The answers to a
    /// questionnaire stand in a list as well, but are small.
    pub(super) fn is_even(&self) -> bool {
        let gap = self.gap();
        let large = || self.digits.iter().any(|digit| *digit > b'5');
        self.groups.len() == 1
            || self.each().all(|length| length == 1)
                && self.is_alike()
                && (gap < Gap::List || gap == Gap::List && large())
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The strength of a separator. Folding has turned wide characters and dashes into ASCII.
pub(super) fn gap(c: char) -> Option<Gap> {
    Some(match c {
        ' ' | '\t' => Gap::Space,
        '-' | '.' | '(' | ')' | '/' | '_' | '（' | '）' | '·' | '・' | '•' | '∙' | '⋅' | '‧' => Gap::Mark,
        // Japanese writes the first for a dash; others draw one.
        'ー' | '─' | '━' | '➖' => Gap::Mark,
        ',' | '，' | '、' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Gap::List,
        _ if c.is_whitespace() => Gap::Space,
        _ if c.is_alphanumeric() || c == '@' => return None,
        _ => Gap::Odd,
    })
}

/// Finds the numbers in a folded text. A text with fewer digits than [`FEWEST_DIGITS`] has none.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut run: Vec<Group> = Vec::new();
    // The separators since the last group; the last character; whether a plus sign begins a number.
    let (mut separators, mut before, mut plus) = (Separators::default(), ' ', false);
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        if !is_digit(c) {
            let line_end = c == '\n' && before == '\r';
            // A space may follow, but then no letter stands before: `ER+ 20`.
            plus = c == '+' && (!before.is_alphanumeric() || is_cjk(before)) || plus && matches!(c, ' ' | '(');
            before = c;
            // A line end may have two characters.
            if run.is_empty() || line_end {
                continue;
            }
            if !gap(c).is_some_and(|gap| separators.push(c, gap)) {
                examine(&mut run, spans);
                separators = Separators::default();
            }
            continue;
        }
        let plus = core::mem::take(&mut plus) || before == '+';
        let mut group =
            Group { start, end: start + 1, digits: [0; MOST_DIGITS], len: 0, before, plus, check: None, separators };
        let mut next = Some(c);
        while let Some(c) = next {
            if let Some(place) = group.digits.get_mut(group.len) {
                *place = c as u8;
            }
            group.len += 1;
            next = chars.next_if(|(_, c)| is_digit(*c)).map(|(at, c)| {
                group.end = at + 1;
                c
            });
        }
        group.check = check_letter(text, group.end);
        (separators, before) = (Separators::default(), '0');
        if group.len > MOST_DIGITS {
            examine(&mut run, spans);
        } else {
            run.push(group);
        }
    }
    examine(&mut run, spans);
}

/// The end of the check letter X after a group: at once, or alone after one separator.
fn check_letter(text: &str, end: usize) -> Option<usize> {
    let mut rest = text.get(end..)?.char_indices();
    match (rest.next()?, rest.next(), rest.next()) {
        ((_, 'x' | 'X'), ..) => Some(end + 1),
        ((_, c), Some((at, 'x' | 'X')), next) if gap(c).is_some() => {
            next.is_none_or(|(_, c)| !c.is_ascii_alphanumeric()).then_some(end + at + 1)
        }
        _ => None,
    }
}

/// Examines a run and clears it.
fn examine(run: &mut Vec<Group>, spans: &mut Vec<Span>) {
    let is_row = |groups: &[Group]| groups.iter().all(|group| group.len == 1);
    let mut rest = run.as_slice();
    while !rest.is_empty() {
        // Digits one by one are a number as a whole, or none.
        let row = rest.iter().take_while(|group| group.len == 1).count();
        let length =
            if row > MOST_GROUPS { row } else { rest.windows(MOST_GROUPS + 1).position(is_row).unwrap_or(rest.len()) };
        let Some((part, later)) = rest.split_at_checked(length) else { break };
        if row > MOST_GROUPS {
            one_by_one(part, spans)
        } else {
            search(part, spans)
        }
        rest = later;
    }
    run.clear();
}

/// Searches a row of single digits, in parts with the same separators.
fn one_by_one(row: &[Group], spans: &mut Vec<Span>) {
    let mut examine = |part: &[Group]| {
        if (MOST_GROUPS + 1..=MOST_DIGITS).contains(&part.len()) {
            let digits: Vec<u8> = part.iter().flat_map(|group| group.digits().iter().copied()).collect();
            let found = classify(&Window { groups: part, digits: &digits, cut: 0 });
            spans.extend(part.first().zip(found).map(|(first, (class, end))| Span { start: first.start, end, class }));
        }
    };
    let mut begin = 0;
    for (at, group) in row.iter().enumerate().skip(1) {
        let between = row.get(begin + 1).map(|second| second.separators);
        if between.is_some_and(|between| between != group.separators) {
            examine(row.get(begin..at).unwrap_or_default());
            // The last one belongs to the next part if it is the second of this one.
            begin = if at - begin == 2 { at - 1 } else { at };
        }
    }
    examine(row.get(begin..).unwrap_or_default());
}

/// Searches the windows of a run.
fn search(run: &[Group], spans: &mut Vec<Span>) {
    let mut rest = run;
    // The number of groups ahead that belong to the number before. A number that begins there counts if it goes on after
    // it and is no telephone number, or a mobile one, or one with a plus sign: an international number has no certain
    // end, but a plus sign is a certain beginning.
    let mut covered = 0;
    while let Some(first) = rest.first() {
        let (mut digits, mut len) = ([0; MOST_DIGITS], 0);
        let mut best = None;
        for (index, group) in rest.iter().take(MOST_GROUPS).enumerate() {
            let Some(place) = digits.get_mut(len..len + group.len) else { break };
            place.copy_from_slice(group.digits());
            len += group.len;
            let (Some(groups), Some(digits)) = (rest.get(..=index), digits.get(..len)) else { break };
            if len < FEWEST_DIGITS || covered > index {
                continue;
            }
            let window = Window { groups, digits, cut: 0 };
            if let Some((class, end)) = classify(&window)
                && (covered == 0 || class != Class::Phone || first.plus || is_mobile(&window))
            {
                best = Some((index + 1, Span { start: first.start, end, class }));
            }
        }
        if let Some((taken, span)) = best {
            spans.push(span);
            covered = taken;
        }
        covered = covered.saturating_sub(1);
        rest = rest.get(1..).unwrap_or_default();
    }
}

/// The class of these groups and the end of the number, if they are a number that identifies somebody.
fn classify(window: &Window<'_>) -> Option<(Class, usize)> {
    let last = window.groups.last()?;
    if is_resident(window.digits, None) || is_first_resident(window) || is_national(window) {
        return Some((Class::NationalId, last.end));
    }
    if let Some(end) = last.check
        && is_resident(window.digits, Some(10))
    {
        return Some((Class::NationalId, end));
    }
    let class = if is_phone(window) {
        Class::Phone
    } else if is_card(window) {
        Class::Card
    } else {
        return None;
    };
    Some((class, last.end))
}

fn is_card(window: &Window<'_>) -> bool {
    let digits = window.digits;
    if digits.len() < 13 || !matches!(digits, [b'2'..=b'6', ..]) {
        return false;
    }
    let written_as_card = window.is_even()
        || window.groups.iter().rev().skip(1).all(|group| group.len == 4)
        || window.lengths(&[4, 6, 5])
        || window.lengths(&[6, 13]);
    let no_list = window.gap() < Gap::List || window.separator().is_some_and(|sign| sign != ':');
    written_as_card && no_list && luhn(digits.iter().copied())
}

/// Whether these are the digits of a resident identity number (GB 11643-1999): a region, a date of birth, a sequence,
/// and a check digit. The check digit ten is written as an X after the digits.
pub(super) fn is_resident(digits: &[u8], check: Option<u32>) -> bool {
    const WEIGHTS: [u32; 18] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1];
    if digits.len() + usize::from(check.is_some()) != WEIGHTS.len() || !matches!(digits, [b'1'..=b'9', ..]) {
        return false;
    }
    let born = two(digits, 6).is_some_and(|century| matches!(century, 18..=20)) && is_day(digits, 10);
    let sum: u32 = digits.iter().map(value).chain(check).zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    born && sum % 11 == 1
}

/// Whether these are the fifteen digits of a resident identity number of the first generation (GB 11643-1989): a
/// region, a date of birth without its century, a sequence. It has no check digit.
fn is_first_resident(window: &Window<'_>) -> bool {
    if window.digits.len() != 15 {
        return false;
    }
    let province = two(window.digits, 0).is_some_and(
        |province| matches!(province, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83),
    );
    let written = window.is_even() || window.lengths(&[6, 6, 3]) || window.lengths(&[6, 2, 2, 2, 3]);
    province && is_day(window.digits, 8) && written
}

/// The value of a digit.
pub(super) fn value(digit: &u8) -> u32 {
    u32::from(digit.wrapping_sub(b'0'))
}

/// The number that two digits make.
pub(super) fn two(digits: &[u8], at: usize) -> Option<u32> {
    digits.get(at..at + 2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 10 + value(digit)))
}

/// Whether four digits are a month and a day.
pub(super) fn is_day(digits: &[u8], at: usize) -> bool {
    two(digits, at).is_some_and(|month| (1..=12).contains(&month))
        && two(digits, at + 2).is_some_and(|day| (1..=31).contains(&day))
}
