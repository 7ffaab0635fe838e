//! The address from which a request came.
//!
//! Guarantee: a sender cannot pretend to be another. What a request says of itself counts only if it came from a proxy that
//! the variable `trusted_proxies` names, and of that only what such proxies wrote.
//!
//! Mechanism: the host gives the peer's address in a header. A proxy adds the address of its own peer to the end of
//! `x-forwarded-for` (or `forwarded`, RFC 7239), so the last one there that is no trusted proxy's is the sender's. A peer
//! that is not public and not named is probably a proxy that nobody has named: then the sender is not known.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use domain::url::networks::{Networks, is_public};
use platform::http::Incoming;
use platform::variables;

/// The header in which the host gives the peer's address. Spin leaves a client's own in place, and puts its own after it.
const PEER: &str = "spin-client-addr";
/// The bits of an address of IPv6 that belong to its network: a sender chooses the others freely.
const NETWORK_V6: u128 = !(u64::MAX as u128);

/// The proxies whose word counts.
#[derive(Debug, Default)]
pub struct Proxies(Networks);

impl Proxies {
    /// Reads the variable `trusted_proxies`.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let rule = r#"must be a JSON array of networks, such as ["10.1.0.0/16","fd00::/8"]"#;
        let networks: Vec<String> = variables::json(text, rule)?;
        let is_one = |network: &String| !network.trim().is_empty() && !network.contains(',');
        let read = networks.iter().all(is_one).then(|| Networks::read(&networks.join(",")).ok()).flatten();
        read.map(Proxies).ok_or_else(|| vec![rule.to_owned()])
    }

    /// The address of the sender, of IPv6 its network; none if it is not known.
    pub fn sender(&self, incoming: &Incoming) -> Option<IpAddr> {
        let peer = number(str::from_utf8(incoming.values(PEER).last()?).ok()?)?;
        let named = |header| {
            let values = incoming.values(header).filter_map(|value| str::from_utf8(value).ok());
            values.flat_map(|value| value.split(',')).collect::<Vec<&str>>()
        };
        let mut hops = named("x-forwarded-for");
        if hops.is_empty() {
            hops = named("forwarded").into_iter().map(|element| part(element).unwrap_or_default()).collect();
        }
        self.behind(peer, &hops)
    }

    /// The sender behind a peer; `hops` are what the request says, in the order of the way that it went.
    fn behind(&self, peer: IpAddr, hops: &[&str]) -> Option<IpAddr> {
        if !self.0.contains(peer) {
            return is_public(peer).then(|| network(peer));
        }
        for hop in hops.iter().rev() {
            // A trusted proxy wrote this. If it hides the sender, nobody knows them.
            let hop = number(hop)?;
            if !self.0.contains(hop) {
                return Some(network(hop));
            }
        }
        None
    }
}

/// The part `for` of an element of `forwarded`.
fn part(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| name.eq_ignore_ascii_case("for").then_some(value))
}

/// An address, with or without port, brackets and quotes.
fn number(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let address = text.parse::<SocketAddr>().map(|address| address.ip());
    address.or_else(|_| text.trim_matches(['[', ']']).parse::<IpAddr>()).ok().map(|address| address.to_canonical())
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK_V6).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(proxies: &str, peer: &str, hops: &[&str]) -> Option<String> {
        let proxies = Proxies::read(proxies).unwrap();
        proxies.behind(number(peer).unwrap(), hops).map(|address| address.to_string())
    }

    #[test]
    fn a_peer_that_is_not_named_is_the_sender_whatever_the_request_says() {
        assert_eq!(behind("[]", "203.0.113.9:53152", &["198.51.100.1"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(behind("[]", "[::ffff:203.0.113.9]:1", &[]).as_deref(), Some("203.0.113.9"));
        assert_eq!(behind("[]", "[2a00:1:2:3:4:5:6:7]:80", &[]).as_deref(), Some("2a00:1:2:3::"));
        for peer in ["127.0.0.1:1", "[::1]:1", "10.0.0.7:1", "100.64.0.1:1", "[fd00::1]:1", "172.18.0.1:1"] {
            assert_eq!(behind("[]", peer, &["198.51.100.1"]), None, "{peer} may be a proxy");
        }
    }

    #[test]
    fn behind_trusted_proxies_the_last_other_address_is_the_sender() {
        let (trusted, peer) = (r#"["127.0.0.0/8", "10.0.0.0/8"]"#, "127.0.0.1:53152");
        for (hops, expected) in [
            (&["198.51.100.1"] as &[&str], Some("198.51.100.1")),
            (&["192.0.2.1", " 198.51.100.1", " 10.3.2.1"], Some("198.51.100.1")),
            (&["192.0.2.1", "198.51.100.1:5544"], Some("198.51.100.1")),
            (&["garbage", "\"[2001:db8:1:2::17]:4711\""], Some("2001:db8:1:2::")),
            (&["192.168.1.5"], Some("192.168.1.5")),
            (&["198.51.100.1", "unknown"], None),
            (&["10.0.0.1"], None),
            (&[], None),
        ] {
            assert_eq!(behind(trusted, peer, hops).as_deref(), expected, "{hops:?}");
        }
        assert_eq!(behind(trusted, "203.0.113.9:1", &["198.51.100.1"]).as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn an_element_of_forwarded_names_the_sender() {
        for (element, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60")),
            (" By=203.0.113.43; For=\"[2001:db8::1]\"", Some("\"[2001:db8::1]\"")),
            ("proto=https", None),
            ("", None),
        ] {
            assert_eq!(part(element), expected, "{element}");
        }
    }

    #[test]
    fn networks_are_a_json_array() {
        for text in ["[]", r#"["10.0.0.0/8"]"#, r#"["10.0.0.7", "fd00::/8"]"#] {
            assert!(Proxies::read(text).is_ok(), "{text}");
        }
        for text in
            ["", "10.0.0.0/8", r#"["proxy"]"#, r#"[""]"#, r#"["10.0.0.1,10.0.0.2"]"#, "[7]", r#"["10.0.0.0/33"]"#]
        {
            assert!(Proxies::read(text).is_err(), "{text}");
        }
    }
}
