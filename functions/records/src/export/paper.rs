//! An export as a page to print, in English or Chinese: it shows the resources that the Bundle has.
//!
//! Guarantee: the page loads nothing and runs nothing, and every text in it is escaped. What persons wrote stays in their own
//! words, and states, answers and bands stay as they are stored, where Vigil has no text for them.

use domain::Severity;
use domain::alert::template::Language;
use domain::fhir::{AMENDS, SITE, STUDY};
use domain::ids::Pseudonym;
use domain::paper::{STYLE, escaped};
use serde_json::Value;

use super::resources::{AUTHORED, CONTENT, DETAILS, ERASED, RECEIVED, SEVERITY, STATE, SUBJECTS};

/// The end of the page.
pub(super) const TAIL: &str = "</main></body></html>";

/// The words of a language.
struct Words {
    title: &'static str,
    made: &'static str,
    subject: &'static str,
    patient: &'static str,
    system: &'static str,
    study: &'static str,
    site: &'static str,
    authored: &'static str,
    received: &'static str,
    state: &'static str,
    amends: &'static str,
    erased: &'static str,
    answers: &'static str,
    scores: &'static str,
    more: &'static str,
    alert: &'static str,
    states: [(&'static str, &'static str); 12],
}

const EN: Words = Words {
    title: "Everything about subject",
    made: "Made at",
    subject: "Subject",
    patient: "Patient",
    system: "Within",
    study: "Study",
    site: "Site",
    authored: "Written",
    received: "Received",
    state: "State",
    amends: "In place of",
    erased: "Erased",
    answers: "Content",
    scores: "Scores",
    more: "Further details",
    alert: "Alert",
    states: [
        ("scored", "scored"),
        ("failed", "could not be scored"),
        ("superseded", "superseded by a later submission"),
        ("erased", "erased"),
        ("queued", "waiting"),
        ("open", "not acknowledged"),
        ("delivered", "delivered, not acknowledged"),
        ("acknowledged", "acknowledged"),
        ("resolved", "resolved"),
        ("suppressed", "recorded and not sent"),
        ("dead", "could not be delivered"),
        ("done", "has a result"),
    ],
};

const ZH: Words = Words {
    title: "关于受试者的全部记录",
    made: "生成时间",
    subject: "受试者",
    patient: "患者",
    system: "编号系统",
    study: "研究",
    site: "中心",
    authored: "填写时间",
    received: "接收时间",
    state: "状态",
    amends: "替代",
    erased: "删除时间",
    answers: "内容",
    scores: "得分",
    more: "其他信息",
    alert: "警报",
    states: [
        ("scored", "已评分"),
        ("failed", "无法评分"),
        ("superseded", "已被后来的提交取代"),
        ("erased", "已删除"),
        ("queued", "等待中"),
        ("open", "尚未确认"),
        ("delivered", "已送达，尚未确认"),
        ("acknowledged", "已确认"),
        ("resolved", "已解决"),
        ("suppressed", "已记录，未发送"),
        ("dead", "未能送达"),
        ("done", "已有结果"),
    ],
};

impl Words {
    fn of(language: Language) -> &'static Words {
        match language {
            Language::En => &EN,
            Language::Zh => &ZH,
        }
    }

    fn state<'a>(&self, state: &'a str) -> &'a str {
        self.states.iter().find(|(known, _)| *known == state).map_or(state, |(_, word)| word)
    }
}

/// The beginning of the page.
pub(super) fn head(language: Language, pseudonym: &Pseudonym, now: &str) -> String {
    let words = Words::of(language);
    let title = [words.title, " ", pseudonym.as_str()].concat();
    [
        "<!doctype html><html lang=\"",
        language.as_str(),
        "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>",
        &title,
        "</title><style>",
        STYLE,
        "</style></head><body><main><h1>",
        &title,
        "</h1><p class=\"quiet\">",
        words.made,
        " ",
        now,
        "</p>",
    ]
    .concat()
}

