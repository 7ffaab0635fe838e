//! Tells telephone numbers from figures, by their first digits and the way in which their groups are parted.

use super::numbers::{FEWEST_DIGITS, Gap, Window, is_day, two, value};

/// The groupings of a mobile number that the figures of a list rarely have.
const MOBILE_LISTED: [&[usize]; 7] = [&[5, 6], &[6, 5], &[4, 7], &[7, 4], &[5, 3, 3], &[3, 5, 3], &[3, 3, 5]];
/// The groupings of a number with an area code in a list.
const AREA_LISTED: [&[usize]; 8] = [&[3, 8], &[4, 8], &[4, 7], &[3, 4, 4], &[4, 4, 4], &[4, 3, 4], &[5, 6], &[5, 3, 3]];

pub(super) fn is_phone(window: &Window<'_>) -> bool {
    let Some(first) = window.groups.first() else { return false };
    let (digits, gap) = (window.digits, window.gap());
    if is_mobile(window) {
        return true;
    }
    let single_comma = window.separator() == Some(',');
    match digits {
        // The end of a time before a day.
        [b'0', b'0', ..] if first.len == 2 && first.before == ':' => false,
        [b'0', b'0', b'1'..=b'9', ..] if gap >= Gap::List => first.len > 2 && is_international(window, 17),
        [b'0', b'0', b'1'..=b'9', ..] => digits.len() >= 10 && is_international(window, 17),
        [b'0', b'1'..=b'9', ..] => has_area(window),
        [b'1'..=b'9', ..] if first.plus && is_international(window, 15) => true,
        [b'2'..=b'9', ..] | [b'1', b'2'..=b'9', ..] => (gap == Gap::Mark || single_comma) && is_american(window, gap),
        _ => false,
    }
}

/// Whether this is a mobile number of China, with the code of the country or without.
pub(super) fn is_mobile(window: &Window<'_>) -> bool {
    let prefix = match window.digits {
        [b'1', b'3'..=b'9', ..] if window.digits.len() == 11 => 0,
        [b'0', b'1', b'3'..=b'9', ..] if window.digits.len() == 12 => 1,
        [b'8', b'6', b'1', b'3'..=b'9', ..] if window.digits.len() == 13 => 2,
        [b'0', b'0', b'8', b'6', b'1', b'3'..=b'9', ..] if window.digits.len() == 15 => 4,
        _ => return false,
    };
    window.without(prefix).is_some_and(|window| is_parted_as_mobile(&window, prefix > 1))
}

/// Whether eleven digits are parted as those of a mobile number, not as figures or as a date. `abroad`: the code of the
/// country stands before them.
fn is_parted_as_mobile(window: &Window<'_>, abroad: bool) -> bool {
    if window.is_even() || window.lengths(&[3, 4, 4]) {
        return true;
    }
    if !abroad && has_date(window) {
        return false;
    }
    let few = window.groups.len() <= 4 && window.later_at_least(3);
    let separator = window.separator();
    let parted = window.each().next().is_some_and(|first| first >= 3) && window.later_at_least(2) && window.is_alike();
    let telling = parted && separator != Some(':') && begins_with_zero(window);
    match window.gap() {
        Gap::Space | Gap::Mark => {
            let pairs = parted && window.groups.len() > 4 && matches!(separator, Some('-' | '.' | '_' | '·'));
            few || telling || pairs
        }
        Gap::List => {
            let listed = MOBILE_LISTED.iter().any(|expected| window.lengths(expected)) && separator.is_some();
            // No figure in groups of three has a longer first group.
            let comma = few && parted && separator == Some(',');
            telling || listed || comma || window.lengths(&[3, 8])
        }
        Gap::Odd => telling,
    }
}

/// Whether a group after the first begins with a zero, as no figure does.
fn begins_with_zero(window: &Window<'_>) -> bool {
    window.groups.iter().skip(1).any(|group| group.digits().starts_with(b"0"))
}

/// Whether some of the groups are a date, with the year first or last or in one group.
fn has_date(window: &Window<'_>) -> bool {
    let is_year = |digits: &[u8]| digits.len() == 4 && matches!(two(digits, 0), Some(18..=20));
    let groups = |at: usize| window.groups.get(at).map(|group| group.digits()).unwrap_or_default();
    (0..window.groups.len()).any(|at| {
        let (one, other, third) = (groups(at), groups(at + 1), groups(at + 2));
        let dated = |pair: [&[u8]; 2]| pair.iter().all(|digits| matches!(digits.len(), 1 | 2));
        let unbroken = one.len() == 8 && matches!(two(one, 0), Some(18..=20)) && is_day(one, 4);
        unbroken && window.separator() != Some('-')
            || is_year(one) && dated([other, third])
            || is_year(third) && dated([one, other])
    })
}

