//! Raises alerts: the decision about an alert is stored before anybody is notified.

use domain::ids::AlertId;
use std::collections::BTreeMap;

use domain::Timestamp;
use domain::alert::admission::{self, Admission, Group, Last, admit};
use domain::alert::routes::Routes;
use domain::alert::silence::Silence;
use domain::alert::state;
use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, flat, string, text, unexpected};
use platform::{Error, Kind};
use spin_sdk::redis::RedisResult;

use super::change::{self, Change};
use super::{Loaded, Reserve, TRIES, facts_of, in_redis_or_stored, record};
use crate::names;
use crate::wire::entry::Alert;

/// The time for which Redis remembers the alerts of a grouped message, milliseconds: longer than any retries.
const MEMBERS_KEPT_MS: &str = "2592000000";

/// An alert to be raised.
pub struct Raising<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// The entry of the dispatch stream that ends with it.
    pub entry: Option<&'a str>,
}

/// An alert that is raised.
pub struct Raised {
    /// Its state.
    pub found: Loaded,
    /// Whether it was raised just now. For other alerts, due work belongs to another worker or is on the stream.
    pub fresh: bool,
}

/// The marks in Redis that admission needs.
struct Marks {
    repeat: String,
    group: String,
}

/// Raises an alert, unless it was raised before. For workers: it blocks the instance.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn raise(
    redis: &Redis,
    store: &Store,
    routes: &Routes,
    silences: &[Silence],
    alert: &Alert,
    now: Timestamp,
) -> Result<Loaded, Error> {
    let raising = [Raising { alert, entry: None }];
    let raised = raise_all(redis, store, routes, silences, &raising, Reserve::Nothing, now).await?.pop();
    raised.map(|raised| raised.found).ok_or_else(|| unexpected("step"))
}