/// Resources that belong together.
pub(super) fn section(language: Language, resources: &[Value]) -> String {
    let (words, mut html, mut is_scored) = (Words::of(language), String::from("<section>"), false);
    for resource in resources {
        let kind = text(resource, "/resourceType");
        if is_scored && kind != "Observation" {
            html.push_str("</table>");
        } else if kind == "Observation" && !is_scored {
            html.extend(["<h3>", words.scores, "</h3><table>"]);
        }
        is_scored = kind == "Observation";
        match kind {
            "Patient" => patient(&mut html, words, resource),
            "Observation" => score(&mut html, resource),
            "Communication" => alert(&mut html, words, language, resource),
            _ => submission(&mut html, words, resource),
        }
    }
    html.push_str(if is_scored { "</table></section>" } else { "</section>" });
    html
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The member of an object that FHIR names `value` and its type.
fn value_of(object: &Value) -> Option<&Value> {
    object.as_object()?.iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

fn extension<'a>(resource: &'a Value, url: &str) -> Option<&'a Value> {
    list(resource, "/extension").iter().find(|own| text(own, "/url") == url).and_then(value_of)
}

/// A value for people: codings and references by their texts, what is nested as JSON.
fn shown(value: &Value) -> String {
    let named = ["display", "code", "reference"].iter().find_map(|name| value.get(name).and_then(Value::as_str));
    match (value, named) {
        (Value::String(text), _) => text.clone(),
        (_, Some(text)) => text.to_owned(),
        _ => value.get("value").unwrap_or(value).to_string(),
    }
}

fn row(html: &mut String, name: &str, cells: &[&str]) {
    html.extend(["<tr><th scope=\"row\">", &escaped(name), "</th>"]);
    for cell in cells {
        html.extend(["<td>", &escaped(cell), "</td>"]);
    }
    html.push_str("</tr>");
}

/// A row of an extension, if the resource has it.
fn fact(html: &mut String, name: &str, resource: &Value, url: &str) {
    if let Some(value) = extension(resource, url) {
        row(html, name, &[&shown(value)]);
    }
}

/// The members of an object that an extension has as JSON.
fn members(html: &mut String, heading: &str, resource: &Value, url: &str) {
    let object: Option<Value> = extension(resource, url).and_then(|value| serde_json::from_str(value.as_str()?).ok());
    let Some(Value::Object(object)) = object else { return };
    html.extend(["<h3>", heading, "</h3><table>"]);
    for (name, value) in &object {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        row(html, name, &[&value]);
    }
    html.push_str("</table>");
}

fn heading(html: &mut String, level: &str, text: &str) {
    html.extend(["<", level, ">", &escaped(text), "</", level, ">"]);
}

fn patient(html: &mut String, words: &Words, resource: &Value) {
    heading(html, "h2", &[words.subject, " ", text(resource, "/id")].concat());
    html.push_str("<table>");
    for identifier in list(resource, "/identifier").iter().filter(|own| text(own, "/system") != SUBJECTS) {
        row(html, words.patient, &[text(identifier, "/value")]);
        match text(identifier, "/system") {
            "" => {}
            system => row(html, words.system, &[system]),
        }
    }
    for (name, url) in [(words.study, STUDY), (words.site, SITE), (words.erased, ERASED)] {
        fact(html, name, resource, url);
    }
    html.push_str("</table>");
}

/// A response, a report, an analysis or a tombstone.
fn submission(html: &mut String, words: &Words, resource: &Value) {
    let questionnaire = text(resource, "/questionnaire");
    let name = questionnaire.rsplit(':').next().filter(|name| !name.is_empty());
    heading(html, "h2", name.unwrap_or_else(|| text(resource, "/code/text")));
    html.push_str("<table>");
    row(html, "ID", &[text(resource, "/id")]);
    let state = extension(resource, STATE).and_then(Value::as_str).unwrap_or_default();
    row(html, words.state, &[words.state(state)]);
    match text(resource, "/authored") {
        "" => fact(html, words.authored, resource, AUTHORED),
        authored => row(html, words.authored, &[authored]),
    }
    for (name, url) in [(words.received, RECEIVED), (words.site, SITE), (words.amends, AMENDS)] {
        fact(html, name, resource, url);
    }
    html.push_str("</table>");
    let items = list(resource, "/item");
    if !items.is_empty() {
        html.extend(["<h3>", words.answers, "</h3><table>"]);
        for item in items {
            let answer = item.pointer("/answer/0").and_then(value_of).map(shown).unwrap_or_default();
            let (question, id) = (text(item, "/text"), text(item, "/linkId"));
            row(html, if question.is_empty() { id } else { question }, &[&answer]);
        }
        html.push_str("</table>");
    }
    members(html, words.answers, resource, CONTENT);
    members(html, words.more, resource, DETAILS);
}

fn score(html: &mut String, resource: &Value) {
    let value = value_of(resource).map_or_else(
        || text(resource, "/dataAbsentReason/text").to_owned(),
        |value| value.get("value").map_or_else(|| shown(value), Value::to_string),
    );
    row(html, text(resource, "/code/text"), &[&value, text(resource, "/interpretation/0/coding/0/code")]);
}

