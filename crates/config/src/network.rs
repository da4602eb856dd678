//! Addresses that belong together: one, or those of a network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network such as `10.0.0.0/8`, or one address. Mapped IPv4 addresses (`::ffff:10.0.0.1`) count as
/// what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    first: IpAddr,
    /// How many bits its addresses have in common, from the left.
    bits: u8,
}

impl Network {
    /// Whether `address` is one of it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && first(address, self.bits) == self.first
    }

    /// Reads one of proxies that are believed.
    ///
    /// # Errors
    /// Says what is wrong with it: also where it has everybody in it.
    pub fn of_proxies(text: &str) -> Result<Self, String> {
        let network: Self = text.parse()?;
        match network.bits {
            0 => Err(format!("{network} is everybody, who could then say that he is anybody; name the proxies alone")),
            _ => Ok(network),
        }
    }
}

/// The first address of the network that has `address` and `bits`.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & !host).into()
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & !host).into()
        }
    }
}

fn most(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
                None => (text, None),
            };
            let told: IpAddr = address.parse().ok()?;
            let bits = bits.unwrap_or(most(told));
            let address = told.to_canonical();
            // The 96 bits that every mapped address has.
            let bits = if address.is_ipv4() == told.is_ipv4() { bits } else { bits.checked_sub(96)? };
            (bits <= most(address)).then(|| Self { first: first(address, bits), bits })
        };
        read().ok_or_else(|| {
            let short: String = text.chars().take(60).collect();
            format!("{short}: not an address or a network; expected one such as 127.0.0.1, 10.0.0.0/8 or fd00::/8")
        })
    }
}

/// As it is read: `10.0.0.0/8`, `127.0.0.1`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits == most(self.first) {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}/{}", self.first, self.bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (network, within, beyond) in [
            ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2"),
            ("10.1.2.3/8", "10.255.255.255", "11.0.0.0"),
            ("192.168.4.0/23", "192.168.5.255", "192.168.6.0"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "::a00:1"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
        ] {
            assert!(has(network, within), "{network} {within}");
            assert!(!has(network, beyond), "{network} {beyond}");
        }
    }

    #[test]
    fn networks_are_written_as_they_are_read_and_others_told_apart() {
        for (text, written) in [("10.1.2.3/8", "10.0.0.0/8"), ("::1/128", "::1"), ("127.0.0.1", "127.0.0.1")] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), written);
        }
        for text in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "::ffff:10.0.0.0/8", "1.2.3"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert!(Network::of_proxies("10.0.0.0/8").is_ok() && Network::of_proxies("proxy").is_err());
        assert!(Network::of_proxies("::/0").unwrap_err().starts_with("::/0 is everybody"));
    }
}