/// Whether a number with a plus sign or two zeros before the code of its country is parted as such. An area code may
/// have one digit: +33 1 23 45 67 89, +44 (0)20 7946 0958.
fn is_international(window: &Window<'_>, most: usize) -> bool {
    let fits = (FEWEST_DIGITS..=most).contains(&window.digits.len());
    let numbered = window.groups.len() > 1 && window.groups.iter().all(|group| group.digits().starts_with(b"0"));
    let dated = window.groups.first().is_some_and(|first| first.len == 4) && has_date(window);
    if !fits || numbered || dated || window.groups.iter().skip(2).any(|group| group.len < 2) {
        return false;
    }
    // The figures of a list are short, and do not begin with a zero.
    let telling =
        || window.is_alike() && (begins_with_zero(window) || window.groups.iter().skip(1).any(|it| it.len >= 4));
    window.gap() < Gap::List
        || window.separator().is_some_and(|sign| sign != ':')
        || window.gap() == Gap::List && telling()
}

/// Whether a number with one zero before its area code is parted as such.
fn has_area(window: &Window<'_>) -> bool {
    let digits = window.digits;
    let mut lengths = window.each();
    let Some(first) = lengths.next() else { return false };
    let rest = digits.len() - first;
    if rest == 0 {
        // No group of figures has so many digits. A local number of China begins with 2 to 9.
        return match digits {
            [b'0', b'1', b'0', b'2'..=b'9', ..] | [b'0', b'2', _, b'2'..=b'9', ..] => digits.len() == 11,
            [b'0', b'3'..=b'9', _, _, b'2'..=b'9', ..] => matches!(digits.len(), 11 | 12),
            _ => false,
        };
    }
    if has_date(window) || are_times(window) {
        return false;
    }
    if window.gap() >= Gap::List {
        return window.is_alike()
            && window.separator() != Some(':')
            && AREA_LISTED.iter().any(|expected| window.lengths(expected));
    }
    // 03-1234-5678
    let short =
        || first == 2 && rest == 8 && lengths.clone().all(|length| length == 4) && window.separator() == Some('-');
    // 01 23 45 67 89, but not numbers that count up in equal steps.
    let pairs = || {
        let numbers = window.groups.iter().filter_map(|group| two(group.digits(), 0));
        let mut steps = numbers.clone().zip(numbers.skip(1)).map(|(one, next)| next.wrapping_sub(one));
        let first = steps.next();
        window.lengths(&[2; 5])
            && matches!(window.separator(), Some(' ' | '.' | '-'))
            && !steps.all(|step| Some(step) == first)
    };
    let usual = match first {
        3 | 4 => matches!(rest, 7 | 8),
        5 => matches!(rest, 5 | 6),
        _ => false,
    };
    usual && window.later_at_least(3) || short() || pairs()
}

/// Whether the groups of four digits are times of a day, such as 0800, and the first is one of them.
fn are_times(window: &Window<'_>) -> bool {
    let mut groups = window.groups.iter().map(|group| group.digits()).filter(|digits| digits.len() == 4);
    let is_time = |digits: &[u8]| matches!(two(digits, 0), Some(0..=24)) && matches!(two(digits, 2), Some(0..=59));
    window.groups.first().is_some_and(|first| first.len == 4) && groups.clone().count() > 1 && groups.all(is_time)
}

/// Whether these are the ten digits of a number of North America, with a 1 before them or not. In a list the area and
/// the office must exist.
fn is_american(window: &Window<'_>, gap: Gap) -> bool {
    let digits = match window.digits {
        [b'1', rest @ ..] if rest.len() == 10 && window.lengths(&[1, 3, 3, 4]) => rest,
        digits if window.lengths(&[3, 3, 4]) => digits,
        _ => return false,
    };
    let exists = matches!(digits, [b'2'..=b'9', b'0'..=b'8', _, b'2'..=b'9', ..]);
    digits.first().is_some_and(|area| value(area) > 1) && (gap == Gap::Mark || exists)
}
