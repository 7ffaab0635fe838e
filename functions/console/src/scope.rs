//! What an administrator of some studies may see and change of what all studies share.
//!
//! Guarantee: a silence, a receiver or a dead letter is theirs if it concerns nothing that their key does not cover. All
//! others are not there.

use domain::alert::routes::Routes;
use domain::alert::silence::{Property, Silence};
use platform::auth::{Action, Principal};
use platform::dead::Letter;
use platform::entry::Alert;
use platform::http::Incoming;
use platform::kv::Store;
use platform::problem::Problem;
use platform::{Error, names};

use crate::config::Config;

/// The holder of an administrator's key, of whatever studies.
pub(crate) fn administrator<'a>(
    config: &'a Config,
    incoming: &Incoming,
    action: Action,
) -> Result<&'a Principal, Problem> {
    config.keys.admit(incoming.header("authorization"), action)
}

/// Whether a silence is about nothing but what the key covers.
pub(crate) fn has_silence(principal: &Principal, silence: &Silence) -> bool {
    let named = |property: Property| -> Vec<&str> {
        let of = silence.matchers.iter().filter(|it| it.property == property).flat_map(|it| &it.values);
        let values: Vec<&str> = of.map(String::as_str).collect();
        // What is not named is all of it.
        if values.is_empty() { vec!["*"] } else { values }
    };
    let sites = named(Property::Site);
    named(Property::Study).iter().all(|study| sites.iter().all(|site| principal.covers(study, site)))
}

/// Whether nothing but what the key covers tells a receiver.
pub(crate) fn has_receiver(principal: &Principal, routes: &Routes, receiver: &str) -> bool {
    let places = routes.places(receiver);
    principal.covers_all() || !places.is_empty() && places.iter().all(|(study, site)| principal.covers(study, site))
}

/// Whether a dead letter is about what the key covers. One of which nobody knows what it is about is for those who cover
/// all.
pub(crate) async fn has_letter(store: &Store, principal: &Principal, letter: &Letter) -> Result<bool, Error> {
    if principal.covers_all() {
        return Ok(true);
    }
    let about = letter.about();
    let place = match (about.place, about.alert) {
        (Some(place), _) => Some(place),
        (None, Some(alert)) => {
            let alert: Option<Alert> = store.get(&names::alert(&alert)).await?;
            alert.map(|alert| (alert.study_id, alert.site_id))
        }
        (None, None) => None,
    };
    Ok(place.is_some_and(|(study, site)| principal.covers(&study, &site)))
}
