//! The limits of an administrator of some studies on the things that all studies share.
//!
//! Guarantee: the administrator sees a dead letter only if the key covers everything that it concerns. All others look as
//! if they did not exist.

use platform::Error;
use platform::kv::Store;
use state::dead_letters::Letter;
use state::edge::auth::Principal;
use state::names;
use state::wire::entry::Alert;

/// Whether the key covers a dead letter. If nobody can tell what a dead letter concerns, only a key that covers
/// everything sees it.
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
