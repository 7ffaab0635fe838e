//! Checks the variables of every component, by asking the components themselves.
//!
//! Guarantee: no result comes from an earlier process or another host. The caller learns of every component that hears
//! the question now, and of every fault of its variables. Names and rules travel, never a value.
//!
//! Mechanism: every component has a Redis trigger on its own channel, at an address that only these triggers use. No
//! worker uses it, so no question waits for a drain. A question is a message with a random id. A component that hears
//! it reads its variables, as every instance does, and leaves its result under that id in Redis. `PUBLISH` returns the
//! number of listeners, so the number of expected answers is known. A component without a listener does not run here.
//!
//! Hosts that share a Redis and the variable `replica` are asked together; hosts with different `replica` are asked
//! apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use platform::deadline::Deadline;
use platform::redis::{Redis, integer, nothing, string, text, unexpected};
use platform::variables::{Fault, Reader};
use platform::{Error, clock, kv, log};
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;

use crate::names::{self, COMPONENTS, Queue};
use crate::variables;

/// Anybody may ask for readiness. Questions that follow within this time share one question.
const TOGETHER: Duration = Duration::from_millis(100);
/// The time for which answers are kept. No caller waits longer.
const KEPT: Duration = Duration::from_secs(1);
/// The pause between two looks for answers.
const PAUSE: Duration = Duration::from_millis(5);
/// The most faults in one answer.
const MOST_FAULTS: usize = 100;

/// A component's answer about its own variables.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The component.
    pub component: String,
    /// The names of the variables that it reads.
    pub variables: BTreeSet<String>,
    /// Their faults.
    pub faults: Vec<Fault>,
}

/// The id of the question in a message; none if the message is a bell.
pub fn question(message: &[u8]) -> Option<&str> {
    let id = std::str::from_utf8(message).ok()?.strip_prefix("check ")?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Answers a question for a component; `read` reads its variables.
///
/// # Errors
/// When Redis is unavailable.
pub async fn answer<T>(id: &str, component: &str, read: impl AsyncFnOnce(&mut Reader) -> T) -> Result<(), Error> {
    let mut reader = Reader::default();
    Box::pin(read(&mut reader)).await;
    let redis = variables::redis(&mut reader).await;
    let (variables, faults) = reader.into_parts();
    for fault in &faults {
        log::error("misconfigured").cause(fault).write();
    }
    let faults = faults.into_iter().take(MOST_FAULTS).collect();
    let answer = kv::json(&Answer { component: component.to_owned(), variables, faults })?;
    AnswerScript { answers: names::answers(id), answer, kept: KEPT }.run(&redis).await
}

script! {
    AnswerScript = "health/check/answer.lua",
    keys { answers: String }
    args { answer: String, kept: Duration }
    reply (), by nothing
}

script! {
    AskScript = "health/check/ask.lua",
    keys { question: String }
    args { id: String, again: Duration, channels: Vec<String> }
    reply (String, Heard), by |reply| asked(&reply)
}

/// Exports the trigger through which an HTTP component is asked for its variables; `read` reads them.
#[macro_export]
macro_rules! asked {
    ($component:literal, $read:path) => {
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            #[allow(dead_code, reason = "it only names what reads the variables")]
            async fn named(id: &str) {
                let _ = $crate::health::check::answer(id, $component, $read).await;
            }
        };

        #[cfg(target_family = "wasm")]
        #[expect(unsafe_code, reason = "the component's export, which the attribute generates")]
        mod asked {
            use super::*;

            #[spin_sdk::redis_subscriber]
            async fn ask(message: Vec<u8>) -> Result<(), $crate::Error> {
                match $crate::health::check::question(&message) {
                    Some(id) => $crate::health::check::answer(id, $component, $read).await,
                    None => Ok(()),
                }
            }
        }
    };
}

