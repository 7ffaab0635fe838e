//! Rows as JSON and as CSV, and their faults.

use alloc::format;
use alloc::string::ToString as _;

use serde_json::json;

use super::*;

fn anchors() -> Vec<String> {
    ["enrolled", "surgery"].map(String::from).to_vec()
}

fn languages() -> Vec<String> {
    ["de", "zh-Hans"].map(String::from).to_vec()
}

fn read(row: &Value) -> Result<Enrolment, Vec<(String, Code)>> {
    let read = Enrolment::read(row, &anchors(), &languages());
    read.map_err(|found| found.into_iter().map(|fault| (fault.pointer, fault.code)).collect())
}

/// A row with some members changed; null takes one away.
fn row(members: Value) -> Value {
    let mut row = json!({"patientId": "P-1", "siteId": "7", "language": "de", "anchors": {"enrolled": "2026-11-26"}});
    for (name, value) in members.as_object().unwrap() {
        row[name] = value.clone();
        if value.is_null() {
            row.as_object_mut().unwrap().remove(name);
        }
    }
    row
}

#[test]
fn a_row_is_read_whole() {
    let contact = json!({"sms": "+4915112345678", "email": "p.one@clinic.example", "other": "wechat:陈1"});
    let row = row(json!({"patientId": "Mu\u{308}ller", "language": "ZH-hans".to_lowercase(), "zone": "Asia/Shanghai",
        "contact": contact, "anchors": {"enrolled": "2026-11-26", "surgery": "2028-02-29"}}));
    let found = read(&row).unwrap();
    assert_eq!((found.patient_id.as_str(), found.site.as_str(), found.language.as_str()), ("Müller", "7", "zh-Hans"));
    assert_eq!(found.zone.as_deref(), Some("Asia/Shanghai"));
    assert_eq!(found.contact.sms.as_deref(), Some("+4915112345678"));
    assert_eq!(found.contact.email.as_deref(), Some("p.one@clinic.example"));
    assert_eq!(found.contact.other.as_deref(), Some("wechat:陈1"));
    let days: Vec<_> = found.anchors.iter().map(|(name, day)| format!("{name} {day}")).collect();
    assert_eq!(days, ["enrolled 2026-11-26", "surgery 2028-02-29"]);
    assert_eq!(format!("{found:?} {:?}", found.contact), "Enrolment Contact");
}

#[test]
fn every_fault_of_a_row_is_told_at_its_place() {
    for (members, pointer, code) in [
        (json!({"patientId": null}), "", Code::Required),
        (json!({"patientId": " P"}), "/patientId", Code::Format),
        (json!({"patientId": 1}), "/patientId", Code::Type),
        (json!({"siteId": null}), "", Code::Required),
        (json!({"siteId": "a b"}), "/siteId", Code::Format),
        (json!({"language": null}), "", Code::Required),
        (json!({"language": "German"}), "/language", Code::Format),
        (json!({"language": "en"}), "/language", Code::Choice),
        (json!({"zone": "Europe/Bern"}), "/zone", Code::Format),
        (json!({"zone": "+01:00"}), "/zone", Code::Format),
        (json!({"contact": []}), "/contact", Code::Type),
        (json!({"contact": {"fax": "1"}}), "/contact/fax", Code::Unknown),
        (json!({"anchors": null}), "", Code::Required),
        (json!({"anchors": []}), "/anchors", Code::Type),
        (json!({"anchors": {"birth": "2026-11-26"}}), "/anchors/birth", Code::Unknown),
        (json!({"anchors": {"enrolled": "2026-02-29"}}), "/anchors/enrolled", Code::Format),
        (json!({"anchors": {"enrolled": 1}}), "/anchors/enrolled", Code::Type),
        (json!({"more": 1}), "/more", Code::Unknown),
    ] {
        assert_eq!(read(&row(members.clone())), Err([(pointer.to_string(), code)].to_vec()), "{members}");
    }
    let all = json!({"patientId": "", "siteId": "", "language": "", "zone": "", "contact": {"sms": "1", "email": ""},
        "anchors": {"x": ""}});
    let places =
        ["/patientId", "/siteId", "/language", "/zone", "/contact/sms", "/contact/email", "/anchors/x", "/anchors/x"];
    let found = read(&row(all)).unwrap_err();
    assert_eq!(found.into_iter().map(|(pointer, _)| pointer).collect::<Vec<_>>(), places);
    assert_eq!(read(&json!([])), Err([(String::new(), Code::Type)].to_vec()));
}

