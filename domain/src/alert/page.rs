//! The page behind an acknowledgement link: it shows the alert and one button.
//!
//! Guarantee: the page shows no more about a patient than the message with its link did ([`super::message::told`]), and
//! never the patient's identity. It loads nothing and runs nothing, and looks like the screens without their files. Every
//! inserted value stays text. Only its form acknowledges: a `GET` of the page, by a person or by a scanner, changes nothing.
//!
//! It meets WCAG 2.2 AA: a language, a title, a heading and landmarks, contrasts of 4.5 and more by day and by night, a
//! button that is high enough for a thumb and shows its focus, and no sideways scrolling at 320 pixels.

mod words;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::template::{Language, clean};
use crate::Severity;
use crate::paper::escaped;
use words::Words;

/// The style sheet within the page. Its colours are those of the screens.
pub const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f4f6f8;--surface:#ffffff;--ink:#17212b;--quiet:#55636f;--line:#d8dfe6;\
--accent:#0b5c8a;--accent-strong:#084869;--on-accent:#ffffff;--accent-ground:#e6f1f8;--urgent:#b3191e;--on-urgent:#ffffff}\
@media(prefers-color-scheme:dark){:root{--ground:#0e1419;--surface:#161e25;--ink:#e8edf2;--quiet:#a3b1be;--line:#2b3742;\
--accent:#7cc0ec;--accent-strong:#a5d5f4;--on-accent:#08202f;--accent-ground:#14303f;--urgent:#ff9b95;--on-urgent:#2b0a0c}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--ink);font:400 1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\
\"Noto Sans\",\"PingFang SC\",\"Microsoft YaHei\",\"Noto Sans CJK SC\",sans-serif;font-variant-numeric:tabular-nums;\
-webkit-text-size-adjust:100%;overflow-wrap:anywhere}\
header,main{max-width:34rem;margin:0 auto}\
header{display:flex;justify-content:space-between;padding:.75rem 1rem;color:var(--quiet);font-size:.9375rem}\
main{padding:0 1rem 2.5rem}\
section{background:var(--surface);border:1px solid var(--line);border-radius:8px;padding:1.25rem 1rem}\
h1,p,dl,dd{margin:0}\
h1{display:flex;align-items:center;gap:.6rem;font-size:1.375rem;line-height:1.25;font-weight:650}\
.urgent h1{margin:-1.25rem -1rem 0;padding:.75rem 1rem;border-radius:7px 7px 0 0;background:var(--urgent);color:var(--on-urgent)}\
svg{width:1.25em;height:1.25em;flex:none;fill:none;stroke:currentColor;stroke-width:1.6;stroke-linejoin:round;\
stroke-linecap:round}\
.reason{margin-top:1rem;font-size:1.125rem;font-weight:550}\
dl{display:grid;grid-template-columns:minmax(5.5rem,auto) 1fr;gap:.4rem 1rem;margin-top:1rem;padding-top:1rem;\
border-top:1px solid var(--line)}\
dt,.hint{color:var(--quiet);font-size:.9375rem}dd{min-width:0}\
.done{display:flex;gap:.75rem;margin-top:1rem;padding:.75rem 1rem;border-radius:8px;background:var(--accent-ground)}\
.done svg{margin-top:.15em;color:var(--accent)}.done b{display:block;font-size:1.125rem;font-weight:650}\
.said{margin-top:.75rem}\
button{width:100%;min-height:3.5rem;margin:1.25rem 0 .75rem;border:0;border-radius:8px;background:var(--accent);\
color:var(--on-accent);font:inherit;font-size:1.125rem;font-weight:650;cursor:pointer}\
button:hover{background:var(--accent-strong)}\
a{color:var(--accent);text-underline-offset:.2em;padding:.6rem 0;margin:-.6rem 0}\
nav{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;padding-top:1.25rem}\
:focus-visible{outline:3px solid var(--ink);outline-offset:3px;border-radius:3px}";

/// The shapes of severities and results, as the screens draw them on a field of 16 by 16.
const CRITICAL: &str = "M5 1h6l4 4v6l-4 4H5l-4-4V5zM8 4v5M8 11v1";
const HIGH: &str = "M8 1.5 15 14H1zM8 6v4M8 11.5v1";
const MODERATE: &str = "M8 1 15 8 8 15 1 8z";
const INFO: &str = "M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zM8 7v5M8 4v1";
const ACKNOWLEDGED: &str = "M2 8.5 6 12.5 14 4";
const RESOLVED: &str = "M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1zM4.5 8.5l2.5 2.5 4.5-5";

/// An alert, with the facts that the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About<'a> {
    /// Its severity.
    pub severity: Severity,
    /// The study.
    pub study: &'a str,
    /// The site.
    pub site: &'a str,
    /// The patient's pseudonym, if the message contained it.
    pub subject: Option<&'a str>,
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
    /// The link to the alert of this id has expired.
    Expired(&'a str),
    /// The alert of this id was reopened after the message.
    Superseded(&'a str),
    /// There is no such link.
    Unknown,
    /// The action is not possible now.
    Failed,
}

impl Page<'_> {
    /// The page in a language.
    pub fn html(&self, language: Language) -> String {
        let words = Words::of(language);
        let (heading, content) = match self {
            Page::Open(about) => {
                (about.heading(words, language), [about.reason(language), about.facts(words), form(words)].concat())
            }
            Page::Acknowledged(about, done) => (
                about.heading(words, language),
                about.closed(words, language, (ACKNOWLEDGED, words.acknowledged), done),
            ),
            Page::Resolved(about, done) => {
                (about.heading(words, language), about.closed(words, language, (RESOLVED, words.resolved), done))
            }
            Page::Expired(_) => said(words.expired),
            Page::Superseded(_) => said(words.superseded),
            Page::Unknown => said(words.unknown),
            Page::Failed => said(words.failed),
        };
        let (shape, urgent) = match self {
            Page::Open(about) => (shape(about.severity), about.severity == Severity::Critical),
            Page::Acknowledged(about, _) | Page::Resolved(about, _) => (shape(about.severity), false),
            _ => (String::new(), false),
        };
        [
            "<!doctype html><html lang=\"",
            language.as_str(),
            "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\"><title>",
            &heading,
            "</title><style>",
            STYLE,
            "</style></head><body><header><span>Vigil</span>",
            &other_language(language),
            "</header><main><section",
            if urgent { " class=\"urgent\"" } else { "" },
            "><h1>",
            &shape,
            &heading,
            "</h1>",
            &content,
            "</section>",
            &self.links(words),
            "</main></body></html>",
        ]
        .concat()
    }

    /// The way on: to the screen of the alert, or once more to this page.
    fn links(&self, words: &Words) -> String {
        let (address, text) = match self {
            Page::Open(About { id, .. })
            | Page::Acknowledged(About { id, .. }, _)
            | Page::Resolved(About { id, .. }, _)
            | Page::Expired(id)
            | Page::Superseded(id) => (["/alerts/", &escaped(&clean(id))].concat(), words.screen),
            Page::Failed => ("?".to_string(), words.again),
            Page::Unknown => return String::new(),
        };
        ["<nav><a href=\"", &address, "\">", text, "</a></nav>"].concat()
    }
}

impl About<'_> {
    fn heading(&self, words: &Words, language: Language) -> String {
        (words.alert)(language.severity(self.severity))
    }

    /// The reason is English, whatever the language of the page.
    fn reason(&self, language: Language) -> String {
        let foreign = if language == Language::En { "" } else { " lang=\"en\"" };
        let shown = |reason| ["<p class=\"reason\"", foreign, ">", &escaped(&clean(reason)), "</p>"].concat();
        self.reason.map(shown).unwrap_or_default()
    }

    fn facts(&self, words: &Words) -> String {
        let rule = self.rule.map(|(instrument, rule)| [&*clean(instrument), ", ", &*clean(rule)].concat());
        let facts = [
            Some(self.received_at.clone()),
            Some(clean(self.study).to_string()),
            Some(clean(self.site).to_string()),
            self.subject.map(|subject| clean(subject).to_string()),
            rule,
            Some(clean(self.id).to_string()),
        ];
        let row = |(name, fact): (&str, String)| ["<dt>", name, "</dt><dd>", &escaped(&fact), "</dd>"].concat();
        let rows: Vec<String> =
            words.facts.into_iter().zip(facts).filter_map(|(name, fact)| Some(row((name, fact?)))).collect();
        ["<dl>", &rows.concat(), "</dl>"].concat()
    }

    /// The end of the alert, and then its facts.
    fn closed(
        &self,
        words: &Words,
        language: Language,
        (shape, what): (&str, &str),
        done: &Option<Done<'_>>,
    ) -> String {
        let who = done.as_ref().map(|done| match done.by {
            Ok(receiver) => (words.by_link)(&clean(receiver), &done.at),
            Err(key) => (words.by_key)(&clean(key), &done.at),
        });
        let who = escaped(who.as_deref().unwrap_or_default());
        let begin = ["<div class=\"done\" role=\"status\">", &drawn(shape), "<p><b>", what, "</b> ", &who].concat();
        [begin.trim_end(), "</p></div>", &self.reason(language), &self.facts(words)].concat()
    }
}

fn shape(severity: Severity) -> String {
    drawn(match severity {
        Severity::Critical => CRITICAL,
        Severity::High => HIGH,
        Severity::Moderate => MODERATE,
        Severity::Info => INFO,
    })
}

fn drawn(shape: &str) -> String {
    ["<svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path d=\"", shape, "\"/></svg>"].concat()
}

/// The same page in the other language.
fn other_language(language: Language) -> String {
    let (other, name) = match language {
        Language::En => (Language::Zh.as_str(), "中文"),
        Language::Zh => (Language::En.as_str(), "English"),
    };
    ["<a lang=\"", other, "\" hreflang=\"", other, "\" href=\"?lang=", other, "\">", name, "</a>"].concat()
}

/// The form has no fields and no address: the browser sends it to the address of the page.
fn form(words: &Words) -> String {
    let form = "<form method=\"post\"><button type=\"submit\">";
    [form, words.button, "</button></form><p class=\"hint\">", words.hint, "</p>"].concat()
}

fn said([heading, text]: [&str; 2]) -> (String, String) {
    (heading.to_string(), ["<p class=\"said\">", text, "</p>"].concat())
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
            subject: Some("p7"),
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
        let html = Page::Open(About { rule: None, reason: None, subject: None, ..about() }).html(Language::En);
        assert!(
            !html.contains("q9") && !html.contains("phq-9") && !html.contains("p7") && html.contains("DEMO"),
            "{html}"
        );
        for page in [Page::Expired("a-1"), Page::Superseded("a-1"), Page::Unknown, Page::Failed] {
            for language in Language::ALL {
                let html = page.html(language);
                assert!(!html.contains("<button") && !html.contains("<dl>"), "{html}");
                let known = matches!(page, Page::Expired(_) | Page::Superseded(_));
                assert_eq!(html.contains("href=\"/alerts/a-1\""), known, "{html}");
            }
        }
    }

    #[test]
    fn red_is_for_a_critical_alert_that_nobody_acknowledged_and_every_severity_has_its_shape() {
        let mut shapes = Vec::new();
        for severity in Severity::ALL {
            let about = About { severity, ..about() };
            let html = Page::Open(about.clone()).html(Language::En);
            assert_eq!(html.contains("class=\"urgent\""), severity == Severity::Critical, "{html}");
            let closed = Page::Acknowledged(about, None).html(Language::En);
            assert!(!closed.contains("class=\"urgent\""), "{closed}");
            let shape = html.split_once("<path d=\"").unwrap().1.split('"').next().unwrap().to_string();
            assert!(closed.contains(&shape) && !shapes.contains(&shape), "{shape}");
            shapes.push(shape);
        }
    }

    #[test]
    fn colours_and_shapes_are_those_of_the_screens() {
        let theme = include_str!("../../../functions/web/assets/style/theme.css");
        let (light, dark) = theme.split_once("(prefers-color-scheme: dark)").unwrap();
        let (own_light, own_dark) = STYLE.split_once("@media(prefers-color-scheme:dark)").unwrap();
        let (own_dark, _) = own_dark.split_once("}}").unwrap();
        for (theme, own) in [(light, own_light), (dark, own_dark)] {
            let colours: Vec<&str> = own.split([';', '{', '}']).filter(|it| it.starts_with("--")).collect();
            assert_eq!(colours.len(), 11, "{colours:?}");
            for colour in colours {
                assert!(theme.contains(&[&colour.replacen(':', ": ", 1), ";"].concat()), "{colour}");
            }
        }
        let marks = include_str!("../../../functions/web/assets/parts/marks.js");
        for shape in [CRITICAL, HIGH, MODERATE, INFO, ACKNOWLEDGED, RESOLVED] {
            assert!(marks.contains(shape), "{shape}");
        }
    }

    #[test]
    fn what_is_closed_says_who_and_when_and_has_no_button() {
        let by = |by| Some(Done { by, at: "2026-03-01 08:05 UTC+08:00".into() });
        for (page, expected) in [
            (
                Page::Acknowledged(about(), by(Ok("desk"))),
                "<b>Acknowledged</b> By the link that was sent to desk, 2026-03-01 08:05",
            ),
            (
                Page::Acknowledged(about(), by(Err("clinician-1"))),
                "<b>Acknowledged</b> By clinician-1, 2026-03-01 08:05",
            ),
            (
                Page::Resolved(about(), by(Err("clinician-1"))),
                "<b>Resolved. There is nothing to do here.</b> By clinician-1,",
            ),
            (Page::Acknowledged(about(), None), "<b>Acknowledged</b></p>"),
        ] {
            let html = page.html(Language::En);
            assert!(html.contains(expected) && !html.contains("<button"), "{html}");
        }
    }

    proptest! {
        #[test]
        fn whatever_it_is_filled_with_stays_text(text in "[<>&\"'a-z/= \u{202e}\u{4e2d}]{0,40}") {
            let hostile = About { study: &text, site: &text, subject: Some(&text), id: &text, reason: Some(&text), rule: Some((&text, &text)), ..about() };
            let done = Done { by: Ok(&text), at: String::new() };
            let html = Page::Acknowledged(hostile, Some(done)).html(Language::Zh);
            let harmless = Page::Acknowledged(about(), Some(Done { by: Ok("a"), at: String::new() })).html(Language::Zh);
            for mark in ['<', '>', '"'] {
                prop_assert_eq!(html.matches(mark).count(), harmless.matches(mark).count());
            }
        }
    }
}
