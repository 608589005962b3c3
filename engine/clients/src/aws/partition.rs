//! The partition of an account: it stands in every ARN and decides the services' host names.

use std::fmt;

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition(String);

impl Partition {
    /// The partition that an ARN names.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        (parts.next() == Some("arn"))
            .then(|| parts.next())
            .flatten()
            .filter(|name| !name.is_empty())
            .map(|name| Self(name.to_owned()))
    }

    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the services' host names end in.
    pub fn dns_suffix(&self) -> &'static str {
        match self.0.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            "aws-iso" => "c2s.ic.gov",
            "aws-iso-b" => "sc2s.sgov.gov",
            _ => "amazonaws.com",
        }
    }

    /// The region that serves the Price List of the whole partition; none where it is not known to
    /// be served.
    pub fn price_list_region(&self) -> Option<&'static str> {
        match self.0.as_str() {
            "aws" => Some("us-east-1"),
            "aws-cn" => Some("cn-northwest-1"),
            _ => None,
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_stands_in_the_arn() {
        let china = Partition::of_arn("arn:aws-cn:iam::111122223333:user/a").unwrap();
        assert_eq!((china.as_str(), china.dns_suffix()), ("aws-cn", "amazonaws.com.cn"));
        assert_eq!(china.price_list_region(), Some("cn-northwest-1"));
        assert_eq!(Partition::of_arn("111122223333"), None);
        assert_eq!(Partition::of_arn("arn::iam"), None);
    }
}
