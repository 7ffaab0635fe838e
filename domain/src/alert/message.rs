//! The messages that receivers are sent.
//!
//! Guarantee: the same notice to the same receiver gives the same bytes, at every attempt. No message contains a
//! patient's identity: templates have no placeholder for it, and JSON carries only the pseudonym. A message about
//! several alerts lists them all, or says how many more there are.

mod fhir;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

pub use fhir::condition;
use serde_json::{Value, json};

use super::routes::{Channel, Receiver, Routes};
use super::template::{Escape, Language, Slot, Words, clean};
use crate::{Severity, Timestamp};

/// The reason why a receiver is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The alert is new to this receiver.
    Raised,
    /// The receiver was notified before, and nobody acknowledged.
    Reminder,
    /// Another receiver was notified, and nobody acknowledged or answered.
    Escalated,
    /// An operator tries the receiver; there is no alert.
    Test,
}

impl Kind {
    fn event(self) -> &'static str {
        match self {
            Kind::Raised => "alert.raised",
            Kind::Reminder => "alert.reminder",
            Kind::Escalated => "alert.escalated",
            Kind::Test => "ping",
        }
    }

    fn words(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::En, Kind::Raised) => "New alert",
            (Language::En, Kind::Reminder) => "Reminder, not acknowledged",
            (Language::En, Kind::Escalated) => "Escalation, not acknowledged",
            (Language::En, Kind::Test) => "Test message, nobody has to act",
            (Language::Zh, Kind::Raised) => "新警报",
            (Language::Zh, Kind::Reminder) => "提醒，尚未确认",
            (Language::Zh, Kind::Escalated) => "升级，尚未确认",
            (Language::Zh, Kind::Test) => "测试消息，无需处理",
        }
    }
}

/// An alert, with the facts that messages use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Item<'a> {
    /// Its id.
    pub id: &'a str,
    /// The submission that raised it.
    pub submission: &'a str,
    /// The study.
    pub study: &'a str,
    /// The site.
    pub site: &'a str,
    /// The subject's pseudonym.
    pub subject: &'a str,
    /// Its severity.
    pub severity: Severity,
    /// The instrument.
    pub instrument: &'a str,
    /// The rule.
    pub rule: &'a str,
    /// The key of the fixed text for people.
    pub text_key: &'a str,
    /// The reason in words.
    pub reason: &'a str,
    /// The time when the submission came in.
    pub received_at: Timestamp,
}

/// A notice: one alert or several, and the reason for the message.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// The alert that leads the message.
    pub first: Item<'a>,
    /// The alerts that are sent together with it.
    pub others: &'a [Item<'a>],
    /// The reason for the message.
    pub kind: Kind,
    /// The address where a person views and acknowledges the alert; may be empty.
    pub link: &'a str,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Its media type.
    pub content_type: &'static str,
    /// Its text.
    pub text: String,
}

/// A text lists at most this many alerts one by one.
const MOST_LINES: usize = 20;

impl Notice<'_> {
    fn items(&self) -> impl Iterator<Item = &Item<'_>> {
        core::iter::once(&self.first).chain(self.others)
    }

    fn severity(&self) -> Severity {
        self.items().map(|item| item.severity).max().unwrap_or(self.first.severity)
    }
}

/// Composes the message for `receiver` about `notice`.
pub fn compose(routes: &Routes, receiver: &Receiver, language: Language, notice: &Notice<'_>) -> Body {
    match receiver.channel {
        Channel::Webhook => Body { content_type: "application/json", text: webhook(notice).to_string() },
        Channel::FhirCommunication => {
            let (title, text) = words(routes.words(receiver.channel, language), receiver, language, notice);
            let resource = fhir::resource(receiver.resource, notice, &title, &text);
            Body { content_type: "application/fhir+json", text: resource.to_string() }
        }
        Channel::Sms | Channel::Email => {
            let (title, text) = words(routes.words(receiver.channel, language), receiver, language, notice);
            let filled = receiver.body(language).fill(receiver.format, |slot| match slot {
                Slot::Title => Cow::Borrowed(title.as_str()),
                Slot::Message => Cow::Borrowed(text.as_str()),
                Slot::To => Cow::Borrowed(receiver.to.as_str()),
                other => value(other, &notice.first, receiver, language, notice, ""),
            });
            Body { content_type: receiver.format.content_type(), text: filled }
        }
    }
}

