//! The HTTP edge of a component: its table of routes, and the steps before a handler.
//!
//! Guarantee: an unknown path is 404, and an unknown method is 405, before anything is read. Then the edge checks the
//! variables, then the key and its role, and a person's signature where the route asks for one, and calls the handler. Every refusal is a problem, and is counted. A look at
//! persons' data is recorded before its answer is given.

use std::rc::Rc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use platform::variables::Faults;

use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::http::{Incoming, Reply};
#[doc(hidden)]
pub use platform::redis::Redis;
#[doc(hidden)]
pub use platform::variables::once;

use crate::edge::auth::{Action, Keys, Principal};
use crate::edge::looks;
use crate::edge::problem::{Problem, ProblemType};
use crate::edge::request::misconfigured;
use crate::edge::signature::{self, Signing};
use crate::figures::refusals;

/// The future of a handler's reply.
pub type Answer = LocalBoxFuture<'static, Result<Reply, Problem>>;

/// The caller that a route admits, and its handler.
pub enum Handler<C: 'static> {
    /// The holder of a key whose role covers the action.
    Key(Action, fn(Call<C>) -> Answer),
    /// Anybody. The handler reads the variables that it needs.
    Open(fn(Incoming, Vec<String>) -> Answer),
}

/// A method of a path, with its handler.
pub struct Route<C: 'static> {
    /// The method, in capitals. `GET` also serves `HEAD`.
    pub method: &'static str,
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// The handler.
    pub handler: Handler<C>,
    /// Which of its requests a person signs.
    pub signing: Signing,
}

impl<C> Route<C> {
    /// A route for the holders of keys.
    pub const fn key(method: &'static str, path: &'static str, action: Action, handler: fn(Call<C>) -> Answer) -> Self {
        Route { method, path, handler: Handler::Key(action, handler), signing: Signing::Never }
    }

    /// A route for anybody.
    pub const fn open(method: &'static str, path: &'static str, handler: fn(Incoming, Vec<String>) -> Answer) -> Self {
        Route { method, path, handler: Handler::Open(handler), signing: Signing::Never }
    }

    /// The route, of which a person signs these requests.
    #[must_use]
    pub const fn signed(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    /// If the path matches this route, the segments at the pattern's names.
    fn segments(&self, path: &str) -> Option<Vec<String>> {
        let (mut pattern, mut given, mut found) = (self.path.split('/'), path.split('/'), Vec::new());
        loop {
            match (pattern.next(), given.next()) {
                (None, None) => return Some(found),
                (Some(name), Some(segment)) if name.starts_with('{') && !segment.is_empty() => {
                    found.push(segment.to_owned());
                }
                (Some(name), Some(segment)) if name == segment => {}
                _ => return None,
            }
        }
    }
}

/// A route without its handler, for descriptions and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// The action that the key's role must cover; none if no key is needed.
    pub action: Option<Action>,
    /// Whether a person signs it.
    pub signed: bool,
}

/// The routes of a component without their handlers.
pub fn described<C>(routes: &[Route<C>]) -> Vec<Described> {
    let action = |handler: &Handler<C>| match handler {
        Handler::Key(action, _) => Some(*action),
        Handler::Open(_) => None,
    };
    let described = |route: &Route<C>| {
        let signed = !matches!(route.signing, Signing::Never);
        Described { method: route.method, path: route.path, action: action(&route.handler), signed }
    };
    routes.iter().map(described).collect()
}

/// A request of a key's holder, after all checks.
pub struct Call<C> {
    /// The component's configuration.
    pub config: Rc<C>,
    /// The holder of the key.
    pub principal: Principal,
    /// The request.
    pub incoming: Incoming,
    /// The time by which it must be answered.
    pub deadline: Deadline,
    segments: Vec<String>,
}

impl<C> Call<C> {
    /// The segment of the path at the pattern's name of this number, from 0.
    pub fn segment(&self, number: usize) -> &str {
        self.segments.get(number).map_or("", String::as_str)
    }
}

/// The configuration of an instance, or every fault of its variables.
pub type Configured<C> = Result<Rc<C>, Faults>;

/// A component that answers HTTP by a table of routes.
pub trait Component: Sized + 'static {
    /// Its routes.
    const ROUTES: &'static [Route<Self>];
    /// The longest that a request may take; a client may ask for less.
    const TOTAL: Duration = Duration::from_secs(3);
    /// Whether the edge aborts a request at its deadline. If not, the handlers observe the deadline themselves.
    const ENDS: bool = true;
    /// Whether its handlers look at persons' data, or its refusals keep somebody from it: see [`looks`].
    const LOOKS: bool = false;

    /// Its configuration, read once per instance.
    fn config() -> impl Future<Output = Configured<Self>>;
    /// The server that counts refusals.
    fn redis(&self) -> &Redis;
    /// The keys that it admits.
    fn keys(&self) -> &Keys;
    /// For how many seconds a person who authenticated may sign; 0 if nobody is asked for a signature.
    fn signature_seconds(&self) -> u32 {
        signature::DEFAULT_SECONDS
    }
}

