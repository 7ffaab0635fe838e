//! The description of this component's routes.

#![expect(dead_code, reason = "the types of requests only describe them")]

use schemars::JsonSchema;
use state::edge::auth::Role;
use state::edge::describe::*;

use crate::keys::{KeyPage, KeyWithdrawn, NewKey};
use crate::looks::LookPage;
use crate::sessions::{IssuedToken, NewSession, Providers, SessionEnded, SessionPage, SignedOut};
use crate::whoami::Holder;

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: include_str!("../openapi/examples.json"),
    }
}

/// The address of a key.
const KEY_LOCATION: Header = Header::location("The key.", |_| matching("^/v1/keys/k-[0-9a-f]{16}$"));

/// A key to create.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyWish {
    /// Its purpose.
    #[schemars(length(min = 1, max = 100))]
    label: String,
    role: Role,
    /// The study that it covers, `*` for all.
    #[schemars(with = "NameOrAll")]
    study: String,
    /// The site that it covers, `*` for all.
    #[schemars(with = "NameOrAll")]
    site: String,
    /// The person or team that answers for it.
    #[schemars(with = "Nullable<OwnerText>")]
    owner: Option<String>,
    /// Null or absent where it never ends.
    #[schemars(with = "Nullable<Time>")]
    expires_at: Option<String>,
}

/// The address of a session.
const SESSION_LOCATION: Header = Header::location("The session.", |_| matching("^/v1/sessions/s-[0-9a-f]{16}$"));

/// A proof that an identity provider vouches for a person: a token, or a code with `codeVerifier` and `redirectUri`, or a
/// refresh token.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SessionWish {
    /// The address of the provider.
    issuer: String,
    /// An ID token, or an access token that is a JWT.
    #[schemars(with = "Nullable<String>")]
    token: Option<String>,
    /// The authorization code (RFC 6749, section 4.1).
    #[schemars(with = "Nullable<String>")]
    code: Option<String>,
    /// RFC 7636, section 4.1.
    #[schemars(with = "Nullable<String>")]
    code_verifier: Option<String>,
    /// The address to which the provider sent the person with the code.
    #[schemars(with = "Nullable<String>")]
    redirect_uri: Option<String>,
    #[schemars(with = "Nullable<String>")]
    refresh_token: Option<String>,
    /// The nonce with which the sign-in began; the token must have it.
    #[schemars(with = "Nullable<String>")]
    nonce: Option<String>,
    /// The number of the grant to act under, from 0; the first where it is left out.
    #[schemars(with = "Nullable<u16>")]
    grant: Option<u16>,
}

/// A person to be signed out.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignOut {
    #[schemars(length(min = 1, max = 255))]
    issuer: String,
    #[schemars(length(min = 1, max = 255))]
    subject: String,
    /// Kept in the audit chain.
    #[schemars(with = "Nullable<ReasonText>")]
    reason: Option<String>,
}

