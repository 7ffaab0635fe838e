//! Templates of messages, and of the request bodies that gateways accept.
//!
//! Guarantee: a parsed template has only placeholders of the closed list [`Slot`]. None of them shows a patient's
//! identity. Every inserted value stays text: it cannot end a JSON string, add a form field or start a line.
//!
//! A placeholder is `{name}`, with the name in lower-case letters. Any other brace is literal, so JSON can be written
//! as it is.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::Value;

use super::routes::Channel;
use crate::Severity;

/// A language in which messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Chinese, simplified.
    Zh,
}

impl Language {
    /// All languages.
    pub const ALL: [Language; 2] = [Language::En, Language::Zh];

    /// The language's code.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Zh => "zh",
        }
    }

    /// Reads what [`Language::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        Language::ALL.into_iter().find(|language| language.as_str() == text)
    }

    /// A severity for people.
    pub fn severity(self, severity: Severity) -> &'static str {
        match (self, severity) {
            (Language::En, severity) => severity.as_str(),
            (Language::Zh, Severity::Critical) => "危急",
            (Language::Zh, Severity::High) => "高",
            (Language::Zh, Severity::Moderate) => "中",
            (Language::Zh, Severity::Info) => "提示",
        }
    }
}

/// A placeholder of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The severity in the message's language; for several alerts, the worst one.
    Severity,
    /// The instrument's id.
    Instrument,
    /// The rule's id.
    Rule,
    /// The reason in words. It may contain figures of a patient, never the identity.
    Reason,
    /// The study.
    Study,
    /// The site.
    Site,
    /// The time when the submission came in, by the receiver's clock.
    Time,
    /// The alert's id.
    Id,
    /// Whether it is new, a reminder or an escalation.
    Notice,
    /// The number of alerts.
    Count,
    /// A line for each alert.
    Alerts,
    /// The address where an authorised clinician finds the patient and acknowledges.
    Link,
    /// The title of the message.
    Title,
    /// The text of the message.
    Message,
    /// The final recipient behind the gateway: the receiver's `to`.
    To,
}

impl Slot {
    const ALL: [Slot; 15] = [
        Slot::Severity,
        Slot::Instrument,
        Slot::Rule,
        Slot::Reason,
        Slot::Study,
        Slot::Site,
        Slot::Time,
        Slot::Id,
        Slot::Notice,
        Slot::Count,
        Slot::Alerts,
        Slot::Link,
        Slot::Title,
        Slot::Message,
        Slot::To,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Slot::Severity => "severity",
            Slot::Instrument => "instrument",
            Slot::Rule => "rule",
            Slot::Reason => "reason",
            Slot::Study => "study",
            Slot::Site => "site",
            Slot::Time => "time",
            Slot::Id => "id",
            Slot::Notice => "notice",
            Slot::Count => "count",
            Slot::Alerts => "alerts",
            Slot::Link => "link",
            Slot::Title => "title",
            Slot::Message => "message",
            Slot::To => "to",
        }
    }

    fn within(self, scope: Scope) -> bool {
        match self {
            Slot::Notice | Slot::Count | Slot::Alerts | Slot::Link => scope != Scope::Line,
            Slot::Title | Slot::Message | Slot::To => scope == Scope::Body,
            _ => true,
        }
    }
}

/// The use of a template. Each use allows all placeholders of the use before it, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The line for one alert in a list.
    Line,
    /// Title or text of a message.
    Message,
    /// The body of the request to a gateway.
    Body,
}

/// The escaping of an inserted value, so that it cannot break out of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// No escaping.
    Plain,
    /// Inside a JSON string.
    Json,
    /// A value of `application/x-www-form-urlencoded`.
    Form,
}

impl Escape {
    /// The formats of a body, by their names in the configuration.
    pub const FORMATS: [(&'static str, Escape); 3] =
        [("json", Escape::Json), ("form", Escape::Form), ("text", Escape::Plain)];

    /// The media type of a body of this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Escape::Plain => "text/plain; charset=utf-8",
            Escape::Json => "application/json",
            Escape::Form => "application/x-www-form-urlencoded",
        }
    }

    fn write(self, value: &str, into: &mut String) {
        match self {
            Escape::Plain => into.push_str(value),
            Escape::Json => {
                let quoted = Value::from(value).to_string();
                into.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
            }
            Escape::Form => {
                for byte in value.bytes() {
                    match byte {
                        b' ' => into.push('+'),
                        _ if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) => into.push(byte.into()),
                        _ => into.push_str(&format!("%{byte:02X}")),
                    }
                }
            }
        }
    }
}

