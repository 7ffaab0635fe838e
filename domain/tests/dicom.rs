//! DICOM files from pydicom, read in pieces of any size, cut off at any byte, with any bit flipped.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "dicom/common.rs"]
mod common;

use common::{EXPLICIT, IMPLICIT, made, problem, read};
use domain::dicom::{DEEPEST, LONGEST_METADATA, Problem};
use proptest::prelude::*;
use serde_json::{Value, json};

const FILES: [&str; 7] = [
    "explicit-gb18030",
    "implicit-utf8",
    "deflated-latin1-rgb",
    "rle-japanese",
    "implicit-korean-signed",
    "explicit-gbk-no-group-length",
    "jpeg-cyrillic-no-group-length",
];

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../tests/dicom/{name}.dcm", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn expected(name: &str) -> Value {
    let text = std::fs::read(format!("{}/../tests/dicom/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Checks that pydicom and this reader show the same; numbers may be written differently.
fn same(path: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => assert_eq!(ours.as_f64(), theirs.as_f64(), "{path}"),
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{path}");
            (0..)
                .zip(ours.iter().zip(theirs))
                .for_each(|(at, (ours, theirs))| same(&format!("{path}/{at}"), ours, theirs));
        }
        (Value::Object(members), Value::Object(_)) => {
            for (name, ours) in members {
                same(&format!("{path}/{name}"), ours, theirs.get(name).unwrap_or_else(|| panic!("{path}/{name}")));
            }
        }
        // An empty value among several values.
        (Value::Null, Value::String(theirs)) => assert_eq!(theirs, "", "{path}"),
        _ => assert_eq!(ours, theirs, "{path}"),
    }
}

/// Removes an attribute that is expected to differ, and returns its value.
fn replaced(attributes: &mut Value, tag: &str) -> Value {
    attributes.as_object_mut().unwrap().remove(tag).unwrap_or_else(|| panic!("{tag}"))
}

#[test]
fn what_is_kept_is_what_pydicom_reads_and_the_rest_tells_nothing() {
    for name in FILES {
        let report = read(&file(name), 1000).unwrap();
        let (mut ours, theirs): (Value, Value) = (serde_json::from_str(&report.metadata).unwrap(), expected(name));
        assert_eq!(report.transfer_syntax, theirs["transferSyntax"], "{name}");
        assert!(report.complete && !report.metadata.contains("SECRET") && !report.metadata.contains("机密"), "{name}");
        // Emptied, given a dummy, given another identifier: actions Z, D and U of the profile.
        for (tag, value) in [
            ("00100010", json!({"vr": "PN"})),
            ("00100020", json!({"vr": "LO"})),
            ("00080050", json!({"vr": "SH"})),
            ("00080020", json!({"vr": "DA"})),
            ("0020000D", json!({"vr": "UI", "Value": ["2.25.28"]})),
            ("0020000E", json!({"vr": "UI", "Value": ["2.25.30"]})),
        ] {
            assert_eq!(replaced(&mut ours, tag), value, "{name} {tag}");
        }
        for tag in ["00080018", "00200052", "00080090", "00100030", "00100040", "00080030"] {
            let was = replaced(&mut ours, tag);
            assert_ne!(was, theirs["attributes"][tag], "{name} {tag}");
        }
        if let Some(sources) = ours.pointer_mut("/00082112/Value/0") {
            assert_eq!(replaced(sources, "00081155"), json!({"vr": "UI", "Value": ["2.25.27"]}));
        }
        // Neither side has a member `Value` for an empty value.
        same(name, &ours, &theirs["attributes"]);
        // Kept: attributes that reveal nothing about a person.
        let kept = ["00080005", "00080016", "00080060", "00080070", "00180050", "00280010"];
        assert!(kept.iter().all(|tag| ours.get(tag).is_some()), "{name}: {ours}");
        for gone in ["00081030", "00080080", "00101001", "00400275", "00110010", "00111002"] {
            assert!(ours.get(gone).is_none(), "{name} {gone}");
        }
    }
}