#[test]
fn addresses_are_read_strictly() {
    let long = format!("{}@clinic.example", "x".repeat(65));
    for (channel, text, fits) in [
        ("sms", "+4915112345678", true),
        ("sms", "+8613800138000", true),
        ("sms", "+1234567", true),
        ("sms", "+123456", false),
        ("sms", "+1234567890123456", false),
        ("sms", "+0151123456", false),
        ("sms", "015112345678", false),
        ("sms", "+49 151 12345678", false),
        ("sms", "++4915112345", false),
        ("sms", "+４915112345", false),
        ("email", "a@b.example", true),
        ("email", "a.b+c_d'e@sub.clinic.example", true),
        ("email", "müller@klinik.example", true),
        ("email", "a@b", false),
        ("email", "@b.example", false),
        ("email", "a@", false),
        ("email", "a@b@c.example", false),
        ("email", "a b@c.example", false),
        ("email", "a@b.example,c@d.example", false),
        ("email", "a@b.example\r\nbcc:c@d.example", false),
        ("email", "A <a@b.example>", false),
        ("email", "\"a\"@b.example", false),
        ("email", ".a@b.example", false),
        ("email", "a..b@c.example", false),
        ("email", "a@b..example", false),
        ("email", "a@-b.example", false),
        ("email", "a\u{200b}@b.example", false),
        ("email", &long, false),
        ("other", "app:12 34", true),
        ("other", "", false),
        ("other", " app", false),
        ("other", "a\nb", false),
    ] {
        let found = read(&row(json!({"contact": {channel: text}})));
        let expected = if fits { Ok(()) } else { Err([(format!("/contact/{channel}"), Code::Format)].to_vec()) };
        assert_eq!(found.map(|_| ()), expected, "{channel} {text:?}");
    }
}

#[test]
fn a_line_of_csv_is_the_row_in_json() {
    let header = "patientId,siteId,language,zone,sms,email,other,anchor:enrolled,anchor:surgery";
    let columns = Columns::read(header).unwrap();
    for (line, expected) in [
        (
            "P-1,7,de,Europe/Berlin,+4915112345678,a@b.example,x,2026-11-26,2026-12-01",
            json!({"patientId": "P-1", "siteId": "7", "language": "de", "zone": "Europe/Berlin",
                "contact": {"sms": "+4915112345678", "email": "a@b.example", "other": "x"},
                "anchors": {"enrolled": "2026-11-26", "surgery": "2026-12-01"}}),
        ),
        ("P-1,7,de,,,,,2026-11-26,", row(json!({}))),
        ("P-1,7,de,,,,,2026-11-26", row(json!({}))),
        (" \"P-1\" , 7 ,\"de\",,,,, 2026-11-26 ,\r", row(json!({}))),
        ("\"a \"\"b\"\", c\",7,de,,,,,2026-11-26", row(json!({"patientId": "a \"b\", c"}))),
        ("'-P 1,7,de,,,,,2026-11-26", row(json!({"patientId": "-P 1"}))),
        ("'P-1,7,de,,,,,2026-11-26", row(json!({"patientId": "'P-1"}))),
        (",7,de,,,,,2026-11-26", row(json!({"patientId": null}))),
        ("", json!({"anchors": {}})),
    ] {
        assert_eq!(columns.row(line).as_ref(), Ok(&expected), "{line}");
    }
    for line in ["\"P-1,7", "\"P-1\"x,7", "\"", ",,,,,,,,,"] {
        assert_eq!(columns.row(line).map_err(|fault| fault.pointer), Err(String::new()), "{line}");
    }
    let semicolons = Columns::read("siteId;language;patientId;anchor:enrolled").unwrap();
    assert_eq!(semicolons.row("7;de;P-1;2026-11-26"), Ok(row(json!({}))));
}

#[test]
fn every_fault_of_the_columns_is_told() {
    for (line, expected) in [
        ("patientId,siteId,language", &[][..]),
        ("\"patientId\", siteId ,language,anchor:x\r", &[]),
        (
            "",
            &[
                ("/", Code::Unknown),
                ("/patientId", Code::Required),
                ("/siteId", Code::Required),
                ("/language", Code::Required),
            ],
        ),
        ("patientId,siteId,language,anchor:", &[("/anchor:", Code::Unknown)]),
        ("patientId,siteId,language,Zone,sms,sms", &[("/Zone", Code::Unknown), ("/sms", Code::Conflict)]),
        (
            "patientId\tsiteId,language",
            &[("/patientId\tsiteId", Code::Unknown), ("/patientId", Code::Required), ("/siteId", Code::Required)],
        ),
        ("\"patientId", &[("", Code::Format)]),
    ] {
        let found = Columns::read(line).err().unwrap_or_default();
        let found: Vec<_> = found.iter().map(|fault| (fault.pointer.as_str(), fault.code)).collect();
        assert_eq!(found, expected, "{line:?}");
    }
    assert!(Columns::read(&"x,".repeat(64)).is_err_and(|found| found.len() == 1));
}
