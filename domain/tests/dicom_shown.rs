//! The attributes and pixels of DICOM files that the tests make: the allow list, character sets, lengths.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "dicom/common.rs"]
mod common;

use common::{EXPLICIT, made, problem, read, vr_of};
use domain::dicom::{Problem, Vr};
use serde_json::{Value, json};

/// An element in explicit form with a short length.
fn element(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == "UI" { 0 } else { b' ' });
    }
    let mut bytes = header(tag);
    bytes.extend(vr.bytes());
    bytes.extend((value.len() as u16).to_le_bytes());
    bytes.extend(value);
    bytes
}

fn header(tag: u32) -> Vec<u8> {
    [((tag >> 16) as u16).to_le_bytes(), (tag as u16).to_le_bytes()].concat()
}

/// A sequence of one item.
fn sequence(tag: u32, item: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| (bytes as u32).to_le_bytes();
    let head = [&header(tag)[..], b"SQ\0\0", &length(8 + item.len())].concat();
    [&head[..], &header(0xfffe_e000), &length(item.len()), item].concat()
}

/// The shown attributes of this data set.
fn shown(data: &[u8]) -> Value {
    serde_json::from_str(&read(&made(EXPLICIT, data), 100).unwrap().metadata).unwrap()
}

#[test]
fn one_value_may_switch_between_many_character_sets() {
    let sets = r"ISO 2022 IR 13\ISO 2022 IR 87\ISO 2022 IR 100\ISO 2022 IR 126\ISO 2022 IR 144\ISO 2022 IR 149\ISO 2022 IR 159";
    let text = [
        &b"\xd4\xcf\xc0\xde \x1b$B;3ED\x1b(J "[..],
        b"\x1b-A\xe9\x1b-F\xd9\x1b-L\xbb\x1b$)C\xc8\xab\x1b$(D0!\x1b(J\\\xd4\xcf\\\x1b-Lx\xbb",
    ]
    .concat();
    let data = [element(0x0008_0005, "CS", sets.as_bytes()), element(0x0008_0070, "LO", &text)].concat();
    assert_eq!(shown(&data)["00080070"]["Value"], json!(["ﾔﾏﾀﾞ 山田 éΩЛ홍丂", "ﾔﾏ", "xЛ"]));
    // An item has its own character set, and else that of the data set around it.
    let meaning = element(0x0008_0104, "LO", b"\xe9\x1b-L\xbb\\\xe9");
    let own = [element(0x0008_0005, "CS", br"ISO 2022 IR 126\ISO 2022 IR 144"), meaning.clone()].concat();
    for (item, expected) in [(own, json!(["ιЛ", "ι"])), (meaning, json!(["éЛ", "é"]))] {
        let sets = element(0x0008_0005, "CS", br"ISO 2022 IR 100\ISO 2022 IR 144");
        let shown = shown(&[sets, sequence(0x0008_2218, &item)].concat());
        assert_eq!(shown.pointer("/00082218/Value/0/00080104/Value"), Some(&expected), "{shown}");
    }
}

/// Every attribute that the dictionary has, with its representation.
fn dictionary() -> Vec<(u32, Vr)> {
    let groups = (0x0004..=0x0101).chain([0x0400, 0x2050, 0x3002, 0x3006, 0x300a, 0x4008, 0x6000, 0x6002]);
    let tags = groups.flat_map(|group: u32| (0..0x1_0000).map(move |element| group << 16 | element));
    tags.filter_map(|tag| Some((tag, vr_of(tag)?))).collect()
}

#[test]
fn only_what_a_list_allows_is_shown_whatever_it_is_and_however_deep() {
    let secret = |vr: Vr| match vr {
        Vr::DA => "20260127",
        Vr::DT => "20260127081500",
        Vr::TM => "081500",
        Vr::UI => "1.2.276.20260127",
        Vr::DS | Vr::IS => "20260127",
        _ => "SECRET",
    };
    let texts = [Vr::AE, Vr::AS, Vr::DA, Vr::DT, Vr::LT, Vr::PN, Vr::ST, Vr::TM, Vr::UC, Vr::UI, Vr::UR, Vr::UT];
    let known = dictionary();
    assert!(known.len() > 3000, "{}", known.len());
    for (tag, vr) in known {
        let element = match vr {
            Vr::UC | Vr::UR | Vr::UT => {
                [&header(tag)[..], vr.as_str().as_bytes(), b"\0\0\x06\0\0\0", secret(vr).as_bytes()].concat()
            }
            Vr::AE | Vr::AS | Vr::DA | Vr::DT | Vr::LO | Vr::LT | Vr::PN | Vr::SH | Vr::ST | Vr::TM | Vr::UI => {
                element(tag, vr.as_str(), secret(vr).as_bytes())
            }
            _ => continue,
        };
        for data in [element.clone(), sequence(0x0008_2218, &element)] {
            let text = shown(&data).to_string();
            // The long value of a code.
            if texts.contains(&vr) && tag != 0x0008_0119 {
                assert!(!text.contains(secret(vr)), "{tag:08x} {text}");
            }
        }
    }
}

