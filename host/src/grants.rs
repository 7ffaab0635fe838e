//! Grants: the hosts that a component may call (`allowed_outbound_hosts`).
//!
//! Guarantee: an address that no grant covers is refused before a name is looked up or a packet leaves.
//!
//! Mechanism: a grant is `<scheme>://<host>[:<port>]`. Scheme and host may be `*`, a host may begin with `*.`, a port
//! may be `*` or a range `from..to` that excludes its end. Without a port, the scheme's default port applies.
//!
//! Not for: `self`, `*.spin.internal` and address blocks. Spin supports them; this host refuses an application that
//! asks for them.

use anyhow::{Context as _, bail, ensure};
use url::{Host, Url};

/// The grants of one component.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants(Vec<Grant>);

#[derive(Clone, Debug)]
struct Grant {
    /// `None` allows any scheme.
    scheme: Option<String>,
    host: HostGrant,
    /// `None` allows any port; else from the first up to but not including the second.
    ports: Option<(u32, u32)>,
}

#[derive(Clone, Debug)]
enum HostGrant {
    Any,
    Subdomain(String),
    Exactly(Host),
}

impl Grants {
    /// Reads resolved grants together with their templates. Messages name the template, because a resolved address can
    /// hold a password.
    pub(crate) fn parse<'a>(grants: impl IntoIterator<Item = (&'a str, String)>) -> anyhow::Result<Self> {
        let mut list = Vec::new();
        for (template, grant) in grants {
            // An empty variable grants nothing, so that an endpoint can be optional.
            if matches!(grant.as_str(), "" | "http://" | "https://") && template.contains("{{") {
                continue;
            }
            list.push(Grant::parse(grant.trim()).with_context(|| format!("allowed_outbound_hosts: {template:?}"))?);
        }
        Ok(Self(list))
    }

    /// Whether an address may be called. An address without a scheme is read with `scheme`.
    pub(crate) fn allow(&self, address: &str, scheme: &str) -> bool {
        let parsed = Url::parse(address).ok().filter(Url::has_host);
        let Some(url) = parsed.or_else(|| Url::parse(&format!("{scheme}://{address}")).ok()) else { return false };
        // For a scheme that it does not know, the parser leaves a numeric address as a name.
        let Some(host) = url.host_str().and_then(|host| Host::parse(host).ok()) else { return false };
        self.allow_parts(url.scheme(), &host, url.port())
    }

    /// Whether a host may be called. Without a port, the scheme's default port applies.
    fn allow_parts(&self, scheme: &str, host: &Host, port: Option<u16>) -> bool {
        let port = port.or_else(|| default_port(scheme)).map(u32::from);
        self.0.iter().any(|grant| {
            let scheme = grant.scheme.as_deref().is_none_or(|granted| granted == scheme);
            let host = match (&grant.host, host) {
                (HostGrant::Any, _) => true,
                (HostGrant::Subdomain(suffix), Host::Domain(domain)) => domain.ends_with(suffix),
                (HostGrant::Subdomain(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
                (HostGrant::Exactly(granted), host) => granted == host,
            };
            let port = grant.ports.is_none_or(|(from, to)| port.is_some_and(|port| (from..to).contains(&port)));
            scheme && host && port
        })
    }
}

impl Grant {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (scheme, rest) = text.split_once("://").context("a grant is <scheme>://<host>[:<port>]")?;
        ensure!(
            scheme == "*" || !scheme.is_empty() && scheme.chars().all(char::is_alphabetic),
            "a scheme is letters or `*`"
        );
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        ensure!(!rest.contains(['/', '?', '#', '@']), "a grant ends with its port: no path, no query, no user");
        let (host, port) = match rest.rsplit_once(':') {
            // The colons of a bare IPv6 address are inside its brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (rest, ""),
        };
        let ports = match port {
            "*" => None,
            "" => {
                let port = default_port(scheme).context("this scheme has no port of its own: name one")?;
                Some((port.into(), u32::from(port) + 1))
            }
            port => match port.split_once("..") {
                Some((from, to)) => Some((parse_port(from)?, parse_port(to)?)),
                None => parse_port(port).map(|port| Some((port, port + 1)))?,
            },
        };
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => HostGrant::Any,
            _ if host == "self" || host == "self.alt" || host.ends_with(".spin.internal") => {
                bail!("calls to the application itself are not honoured by this host")
            }
            _ if host.trim_start_matches("*.").contains('*') => {
                bail!("`*` stands for a whole host or leads it as `*.`")
            }
            Some(domain) => match Host::parse(domain) {
                Ok(Host::Domain(domain)) => HostGrant::Subdomain(format!(".{domain}")),
                _ => bail!("`*.` needs a domain after it"),
            },
            None => HostGrant::Exactly(Host::parse(host).map_err(|error| anyhow::anyhow!("the host: {error}"))?),
        };
        let scheme = (scheme != "*").then(|| scheme.to_owned());
        Ok(Self { scheme, host, ports })
    }
}