/// An obstacle to readiness.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "VariableFault"))]
pub struct Unsound {
    /// The component.
    pub component: String,
    /// Absent where the component has not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// The rule that it breaks, without the value.
    pub rule: String,
}

impl Unsound {
    /// A fault of a component's variables.
    pub fn of(component: &str, fault: Fault) -> Self {
        Unsound { component: component.to_owned(), variable: Some(fault.variable), rule: fault.rule }
    }

    fn silent(component: &str, rule: &str) -> Self {
        Unsound { component: component.to_owned(), variable: None, rule: rule.to_owned() }
    }
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variable {
            Some(variable) => write!(f, "{}: {variable} {}", self.component, self.rule),
            None => write!(f, "{} {}", self.component, self.rule),
        }
    }
}

/// Asks all components, and waits for their answers until the deadline. Returns the obstacles to readiness. `asking` is
/// the calling component: if it does not hear its own question, this host's triggers do not listen yet.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn look(redis: &Redis, replica: &str, asking: &str, deadline: Deadline) -> Result<BTreeSet<Unsound>, Error> {
    loop {
        let (id, heard) = ask(redis, replica).await?;
        let found = loop {
            let answers = answers(redis, &id).await?;
            let (found, all) = judge(&heard, asking, &answers);
            if all || deadline.left().is_zero() {
                break found;
            }
            clock::sleep(PAUSE).await;
        };
        // A host subscribes to its channels one after another. A component that did not hear the question may listen by
        // now.
        let settled = heard.values().all(|heard| *heard > 0) || listening(redis, replica).await? == heard;
        let deaf = deaf(redis, &heard).await?;
        if settled && deaf.is_empty() || deadline.left().is_zero() {
            return Ok(found.into_iter().chain(deaf).collect());
        }
        clock::sleep(PAUSE).await;
    }
}

/// The number of listeners, by component.
type Heard = BTreeMap<&'static str, i64>;

fn channels(replica: &str) -> impl Iterator<Item = String> {
    COMPONENTS.into_iter().map(move |component| names::check_channel(replica, component))
}

/// Asks. Returns the question's id and the number of listeners.
async fn ask(redis: &Redis, replica: &str) -> Result<(String, Heard), Error> {
    let id = format!("{:032x}", clock::random_bits());
    let question = names::check_question(replica);
    AskScript { question, id, again: TOGETHER, channels: channels(replica).collect() }.run(redis).await
}

fn asked(reply: &[RedisResult]) -> Option<(String, Heard)> {
    let reply = string(reply.first()?)?;
    let (id, heard) = reply.split_once(' ')?;
    let heard: Option<Vec<i64>> = heard.split(' ').map(|count| count.parse().ok()).collect();
    let heard = heard.filter(|heard| heard.len() == COMPONENTS.len())?;
    Some((id.to_owned(), COMPONENTS.into_iter().zip(heard).collect()))
}

/// The current number of listeners.
async fn listening(redis: &Redis, replica: &str) -> Result<Heard, Error> {
    let counts = listeners(redis, channels(replica).collect()).await?;
    Ok(COMPONENTS.into_iter().zip(counts).collect())
}

/// The workers that hear questions but not yet their bells: a bell now would start nobody.
async fn deaf(redis: &Redis, heard: &Heard) -> Result<Vec<Unsound>, Error> {
    let workers: [(&str, &str); 4] = [
        ("clock", names::CLOCK_CHANNEL),
        ("dispatch", Queue::Dispatch.channel()),
        ("imaging", Queue::Imaging.channel()),
        ("score", Queue::Score.channel()),
    ];
    let counts = listeners(redis, workers.map(|(_, channel)| channel.to_owned()).into()).await?;
    let deaf =
        workers.into_iter().zip(counts).filter(|((worker, _), count)| heard.get(worker).is_some_and(|it| it > count));
    Ok(deaf.map(|((worker, _), _)| Unsound::silent(worker, "does not listen to its queue yet")).collect())
}

