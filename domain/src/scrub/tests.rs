use super::*;
use alloc::format;
use alloc::string::ToString;
use proptest::prelude::*;

fn own() -> Own {
    let mut own = Own::new();
    own.add("P-0042", Class::PatientId);
    own.add("Zhang Wei", Class::PatientName);
    own.add("王小明", Class::PatientName);
    own
}

fn clean(text: &str) -> String {
    scrub(text, &own(), &mut Removed::default()).unwrap_or_else(|| text.to_string())
}

#[test]
fn what_identifies_somebody_goes() {
    for (text, expected) in [
        ("call 13800138000 now", "call [phone] now"),
        ("打13800138000给我", "打[phone]给我"),
        ("138-0013-8000, 138 0013 8000", "[phone], [phone]"),
        ("１３８００１３８０００", "[phone]"),
        ("+86 138 0013 8000", "+[phone]"),
        ("8613800138000", "[phone]"),
        ("0086-138-0013-8000", "[phone]"),
        ("+44 20 7946 0958 or +1 (415) 555-2671", "+[phone] or +[phone]"),
        ("0044 20 7946 0958", "[phone]"),
        ("+33 1 23 45 67 89, +44 (0)20 7946 0958, 0081-3-1234-5678", "+[phone], +[phone], [phone]"),
        ("(415) 555-2671", "([phone]"),
        ("010-12345678 / 0571-87654321", "[phone] / [phone]"),
        ("on 2026-03-01 13800138000", "on 2026-03-01 [phone]"),
        // Invented numbers with the checksum of GB 11643.
        ("身份证11010519491231002X。", "身份证[national-id]。"),
        ("id 440524188001010014", "id [national-id]"),
        ("110105 19491231 002x", "[national-id]"),
        ("card 4111 1111 1111 1111, 6222021234567890128", "card [card], [card]"),
        ("378282246310005", "[card]"),
        ("write a.b+c@mail.example.com.", "write [email]."),
        ("我的邮箱zhang@example.cn，谢谢", "我的邮箱[email]，谢谢"),
        ("张伟＠example.com", "[email]"),
        ("a@b.com。c@d, a@b.com.1", "[email]。c@d, [email].1"),
        ("see https://example.com/u/zhang?id=1, then", "see [url], then"),
        ("www.example.com/zhang", "[url]"),
        ("https://u:p@example.com", "[url]"),
        ("MRN: A12-345.", "MRN: [record-number]."),
        ("medical record number is 778899", "medical record number is [record-number]"),
        ("住院号：00123456，病历号是B778", "住院号：[record-number]，病历号是[record-number]"),
        ("p-0042 and Zhang wei, Mr ZHANG; WEI", "[patient-id] and [patient-name], Mr [patient-name]; [patient-name]"),
        ("我叫王小明今年", "我叫[patient-name]今年"),
    ] {
        assert_eq!(clean(text), expected);
    }
}

#[test]
fn what_a_patient_tells_of_an_illness_stays() {
    for text in [
        "",
        "temperature 38.5, blood pressure 120/80, pulse 72",
        "took 500 mg at 08:00 and 20:00 on 2026-03-01 and 2026-03-02",
        "2026-03-01T08:00:00.000Z",
        "1-2-3-4-5-6-7-8-9-10-11-12",
        "110105194912310021",
        "4111 1111 1111 1112",
        "6222021234567890129",
        "https://example.org/ and www.example.org",
        "pain 7 @ night, mrnx 12345, a@b",
        "the weigh-in, zhangs P-00421",
        "病历号没有",
        "睡得好，吃得好",
        "718-7 13.2 g/dL 10*9/L",
    ] {
        assert_eq!(clean(text), text);
    }
}

#[test]
fn what_is_short_is_not_looked_for() {
    let mut own = Own::new();
    for (given, class) in [("p", Class::PatientId), ("12", Class::PatientId), ("Li", Class::PatientName)] {
        own.add(given, class);
    }
    assert_eq!(scrub("p 12 Li", &own, &mut Removed::default()), None);
}

#[test]
fn classes_are_counted() {
    let mut removed = Removed::default();
    scrub("13800138000 13900139000 a@b.cn P-0042", &own(), &mut removed);
    let counts: Vec<(&str, u32)> = removed.iter().map(|(class, count)| (class.as_str(), count)).collect();
    assert_eq!(counts, [("phone", 2), ("email", 1), ("patient-id", 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_brings_it_down_and_twice_is_once(text in "[0-9０-９ +()@:/.wmrnxXa-zZ号病历王小明·，-]{0,60}") {
        let once = clean(&text);
        let mut removed = Removed::default();
        scrub(&once, &own(), &mut removed);
        prop_assert_eq!(removed.iter().count(), 0, "{} {}", text, once);
    }

    #[test]
    fn any_text_is_taken(text in any::<String>()) {
        let _ = clean(&text);
    }

    #[test]
    fn a_mobile_number_never_stays(
        before in "[a-zA-Z号 ,:]{0,6}", number in "1[3-9][0-9]{9}", after in "[a-zA-Z号 ,:]{0,6}",
    ) {
        let clean = clean(&format!("{before}{number}{after}"));
        prop_assert!(!clean.contains(&number), "{}", clean);
    }

    #[test]
    fn a_resident_number_never_stays(
        region in 110_000u32..659_999, year in 1900u32..2025, month in 1u32..=12, day in 1u32..=28, n in 0u32..1000,
    ) {
        let digits = format!("{region}{year}{month:02}{day:02}{n:03}");
        let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        let sum: u32 = digits.bytes().zip(weights).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
        let check = "10X98765432".chars().nth((sum % 11) as usize).unwrap();
        let number = format!("{digits}{check}");
        prop_assert_eq!(clean(&format!("x{number}号")), "x[national-id]号");
    }

    #[test]
    fn the_own_identifier_never_stays(id in "[A-Za-z]{2,5}[0-9]{2,5}", before in "[a-z ]{0,9}", after in "[ ,.][a-z]{0,9}") {
        let mut own = Own::new();
        own.add(&id, Class::PatientId);
        let text = format!("{before} {id}{after}");
        let clean = scrub(&text, &own, &mut Removed::default()).unwrap();
        prop_assert!(!clean.contains(&id), "{}", clean);
    }
}