/// Makes a component of its configuration, a type with the fields `redis` and `keys`: `read` reads it from the variables
/// once per instance. `ENDS` and `LOOKS` may be given as well, and at the end `; signed` with the field that has the
/// variable `signature_seconds`.
#[macro_export]
macro_rules! component {
    ($config:ident, $routes:path, $read:path $(, $constant:ident = $value:expr)* $(; signed $seconds:ident)?) => {
        ::std::thread_local! {
            static CONFIG: ::std::cell::RefCell<Option<::std::rc::Rc<$config>>> =
                const { ::std::cell::RefCell::new(None) };
        }

        impl $crate::edge::serve::Component for $config {
            const ROUTES: &'static [$crate::edge::serve::Route<Self>] = $routes;
            $(const $constant: bool = $value;)*

            fn config() -> impl Future<Output = $crate::edge::serve::Configured<Self>> {
                $crate::edge::serve::once(&CONFIG, $read)
            }

            fn redis(&self) -> &$crate::edge::serve::Redis {
                &self.redis
            }

            fn keys(&self) -> &$crate::edge::auth::Keys {
                &self.keys
            }
            $(
                fn signature_seconds(&self) -> u32 {
                    self.$seconds
                }
            )?
        }
    };
}

/// Answers a request: with the reply of a route, or with a problem.
pub async fn serve<C: Component>(incoming: Incoming) -> Reply {
    match answer::<C>(incoming).await {
        Ok(reply) => reply,
        Err(problem) => refused::<C>(problem).await.into(),
    }
}

/// Counts a refusal.
pub async fn refused<C: Component>(problem: Problem) -> Problem {
    if let Ok(config) = C::config().await {
        refusals::refused(config.redis(), problem.outcome(), refusals::UNKNOWN, refusals::UNKNOWN, refusals::UNKNOWN);
    }
    problem
}

/// Whether any of these routes is signed. Known when a component is built, so that one without such a route does not carry
/// the scrubber.
const fn signs<C>(mut routes: &[Route<C>]) -> bool {
    while let [route, rest @ ..] = routes {
        if !matches!(route.signing, Signing::Never) {
            return true;
        }
        routes = rest;
    }
    false
}

/// Answers a request by its route.
///
/// # Errors
/// 404, 405, 503 for wrong variables, 401, 403, 422 for a signature without a meaning, 504, and the handler's refusals.
pub async fn answer<C: Component>(incoming: Incoming) -> Result<Reply, Problem> {
    let matching = || C::ROUTES.iter().filter_map(|route| Some((route, route.segments(&incoming.path)?)));
    let Some((route, segments)) = matching().find(|(route, _)| route.method == incoming.method) else {
        let allowed: Vec<&str> = matching().map(|(route, _)| route.method).collect();
        return Err(if allowed.is_empty() {
            Problem::not_found()
        } else {
            Problem::method_not_allowed(&allowed.join(", "))
        });
    };
    match route.handler {
        Handler::Open(handler) => handler(incoming, segments).await,
        Handler::Key(action, handler) => {
            let deadline = Deadline::after_or_sooner(C::TOTAL, incoming.header(HEADER));
            let config = C::config().await.map_err(|faults| misconfigured(&faults))?;
            // Every role may follow. Whether the own one covers the action is decided when it is known who asks, because
            // that refusal is recorded as well.
            let asks = if C::LOOKS { Action::Follow } else { action };
            let mut principal = config.keys().admit(config.redis(), &incoming, asks).await?;
            let look = C::LOOKS.then(|| looks::Request::new(&mut principal, action, route.method, route.path));
            let answer = async {
                principal.must(config.redis(), action)?;
                if const { signs(C::ROUTES) } && route.signing.covers(&incoming) {
                    principal.meaning = signature::of(&principal, &incoming, config.signature_seconds())?;
                }
                let call = Call { config: Rc::clone(&config), principal, incoming, deadline, segments };
                if !C::ENDS {
                    return handler(call).await;
                }
                within(deadline, config.redis(), handler(call)).await
            };
            let answer = answer.await;
            match look {
                Some(look) => look.record(config.redis(), answer).await,
                None => answer,
            }
        }
    }
}

/// Runs `answer`, until the deadline at most.
///
/// # Errors
/// 504 when it passes, and the refusals of the reply.
pub async fn within<T>(
    deadline: Deadline,
    redis: &Redis,
    answer: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    deadline.run(answer).await.unwrap_or_else(|TimedOut| {
        redis.forget();
        Err(Problem::new(ProblemType::DeadlinePassed, "the services behind did not answer in time"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(pattern: &'static str, path: &str) -> Option<Vec<String>> {
        Route::<()>::open("GET", pattern, |_, _| Box::pin(async { Err(Problem::not_found()) })).segments(path)
    }

    #[test]
    fn a_name_stands_for_one_segment_that_is_not_empty() {
        assert_eq!(segments("/v1/alerts", "/v1/alerts"), Some(vec![]));
        assert_eq!(segments("/v1/alerts/{alert}/resolve", "/v1/alerts/a/resolve"), Some(vec!["a".to_owned()]));
        for path in ["/v1/alerts/", "/v1/alerts/a/b", "/v1/alerts", "/v1/alerts/a/"] {
            assert_eq!(segments("/v1/alerts/{alert}", path), None, "{path}");
        }
    }
}
