//! The page behind an acknowledgement link: it shows the alert and one button.
//!
//! Guarantee: the page shows no more about a patient than the message with its link did ([`super::message::told`]), and
//! never the patient's identity. It loads nothing and runs nothing. Every inserted value stays text. Only its form
//! acknowledges: a `GET` of the page, by a person or by a scanner, changes nothing.
//!
//! It meets WCAG 2.2 AA: a language, a title, a heading and landmarks, contrasts of 4.5 and more by day and by night, a
//! button that is high enough for a thumb and shows its focus, and no sideways scrolling at 320 pixels.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::template::{Language, clean};
use crate::Severity;

/// The style sheet within the page.
pub const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#16212b;--soft:#4a5763;--paper:#fff;--line:#c5ced6;--act:#0b5a8a;--on:#fff;--mark:#b3261e}\
@media(prefers-color-scheme:dark){:root{--ink:#eef2f5;--soft:#b4c0ca;--paper:#14191e;--line:#46525d;--act:#8ccbf2;--on:#0c1c27;\
--mark:#ff8a80}}\
body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\
main{max-width:34rem;margin:0 auto;padding:1.5rem 1rem 3rem}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}\
h1.alert{border-left:.4rem solid var(--mark);padding-left:.75rem}\
dl{margin:0 0 1.5rem}div{padding:.6rem 0;border-bottom:1px solid var(--line)}\
dt{color:var(--soft);font-size:.9375rem}dd{margin:0}\
p{margin:0 0 1rem}.done{border:2px solid var(--act);border-radius:.5rem;padding:.75rem 1rem}\
.hint{color:var(--soft);font-size:.9375rem}\
button{display:block;width:100%;min-height:3.25rem;margin:0 0 1rem;border:2px solid var(--act);border-radius:.5rem;\
background:var(--act);color:var(--on);font:inherit;font-weight:600;cursor:pointer}\
button:focus-visible{outline:3px solid var(--ink);outline-offset:3px}";

/// An alert, with the facts that the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About<'a> {
    /// Its severity.
    pub severity: Severity,
    /// The study.
    pub study: &'a str,
    /// The site.
    pub site: &'a str,
    /// The time when the submission came in, for people.
    pub received_at: String,
    /// The instrument and the rule, if the message named them.
    pub rule: Option<(&'a str, &'a str)>,
    /// The reason in words, if the message contained it.
    pub reason: Option<&'a str>,
    /// Its id.
    pub id: &'a str,
}

/// An action on the alert: who did it, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<'a> {
    /// The receiver of the link, or the id of a key.
    pub by: Result<&'a str, &'a str>,
    /// The time of the action, for people.
    pub at: String,
}

/// The content of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page<'a> {
    /// The alert waits for an acknowledgement.
    Open(About<'a>),
    /// Somebody has acknowledged the alert.
    Acknowledged(About<'a>, Option<Done<'a>>),
    /// Somebody has resolved the alert.
    Resolved(About<'a>, Option<Done<'a>>),
    /// The link has expired.
    Expired,
    /// The alert was reopened after the message.
    Superseded,
    /// There is no such link.
    Unknown,
    /// The action is not possible now.
    Failed,
}

