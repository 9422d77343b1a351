//! Addresses that an operator allows a process to connect to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A list of addresses: classes of them, and ranges.
///
/// ```
/// # use kernel::OutboundAddresses;
/// let allowed: OutboundAddresses = "public, 10.1.0.0/16".parse().unwrap();
/// assert!(allowed.contain("10.1.2.3".parse().unwrap(), false));
/// assert!(!allowed.contain("10.2.0.1".parse().unwrap(), false));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundAddresses {
    /// Those of the public internet.
    public: bool,
    /// All others.
    private: bool,
    ranges: Vec<Range>,
}

/// A text is no list of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither `public` nor `private`, nor a range such as 10.1.0.0/16")]
pub struct ParseOutboundError(String);

impl ParseOutboundError {
    fn of(word: &str) -> Self {
        Self(word.chars().take(60).collect())
    }
}

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    address: IpAddr,
    bits: u8,
}

impl OutboundAddresses {
    /// Those of the public internet, and no others.
    pub const PUBLIC: Self = Self {
        public: true,
        private: false,
        ranges: Vec::new(),
    };

    /// All addresses.
    pub const ANY: Self = Self {
        public: true,
        private: true,
        ranges: Vec::new(),
    };

    /// Returns whether an address is in the list; `is_public` says whether it is one of the public
    /// internet.
    pub fn contain(&self, address: IpAddr, is_public: bool) -> bool {
        let of_class = if is_public { self.public } else { self.private };
        of_class || self.ranges.iter().any(|range| range.contains(address))
    }
}

impl Range {
    fn contains(self, address: IpAddr) -> bool {
        // An IPv4 address that is written as one of IPv6 is that of IPv4.
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                prefix(own.to_bits().into(), 32, self.bits)
                    == prefix(other.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                prefix(own.to_bits(), 128, self.bits) == prefix(other.to_bits(), 128, self.bits)
            }
            _ => false,
        }
    }
}

/// The first bits of an address of so many.
const fn prefix(address: u128, width: u8, bits: u8) -> u128 {
    match bits {
        0 => 0,
        _ => address >> (width - bits),
    }
}

impl FromStr for OutboundAddresses {
    type Err = ParseOutboundError;

    fn from_str(text: &str) -> Result<Self, ParseOutboundError> {
        let mut list = Self {
            public: false,
            private: false,
            ranges: Vec::new(),
        };
        for word in text.split(',').map(str::trim) {
            match word {
                "public" => list.public = true,
                "private" => list.private = true,
                _ => {
                    let range = word.parse::<Range>();
                    list.ranges
                        .push(range.map_err(|()| ParseOutboundError::of(word))?);
                }
            }
        }
        Ok(list)
    }
}

impl FromStr for Range {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or(())?,
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for OutboundAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = [(self.public, "public"), (self.private, "private")];
        let classes = classes.into_iter().filter(|(is_in, _)| *is_in);
        let mut words: Vec<String> = classes.map(|(_, word)| word.to_owned()).collect();
        words.extend(
            self.ranges
                .iter()
                .map(|range| format!("{}/{}", range.address, range.bits)),
        );
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const NOWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

    fn check(list: &str, address: &str, is_public: bool, expected: bool) {
        let list: OutboundAddresses = list.parse().expect("a list");
        let address = address.parse().expect("an address");
        assert_eq!(
            list.contain(address, is_public),
            expected,
            "{list} {address}"
        );
        assert_eq!(list.to_string().parse().as_ref(), Ok(&list));
    }

    #[test]
    fn classes_and_ranges_are_allowed_and_nothing_else() {
        check("public", "1.1.1.1", true, true);
        check("public", "127.0.0.1", false, false);
        check("private", "127.0.0.1", false, true);
        check("private", "1.1.1.1", true, false);
        check("10.0.0.0/8", "10.255.0.1", false, true);
        check("10.0.0.0/8", "11.0.0.1", true, false);
        check("10.0.0.0/8", "::ffff:10.1.1.1", false, true);
        check("192.168.1.7", "192.168.1.7", false, true);
        check("192.168.1.7", "192.168.1.8", false, false);
        check("public, fd00:1::/32", "fd00:1::5", false, true);
        check("public,fd00:1::/32", "fd00:2::5", false, false);
        check("0.0.0.0/0", "127.0.0.1", false, true);
        check("0.0.0.0/0", "::1", false, false);
        assert!(!OutboundAddresses::PUBLIC.contain(NOWHERE, false));
        assert!(OutboundAddresses::ANY.contain(NOWHERE, false));
    }

    #[test]
    fn what_is_no_list_names_the_word() {
        for (list, word) in [
            ("", "``"),
            ("public,", "``"),
            ("localhost", "`localhost`"),
            ("10.0.0.0/33", "`10.0.0.0/33`"),
            ("10.0.0/8", "`10.0.0/8`"),
            ("::/129", "`::/129`"),
            ("10.0.0.0/-1", "`10.0.0.0/-1`"),
        ] {
            let error = list.parse::<OutboundAddresses>().expect_err(list);
            assert!(error.to_string().starts_with(word), "{list}: {error}");
        }
        let long = "x".repeat(9_000).parse::<OutboundAddresses>();
        assert!(long.expect_err("no list").to_string().len() < 200);
    }
}
