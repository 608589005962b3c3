//! Address ranges and zone ids of a scenario's network.

use std::net::Ipv4Addr;

/// A range of IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: u32,
    bits: u32,
}

impl Range {
    /// Reads `192.168.0.0/16`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a range of IPv4 addresses");
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let bits: u32 = bits.parse().map_err(|_| wrong())?;
        if !(16..=28).contains(&bits) {
            return Err(format!("`{text}`: AWS allows /16 to /28"));
        }
        let range = Self { first: u32::from(address), bits };
        if range.first & (range.size() - 1) != 0 {
            return Err(format!("`{text}` has bits beyond its prefix"));
        }
        Ok(range)
    }

    const fn size(self) -> u32 {
        1 << (32 - self.bits)
    }

    /// Addresses that AWS leaves to its users: all but five.
    pub(super) const fn usable(self) -> u32 {
        self.size() - 5
    }

    pub(super) const fn contains(self, inner: Self) -> bool {
        inner.first >= self.first
            && inner.first + (inner.size() - 1) <= self.first + (self.size() - 1)
    }

    pub(super) const fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

/// `apne2-az1` for `ap-northeast-2a`.
pub(crate) fn zone_id(region: &str, letter: char) -> String {
    let parts: Vec<&str> = region.split('-').collect();
    let direction = |word: &str| {
        let mut short = String::new();
        let mut rest = word;
        while !rest.is_empty() {
            let known = ["north", "south", "east", "west", "central"];
            let Some(one) = known.iter().find(|one| rest.starts_with(**one)) else {
                short.push_str(rest);
                break;
            };
            short.push_str(one.get(..1).unwrap_or_default());
            rest = rest.get(one.len()..).unwrap_or_default();
        }
        short
    };
    let number = u32::from(letter) - u32::from('a') + 1;
    match parts.as_slice() {
        [area, between @ .., place] => {
            let middle: String = between.iter().map(|word| direction(word)).collect();
            format!("{area}{middle}{place}-az{number}")
        }
        _ => format!("az{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_ids() {
        assert_eq!(zone_id("ap-northeast-2", 'a'), "apne2-az1");
        assert_eq!(zone_id("us-east-1", 'c'), "use1-az3");
        assert_eq!(zone_id("eu-central-1", 'b'), "euc1-az2");
    }

    #[test]
    fn ranges() {
        let range = |text| Range::parse(text).unwrap();
        assert!(range("10.0.0.0/16").contains(range("10.0.255.0/24")));
        assert!(!range("10.0.0.0/24").overlaps(range("10.0.1.0/24")));
        assert_eq!(range("10.0.0.0/24").usable(), 251);
        assert!(Range::parse("10.0.0.1/24").is_err());
        assert!(Range::parse("10.0.0.0/8").is_err());
    }
}