/// The number of listeners on each of these channels.
async fn listeners(redis: &Redis, channels: Vec<String>) -> Result<Vec<i64>, Error> {
    let count = channels.len();
    let arguments = std::iter::once(text("NUMSUB")).chain(channels.into_iter().map(text)).collect();
    let reply = redis.command("PUBSUB", arguments).await?;
    let counts: Option<Vec<i64>> = reply.as_chunks::<2>().0.iter().map(|[_, count]| integer(count)).collect();
    counts.filter(|counts| counts.len() == count).ok_or_else(|| unexpected("PUBSUB"))
}

async fn answers(redis: &Redis, id: &str) -> Result<Vec<Answer>, Error> {
    let reply = redis.command("LRANGE", [&names::answers(id), "0", "-1"].map(text).to_vec()).await?;
    let read = |value: &RedisResult| serde_json::from_str(&string(value)?).ok();
    reply.iter().map(read).collect::<Option<_>>().ok_or_else(|| unexpected("LRANGE"))
}

/// Evaluates answers. Returns the obstacles to readiness, and whether all expected answers have come.
fn judge(heard: &Heard, asking: &str, answers: &[Answer]) -> (BTreeSet<Unsound>, bool) {
    let of = |answer: &Answer| {
        let faults = answer.faults.iter().cloned();
        faults.map(|fault| Unsound::of(&answer.component, fault)).collect::<Vec<_>>()
    };
    let mut found: BTreeSet<Unsound> = answers.iter().flat_map(of).collect();
    if heard.get(asking) == Some(&0) {
        found.insert(Unsound::silent(asking, "is not heard by its own host: the Redis triggers do not listen yet"));
    }
    let mut all = true;
    for (component, heard) in heard {
        let answered = answers.iter().filter(|answer| answer.component == *component).count();
        if answered < usize::try_from(*heard).unwrap_or(0) {
            all = false;
            found.insert(Unsound::silent(component, "has not reported"));
        }
    }
    (found, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(counts: &[(&'static str, i64)]) -> Heard {
        counts.iter().copied().collect()
    }

    fn answer(component: &str, faults: &[&str]) -> Answer {
        let fault = |variable: &&str| Fault { variable: (*variable).to_owned(), rule: "must be JSON".to_owned() };
        Answer {
            component: component.to_owned(),
            variables: BTreeSet::new(),
            faults: faults.iter().map(fault).collect(),
        }
    }

    fn told(heard: &Heard, answers: &[Answer]) -> (Vec<String>, bool) {
        let (found, all) = judge(heard, "records", answers);
        (found.iter().map(Unsound::to_string).collect(), all)
    }

    #[test]
    fn whoever_hears_a_question_owes_an_answer_and_one_bad_answer_of_many_is_enough() {
        let two = heard(&[("records", 1), ("score", 2), ("submit", 0)]);
        let (own, well, bad) = (answer("records", &[]), answer("score", &[]), answer("score", &["risk_url"]));
        assert_eq!(told(&two, &[]), (vec!["records has not reported".into(), "score has not reported".into()], false));
        let answers = [own, well, bad];
        assert_eq!(told(&two, &answers), (vec!["score: risk_url must be JSON".into()], true));
        let (found, all) = told(&two, &answers[..2]);
        assert_eq!((found, all), (vec!["score has not reported".into()], false));
    }

    #[test]
    fn a_host_whose_triggers_do_not_listen_is_not_ready_however_many_others_do() {
        let (found, all) = told(&heard(&[("records", 0), ("score", 1)]), &[answer("score", &[])]);
        assert_eq!((found.len(), all), (1, true), "{found:?}");
    }

    #[test]
    fn a_bell_is_no_question() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(question(format!("check {id}").as_bytes()), Some(id));
        for message in ["", "check", "check 1", &format!("next {id}"), &format!("check {id}0"), "check \u{fffd}"] {
            assert_eq!(question(message.as_bytes()), None, "{message}");
        }
    }
}
