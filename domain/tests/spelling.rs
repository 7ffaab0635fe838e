//! The canonical form: one for all spellings of a content, and different ones for different contents.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use std::collections::BTreeMap;

use domain::canonical;
use domain::reading::{Json, Limits};
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};
use unicode_normalization::UnicodeNormalization as _;

fn form(text: &str) -> String {
    let content = Json::sound(text.as_bytes(), Limits::DOCUMENT).unwrap();
    let mut form = String::new();
    canonical::members(content.as_object().unwrap(), &mut form);
    form
}

/// Contents of one member with each of these values have one form.
fn check_same(values: &[&str]) {
    let forms: Vec<String> = values.iter().map(|value| form(&format!("{{\"x\":{value}}}"))).collect();
    for (value, form) in values.iter().zip(&forms) {
        assert_eq!(Some(form), forms.first(), "{value}");
    }
}

/// Contents of one member with each of these values have a form each.
fn check_different(values: &[&str]) {
    let forms: BTreeMap<String, &&str> =
        values.iter().map(|value| (form(&format!("{{\"x\":{value}}}")), value)).collect();
    assert_eq!(forms.len(), values.len(), "{forms:?}");
}

#[test]
fn a_number_is_the_same_in_every_spelling() {
    for numbers in [
        &["0", "-0", "0.0", "-0.0", "0e5", "0.000E-9"][..],
        &["1", "1.0", "1.00", "1e0", "1E+0", "10e-1", "0.1e1"],
        &["13", "13.0", "1.3e1", "130E-1"],
        &["-7", "-7.0", "-0.7e1"],
        &["0.1", "1e-1", "0.10", "10.0e-2"],
        &["1e21", "1000000000000000000000", "1000e18"],
        &["100000000000000000000", "1e20", "100000000000000000000.0"],
        &["0.000001", "1e-6"],
        &["1e-7", "0.0000001"],
        &["9007199254740992", "9007199254740992.0"],
        &["18446744073709551615"],
    ] {
        check_same(numbers);
    }
    check_different(&["1", "\"1\"", "true", "[1]", "10", "1.1", "0.1", "-1", "1e-7", "1e21", "[]", "{}"]);
    // Doubles cannot tell these apart.
    check_different(&["9007199254740992", "9007199254740993", "9007199254740994", "-9007199254740993"]);
    check_different(&["18446744073709551614", "18446744073709551615", "9223372036854775807", "9223372036854775808"]);
}

#[test]
fn a_double_is_written_as_ecmascript_does() {
    // RFC 8785, appendix B.
    for (bits, expected) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let number = Number::from_f64(f64::from_bits(bits)).unwrap();
        assert_eq!(canonical::number(&number), expected);
    }
}