/// A reason in words.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
struct ReasonText(#[schemars(length(min = 1, max = 500))] String);

/// The name of a person or a team.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
struct OwnerText(#[schemars(length(min = 1, max = 100))] String);

/// The query of looks.
#[derive(JsonSchema)]
struct LookQuery {
    /// Only those at data of this study.
    study: Option<Name>,
    /// Only those at data of this subject.
    subject: Option<Pseudonym>,
    /// Only those of this key or person.
    actor: Option<String>,
    /// Only those at this time or later.
    from: Option<Time>,
    /// Only those before this time.
    to: Option<Time>,
    /// The cursor of the page before.
    cursor: Option<String>,
    /// The most that a page holds.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u8>,
}

fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET", "/v1/whoami", "showHolder", Tag::Access, "Who asks")
            .about("The key or the person, the role, and the study and site that it covers.")
            .gives::<Holder<'_>>(200, "The holder of the key.")
            .with(NO_STORE)
            .refuses(&[Refusal::Invalid]),
        Operation::new("GET", "/v1/keys", "listKeys", Tag::Access, "The keys that were created")
            .about("Those in force, and those whose time has passed. The keys of the variable `api_keys` are not among them.")
            .scope("; it sees the keys whose study and site it covers")
            .query::<Page>()
            .gives::<KeyPage>(200, "A page of keys, by id.")
            .with(NO_STORE),
        Operation::new("POST", "/v1/keys", "createKey", Tag::Access, "Create a key")
            .about("The answer has its secret, which nobody can see again. It is in force at once.")
            .scope(", for a study and a site that the own key covers")
            .header(&CHANGE_REASON)
            .takes::<KeyWish>("At most 4 KiB.")
            .gives::<NewKey>(201, "The key and its secret.")
            .with(KEY_LOCATION)
            .with(NO_STORE)
            .refuses(&[Refusal::Conflict]),
        Operation::new("DELETE", "/v1/keys/{key}", "withdrawKey", Tag::Access, "Withdraw a key")
            .about("Every instance of every host refuses it within a second.")
            .header(&CHANGE_REASON)
            .gives::<KeyWithdrawn<'_>>(200, "It is withdrawn.")
            .refuses(&[Refusal::Invalid]),
        Operation::new("GET", "/v1/identity-providers", "listProviders", Tag::Access, "Where persons sign in")
            .gives::<Providers>(200, "The identity providers of the variable `oidc`.")
            .with(NO_STORE)
            .refuses(&[Refusal::Invalid]),
        Operation::new("POST", "/v1/sessions", "beginSession", Tag::Access, "Sign in")
            .about(
                "A person for whom an identity provider vouches gets a session under one of the grants that the document \
                 `access` gives them. A form is the token exchange of RFC 8693, or a client's credentials with a signed \
                 assertion (RFC 7523, SMART backend services): the client gets a session under its own grant.",
            )
            .timeout(Some(Timeout::Batch))
            .takes_media(
                "At most 32 KiB.",
                &[("application/json", of::<SessionWish>), ("application/x-www-form-urlencoded", of::<Text>)],
            )
            .gives::<NewSession>(201, "The session and its secret.")
            .with(SESSION_LOCATION)
            .with(NO_STORE)
            .gives::<IssuedToken>(200, "The answer to a form.")
            .with(NO_STORE)
            .refuses(&[Refusal::Unauthenticated, Refusal::Forbidden, Refusal::TooManyRequests])
            .refuses(&[Refusal::Unavailable, Refusal::DeadlinePassed]),
        Operation::new("GET", "/v1/sessions", "listSessions", Tag::Access, "The persons who are signed in")
            .scope("; it sees the sessions whose study and site it covers")
            .query::<Page>()
            .gives::<SessionPage>(200, "A page of sessions, by id.")
            .with(NO_STORE),
        Operation::new("DELETE", "/v1/sessions", "signOut", Tag::Access, "Sign a person out everywhere")
            .about(
                "Every instance of every host refuses their sessions within a second. No token that was issued before \
                 begins another one. A person who shall not come back is blocked at the provider, or loses the grants in the \
                 document `access`.",
            )
            .scope(", for all studies")
            .takes::<SignOut>("At most 4 KiB.")
            .gives::<SignedOut>(200, "They are signed out."),
        Operation::new("DELETE", "/v1/sessions/{session}", "endSession", Tag::Access, "End a session")
            .about("Everybody may end the own session, as `current`; administrators end those that their grant covers.")
            .header(&CHANGE_REASON)
            .gives::<SessionEnded>(200, "It has ended.")
            .refuses(&[Refusal::Invalid]),
        Operation::new("GET", "/v1/access", "listLooks", Tag::Access, "Who looked at whose data")
            .about(
                "Every request that was answered with a person's content, identity, record or export, or that was refused \
                 by a role, a study or a site, and every message about an event with such content: the latest first. Reads \
                 by keys are not among them in the studies that the document `access` names.",
            )
            .scope("; it sees the looks at what its study and site cover")
            .query::<LookQuery>()
            .gives::<LookPage>(200, "A page of looks.")
            .with(NO_STORE),
    ]
}