fn alert(html: &mut String, words: &Words, language: Language, resource: &Value) {
    let severity = extension(resource, SEVERITY).and_then(Value::as_str).unwrap_or_default();
    let severity = Severity::parse(severity).map_or(severity, |severity| language.severity(severity));
    let state = extension(resource, STATE).and_then(Value::as_str).unwrap_or_default();
    let state = words.state(state);
    let rule = text(resource, "/reasonCode/0/text");
    heading(html, "h3", &[words.alert, ": ", severity, ", ", rule, ", ", state].concat());
    html.extend(["<p>", &escaped(text(resource, "/payload/0/contentString")), "</p><table>"]);
    for note in list(resource, "/note") {
        row(html, text(note, "/time"), &[text(note, "/text"), text(note, "/authorString")]);
    }
    html.push_str("</table>");
}

#[cfg(test)]
mod tests {
    use super::super::resources;
    use super::*;
    use serde_json::json;
    use state::wire::entry::{Record, Subject};

    fn record() -> Record {
        let submission = json!({
            "submissionId": "s-1", "studyId": "A", "siteId": "1", "subject": "p", "kind": "diary",
            "authoredAt": "2026-03-01T08:00:00.000Z", "receivedAt": "2026-03-01T08:00:01.000Z", "key": "k", "hash": "h",
            "amends": "s-0", "flags": ["late"], "content": {"note": "<script>x</script>", "symptoms": [{"name": "pain"}]},
        });
        let record = json!({"state": "scored", "submission": submission, "scores": [], "alerts": []});
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn a_submission_is_shown_with_its_content_and_details_as_text() {
        let amended =
            resources::Amended { id: "s-0".into(), reference: Some(resources::Reference::basic(&"s-0".into())) };
        let record = record();
        let stored = resources::Stored { record: &record, superseded: None, rescored: None, amended: Some(amended) };
        let group = stored.resources(None);
        assert_eq!(group.len(), 1);
        assert_eq!(extension(&group[0], AMENDS).and_then(|value| value.get("reference")), Some(&json!("Basic/s-0")));
        assert_eq!(group[0].pointer("/subject/reference"), Some(&json!("Patient/p")));
        let html = section(Language::En, &group);
        for part in [
            "<h2>diary</h2>",
            "&lt;script&gt;x",
            "[{&quot;name&quot;:&quot;pain&quot;}]",
            "[&quot;late&quot;]",
            "Basic/s-0",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!(html.matches("<table>").count(), html.matches("</table>").count());
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn a_response_without_its_definition_keeps_its_answers_and_scores() {
        let mut record = record();
        record.submission.instrument = domain::ids::InstrumentId::parse("old-form");
        record.submission.content = serde_json::Map::from_iter([("q1".to_owned(), json!(2))]);
        record.scores = serde_json::from_value(json!([
            {"id": "total", "value": 2.0, "band": "mild", "status": "scored", "answered": 1, "missing": 0},
        ]))
        .unwrap();
        let stored = resources::Stored { record: &record, superseded: None, rescored: None, amended: None };
        let group = stored.resources(None);
        assert_eq!(group[0]["item"], json!([{"linkId": "q1", "answer": [{"valueDecimal": 2}]}]));
        assert_eq!(group[1]["derivedFrom"][0]["reference"], "QuestionnaireResponse/s-1");
        let html = section(Language::Zh, &group);
        for part in ["old-form", "已评分", "<th scope=\"row\">q1</th><td>2</td>", "<td>2</td><td>mild</td>"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!(html.matches("<table>").count(), html.matches("</table>").count());
    }

    #[test]
    fn a_patient_has_the_id_for_those_who_may_know_it() {
        let subject = Subject { subject: "p".into(), study_id: "A".into(), site_id: "1".into(), sealed: "x".into() };
        let person = ["p".into(), "q".into()];
        let known = resources::patient(&subject, Some("4711 & more"), None, &person);
        assert_eq!(known["link"], json!([{"other": {"reference": "Patient/q"}, "type": "seealso"}]));
        assert!(section(Language::En, &[known]).contains("<td>4711 &amp; more</td>"));
        let unknown = resources::patient(&subject, None, None, &person[..1]);
        assert!(unknown.get("link").is_none() && !section(Language::En, &[unknown]).contains("Patient"));
    }
}