/// The details that a message shows of an alert. The page behind its link shows no more than these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disclosure {
    /// The pseudonym, which only systems are told.
    pub subject: bool,
    /// Instrument and rule.
    pub rule: bool,
    /// The reason, which may contain figures of the patient.
    pub reason: bool,
}

/// The details that messages to this receiver show.
pub fn told(routes: &Routes, receiver: &Receiver, language: Language) -> Disclosure {
    let words = routes.words(receiver.channel, language);
    let text = |slot| words.text.asks(slot) || words.text.asks(Slot::Alerts) && words.line.asks(slot);
    let asks = |slot| match receiver.channel {
        Channel::Webhook => true,
        Channel::FhirCommunication => slot != Slot::Reason || text(slot) || words.title.asks(slot),
        Channel::Sms | Channel::Email => {
            let body = receiver.body(language);
            let title = body.asks(Slot::Title) && words.title.asks(slot);
            body.asks(slot) || title || body.asks(Slot::Message) && text(slot)
        }
    };
    let subject = matches!(receiver.channel, Channel::Webhook | Channel::FhirCommunication);
    Disclosure { subject, rule: asks(Slot::Rule), reason: asks(Slot::Reason) }
}

/// Title and text.
fn words(words: &Words, receiver: &Receiver, language: Language, notice: &Notice<'_>) -> (String, String) {
    let line = |item: &Item<'_>| {
        words.line.fill(Escape::Plain, |slot| match slot {
            Slot::Severity => Cow::Borrowed(language.severity(item.severity)),
            other => value(other, item, receiver, language, notice, ""),
        })
    };
    let mut lines: Vec<String> = notice.items().take(MOST_LINES).map(line).collect();
    let more = (notice.others.len() + 1).saturating_sub(MOST_LINES);
    if more > 0 {
        lines.push(format!("+{more}"));
    }
    let lines = lines.join("\n");
    let fill = |template: &super::template::Template| {
        template.fill(Escape::Plain, |slot| value(slot, &notice.first, receiver, language, notice, &lines))
    };
    (fill(&words.title), fill(&words.text))
}

fn value<'a>(
    slot: Slot,
    item: &'a Item<'a>,
    receiver: &Receiver,
    language: Language,
    notice: &Notice<'a>,
    lines: &str,
) -> Cow<'a, str> {
    match slot {
        Slot::Severity => Cow::Borrowed(language.severity(notice.severity())),
        Slot::Instrument => clean(item.instrument),
        Slot::Rule => clean(item.rule),
        Slot::Reason => clean(item.reason),
        Slot::Study => clean(item.study),
        Slot::Site => clean(item.site),
        Slot::Time => Cow::Owned(receiver.clock.show(item.received_at)),
        Slot::Id => clean(item.id),
        Slot::Notice => Cow::Borrowed(notice.kind.words(language)),
        Slot::Count => Cow::Owned((notice.others.len() + 1).to_string()),
        Slot::Alerts => Cow::Owned(lines.into()),
        Slot::Link => Cow::Borrowed(notice.link),
        // Only a body uses these slots, and it fills them itself.
        Slot::Title | Slot::Message | Slot::To => Cow::Borrowed(""),
    }
}

