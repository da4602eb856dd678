//! Who may: rules of which the first that fits decides.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a rule says of those it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Allow,
    /// They may not.
    Deny,
}

/// Whom a rule fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Addresses from the first to the last, both included, compared as numbers. Both are
    /// of one family.
    Range(IpAddr, IpAddr),
    /// The addresses of a host, which [`Acl::resolve`] fills in; until then nobody.
    Name(String, Vec<IpAddr>),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it says.
    pub verdict: Verdict,
    /// Of whom.
    pub who: Who,
}

/// An access list. Without a rule everybody may; whom no rule fits gets the opposite of
/// what the last one says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// The rules, in the order in which they are tried.
    pub rules: Vec<Rule>,
}

/// A mapped address (`::ffff:127.0.0.1`) as what it is.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl Rule {
    fn fits(&self, address: IpAddr) -> bool {
        match &self.who {
            Who::Range(first, last) => match (first, last, address) {
                (IpAddr::V4(first), IpAddr::V4(last), IpAddr::V4(address)) => (first..=last).contains(&&address),
                (IpAddr::V6(first), IpAddr::V6(last), IpAddr::V6(address)) => (first..=last).contains(&&address),
                _ => false,
            },
            Who::Name(_, addresses) => addresses.iter().any(|known| canonical(*known) == address),
        }
    }

    /// Reads the words behind `ACL`: `allow 10.0.0.0 10.0.0.255`, `deny 10.0.0.0/8`.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected allow or deny, then an address, two of them for a range, a network such as 10.0.0.0/8, or a name";
        let verdict = match words.first().map(|word| word.to_ascii_lowercase()).as_deref() {
            Some("allow") => Verdict::Allow,
            Some("deny") => Verdict::Deny,
            Some(other) => return Err(format!("ACL {}: {EXPECTED}", short(other))),
            None => return Err(format!("ACL without a rule: {EXPECTED}")),
        };
        let who = match (words.get(1), words.get(2)) {
            (None, _) => return Err(format!("ACL {} without an address: {EXPECTED}", words[0])),
            (Some(only), None) => one(only)?,
            (Some(first), Some(last)) => {
                let end = |text: &String| {
                    let address = text.parse().map(canonical);
                    address.map_err(|_| {
                        format!("ACL {}: a range needs two addresses, as 10.0.0.0 10.0.0.255", short(text))
                    })
                };
                let (first, last) = (end(first)?, end(last)?);
                if first.is_ipv4() != last.is_ipv4() {
                    return Err(format!("ACL {first} {last}: both ends of a range must be IPv4, or both IPv6"));
                }
                if first > last {
                    return Err(format!("ACL {first} {last}: the first address is above the last; exchange them"));
                }
                Who::Range(first, last)
            }
        };
        Ok(Self { verdict, who })
    }
}

/// An address, a network or a name.
fn one(text: &str) -> Result<Who, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Who::Range(canonical(address), canonical(address)));
    }
    if let Some((address, bits)) = text.split_once('/') {
        let expected =
            || format!("ACL {}: not a network; expected one such as 192.168.0.0/16 or fd00::/8", short(text));
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let bits: u32 = bits.parse().map_err(|_| expected())?;
        return network(address, bits).ok_or_else(expected);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match !digits && !text.is_empty() && text.len() <= 253 && text.bytes().all(plain) {
        true => Ok(Who::Name(text.into(), Vec::new())),
        false => Err(format!("ACL {}: not an address, a network or a name", short(text))),
    }
}

fn network(address: IpAddr, bits: u32) -> Option<Who> {
    Some(match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let first = u32::from(address) & !host;
            (bits <= 32).then(|| Who::Range(Ipv4Addr::from(first).into(), Ipv4Addr::from(first | host).into()))?
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let first = u128::from(address) & !host;
            (bits <= 128).then(|| Who::Range(Ipv6Addr::from(first).into(), Ipv6Addr::from(first | host).into()))?
        }
    })
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Acl {
    /// Whether `address` may. A mapped IPv4 address counts as what it is.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        match self.rules.iter().find(|rule| rule.fits(address)) {
            Some(rule) => rule.verdict == Verdict::Allow,
            None => self.rules.last().is_none_or(|last| last.verdict == Verdict::Deny),
        }
    }

    /// Nobody may.
    #[must_use]
    pub fn nobody() -> Self {
        let everybody = |first: IpAddr, last: IpAddr| Rule { verdict: Verdict::Deny, who: Who::Range(first, last) };
        let v4 = everybody(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into());
        let v6 = everybody(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::from(u128::MAX).into());
        Self { rules: vec![v4, v6] }
    }

    /// Reads a file of rules, as `DynamicACL` names one: lines `ACL ...`, comments and empty
    /// lines.
    ///
    /// # Errors
    /// All that is wrong with it. Whoever cannot read it to the end lets nobody in.
    pub fn parse(text: &str) -> Result<Self, Vec<crate::Problem>> {
        let (mut acl, mut problems) = (Self::default(), Vec::new());
        for crate::ffserver::Line { number: line, mut words, problem } in crate::ffserver::lines(text) {
            if let Some(problem) = problem {
                problems.push(crate::Problem::error(line, problem));
                continue;
            }
            match words.first().is_some_and(|word| word.eq_ignore_ascii_case("ACL")) {
                true => match Rule::parse(&words.split_off(1)) {
                    Ok(rule) => acl.rules.push(rule),
                    Err(message) => problems.push(crate::Problem::error(line, message)),
                },
                false => {
                    let message = format!("{}: expected lines such as ACL allow 127.0.0.1", short(&words[0]));
                    problems.push(crate::Problem::error(line, message));
                }
            }
        }
        if problems.is_empty() { Ok(acl) } else { Err(problems) }
    }

    /// Looks up the names in it. A name that `lookup` knows nothing of fits nobody, and is
    /// returned.
    pub fn resolve(&mut self, mut lookup: impl FnMut(&str) -> Vec<IpAddr>) -> Vec<String> {
        let mut unknown = Vec::new();
        for rule in &mut self.rules {
            if let Who::Name(name, addresses) = &mut rule.who {
                *addresses = lookup(name);
                if addresses.is_empty() {
                    unknown.push(name.clone());
                }
            }
        }
        unknown
    }
}