#[test]
fn a_moment_is_the_same_in_every_spelling() {
    check_same(&[
        r#""2026-03-01T08:00:00Z""#,
        r#""2026-03-01T08:00:00+00:00""#,
        r#""2026-03-01T08:00:00-00:00""#,
        r#""2026-03-01t08:00:00z""#,
        r#""2026-03-01T08:00:00.0Z""#,
        r#""2026-03-01T08:00:00.000000000000Z""#,
        r#""2026-03-01T16:00:00+08:00""#,
        r#""2026-03-01T02:30:00.00-05:30""#,
        r#""2026-03-01T08:00:00\u005a""#,
    ]);
    check_same(&[r#""2026-02-28T23:59:59.25-00:01""#, r#""2026-03-01T00:00:59.250Z""#]);
    check_same(&[r#""2016-12-31T23:59:60Z""#, r#""2017-01-01T07:59:60+08:00""#]);
    check_different(&[
        r#""2026-03-01T08:00:00Z""#,
        r#""2026-03-01T08:00:01Z""#,
        r#""2026-03-01T08:00:00.0001Z""#,
        r#""2026-03-01T08:00:00.00010000001Z""#,
        r#""2026-03-01T08:00:00.00010000002Z""#,
        r#""2026-03-01T08:00:00+08:00""#,
        r#""2026-03-01T08:00:00""#,
        r#""2026-03-01""#,
        r#""2016-12-31T23:59:60Z""#,
        r#""2016-12-31T23:59:59Z""#,
        r#""2017-01-01T00:00:00Z""#,
    ]);
    // These are texts like any other.
    for text in [
        "2026-03-01T08:00:0xZ",
        "2026-03-01T08:00:99Z",
        "2026-03-01T08:00:00.Z",
        "2026-02-30T08:00:00Z",
        "2026-03-01T08:00:00+25:00",
        "2026-03-01 08:00:00Z and",
        "0000-01-01T00:00:00+08:00",
        "2026-03-01T08:00:0é",
        "2026-0é-01T08:00:00Z",
        "2026-03-01T08:00:00.5",
        "2026-03-01T08:00:00.5é",
    ] {
        assert_eq!(form(&json!({"x": text}).to_string()), json!({"x": text}).to_string());
    }
}

#[test]
fn a_text_is_the_same_in_every_spelling() {
    check_same(&["\"é\"", "\"e\u{301}\"", r#""\u00e9""#, r#""e\u0301""#]);
    check_same(&["\"한\"", "\"\u{1112}\u{1161}\u{11ab}\""]);
    check_same(&["\"Å\"", "\"\u{212b}\"", "\"A\u{30a}\""]);
    check_same(&["\"q\u{307}\u{323}\"", "\"q\u{323}\u{307}\""]);
    check_same(&["\"陈 a\"", r#""\u9648\u0020\u0061""#]);
    check_same(&[r#""a\/b\n""#, r#""a/b\u000A""#]);
    check_different(&["\"e\"", "\"é\"", "\"E\"", "\"ｅ\"", "\"e \"", "\"e\u{200b}\"", "\"ﬁ\"", "\"fi\"", "\"\""]);
}

#[test]
fn members_are_the_same_in_every_order_and_null_is_no_member() {
    for (one, other) in [
        (r#"{"a":1,"b":{"c":[1,2],"d":null}}"#, r#"{"b":{"c":[1,2]},"a":1,"e":null}"#),
        ("{\"é\":1,\"f\":2}", "{\"f\":2,\"e\u{301}\":1}"),
        ("{\"\u{10000}\":1,\"\u{e000}\":2}", "{\"\u{e000}\":2,\"\u{10000}\":1}"),
        (r#"{"2026-03-01T08:00:00Z":1,"a":2}"#, r#"{"a":2,"2026-03-01T16:00:00+08:00":1}"#),
    ] {
        assert_eq!(form(one), form(other));
    }
    check_different(&["{}", "{\"a\":{}}", "{\"a\":[]}", "[]", "[null]", "[null,null]", "[{}]"]);
    check_different(&["[1,2]", "[2,1]", "{\"a\":\"b\"}", "{\"b\":\"a\"}", "\"a\\\",\\\"b\"", "[\"a\",\"b\"]"]);
    // By UTF-16 code units (RFC 8785, section 3.2.3).
    let sorted = form("{\"\u{20ac}\":0,\"\\r\":1,\"\u{fb03}\":2,\"1\":3,\"\u{1f600}\":4,\"\u{80}\":5,\"ö\":6}");
    assert_eq!(sorted, "{\"\\r\":1,\"1\":3,\"\u{80}\":5,\"ö\":6,\"\u{20ac}\":0,\"\u{1f600}\":4,\"\u{fb03}\":2}");
    let names = ["{\"é\":1,\"e\u{301}\":2}", "{\"é\":2,\"e\u{301}\":1}"];
    assert_ne!(form(names[0]), form(names[1]));
    let exact = |value: Value| {
        let mut text = String::new();
        canonical::exact(&value, &mut text);
        text
    };
    assert_eq!(exact(json!({"b": null, "a": 1.0})), r#"{"a":1,"b":null}"#);
}

/// A value, and the same value in other words.
#[derive(Debug, Clone)]
enum Said {
    Null,
    Flag(bool),
    Whole(i64),
    Double(f64),
    /// Milliseconds since the epoch.
    Moment(i64),
    Text(String),
    List(Vec<Said>),
    Object(BTreeMap<String, Said>),
}

fn said() -> impl Strategy<Value = Said> {
    let leaf = prop_oneof![
        Just(Said::Null),
        any::<bool>().prop_map(Said::Flag),
        any::<i64>().prop_map(Said::Whole),
        (-20i64..20).prop_map(Said::Whole),
        prop::num::f64::NORMAL.prop_map(Said::Double),
        (0i64..4_000_000_000_000).prop_map(Said::Moment),
        "[a-c \"\\\\é陈ñ한가\n]{0,5}".prop_map(Said::Text),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Said::List),
            prop::collection::btree_map("[a-cé한\u{10000}\u{e000}]{0,3}", inner, 0..4).prop_map(Said::Object),
        ]
    })
}

/// Writes a value as the numbers of `choice` decide.
fn write(said: &Said, choice: &mut impl FnMut(u32) -> u32, into: &mut String) {
    match said {
        Said::Null => into.push_str("null"),
        Said::Flag(flag) => into.push_str(&flag.to_string()),
        Said::Whole(whole) => match choice(3) {
            // A fraction makes a double of it.
            1 if whole.unsigned_abs() < 1 << 53 => {
                into.push_str(&format!("{whole}.{}", "0".repeat(1 + choice(3) as usize)))
            }
            2 if (1..1 << 50).contains(&whole.unsigned_abs()) => into.push_str(&format!("{whole}0E-1")),
            _ => into.push_str(&whole.to_string()),
        },
        Said::Double(double) => into.push_str(&match choice(2) {
            0 => format!("{double:e}"),
            _ => {
                let digits = 17 + choice(5) as usize;
                format!("{double:.digits$E}")
            }
        }),
        Said::Moment(ms) => {
            let offset = i64::from(choice(24 * 60)) - 12 * 60;
            let local = domain::Timestamp::from_millis(ms + offset * 60_000).rfc3339();
            let (sign, offset) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
            let nothing = "0".repeat(choice(4) as usize);
            let local = local.trim_end_matches('Z');
            into.push_str(&format!("\"{local}{nothing}{sign}{:02}:{:02}\"", offset / 60, offset % 60));
        }
        Said::Text(text) => spell(text, choice, into),
        Said::List(list) => {
            into.push('[');
            for (index, one) in list.iter().enumerate() {
                into.push_str(if index == 0 { " " } else { "," });
                write(one, choice, into);
            }
            into.push(']');
        }
        Said::Object(members) => {
            let mut members: Vec<(&String, &Said)> = members.iter().collect();
            if choice(2) == 1 {
                members.reverse();
            }
            let split = choice(members.len() as u32 + 1) as usize;
            members.rotate_left(split);
            into.push('{');
            let mut written = 0;
            for (name, one) in members {
                if matches!(one, Said::Null) && choice(2) == 1 {
                    continue;
                }
                into.push_str(if written == 0 { "" } else { ",\n" });
                written += 1;
                spell(name, choice, into);
                into.push(':');
                write(one, choice, into);
            }
            into.push('}');
        }
    }
}

fn spell(text: &str, choice: &mut impl FnMut(u32) -> u32, into: &mut String) {
    let text: String = if choice(2) == 1 { text.nfd().collect() } else { text.nfc().collect() };
    into.push('"');
    for c in text.chars() {
        if choice(3) == 0 || c < ' ' || matches!(c, '"' | '\\') {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| into.push_str(&format!("\\u{unit:04x}")));
        } else {
            into.push(c);
        }
    }
    into.push('"');
}

fn written(said: &Said, choices: &[u32]) -> String {
    let (mut text, mut next) = (String::from("{\"x\":"), choices.iter().cycle());
    write(said, &mut |most| next.next().unwrap() % most, &mut text);
    text + "}"
}

/// The meaning of a value, as Rust compares it.
fn meant(said: &Said) -> Value {
    match said {
        Said::Null => Value::Null,
        Said::Flag(flag) => json!(flag),
        Said::Whole(whole) => json!(whole),
        Said::Double(double) if double.fract() == 0.0 && double.abs() < 1e18 => json!(*double as i64),
        Said::Double(double) => json!(double),
        Said::Moment(ms) => json!({"a moment": ms}),
        Said::Text(text) => json!(text.nfc().collect::<String>()),
        Said::List(list) => list.iter().map(meant).collect(),
        Said::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !matches!(value, Said::Null));
            kept.map(|(name, value)| (name.nfc().collect::<String>(), meant(value))).collect::<Map<_, _>>().into()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_content_has_one_form_however_it_is_spelled(
        said in said(),
        choices in prop::collection::vec(any::<u32>(), 1..40),
        others in prop::collection::vec(any::<u32>(), 1..40),
    ) {
        prop_assert_eq!(form(&written(&said, &choices)), form(&written(&said, &others)));
    }

    #[test]
    fn contents_that_mean_something_else_have_other_forms(one in said(), other in said()) {
        let same = form(&written(&one, &[0])) == form(&written(&other, &[0]));
        let meant = meant(&one) == meant(&other) || matches!((&one, &other), (Said::Null, Said::Null));
        prop_assert_eq!(same, meant);
    }

    #[test]
    fn a_form_is_its_own_form(said in said(), choices in prop::collection::vec(any::<u32>(), 1..40)) {
        let once = form(&written(&said, &choices));
        prop_assert_eq!(form(&once), once);
    }

    #[test]
    fn whole_numbers_keep_all_digits(whole in any::<i64>(), large in any::<u64>()) {
        prop_assert_eq!(canonical::number(&whole.into()), whole.to_string());
        prop_assert_eq!(canonical::number(&large.into()), large.to_string());
    }

    #[test]
    fn any_text_is_normalized_to_nfc(text in "[\\PC]{0,12}") {
        prop_assert_eq!(canonical::nfc(&text), text.nfc().collect::<String>());
    }
}