#[test]
fn statistics_are_those_that_numpy_makes() {
    for name in FILES {
        let pixels = read(&file(name), 777).unwrap().pixels.unwrap();
        let theirs = &expected(name)["pixels"];
        let Some(ours) = pixels.statistics else {
            assert!(theirs.is_null() && pixels.fragments == Some(1), "{name}: {:?}", pixels.fragments);
            continue;
        };
        let ours = json!({
            "count": ours.count, "min": ours.min, "max": ours.max, "mean": ours.mean,
            "binWidth": ours.bin_width, "histogram": ours.histogram,
        });
        let mean = |value: &Value| value["mean"].as_f64().unwrap();
        assert!((mean(&ours) - mean(theirs)).abs() < 1e-9, "{name}");
        let (mut ours, mut theirs) = (ours, theirs.clone());
        (ours["mean"], theirs["mean"]) = (Value::Null, Value::Null);
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn pieces_of_any_size_give_the_same() {
    for name in FILES {
        let bytes = file(name);
        let whole = read(&bytes, bytes.len()).unwrap();
        for piece in [1, 2, 3, 7, 13, 131, 4095] {
            assert_eq!(read(&bytes, piece).unwrap(), whole, "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn a_file_that_is_cut_off_is_never_taken_for_whole() {
    for name in FILES {
        let bytes = file(name);
        let mut whole = 0;
        for end in 0..bytes.len() {
            whole += usize::from(read(&bytes[..end], 512).is_ok());
        }
        // A file may end between two elements of the outermost level; pydicom agrees. There are few such places.
        assert!(whole < 70, "{name}: {whole}");
        assert_eq!(problem(&bytes[..100]), Problem::NotDicom);
        assert_eq!(problem(&bytes[..140]), Problem::Truncated);
    }
}

#[test]
fn what_is_no_dicom_or_absurd_has_its_own_name() {
    let check = |bytes: Vec<u8>, expected| assert_eq!(problem(&bytes), expected, "{:?}", &bytes[144..]);
    assert_eq!(problem(b""), Problem::NotDicom);
    assert_eq!(problem(&[0; 4096]), Problem::NotDicom);
    check(made("1.2.840.10008.1.2.2", b""), Problem::TransferSyntax);
    check(made("1.2.3", b""), Problem::TransferSyntax);
    check(made(EXPLICIT, b"\x08\0\x05\0CS\x04\0NONE"), Problem::CharacterSet);
    check(made(EXPLICIT, b"\x08\0\x05\0ZZ\x04\0NONE"), Problem::Representation);
    check(made(EXPLICIT, b"\x08\0\x60\0CS\x02\0CT\x08\0\x60\0CS\x02\0CT"), Problem::Order);
    check(made(EXPLICIT, b"\xe0\x7f\x10\0OW\0\0\xfe\xff\xff\xff"), Problem::Length);
    check(made(IMPLICIT, b"\x08\0\x60\0\xff\xff\xff\xff"), Problem::Length);
    check(made(EXPLICIT, b"\xfe\xff\x0d\xe0\0\0\0\0"), Problem::Nesting);
    check(made(EXPLICIT, b"\x08\0\x18\x22SQ\0\0\xff\xff\xff\xff\x08\0\x60\0CS\x02\0CT"), Problem::Nesting);
    // An item of 8 bytes in a sequence of 8 bytes.
    check(made(EXPLICIT, b"\x08\0\x18\x22SQ\0\0\x08\0\0\0\xfe\xff\x00\xe0\x08\0\0\0CT"), Problem::Length);
    check(made("1.2.840.10008.1.2.1.99", b"\xff\xff\xff\xff\xff\xff"), Problem::Deflate);
    let mut long = made(EXPLICIT, b"");
    long[140..144].copy_from_slice(&u32::MAX.to_le_bytes());
    check(long, Problem::Meta);
    let small = b"\x28\0\x02\0US\x02\0\x01\0\x28\0\x10\0US\x02\0\xff\xff\x28\0\x11\0US\x02\0\xff\xff\
                  \x28\0\0\x01US\x02\0\x10\0\x28\0\x01\x01US\x02\0\x10\0\xe0\x7f\x10\0OW\0\0\x02\0\0\0\0\0";
    check(made(EXPLICIT, small), Problem::Pixels);
}

#[test]
fn nesting_ends_where_it_is_too_deep() {
    let level = b"\x08\0\x18\x22SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff";
    assert_eq!(problem(&made(EXPLICIT, &level.repeat(DEEPEST / 2))), Problem::Truncated);
    assert_eq!(problem(&made(EXPLICIT, &level.repeat(DEEPEST / 2 + 1))), Problem::TooDeep);
    assert_eq!(problem(&made(EXPLICIT, &level.repeat(1_000_000))), Problem::TooDeep);
}

#[test]
fn a_deflated_file_cannot_grow_without_end() {
    let bomb = miniz_oxide::deflate::compress_to_vec(&vec![0; 300 * 1024 * 1024], 1);
    assert!(bomb.len() < 4 * 1024 * 1024);
    assert_eq!(problem(&made("1.2.840.10008.1.2.1.99", &bomb)), Problem::Representation);
    // Almost the maximum in one element, and then endless items.
    let mut long = b"\x08\0\x06\0OB\0\0\0\xff\xff\x0f".to_vec();
    long.resize(12 + 0x0fff_ff00, 0);
    long.extend(b"\x08\0\x18\x22SQ\0\0\xff\xff\xff\xff");
    long.extend(b"\xfe\xff\x00\xe0\xff\xff\xff\xff\xfe\xff\x0d\xe0\0\0\0\0".repeat(1000));
    let bomb = miniz_oxide::deflate::compress_to_vec(&long, 1);
    assert_eq!(problem(&made("1.2.840.10008.1.2.1.99", &bomb)), Problem::Length);
}

#[test]
fn a_second_byte_that_looks_like_a_backslash_separates_nothing() {
    // 昞 is 95 5C in GB18030.
    let data = b"\x08\0\x05\0CS\x08\0GB18030 \x08\0\x70\0LO\x06\0\x95\x5c\\\x95\x5c ";
    let report = read(&made(EXPLICIT, data), 64).unwrap();
    let shown: Value = serde_json::from_str(&report.metadata).unwrap();
    assert_eq!(shown["00080070"]["Value"], json!(["昞", "昞"]));
}

#[test]
fn items_without_end_take_no_more_room_than_attributes() {
    for item in [&b"\xfe\xff\x00\xe0\0\0\0\0"[..], b"\xfe\xff\x00\xe0\xff\xff\xff\xff\xfe\xff\x0d\xe0\0\0\0\0"] {
        let data = item.repeat(2_000_000);
        let mut sequence = b"\x08\0\x18\x22SQ\0\0".to_vec();
        sequence.extend((data.len() as u32).to_le_bytes());
        sequence.extend(data);
        let report = read(&made(EXPLICIT, &sequence), 16 * 1024).unwrap();
        assert!(!report.complete && report.metadata.len() < LONGEST_METADATA + 100, "{}", report.metadata.len());
        serde_json::from_str::<Value>(&report.metadata).unwrap();
    }
}

#[test]
fn a_file_without_the_length_of_its_meta_information_is_read() {
    let whole = made(EXPLICIT, b"\x08\0\x60\0CS\x02\0CT");
    let without = [&whole[..132], &whole[144..]].concat();
    for piece in [1, 7, 4096] {
        assert_eq!(read(&without, piece).unwrap().metadata, read(&whole, piece).unwrap().metadata);
    }
    // Endless elements of the group, one element beyond any length, and no transfer syntax.
    let head = &whole[..132];
    for (meta, expected) in [
        (b"\x02\0\x02\0UI\x02\x001\0".repeat(1000), Problem::Meta),
        (b"\x02\0\x01\0OB\0\0\xf0\xff\xff\xff".to_vec(), Problem::Meta),
        (b"\x02\0\x02\0UI\x02\x001\0\x08\0\x60\0CS\x02\0CT".to_vec(), Problem::Meta),
        (b"\x08\0\x60\0CS\x02\0CT".to_vec(), Problem::Meta),
        (b"\x02\0\x02\0UI\x02\x001\0\x02\0".to_vec(), Problem::Truncated),
    ] {
        assert_eq!(problem(&[head, &meta].concat()), expected);
    }
}

#[test]
fn attributes_that_are_too_many_are_left_out_and_it_is_said() {
    let item: &[u8] = b"\xfe\xff\x00\xe0\x20\0\0\0\x08\0\x04\x01LO\x18\0Meaning of an item here.";
    let data = item.repeat(60_000);
    let mut sequence = b"\x08\0\x18\x22SQ\0\0".to_vec();
    sequence.extend((data.len() as u32).to_le_bytes());
    sequence.extend(data);
    let report = read(&made(EXPLICIT, &sequence), 16 * 1024).unwrap();
    assert!(!report.complete && report.metadata.len() < 2 * LONGEST_METADATA);
    serde_json::from_str::<Value>(&report.metadata).unwrap();
}

proptest! {
    #[test]
    fn bits_turned_anywhere_give_a_report_or_a_fault(
        name in prop::sample::select(FILES.to_vec()),
        turns in prop::collection::vec((0usize..4096, 0u8..8), 1..20),
        piece in 1usize..600,
    ) {
        let mut bytes = file(name);
        for (at, bit) in turns {
            let at = 128 + at % (bytes.len() - 128);
            bytes[at] ^= 1 << bit;
        }
        if let Ok(report) = read(&bytes, piece) {
            serde_json::from_str::<Value>(&report.metadata).unwrap();
        }
    }

    #[test]
    fn bytes_of_any_kind_end_with_a_report_or_a_fault(
        data in prop::collection::vec(any::<u8>(), 0..400),
        syntax in prop::sample::select(vec![EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.1.99"]),
    ) {
        if let Ok(report) = read(&made(syntax, &data), 33) {
            serde_json::from_str::<Value>(&report.metadata).unwrap();
        }
    }
}