/// The longest template, bytes.
pub const LONGEST: usize = 8192;

/// The longest inserted value, characters. The text of a message is not cut.
const LONGEST_VALUE: usize = 500;

/// Prepares a value from outside for a message: one line of limited length.
pub(crate) fn clean(value: &str) -> Cow<'_, str> {
    let dirty = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
    if !value.chars().any(dirty) && value.chars().nth(LONGEST_VALUE).is_none() {
        return Cow::Borrowed(value);
    }
    value.chars().take(LONGEST_VALUE).map(|c| if dirty(c) { ' ' } else { c }).collect()
}

/// A validated template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Slot(Slot),
}

impl Template {
    /// A template that produces an empty text.
    pub(crate) const NOTHING: Template = Template(Vec::new());

    /// Parses a template.
    ///
    /// # Errors
    /// The violated rule, in words.
    pub fn parse(text: &str, scope: Scope) -> Result<Self, String> {
        if text.trim().is_empty() || text.len() > LONGEST {
            return Err(format!("a text of 1 to {LONGEST} bytes that is not blank"));
        }
        let names = || {
            let names: Vec<&str> = Slot::ALL.into_iter().filter(|it| it.within(scope)).map(Slot::as_str).collect();
            format!("placeholders are {{name}}, closed, and one of: {}", names.join(", "))
        };
        let (mut parts, mut rest) = (Vec::new(), text);
        let begins = |rest: &str| {
            let mut bytes = rest.bytes().enumerate().zip(rest.bytes().skip(1));
            bytes.find(|((_, brace), next)| *brace == b'{' && next.is_ascii_lowercase()).map(|((at, _), _)| at)
        };
        while let Some(at) = begins(rest) {
            let (before, from) = rest.split_at_checked(at).ok_or_else(names)?;
            let (name, after) = from.get(1..).and_then(|from| from.split_once('}')).ok_or_else(names)?;
            let slot = Slot::ALL.into_iter().find(|it| it.as_str() == name && it.within(scope)).ok_or_else(names)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Slot(slot));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Template(parts))
    }

    /// Parses the template of a gateway's request body. The body must stay valid with any inserted value.
    ///
    /// # Errors
    /// The violated rule, in words.
    pub fn body(text: &str, escape: Escape) -> Result<Self, String> {
        let template = Template::parse(text, Scope::Body)?;
        let sound = match escape {
            Escape::Plain => true,
            // Filled with the worst possible values, a placeholder outside a string is not valid JSON.
            Escape::Json => {
                let worst = template.fill(escape, |_| Cow::Borrowed("a\"],}:\\\n"));
                serde_json::from_str::<Value>(&worst).is_ok()
            }
            Escape::Form => template.0.iter().all(|part| match part {
                Part::Text(text) => text.bytes().all(|byte| byte.is_ascii_graphic()),
                Part::Slot(_) => true,
            }),
        };
        let rule = match escape {
            Escape::Json => "JSON, with placeholders only inside of strings",
            _ => "form fields, percent-encoded, such as To=1&Body={message}",
        };
        if sound { Ok(template) } else { Err(rule.to_string()) }
    }

    /// Whether the template uses this placeholder.
    pub(crate) fn asks(&self, slot: Slot) -> bool {
        self.0.contains(&Part::Slot(slot))
    }

    /// The template with its placeholders filled.
    pub fn fill<'a>(&self, escape: Escape, value: impl Fn(Slot) -> Cow<'a, str>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Slot(slot) => escape.write(&value(*slot), &mut text),
            }
        }
        text
    }
}

/// The words of a channel in a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The title. A text message does not use it.
    pub title: Template,
    /// The text.
    pub text: Template,
    /// The line for one alert in the list that replaces `{alerts}`.
    pub line: Template,
}