/// One alert keeps its original form. Several alerts are an event of their own type, because each type has one form.
fn webhook(notice: &Notice<'_>) -> Value {
    let item = |item: &Item<'_>| {
        json!({
            "alertId": item.id,
            "severity": item.severity.as_str(),
            "rule": item.rule,
            "textKey": item.text_key,
            "reason": item.reason,
            "instrument": item.instrument,
            "submissionId": item.submission,
            "studyId": item.study,
            "siteId": item.site,
            "subject": item.subject,
        })
    };
    let (event, mut data) = match notice.others {
        [] => (notice.kind.event(), item(&notice.first)),
        _ => {
            let alerts: Vec<Value> = notice.items().map(item).collect();
            ("alert.group", json!({"severity": notice.severity().as_str(), "alerts": alerts}))
        }
    };
    if let Some(members) = data.as_object_mut().filter(|_| !notice.link.is_empty()) {
        members.insert("link".into(), notice.link.into());
    }
    json!({"type": event, "timestamp": notice.first.received_at.rfc3339(), "data": data})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str) -> Item<'_> {
        Item {
            id,
            submission: "s-1",
            study: "S",
            site: "01",
            subject: "p7",
            severity: Severity::High,
            instrument: "phq-9",
            rule: "item-9",
            text_key: "phq-9.item-9",
            reason: "item q9 is 1, \"rule\": 1 or more\r\nBcc: all",
            received_at: Timestamp::from_millis(0),
        }
    }

    fn routes() -> Routes {
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
        let document = json!({"receivers": {
            "hook": {"channel": "webhook", "url": "https://example.org/h", "secrets": secrets},
            "sms": {"channel": "sms", "url": "https://example.org/s", "to": "+86 1", "format": "form",
                "utcOffset": "+08:00"},
            "mail": {"channel": "email", "url": "https://example.org/m", "to": "a@example.org",
                "body": {"zh": "{\"s\":\"{title}\",\"t\":\"{message}\",\"n\":\"{count}\"}"}},
            "ehr": {"channel": "fhir-communication", "url": "https://example.org/fhir/Communication"},
            "flags": {"channel": "fhir-communication", "url": "https://example.org/fhir/Flag", "resource": "Flag"},
        }});
        Routes::read(&document).unwrap()
    }

    fn told(receiver: &str, language: Language, notice: &Notice<'_>) -> Body {
        let routes = routes();
        compose(&routes, routes.receiver(&receiver.into()).unwrap(), language, notice)
    }

    fn notice<'a>(others: &'a [Item<'a>]) -> Notice<'a> {
        Notice { first: item("a-1"), others, kind: Kind::Raised, link: "https://v/1" }
    }

    #[test]
    fn a_webhook_has_the_form_it_always_had() {
        let body: Value = serde_json::from_str(&told("hook", Language::En, &notice(&[])).text).unwrap();
        assert_eq!((&body["type"], &body["data"]["alertId"]), (&json!("alert.raised"), &json!("a-1")));
        assert_eq!(body["timestamp"], "1970-01-01T00:00:00.000Z");
        let members = body["data"].as_object().unwrap().keys().count();
        assert_eq!((members, &body["data"]["link"]), (11, &json!("https://v/1")));
        let second = Item { severity: Severity::Critical, ..item("a-2") };
        let body: Value = serde_json::from_str(&told("hook", Language::En, &notice(&[second])).text).unwrap();
        assert_eq!((&body["type"], &body["data"]["severity"]), (&json!("alert.group"), &json!("critical")));
        assert_eq!(body["data"]["alerts"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_text_message_is_in_the_language_and_has_no_figures() {
        let body = told("sms", Language::Zh, &Notice { kind: Kind::Reminder, ..notice(&[]) });
        assert_eq!(body.content_type, "application/x-www-form-urlencoded");
        let fields: Vec<(&str, &str)> = body.text.split('&').filter_map(|field| field.split_once('=')).collect();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[0], ("to", "%2B86+1"));
        assert!(!body.text.contains("Bcc") && body.text.contains("1970-01-01+08%3A00+UTC%2B08%3A00"));
    }

    #[test]
    fn a_link_tells_what_its_message_told() {
        let all = Disclosure { subject: true, rule: true, reason: true };
        for (receiver, expected) in [
            ("hook", all),
            ("mail", Disclosure { subject: false, ..all }),
            ("ehr", all),
            ("flags", all),
            ("sms", Disclosure { rule: true, ..Disclosure::default() }),
        ] {
            let routes = routes();
            assert_eq!(
                super::told(&routes, routes.receiver(&receiver.into()).unwrap(), Language::En),
                expected,
                "{receiver}"
            );
        }
        let short = json!({"receivers": {"sms": {"channel": "sms", "url": "https://example.org/s", "body": {"en": "{\"t\":\"{severity}\"}"}}}});
        let routes = Routes::read(&short).unwrap();
        assert_eq!(super::told(&routes, routes.receiver(&"sms".into()).unwrap(), Language::En), Disclosure::default());
    }

    #[test]
    fn a_group_is_listed_in_one_message() {
        let others: Vec<Item<'_>> = (0..24).map(|_| item("a-2")).collect();
        let body: Value = serde_json::from_str(&told("mail", Language::Zh, &notice(&others)).text).unwrap();
        let text = body["t"].as_str().unwrap();
        assert_eq!((text.matches("a-2").count(), text.matches("a-1").count(), &body["n"]), (19, 1, &json!("25")));
        assert!(text.contains("+5") && text.contains("https://v/1"), "{text}");
        assert!(text.contains("item q9 is 1, \"rule\": 1 or more  Bcc: all"), "a value stays on its line: {text}");
        let body: Value = serde_json::from_str(&told("mail", Language::En, &notice(&others)).text).unwrap();
        assert_eq!(
            (&body["to"], &body["subject"]),
            (&json!("a@example.org"), &json!("[high] New alert: S, site 01 (25)"))
        );
    }

    #[test]
    fn a_communication_names_the_pseudonym_and_the_urgency() {
        let body = told("ehr", Language::En, &notice(&[]));
        assert_eq!(body.content_type, "application/fhir+json");
        let body: Value = serde_json::from_str(&body.text).unwrap();
        assert_eq!((&body["resourceType"], &body["priority"]), (&json!("Communication"), &json!("urgent")));
        assert_eq!(body["identifier"], json!([{"system": "urn:vigil:alert", "value": "a-1"}]));
        assert_eq!(body["subject"]["identifier"]["value"], "p7");
    }

    #[test]
    fn a_flag_says_what_since_when_and_about_whom() {
        let second = Item { severity: Severity::Moderate, ..item("a-2") };
        let body = told("flags", Language::Zh, &notice(&[second]));
        assert_eq!(body.content_type, "application/fhir+json");
        let body: Value = serde_json::from_str(&body.text).unwrap();
        assert_eq!((&body["resourceType"], &body["status"]), (&json!("Flag"), &json!("active")));
        let identifier = |id: &str| json!({"system": "urn:vigil:alert", "value": id});
        assert_eq!(body["identifier"], json!([identifier("a-1"), identifier("a-2")]));
        assert_eq!(body["category"][0]["coding"][0]["code"], "clinical");
        assert_eq!(body["code"]["coding"], json!([{"system": "urn:vigil:rule", "code": "phq-9/item-9"}]));
        assert_eq!(body["code"]["text"], "【高】新警报：研究S，中心01（2条）");
        assert_eq!(body["period"], json!({"start": "1970-01-01T00:00:00.000Z"}));
        assert_eq!(body["extension"][0]["valueCodeableConcept"]["coding"][0]["code"], "PH");
        let subject = json!({"type": "Patient", "identifier": {"system": "urn:vigil:subject", "value": "p7"}});
        assert_eq!(body["subject"], subject);
        let div = body["text"]["div"].as_str().unwrap();
        assert!(div.contains("https://v/1") && div.contains("<br/>") && !div.contains('\n'), "{div}");
        // FHIR R4 defines every member.
        let known =
            ["resourceType", "text", "extension", "identifier", "status", "category", "code", "subject", "period"];
        assert!(body.as_object().unwrap().keys().all(|member| known.contains(&member.as_str())), "{body}");
    }
}
