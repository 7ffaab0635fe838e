//! Networks that an operator names: those in which an address by number may be called, and those of trusted proxies.
//!
//! Guarantee: whoever may store an address cannot make Vigil call what only its own network reaches (a cloud's metadata,
//! a database, Vigil itself), unless the operator names the network. However a number is written, what it reaches counts.
//!
//! Not for names: the host resolves them, and its own list of blocked networks decides.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{borrow::ToOwned as _, format};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::Url;

/// The networks that the operator names, beside the public ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// The networks of IPv4 that are not public: IANA's registry of special-purpose addresses (RFC 6890), without those for
/// documentation, which reach nobody.
const PRIVATE_V4: [(Ipv4Addr, u8); 12] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // The nearest 6to4 relay; the service that Azure gives to its machines.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Multicast and reserved.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// The networks of IPv6 that are not public: all but the global unicast addresses. Of these, tunnels whose end is not in
/// the address.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const TEREDO: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32);

/// Addresses of IPv6 that hold one of IPv4, and the first segment of that: mapped, translated (RFC 6052), 6to4. ISATAP
/// is another form (RFC 5214), in any network.
const EMBEDDING: [(Ipv6Addr, u8, usize); 3] = [
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 6),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, 6),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 1),
];

impl Networks {
    /// Reads networks with commas between them, each an address or a network such as `10.1.0.0/16`.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let parts = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        let network = |part: &str| part.parse::<IpNet>().ok().or_else(|| Some(part.parse::<IpAddr>().ok()?.into()));
        let networks: Option<Vec<IpNet>> = parts.map(network).collect();
        networks.map(Networks).ok_or_else(|| {
            Vec::from(["must be networks with commas between them, such as 10.1.0.0/16,fd00::/8".to_owned()])
        })
    }

    /// Whether an address may be called: it is a name, or public, or in a named network.
    pub fn reach(&self, url: &Url) -> bool {
        url.number().is_none_or(|number| is_public(number) || self.contains(number))
    }

    /// Whether an address is in a named network.
    pub fn contains(&self, number: IpAddr) -> bool {
        let inner = embedded(number).map(IpAddr::V4);
        self.0.iter().any(|network| network.contains(&number) || inner.is_some_and(|inner| network.contains(&inner)))
    }

    /// The words of a finding about an address that may not be called; `variable` names these networks.
    pub fn rule(variable: &str) -> String {
        format!(
            "must not be an address by number in a network that is not public, unless the variable {variable} names it"
        )
    }
}

/// Whether an address is public, and not one of a network of its own.
pub fn is_public(number: IpAddr) -> bool {
    let is_in = |number: IpAddr, (network, bits): (IpAddr, u8)| {
        IpNet::new(network, bits).is_ok_and(|network| network.contains(&number))
    };
    match (embedded(number), number) {
        (Some(v4), _) | (None, IpAddr::V4(v4)) => {
            !PRIVATE_V4.iter().any(|(network, bits)| is_in(v4.into(), ((*network).into(), *bits)))
        }
        (None, IpAddr::V6(v6)) => {
            let within = |(network, bits): (Ipv6Addr, u8)| is_in(v6.into(), (network.into(), bits));
            within(GLOBAL_V6) && !within(TEREDO)
        }
    }
}

/// The address of IPv4 that an address of IPv6 holds.
fn embedded(number: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = number else { return None };
    let segments = v6.segments();
    let within = |network, bits| Ipv6Net::new(network, bits).is_ok_and(|network| network.contains(&v6));
    let at = match (EMBEDDING.iter().find(|(network, bits, _)| within(*network, *bits)), segments) {
        (Some((_, _, at)), _) => *at,
        (None, [_, _, _, _, 0 | 0x0200, 0x5efe, ..]) => 6,
        (None, _) => return None,
    };
    let (high, low) = (segments.get(at)?, segments.get(at + 1)?);
    Some(Ipv4Addr::from_bits(u32::from(*high) << 16 | u32::from(*low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(networks: &str, host: &str) -> bool {
        Networks::read(networks).unwrap().reach(&Url::parse(&format!("http://{host}/")).unwrap())
    }

    #[test]
    fn only_public_numbers_and_names_are_reached() {
        for host in [
            "example.org",
            "metadata.internal",
            "8.8.8.8",
            "192.0.2.1:8080",
            "172.32.0.1",
            "[2606:4700::1111]",
            "[2002:808:808::1]",
            "[64:ff9b::808:808]",
        ] {
            assert!(reach("", host), "{host}");
        }
        for host in [
            "127.0.0.1:6379",
            "localhost",
            "LOCALHOST:80",
            "redis.localhost",
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.18.0.1",
            "192.88.99.1",
            "168.63.129.16",
            "[2001:4860::5efe:10.0.0.1]",
            "[2606:4700::200:5efe:a00:1]",
            "[::ffff:0:10.0.0.1]",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::127.0.0.1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::1]",
            "[2002:c0a8:101::]",
            "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        ] {
            assert!(!reach("", host), "{host}");
        }
    }

    #[test]
    fn a_named_network_is_reached_however_its_numbers_are_written() {
        for host in ["10.1.2.3", "[::ffff:10.1.2.3]", "[64:ff9b::a01:203]", "[2002:a01:203::1]", "[fd00::7]"] {
            assert!(reach(" 10.1.0.0/16, fd00::/8", host), "{host}");
        }
        assert!(!reach("10.1.0.0/16", "10.2.0.1"));
        assert!(reach("127.0.0.1", "localhost"));
        assert!(!reach("127.0.0.2", "127.0.0.1"));
        for text in ["10.0.0.0/33", "10.0.0.0/8,", "example.org", "10.0.0/8", ","] {
            assert!(Networks::read(text).is_err(), "{text}");
        }
    }
}