#[test]
fn what_used_to_stay_is_gone() {
    for (tag, vr) in [
        (0x0010_0033, "LO"),
        (0x0010_0034, "LO"),
        (0x0010_0035, "CS"),
        (0x0008_010e, "UR"),
        (0x0008_0120, "UR"),
        (0x0028_7fe0, "UR"),
        (0x0040_e010, "UR"),
        (0x0042_0010, "ST"),
        (0x0040_a492, "LO"),
        (0x0028_6022, "LO"),
        (0x0004_1500, "CS"),
        (0x0004_1130, "CS"),
        (0x0009_0010, "LO"),
        (0x0011_1001, "UN"),
        (0x0012_0063, "LO"),
        (0x0018_9423, "LO"),
        (0x0020_9421, "LO"),
        (0x0062_0005, "LO"),
        (0x0070_0080, "CS"),
        (0x0070_0081, "LO"),
        (0x3004_0006, "LO"),
        (0x5000_2500, "LO"),
        (0x6000_0022, "LO"),
        (0x6002_1500, "LO"),
        // Not in the dictionary.
        (0x0018_ffff, "LO"),
        (0x0008_0003, "CS"),
        // The representation is not the standard's.
        (0x0018_0050, "LO"),
        (0x0028_0010, "PN"),
        (0x0008_0016, "LO"),
        (0x0008_0070, "UT"),
    ] {
        let value = if vr.starts_with('U') {
            [&header(tag)[..], vr.as_bytes(), b"\0\0\x06\0\0\0SECRET"].concat()
        } else {
            element(tag, vr, b"SECRET")
        };
        for data in [value.clone(), sequence(0x0008_2218, &value)] {
            let report = read(&made(EXPLICIT, &data), 64).unwrap();
            let text = &report.metadata;
            assert!(!text.contains("SECRET") && !text.contains(&format!("{tag:08X}")), "{text}");
            assert!(report.counts.removed == 1, "{tag:08x} {:?}", report.counts);
        }
    }
    // The records of a DICOMDIR: a patient, a path.
    let path = [element(0x0004_1500, "CS", br"IMAGES\SECRET"), element(0x0010_0010, "PN", b"SECRET^A")].concat();
    assert_eq!(shown(&sequence(0x0004_1220, &path)), json!({}));
    // A sequence that is kept is filtered by the same list; one that is not is gone with all its items.
    let item = [element(0x0008_0104, "LO", b"Lung"), element(0x0010_0033, "LO", b"SECRET")].concat();
    let kept = json!({"00082218": {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": ["Lung"]}}]}});
    assert_eq!(shown(&sequence(0x0008_2218, &item)), kept);
    assert_eq!(shown(&sequence(0x0040_0275, &item)), json!({}));
    // Numbers that are texts.
    let numbers = [element(0x0018_0050, "DS", br"1.5\SECRET"), element(0x0020_0013, "IS", br"7\SECRET\8.0")].concat();
    assert_eq!(shown(&numbers)["00180050"]["Value"], json!([1.5, null]));
    assert_eq!(shown(&numbers)["00200013"]["Value"], json!([7, null, 8]));
}

#[test]
fn an_identifier_stays_only_if_it_names_a_thing_of_the_standard() {
    let class = "1.2.840.10008.5.1.4.1.1.2";
    let of = |tag: u32, uid: &str| shown(&element(tag, "UI", uid.as_bytes()))[format!("{tag:08X}")]["Value"].clone();
    assert_eq!(of(0x0008_0016, class), json!([class]));
    assert_eq!(of(0x0008_1150, class), json!([class]));
    assert_eq!(of(0x0008_0016, "1.3.12.2.1107.5"), json!(["2.25.15"]));
    assert_eq!(of(0x0008_0016, "1.2.840.10008.SECRET"), json!(["2.25.20"]));
    assert_eq!(of(0x0008_0016, "1.2.840.10008.5\\1.3.12"), json!(["1.2.840.10008.5", "2.25.6"]));
    // An instance is never of the standard.
    assert_eq!(of(0x0008_0018, class), json!(["2.25.25"]));
    assert_eq!(of(0x0020_000d, "1.2.3 "), json!(["2.25.5"]));
    assert_eq!(of(0x0020_9312, "1.2.3"), json!(["2.25.5"]));
}

#[test]
fn a_value_of_unknown_representation_is_read_as_the_standard_has_it() {
    let unknown =
        |tag: u32, value: &[u8]| [&header(tag)[..], b"UN\0\0", &(value.len() as u32).to_le_bytes(), value].concat();
    let data = [
        unknown(0x0008_0060, b"CT"),
        unknown(0x0010_0010, b"SECRET^A"),
        unknown(0x0018_0050, b"1.5 "),
        unknown(0x0028_0010, b"\x02\0"),
    ]
    .concat();
    let text = json!({"00080060": {"vr": "CS", "Value": ["CT"]}, "00100010": {"vr": "PN"},
        "00180050": {"vr": "DS", "Value": [1.5]}, "00280010": {"vr": "US", "Value": [2]}});
    assert_eq!(shown(&data), text);
}

/// An image of these columns and two rows, with pixels of this many bytes.
fn image(interpretation: &str, samples: u16, columns: u16, frames: &str, allocated: u16, bytes: usize) -> Vec<u8> {
    let number = |tag: u32, value: u16| element(tag, "US", &value.to_le_bytes());
    let mut data = [
        number(0x0028_0002, samples),
        element(0x0028_0004, "CS", interpretation.as_bytes()),
        number(0x0028_0006, 0),
        element(0x0028_0008, "IS", frames.as_bytes()),
        number(0x0028_0010, 2),
        number(0x0028_0011, columns),
        number(0x0028_0100, allocated),
        number(0x0028_0101, allocated),
        number(0x0028_0102, allocated - 1),
        number(0x0028_0103, 0),
        [&header(0x7fe0_0010)[..], b"OB\0\0", &(bytes as u32).to_le_bytes()].concat(),
    ]
    .concat();
    data.extend((0..bytes).map(|at| at as u8));
    made(EXPLICIT, &data)
}

#[test]
fn pixels_are_as_long_as_their_interpretation_says() {
    let colour = ["YBR_FULL_422", "YBR_PARTIAL_422", "RGB", "YBR_FULL", "MONOCHROME2"];
    for (interpretation, samples, columns, frames, allocated, needed) in [
        (colour[0], 3, 4, "1", 8, 16),
        (colour[0], 3, 5, "1", 8, 20),
        (colour[0], 3, 4, "3", 8, 48),
        (colour[0], 3, 4, "0", 8, 16),
        (colour[0], 3, 4, "", 8, 16),
        (colour[0], 3, 4, "1", 16, 32),
        (colour[1], 3, 4, "1", 8, 16),
        (colour[2], 3, 4, "1", 8, 24),
        (colour[3], 3, 4, "1", 8, 24),
        (colour[4], 1, 4, "1", 8, 8),
        (colour[0], 1, 4, "1", 8, 8),
        (colour[4], 1, 9, "3", 1, 7),
        (colour[4], 1, 4, "1", 32, 32),
    ] {
        let case = format!("{interpretation} {samples} {columns} {frames:?} {allocated}");
        let file = |bytes| image(interpretation, samples, columns, frames, allocated, bytes);
        for bytes in [needed, needed + 1, needed + 2] {
            let pixels = read(&file(bytes), 50).unwrap_or_else(|fault| panic!("{case}: {fault:?}")).pixels.unwrap();
            assert_eq!(pixels.bytes, bytes as u64, "{case}");
            if let Some(statistics) = pixels.statistics {
                assert_eq!(statistics.count, (needed * 8 / usize::from(allocated)) as u64, "{case}");
            } else {
                assert!(![8, 16].contains(&allocated), "{case}");
            }
        }
        assert_eq!(problem(&file(needed - 1)), Problem::Pixels, "{case}");
    }
}
