//! The description of this component's routes.

#![expect(dead_code, reason = "the types of queries and requests only describe them")]

use schemars::JsonSchema;
use state::edge::describe::*;

use crate::alerts::{Acted, AlertShown};
use crate::links::LinkPage;
use crate::list::AlertPage;
use crate::receivers::{Enabled, ReceiverList};
use crate::silences::{Matchers, SilenceEnded, SilenceShown, Silences};
use crate::subscriptions::{Replayed, SubscriptionList};

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: include_str!("../openapi/examples.json"),
    }
}

/// The address of a silence.
const SILENCE_LOCATION: Header = Header::location("The silence.", |_| matching("^/v1/silences/[0-9a-f]{32}$"));

/// A note about an action.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    #[schemars(with = "Nullable<NoteText>")]
    note: Option<String>,
}

/// The text of a note.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
struct NoteText(#[schemars(length(min = 1, max = 1000))] String);

/// The query of a link's page.
#[derive(JsonSchema)]
struct LinkQuery {
    /// The language of the page, in place of the message's.
    #[schemars(extend("enum" = ["en", "zh"]))]
    lang: Option<String>,
}

/// A note to add.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewNote {
    #[schemars(length(min = 1, max = 1000))]
    note: String,
}

/// The person or team that an alert is assigned to.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct Assignment {
    /// Null or absent to give it back.
    #[schemars(with = "Nullable<AssigneeText>")]
    to: Option<String>,
}

/// The name of a person or a team.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
struct AssigneeText(#[schemars(length(min = 1, max = 100))] String);

/// A silence to begin.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSilence {
    matchers: Matchers,
    /// Now, if it is not said.
    #[schemars(with = "Option<Time>")]
    start: Option<String>,
    /// Or `minutes`.
    #[schemars(with = "Option<Time>")]
    end: Option<String>,
    /// In place of `end`.
    #[schemars(range(min = 1, max = 43200))]
    minutes: Option<u16>,
    #[schemars(length(max = 1000))]
    comment: String,
    /// Whether critical alerts are not sent either.
    critical: Option<bool>,
}

/// Since when events are told of again.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EventReplay {
    #[schemars(with = "Time")]
    since: String,
    /// Whether they are only counted.
    dry_run: Option<bool>,
}

/// The query of a list of alerts.
#[derive(JsonSchema)]
struct AlertQuery {
    /// Those in this state.
    state: Option<domain::alert::state::Phase>,
    /// Those this bad.
    severity: Option<domain::Severity>,
    /// Those of this study.
    #[schemars(with = "Option<Name>")]
    study: Option<String>,
    /// Those of this site.
    #[schemars(with = "Option<Name>")]
    site: Option<String>,
    /// Those assigned to this person or team.
    assignee: Option<String>,
    /// Those of submissions that came in then or later.
    #[schemars(with = "Option<Time>")]
    since: Option<String>,
    /// `newest` if you leave it out. `urgency`: those that nobody has acknowledged (`grouped`, `open`, `delivered`,
    /// `dead`), by severity, then the oldest first; with `state=acknowledged` those that are acknowledged, likewise.
    #[schemars(with = "Option<OrderWord>")]
    order: Option<String>,
    /// Parts with commas between them: `reason` (what raised it and why, of whom), `deliveries` (who was told and when,
    /// what is due next, who acknowledged or resolved it and when), `counts` (of the page: how many alerts there are by state and severity).
    #[schemars(with = "Option<IncludeText>")]
    include: Option<String>,
    #[serde(flatten)]
    page: Page,
}

/// The query of an alert.
#[derive(JsonSchema)]
struct ShownQuery {
    /// Parts with commas between them: `content` (the answers or data that raised it), `course` (the scores of its
    /// instrument over time).
    #[schemars(with = "Option<BehindText>")]
    include: Option<String>,
}