/// `allow 10.0.0.0 10.0.0.255`
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
        };
        match &self.who {
            Who::Range(first, last) if first == last => write!(f, "{verdict} {first}"),
            Who::Range(first, last) => write!(f, "{verdict} {first} {last}"),
            Who::Name(name, _) => write!(f, "{verdict} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(lines: &str) -> Acl {
        Acl::parse(lines).unwrap()
    }

    fn allows(acl: &Acl, address: &str) -> bool {
        acl.allows(address.parse().unwrap())
    }

    #[test]
    fn without_a_rule_everybody_may() {
        assert!(allows(&Acl::default(), "192.0.2.1") && allows(&Acl::default(), "2001:db8::1"));
        assert!(!allows(&Acl::nobody(), "192.0.2.1") && !allows(&Acl::nobody(), "2001:db8::1"));
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_else_the_opposite_of_the_last() {
        let list = acl("ACL deny 10.0.0.7\nACL allow 10.0.0.0 10.0.0.255\n");
        assert!(!allows(&list, "10.0.0.7") && allows(&list, "10.0.0.8") && !allows(&list, "10.0.1.0"));
        let list = acl("ACL deny 10.0.0.7");
        assert!(!allows(&list, "10.0.0.7") && allows(&list, "192.0.2.1") && allows(&list, "::1"));
    }

    #[test]
    fn ranges_are_compared_as_numbers() {
        // What ffserver let in and should not have, and the other way round.
        let list = acl("ACL allow 127.1.0.0 127.1.255.255");
        assert!(allows(&list, "127.1.2.3") && !allows(&list, "127.2.3.4") && !allows(&list, "127.0.0.1"));
        let list = acl("ACL allow 192.168.0.0 192.168.255.255");
        assert!(allows(&list, "192.168.44.5") && !allows(&list, "127.0.0.5") && !allows(&list, "127.44.55.66"));
    }

    #[test]
    fn networks_and_ipv6_are_understood_and_mapped_addresses_count_as_ipv4() {
        let list = acl("ACL allow 10.1.2.3/8\nACL allow fd00::/8\nACL allow ::1");
        for (address, may) in [
            ("10.255.0.1", true),
            ("11.0.0.0", false),
            ("fdff::1", true),
            ("fe80::1", false),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:11.0.0.1", false),
        ] {
            assert_eq!(allows(&list, address), may, "{address}");
        }
        assert!(allows(&acl("ACL allow 0.0.0.0/0"), "1.2.3.4") && !allows(&acl("ACL deny ::/0"), "::5"));
    }

    #[test]
    fn names_fit_what_they_are_resolved_to_and_nobody_before() {
        let mut list = acl("# the office\nACL allow office.example\n\nACL allow gone.example\n");
        assert!(!allows(&list, "192.0.2.1"));
        let unknown = list.resolve(|name| match name {
            "office.example" => vec!["192.0.2.1".parse().unwrap()],
            _ => Vec::new(),
        });
        assert_eq!(unknown, ["gone.example"]);
        assert!(allows(&list, "192.0.2.1") && !allows(&list, "192.0.2.2"));
    }

    #[test]
    fn every_mistake_in_a_file_is_told_with_its_line() {
        let problems = Acl::parse(
            "ACL permit 10.0.0.1\nALLOW 10.0.0.1\nACL allow\nACL allow 10.0.0.9 10.0.0.1\nACL allow 10.0.0.1 ::1\nACL allow 10.0.0.0/33\nACL allow 10.0.0.256\n",
        )
        .unwrap_err();
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let begins = [
            "line 1: ACL permit: expected allow or deny",
            "line 2: ALLOW: expected lines such as",
            "line 3: ACL allow without an address",
            "line 4: ACL 10.0.0.9 10.0.0.1: the first address is above the last",
            "line 5: ACL 10.0.0.1 ::1: both ends",
            "line 6: ACL 10.0.0.0/33: not a network",
            "line 7: ACL 10.0.0.256: not an address",
        ];
        assert_eq!(told.len(), begins.len(), "{told:#?}");
        for (told, begins) in told.iter().zip(begins) {
            assert!(told.starts_with(begins), "{told}");
        }
    }
}