fn parse_port(text: &str) -> anyhow::Result<u32> {
    text.parse::<u16>().map(u32::from).context("a port is a number, a range `from..to` or `*`")
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "redis" => Some(6379),
        "postgres" => Some(5432),
        "mysql" => Some(3306),
        "mqtt" => Some(1883),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(grant: &str, address: &str, expected: bool) {
        let grants = Grants::parse([(grant, grant.to_owned())]).unwrap();
        assert_eq!(grants.allow(address, "redis"), expected, "{address} under {grant}");
    }

    #[test]
    fn a_grant_covers_its_scheme_host_and_port() {
        check("http://example.com", "http://example.com/a?b", true);
        check("http://example.com", "https://example.com/", false);
        check("http://example.com", "http://example.com:81/", false);
        check("http://example.com:81/", "http://example.com:81/", true);
        check("http://example.com", "http://example.org/", false);
        check("redis://127.0.0.1:6379", "redis://127.0.0.1:6379/0?protocol=resp2", true);
        check("redis://127.0.0.1:6379", "redis://user:secret@127.0.0.1", true);
        check("redis://127.0.0.1:6379", "127.0.0.1:6379", true);
        check("redis://127.0.0.1:6379", "redis://127.0.0.1:6380", false);
        check("redis://localhost", "redis://127.0.0.1", false);
        check("http://[::1]:80", "http://[::1]/", true);
    }

    #[test]
    fn wildcards_and_ranges() {
        check("*://*:*", "redis://anything:1", true);
        check("http://*:*", "http://10.0.0.1:8080/", true);
        check("http://*:*", "https://10.0.0.1:8080/", false);
        check("https://*.example.com", "https://a.example.com/", true);
        check("https://*.example.com", "https://a.b.example.com/", true);
        check("https://*.example.com", "https://example.com/", false);
        check("https://*.example.com", "https://evilexample.com/", false);
        check("http://h:8000..8002", "http://h:8001", true);
        check("http://h:8000..8002", "http://h:8002", false);
    }

    #[test]
    fn no_grant_means_no_call() {
        assert!(!Grants::default().allow("http://127.0.0.1/", "http"));
        let optional = Grants::parse([("{{ optional }}", String::new())]).unwrap();
        assert!(!optional.allow("http://127.0.0.1/", "http"));
    }

    #[test]
    fn what_is_not_a_grant_is_refused() {
        for grant in ["*", "", "h:80", "http://self", "http://a.spin.internal", "http://h/path", "redis://:p@h:1"] {
            assert!(Grants::parse([(grant, grant.to_owned())]).is_err(), "{grant}");
        }
        for grant in ["http://a*b", "foo://h", "http://h:x", "http://*.10.0.0.1"] {
            assert!(Grants::parse([(grant, grant.to_owned())]).is_err(), "{grant}");
        }
    }
}