/// Parts of an alert.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
struct BehindText(#[schemars(regex(pattern = "^(content|course)(,(content|course))*$"))] String);

/// The order of a list.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
enum OrderWord {
    Newest,
    Urgency,
}

/// Parts of a list.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
struct IncludeText(#[schemars(regex(pattern = "^(reason|deliveries|counts)(,(reason|deliveries|counts))*$"))] String);

fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET", "/v1/alerts", "listAlerts", Tag::Results, "Alerts, the newest or the most urgent first")
            .about(
                "Those of the study and site that the key covers. A page may be shorter than asked for and still \
                not be the last: there is more as long as there is a cursor. The tag changes with every event of any \
                alert in the study and site that are asked for; until then, `If-None-Match` is answered by 304 at \
                little cost, so an inbox may ask every few seconds.",
            )
            .header(&IF_NONE_MATCH)
            .query::<AlertQuery>()
            .gives::<AlertPage<'_>>(200, "A page.")
            .with(NO_STORE)
            .with(ETAG)
            .gives_media(304, "It is what the sender knows.", &[])
            .with(NO_STORE)
            .with(ETAG),
        Operation::new(
            "GET",
            "/v1/alerts/{alert}",
            "showAlert",
            Tag::Results,
            "An alert with its deliveries and history",
        )
        .query::<ShownQuery>()
        .gives::<AlertShown<'_>>(200, "The alert.")
        .with(NO_STORE),
        Operation::new(
            "POST",
            "/v1/alerts/{alert}/acknowledge",
            "acknowledgeAlert",
            Tag::Results,
            "Say that somebody has seen an alert",
        )
        .about(
            "Nobody else is told because nobody did. Doing it again changes nothing and is answered alike. What \
                identifies a patient is taken out of the note.",
        )
        .may_take::<Note>("At most 8 KiB; none is fine.")
        .gives::<Acted<'_>>(200, "What was done, by whom and when.")
        .refuses(&[Refusal::AlertConflict]),
        Operation::new(
            "POST",
            "/v1/alerts/{alert}/resolve",
            "resolveAlert",
            Tag::Results,
            "Say that an alert is dealt with",
        )
        .about(
            "It is closed. Doing it again changes nothing and is answered alike. What identifies a patient is \
                taken out of the note.",
        )
        .may_take::<Note>("At most 8 KiB; none is fine.")
        .gives::<Acted<'_>>(200, "What was done, by whom and when.")
        .refuses(&[Refusal::AlertConflict]),
        Operation::new("POST", "/v1/alerts/{alert}/reopen", "reopenAlert", Tag::Results, "Open an alert again")
            .about(
                "Its receivers are told again, and it climbs its chain from the beginning. So is one that was \
                suppressed. Doing it again changes nothing and is answered alike. What identifies a patient is \
                taken out of the note.",
            )
            .may_take::<Note>("At most 8 KiB; none is fine.")
            .gives::<Acted<'_>>(200, "What was done, by whom and when.")
            .refuses(&[Refusal::AlertConflict]),
        Operation::new("POST", "/v1/alerts/{alert}/notes", "noteAlert", Tag::Results, "Add a note to an alert")
            .about(
                "In every state. It changes nothing else: the chain goes on. The same note of the same key within ten \
                minutes is one that is sent again. What identifies a patient is taken out of it.",
            )
            .takes::<NewNote>("At most 8 KiB.")
            .gives::<Acted<'_>>(200, "The note, by whom and when.")
            .refuses(&[Refusal::AlertConflict]),
        Operation::new(
            "POST",
            "/v1/alerts/{alert}/assign",
            "assignAlert",
            Tag::Results,
            "Take an alert over, hand it over, or give it back",
        )
        .about(
            "In every state but `resolved`. It changes nothing else: the chain goes on until somebody acknowledges. An \
                assignment stays until somebody changes it. Doing it again changes nothing and is answered alike. The \
                name is kept as it is, so one with a telephone number or another number that identifies somebody is \
                refused.",
        )
        .takes::<Assignment>("At most 8 KiB.")
        .gives::<Acted<'_>>(200, "Who looks after it, who said so and when.")
        .refuses(&[Refusal::AlertConflict]),
        Operation::new(
            "GET",
            "/v1/acknowledge/{token}",
            "showLink",
            Tag::Results,
            "What the link of a message is about",
        )
        .about(
            "No more of the patient than the message told, as often as it is asked for. The token is the key. \
                An `Accept` that prefers text/html gets every answer as a page, in the language of the message, or of \
                `lang`.",
        )
        .query::<LinkQuery>()
        .gives::<LinkPage<'_>>(200, "The alert.")
        .or::<Text>("text/html")
        .with(NO_STORE)
        .refuses(&[Refusal::AlertConflict]),
        Operation::new(
            "POST",
            "/v1/acknowledge/{token}",
            "acknowledgeByLink",
            Tag::Results,
            "Acknowledge by the link of a message",
        )
        .about(
            "Once, before it expires, and only in the opening of the alert that the message was about. The \
                token is the key. The form of the page sends no fields.",
        )
        .query::<LinkQuery>()
        .may_take::<Note>("At most 8 KiB; none is fine.")
        .gives::<Acted<'_>>(200, "It is acknowledged, by this or by somebody before.")
        .or::<Text>("text/html")
        .with(NO_STORE)
        .refuses(&[Refusal::AlertConflict]),
        Operation::new("GET", "/v1/silences", "listSilences", Tag::Operations, "Silences")
            .scope("; a key that does not cover all sees those about its study and site alone")
            .gives::<Silences>(200, "All that are not over, and those that ended since the last change.")
            .refuses(&[Refusal::Invalid]),
        Operation::new(
            "POST",
            "/v1/silences",
            "silence",
            Tag::Operations,
            "Record alerts and do not send them for a while",
        )
        .about(
            "An alert is silenced if every matcher names its value. Critical alerts are sent unless it says \
                otherwise of itself. It lasts 30 days at most. The author is the key.",
        )
        .scope("; a key that does not cover all must name its study and site among the matchers")
        .header(&CHANGE_REASON)
        .takes::<NewSilence>("At most 16 KiB.")
        .gives::<SilenceShown>(201, "It is in force.")
        .with(SILENCE_LOCATION)
        .refuses(&[Refusal::AlertConflict]),
        Operation::new("DELETE", "/v1/silences/{silence}", "endSilence", Tag::Operations, "End a silence")
            .scope("; a key that does not cover all ends those about its study and site alone")
            .header(&CHANGE_REASON)
            .gives::<SilenceEnded<'_>>(200, "It is over.")
            .refuses(&[Refusal::Invalid]),
        Operation::new(
            "GET",
            "/v1/receivers",
            "listReceivers",
            Tag::Operations,
            "Who is told of alerts and events, and whether they can be reached",
        )
        .about("By id, page by page; neither an address nor a secret is shown.")
        .scope("; one of a study sees the receivers that its settings alone name")
        .query::<Page>()
        .gives::<ReceiverList>(200, "The receivers in force.")
        .with(NO_STORE)
        .refuses(&[Refusal::Invalid]),
        Operation::new(
            "POST",
            "/v1/receivers/{receiver}/enable",
            "enableReceiver",
            Tag::Operations,
            "Tell a receiver again that answered 410",
        )
        .about("Alerts that it missed are dead letters, and can be replayed; events waited for it.")
        .scope(", for all studies that name it")
        .header(&CHANGE_REASON)
        .gives::<Enabled<'_>>(200, "It is told again.")
        .refuses(&[Refusal::Invalid]),
        Operation::new(
            "GET",
            "/v1/subscriptions",
            "listSubscriptions",
            Tag::Operations,
            "Which systems are told of events, and whether they are up to date",
        )
        .scope("; one of a study sees the subscriptions about it alone")
        .gives::<SubscriptionList>(200, "The subscriptions in force, in the document's order.")
        .with(NO_STORE)
        .refuses(&[Refusal::Invalid]),
        Operation::new(
            "POST",
            "/v1/subscriptions/{subscription}/replay",
            "replaySubscription",
            Tag::Operations,
            "Tell a subscription once more of all events since a time",
        )
        .about(
            "Each event has the same webhook-id as before, so a receiver that knows it can leave it out. A dry run counts \
                the events.",
        )
        .scope(", for all studies of the subscription")
        .header(&CHANGE_REASON)
        .takes::<EventReplay>("At most 8 KiB.")
        .gives::<Replayed>(200, "What it is told of again, or would be."),
    ]
}