/// The built-in title, text and line. A text message shows on a locked screen, so it has no figures of a patient.
pub(crate) fn built_in(channel: Channel, language: Language) -> [&'static str; 3] {
    match (channel, language) {
        (Channel::Sms, Language::En) => [
            "{notice}",
            "[{severity}] {notice}. {study}, site {site}:\n{alerts}\n{link}",
            "{instrument} {rule}, {time}",
        ],
        (Channel::Sms, Language::Zh) => [
            "{notice}",
            "【{severity}】{notice}。研究{study}，中心{site}：\n{alerts}\n{link}",
            "{instrument} {rule}，{time}",
        ],
        (_, Language::En) => [
            "[{severity}] {notice}: {study}, site {site} ({count})",
            "{notice}. Study {study}, site {site}, alerts: {count}.\n\n{alerts}\n\nPatient and acknowledgement: {link}\n",
            "[{severity}] {instrument}, {rule}: {reason} ({time}, {id})",
        ],
        (_, Language::Zh) => [
            "【{severity}】{notice}：研究{study}，中心{site}（{count}条）",
            "{notice}。研究{study}，中心{site}，警报{count}条。\n\n{alerts}\n\n查看患者并确认：{link}\n",
            "【{severity}】{instrument}，{rule}：{reason}（{time}，{id}）",
        ],
    }
}

/// The built-in body for a gateway of this channel. It applies if the receiver has no body of its own.
pub(crate) fn built_in_body(channel: Channel, escape: Escape) -> &'static str {
    match (channel, escape) {
        (Channel::Sms, Escape::Json) => r#"{"to":"{to}","text":"{message}"}"#,
        (Channel::Sms, Escape::Form) => "to={to}&text={message}",
        (_, Escape::Json) => r#"{"to":"{to}","subject":"{title}","text":"{message}"}"#,
        (_, Escape::Form) => "to={to}&subject={title}&text={message}",
        (_, Escape::Plain) => "{message}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, escape: Escape, value: &str) -> String {
        Template::body(text, escape).unwrap().fill(escape, |_| Cow::Owned(value.into()))
    }

    #[test]
    fn a_value_stays_a_value() {
        let value = "a\"b\\c\n&d=e+ü";
        let json = filled(r#"{"to":{"x":["{message}"]},"n":1}"#, Escape::Json, value);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["to"]["x"][0], value);
        let form = filled("To=1&Body={message}", Escape::Form, value);
        assert_eq!(form, "To=1&Body=a%22b%5Cc%0A%26d%3De%2B%C3%BC");
        assert_eq!(filled("x {message}", Escape::Plain, value), format!("x {value}"));
    }

    #[test]
    fn only_the_closed_list_is_known() {
        for (text, scope) in [
            ("", Scope::Message),
            ("  ", Scope::Message),
            ("{patient}", Scope::Message),
            ("{severity", Scope::Message),
            ("{message}", Scope::Message),
            ("{link}", Scope::Line),
            ("{to}", Scope::Message),
            ("{severity }", Scope::Body),
        ] {
            assert!(Template::parse(text, scope).is_err(), "{text}");
        }
        assert!(Template::parse(&"x".repeat(LONGEST + 1), Scope::Line).is_err());
        assert!(Template::parse("{ a } {\u{4e2d}} {1} { {severity}} {", Scope::Line).is_ok());
    }

    #[test]
    fn a_body_is_sound_whatever_is_put_in() {
        for (text, escape) in [
            (r#"{"text":{message}}"#, Escape::Json),
            (r#"{"text":"{message}""#, Escape::Json),
            (r#"{"a":1,"#, Escape::Json),
            ("To=a b", Escape::Form),
            ("To=张", Escape::Form),
        ] {
            assert!(Template::body(text, escape).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_built_in_is_sound() {
        for channel in Channel::ALL {
            for language in Language::ALL {
                let [title, text, line] = built_in(channel, language);
                assert!(Template::parse(title, Scope::Message).is_ok(), "{title}");
                assert!(Template::parse(text, Scope::Message).is_ok() && text.contains("{link}"), "{text}");
                assert!(text.contains("{alerts}"), "{text}");
                assert!(Template::parse(line, Scope::Line).is_ok(), "{line}");
            }
            for (_, escape) in Escape::FORMATS {
                assert!(Template::body(built_in_body(channel, escape), escape).is_ok());
            }
        }
        assert!(Language::ALL.iter().all(|it| !built_in(Channel::Sms, *it).concat().contains("{reason}")));
    }

    #[test]
    fn a_value_is_one_line_of_some_length() {
        assert_eq!(clean("a\r\nBcc: b\u{202e}"), "a  Bcc: b ");
        assert_eq!(clean(&"中".repeat(1000)).chars().count(), LONGEST_VALUE);
        assert!(matches!(clean("plain"), Cow::Borrowed("plain")));
    }
}
