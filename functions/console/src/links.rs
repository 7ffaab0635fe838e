//! `GET` and `POST /v1/acknowledge/{token}`: the link in a message.
//!
//! Guarantee: the link shows what it is about and nothing of the patient, as often as it is opened; only a `POST`
//! acknowledges, once, before it expires. So a scanner that follows links in mail acknowledges nothing. No key is
//! needed: the token is one, for one alert, one opening of it and one receiver.

use domain::alert::link::{Grant, Refusal};
use domain::alert::state::{Act, Event, Ignored, State};
use platform::alerts::{self, Happening, change::Change};
use platform::entry::Alert;
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::problem::{Problem, ProblemType};
use platform::redis::text;
use platform::{clock, log, names};
use serde_json::{Value, json};

use crate::alerts::{acted, note};
use crate::away;
use crate::config::Config;
use crate::parameters::Parameters;
use crate::request::only;

pub(crate) async fn answer(config: &Config, incoming: Incoming, token: &str) -> Result<Reply, Problem> {
    only(&incoming, &["GET", "POST"], "GET, POST")?;
    Parameters::read(&incoming, &[]).finish()?;
    let grant = config.link_key.as_ref().and_then(|key| key.open(token)).ok_or_else(Problem::not_found)?;
    let store = Store::open().await.map_err(|error| away(&error))?;
    let alert: Option<Alert> = store.get(&names::alert(&grant.alert)).await.map_err(|error| away(&error))?;
    let alert = alert.ok_or_else(Problem::not_found)?;
    let state = alerts::load(&config.redis, &store, &grant.alert).await.map_err(|error| away(&error))?;
    let state = state.ok_or_else(Problem::not_found)?.state;
    let reply = if incoming.method == "POST" {
        used(config, incoming, &store, &alert, &state, &grant).await?
    } else {
        checked(&grant, &state, false)?;
        let mark = config.redis.command("EXISTS", vec![text(names::link_used(grant.use_key()))]).await;
        let mark = mark.map_err(|error| away(&error))?;
        let used = matches!(mark.first(), Some(spin_sdk::redis::RedisResult::Int64(1)));
        let document = json!({
            "alertId": alert.alert_id,
            "severity": alert.severity,
            "state": state.phase().as_str(),
            "receivedAt": alert.received_at,
            "expiresAt": grant.expires.rfc3339(),
            "used": used,
        });
        Reply::json(200, &document)
    };
    // The address is a secret: no cache keeps it, and no page that is opened from it hears of it.
    Ok(reply.header("cache-control", "no-store").header("referrer-policy", "no-referrer"))
}

fn checked(grant: &Grant, state: &State, used: bool) -> Result<(), Problem> {
    grant.check(state.opening(), used, clock::now()).map_err(refused)
}

fn refused(refusal: Refusal) -> Problem {
    let detail = match refusal {
        Refusal::Expired => "link-expired: acknowledge it with a key, or by a newer message",
        Refusal::Used => "link-used: it acknowledges once",
        Refusal::Superseded => "link-superseded: the alert was opened again since",
    };
    Problem::new(ProblemType::Conflict, detail)
}

async fn used(
    config: &Config,
    incoming: Incoming,
    store: &Store,
    alert: &Alert,
    state: &State,
    grant: &Grant,
) -> Result<Reply, Problem> {
    let note = note(incoming).await?;
    checked(grant, state, false)?;
    let routes = config.routes().await.map_err(|error| away(&error))?;
    let now = clock::now();
    let by = format!("link:{}", grant.receiver);
    let event = Event::Acknowledged(Act { by: &by, note: note.as_deref() });
    let more = || {
        let mut change = Change::default();
        change.use_link(grant, grant.expires.ms_since(now));
        Ok(change)
    };
    let used = Happening { alert, event: &event, now, lost: false };
    let applied = alerts::apply(&config.redis, store, &routes, used, more).await;
    let ignored = applied.map_err(|error| away(&error))?.err();
    let found = alerts::load(&config.redis, store, &alert.alert_id).await.map_err(|error| away(&error))?;
    let found = found.ok_or_else(Problem::not_found)?;
    let (history, state) = (alerts::history(store, &found), &found.state);
    let history = history.await.map_err(|error| away(&error))?;
    let what = |entry: &Value| entry.get("what").and_then(Value::as_str) == Some("acknowledged");
    let entry = history.into_iter().rev().find(what);
    match ignored {
        None => {
            let line = log::info("alert-attended").alert(&alert.alert_id).receiver(&grant.receiver);
            line.outcome("acknowledged").write();
        }
        Some(Ignored::AlreadyAcknowledged) => {
            let own = entry.as_ref().and_then(|entry| entry.get("by")).and_then(Value::as_str) == Some(&by);
            // Somebody else was quicker: there is nothing left to acknowledge, and whoever opened the link is told.
            checked(grant, state, own)?;
        }
        Some(_) => return Err(Problem::new(ProblemType::Conflict, "the alert is resolved")),
    }
    let mut document = acted(&alert.alert_id, state, entry.as_ref(), ignored.is_none());
    if let Some(members) = document.as_object_mut() {
        members.remove("note");
    }
    Ok(Reply::json(200, &document))
}