/// Raises alerts in their order, all in one transaction and one script. Returns their states, even if others raised
/// them. For workers: it blocks the instance.
///
/// # Errors
/// [`Kind::Unavailable`]; doing it again is safe.
pub async fn raise_all(
    redis: &Redis,
    store: &Store,
    routes: &Routes,
    silences: &[Silence],
    raisings: &[Raising<'_>],
    taken: Reserve<'_>,
    now: Timestamp,
) -> Result<Vec<Raised>, Error> {
    let mut done: BTreeMap<usize, Raised> = BTreeMap::new();
    for round in 0..TRIES {
        let open: Vec<(usize, &Raising<'_>)> =
            raisings.iter().enumerate().filter(|(n, _)| !done.contains_key(n)).collect();
        if open.is_empty() {
            return Ok(done.into_values().collect());
        }
        let mut work = Vec::with_capacity(open.len());
        for (n, raising) in open {
            let facts = facts_of(raising.alert);
            let plan = routes.plan(&facts);
            let marks = Marks {
                repeat: names::repeat(admission::repeat_key(&facts)),
                group: names::group(admission::group_key(&facts, &plan)),
            };
            work.push((n, raising, facts, plan, marks));
        }
        let keys = work.iter().flat_map(|(_, raising, _, _, marks)| {
            [names::alert_state(&raising.alert.alert_id), marks.repeat.clone(), marks.group.clone()]
        });
        let reply = redis.command("MGET", keys.map(text).collect()).await?;
        if reply.len() != 3 * work.len() {
            return Err(unexpected("MGET"));
        }
        // The marks that earlier alerts of this batch leave behind.
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let (mut batch, mut changes, mut steps) = (Batch::default(), Vec::new(), Vec::new());
        for ((n, raising, facts, plan, marks), values) in work.into_iter().zip(reply.chunks(3)) {
            let [value, repeat, group] = values else { return Err(unexpected("MGET")) };
            let mut change = Change::default();
            if let Some(entry) = raising.entry {
                change.end(entry);
            }
            match in_redis_or_stored(store, &raising.alert.alert_id, value).await? {
                // Only the store knows that it was raised, and nobody was notified: raising was interrupted. It is
                // raised again.
                Some(found) if found.expected.is_empty() && found.state.revision() == 0 => {}
                Some(mut found) => {
                    if found.expected.is_empty() {
                        record::restored(raising.alert, &found, now, &mut change)?;
                        found.expected = format!("{} ", found.state.revision());
                    } else if round > 0 {
                        // Somebody else was faster: restores the store, unless the state changes meanwhile.
                        record::heal(&found, &mut batch)?;
                        change.only_if(names::alert_state(&raising.alert.alert_id), found.expected.clone());
                    }
                    changes.push(change);
                    steps.push((n, Raised { found, fresh: false }));
                    continue;
                }
                None => {}
            }
            let seen = |key: &String, value: &RedisResult| known.get(key).cloned().or_else(|| string(value));
            let (repeat, group) = (seen(&marks.repeat, repeat), seen(&marks.group, group));
            let last = repeat.as_deref().and_then(Last::parse);
            let open = group.as_deref().and_then(Group::parse);
            let admitted = admit(&facts, &plan, silences, last.as_ref(), open.as_ref(), now);
            let step = state::raise(&raising.alert.alert_id, facts.severity, &admitted, &plan, now);
            let next = Last { at: now, severity: facts.severity, alert: raising.alert.alert_id.clone() }.write();
            if matches!(admitted, Admission::Send | Admission::Lead { .. }) && plan.repeat_ms > 0 {
                change.only_if(marks.repeat.clone(), repeat.unwrap_or_default());
                change.command(["SET", &marks.repeat, &next, "PX", &plan.repeat_ms.to_string()]);
                known.insert(marks.repeat, next);
            }
            grouped(raising.alert, &admitted, group, marks.group, now, &mut change, &mut known);
            record::raised(raising.alert, &step, taken, now, &mut change, &mut batch)?;
            changes.push(change);
            steps.push((n, Raised { found: Loaded::raised(&step), fresh: true }));
        }
        kv::put_all(&mut batch)?;
        let made = change::make(redis, &changes).await?;
        for ((n, mut raised), _) in steps.into_iter().zip(made).filter(|(_, made)| *made) {
            raised.found.written();
            done.insert(n, raised);
        }
    }
    Err(Error::new("alerts", Kind::Unavailable, "others raise the same alerts all the time"))
}

/// Opens a group, or joins the open one.
fn grouped(
    alert: &Alert,
    admitted: &Admission,
    seen: Option<String>,
    key: String,
    now: Timestamp,
    change: &mut Change,
    known: &mut BTreeMap<String, String>,
) {
    let (leader, member) = match admitted {
        Admission::Lead { closes_at } => {
            let group = Group { closes_at: *closes_at, leader: alert.alert_id.clone() }.write();
            change.only_if(key.clone(), seen.unwrap_or_default());
            // The expiry uses Redis' clock. The worker that sends the message closes the group before.
            let open_ms = closes_at.ms_since(now).max(1).to_string();
            change.command(["SET", &key, &group, "PX", &open_ms]);
            known.insert(key.clone(), group);
            (&alert.alert_id, key.as_str())
        }
        Admission::Join { leader } => {
            change.only_if(key, seen.unwrap_or_default());
            (leader, alert.alert_id.as_str())
        }
        Admission::Send | Admission::Suppress(_) => return,
    };
    let list = names::group_members(leader);
    change.command(["RPUSH", &list, member]);
    change.command(["PEXPIRE", &list, MEMBERS_KEPT_MS]);
}

script! {
    CloseScript<'a> = "alerts/close.lua",
    keys { members: Vec<String> }
    args { leaders: &'a [&'a str] }
    reply Vec<RedisResult>, by flat
}

/// Closes the groups of these leaders, and returns the alerts grouped with each message, in their order.
///
/// # Errors
/// [`Kind::Unavailable`].
pub async fn close_groups(redis: &Redis, leaders: &[&AlertId]) -> Result<Vec<Vec<AlertId>>, Error> {
    if leaders.is_empty() {
        return Ok(Vec::new());
    }
    let members = leaders.iter().map(|leader| names::group_members(leader)).collect();
    let leaders: &[&str] = &leaders.iter().map(|leader| leader.as_str()).collect::<Vec<_>>();
    let reply = CloseScript { members, leaders }.run(redis).await?;
    let (mut groups, mut words) = (Vec::with_capacity(leaders.len()), reply.iter().map(string));
    for _ in leaders {
        let count: Option<usize> = words.next().flatten().and_then(|count| count.parse().ok());
        let members: Option<Vec<AlertId>> =
            words.by_ref().map(|id| id.map(AlertId::from)).take(count.ok_or_else(|| unexpected("close"))?).collect();
        groups.push(members.ok_or_else(|| unexpected("close"))?);
    }
    Ok(groups)
}