/// The words of a language.
struct Words {
    alert: fn(&str) -> String,
    facts: [&'static str; 6],
    button: &'static str,
    hint: &'static str,
    acknowledged: &'static str,
    resolved: &'static str,
    by_link: fn(&str, &str) -> String,
    by_key: fn(&str, &str) -> String,
    expired: [&'static str; 2],
    superseded: [&'static str; 2],
    unknown: [&'static str; 2],
    failed: [&'static str; 2],
}

const EN: Words = Words {
    alert: |severity| ["Alert: ", severity].concat(),
    facts: ["Study", "Site", "Report received", "Questionnaire and rule", "Reason", "Alert number"],
    button: "Acknowledge",
    hint: "This says that you have seen the alert and take care of it. Reminders stop.",
    acknowledged: "Acknowledged.",
    resolved: "Resolved. There is nothing to do here.",
    by_link: |by, at| ["By the link that was sent to ", by, ", ", at, "."].concat(),
    by_key: |by, at| ["By ", by, ", ", at, "."].concat(),
    expired: [
        "This link has expired",
        "Acknowledge the alert by a newer message, or in the system that lists your alerts.",
    ],
    superseded: ["This link is out of date", "The alert was opened again since. Use the newest message."],
    unknown: ["This link is not valid", "Open the address exactly as the message has it, to its last character."],
    failed: [
        "This is not possible at the moment",
        "Nothing was changed, as far as we can tell. Try again in a minute.",
    ],
};

const ZH: Words = Words {
    alert: |severity| ["警报：", severity].concat(),
    facts: ["研究", "中心", "报告收到时间", "问卷与规则", "原因", "警报编号"],
    button: "确认",
    hint: "确认表示您已看到此警报并将处理。提醒随即停止。",
    acknowledged: "已确认。",
    resolved: "已处理完毕，无需在此操作。",
    by_link: |by, at| ["通过发送给 ", by, " 的链接，", at, "。"].concat(),
    by_key: |by, at| ["由 ", by, "，", at, "。"].concat(),
    expired: ["此链接已过期", "请用更新的消息确认警报，或在列出警报的系统中确认。"],
    superseded: ["此链接已失效", "该警报此后被重新打开。请使用最新的消息。"],
    unknown: ["此链接无效", "请完整打开消息中的地址，直到最后一个字符。"],
    failed: ["目前无法完成", "据我们所知，未作任何更改。请一分钟后重试。"],
};

impl Page<'_> {
    /// The page in a language.
    pub fn html(&self, language: Language) -> String {
        let words = match language {
            Language::En => &EN,
            Language::Zh => &ZH,
        };
        let (heading, content) = match self {
            Page::Open(about) => (about.heading(words, language), [about.facts(words), form(words)].concat()),
            Page::Acknowledged(about, done) => about.closed(words, language, words.acknowledged, done.as_ref()),
            Page::Resolved(about, done) => about.closed(words, language, words.resolved, done.as_ref()),
            Page::Expired => said(words.expired),
            Page::Superseded => said(words.superseded),
            Page::Unknown => said(words.unknown),
            Page::Failed => said(words.failed),
        };
        let class = if matches!(self, Page::Open(_)) { " class=\"alert\"" } else { "" };
        let pieces = [
            "<!doctype html><html lang=\"",
            language.as_str(),
            "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\"><title>",
            &heading,
            "</title><style>",
            STYLE,
            "</style></head><body><main><h1",
            class,
            ">",
            &heading,
            "</h1>",
            &content,
            "</main></body></html>",
        ];
        pieces.concat()
    }
}

impl About<'_> {
    fn heading(&self, words: &Words, language: Language) -> String {
        (words.alert)(language.severity(self.severity))
    }

    fn facts(&self, words: &Words) -> String {
        let rule = self.rule.map(|(instrument, rule)| [&*clean(instrument), ", ", &*clean(rule)].concat());
        let facts = [
            Some(clean(self.study).to_string()),
            Some(clean(self.site).to_string()),
            Some(self.received_at.clone()),
            rule,
            self.reason.map(|reason| clean(reason).to_string()),
            Some(clean(self.id).to_string()),
        ];
        let row =
            |(name, fact): (&str, String)| ["<div><dt>", name, "</dt><dd>", &escaped(&fact), "</dd></div>"].concat();
        let rows: Vec<String> =
            words.facts.into_iter().zip(facts).filter_map(|(name, fact)| Some(row((name, fact?)))).collect();
        ["<dl>", &rows.concat(), "</dl>"].concat()
    }

    fn closed(&self, words: &Words, language: Language, what: &str, done: Option<&Done<'_>>) -> (String, String) {
        let who = done.map(|done| match done.by {
            Ok(receiver) => (words.by_link)(&clean(receiver), &done.at),
            Err(key) => (words.by_key)(&clean(key), &done.at),
        });
        let text = escaped(&[what, " ", who.as_deref().unwrap_or_default()].concat());
        let content = ["<p class=\"done\" role=\"status\">", text.trim_end(), "</p>", &self.facts(words)].concat();
        (self.heading(words, language), content)
    }
}

/// The form has no fields and no address: the browser sends it to the address of the page.
fn form(words: &Words) -> String {
    let form = "<form method=\"post\"><button type=\"submit\">";
    [form, words.button, "</button></form><p class=\"hint\">", words.hint, "</p>"].concat()
}

fn said([heading, text]: [&str; 2]) -> (String, String) {
    (heading.to_string(), ["<p>", text, "</p>"].concat())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn about() -> About<'static> {
        About {
            severity: Severity::Critical,
            study: "DEMO",
            site: "S1",
            received_at: "2026-03-01 08:00 UTC+08:00".into(),
            rule: Some(("phq-9", "item-9")),
            reason: Some("item q9 is 1, rule: 1 or more"),
            id: "a-1",
        }
    }

    #[test]
    fn an_open_alert_has_one_button_that_posts_to_where_it_came_from() {
        for (language, words) in [
            (
                Language::En,
                ["lang=\"en\"", "Alert: critical", "Acknowledge</button>", "item q9 is 1", "2026-03-01 08:00"],
            ),
            (Language::Zh, ["lang=\"zh\"", "警报：危急", "确认</button>", "item q9 is 1", "2026-03-01 08:00"]),
        ] {
            let html = Page::Open(about()).html(language);
            assert!(words.iter().all(|word| html.contains(word)), "{html}");
            assert_eq!((html.matches("<button").count(), html.matches("<form method=\"post\">").count()), (1, 1));
        }
    }

    #[test]
    fn what_the_message_did_not_tell_the_page_does_not_tell() {
        let html = Page::Open(About { rule: None, reason: None, ..about() }).html(Language::En);
        assert!(!html.contains("q9") && !html.contains("phq-9") && html.contains("DEMO"), "{html}");
        for page in [Page::Expired, Page::Superseded, Page::Unknown, Page::Failed] {
            for language in Language::ALL {
                let html = page.html(language);
                assert!(!html.contains("<button") && !html.contains("<dl>"), "{html}");
            }
        }
    }

    #[test]
    fn what_is_closed_says_who_and_when_and_has_no_button() {
        let by = |by| Some(Done { by, at: "2026-03-01 08:05 UTC+08:00".into() });
        for (page, expected) in [
            (
                Page::Acknowledged(about(), by(Ok("desk"))),
                "Acknowledged. By the link that was sent to desk, 2026-03-01 08:05",
            ),
            (Page::Acknowledged(about(), by(Err("clinician-1"))), "Acknowledged. By clinician-1, 2026-03-01 08:05"),
            (Page::Resolved(about(), by(Err("clinician-1"))), "Resolved. There is nothing to do here. By clinician-1,"),
            (Page::Acknowledged(about(), None), "Acknowledged.</p>"),
        ] {
            let html = page.html(Language::En);
            assert!(html.contains(expected) && !html.contains("<button"), "{html}");
        }
    }

    proptest! {
        #[test]
        fn whatever_it_is_filled_with_stays_text(text in "[<>&\"'a-z/= \u{202e}\u{4e2d}]{0,40}") {
            let hostile = About { study: &text, site: &text, id: &text, reason: Some(&text), rule: Some((&text, &text)), ..about() };
            let done = Done { by: Ok(&text), at: String::new() };
            let html = Page::Acknowledged(hostile, Some(done)).html(Language::Zh);
            let harmless = Page::Acknowledged(about(), Some(Done { by: Ok("a"), at: String::new() })).html(Language::Zh);
            for mark in ['<', '>', '"'] {
                prop_assert_eq!(html.matches(mark).count(), harmless.matches(mark).count());
            }
        }
    }
}
