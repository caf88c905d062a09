//! AWS's partitions: which one a region belongs to, and what differs between them.
//!
//! Sources: the endpoint rules in AWS's SDKs (`partitions.json`) for names, regions and domains; the CloudTrail user guide,
//! "Global service events", for where IAM's events are.

use std::borrow::Cow;

/// The domains under which services have their names, as in `ec2.amazonaws.com.cn`.
const DOMAINS: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

/// The partition of a region, told from how the region's name begins: `aws`, `aws-cn`, `aws-us-gov`, `aws-eusc`, `aws-iso` and
/// `aws-iso-b` to whatever letter there will be.
#[must_use]
pub fn of_region(region: &str) -> Cow<'static, str> {
    let mut words = region.split('-');
    match (words.next(), words.next()) {
        (Some("cn"), _) => "aws-cn".into(),
        (Some("eusc"), _) => "aws-eusc".into(),
        (Some("us"), Some("gov")) => "aws-us-gov".into(),
        (_, Some("iso")) => "aws-iso".into(),
        (_, Some(word)) => match word.strip_prefix("iso").map(str::as_bytes) {
            Some([letter]) => format!("aws-iso-{}", char::from(*letter)).into(),
            _ => "aws".into(),
        },
        _ => "aws".into(),
    }
}

/// The domains of a region's endpoints: that of ordinary ones, `<service>.<region>.<domain>`, and that of those which are reached by
/// IPv6 as well; `None` for partitions of which that is not known.
#[must_use]
pub fn endpoint_domains(region: &str) -> Option<(&'static str, &'static str)> {
    Some(match &*of_region(region) {
        "aws" | "aws-us-gov" => ("amazonaws.com", "api.aws"),
        "aws-cn" => ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        "aws-eusc" => ("amazonaws.eu", "api.amazonwebservices.eu"),
        "aws-iso" => ("c2s.ic.gov", "api.aws.ic.gov"),
        "aws-iso-b" => ("sc2s.sgov.gov", "api.aws.scloud"),
        "aws-iso-e" => ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        "aws-iso-f" => ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        _ => return None,
    })
}

/// The region in which CloudTrail records IAM in the partition of `region`; `None` for partitions of which that is not known.
#[must_use]
pub fn iam_region(region: &str) -> Option<&'static str> {
    iam_region_of(&of_region(region))
}

/// The region in which CloudTrail records IAM in a partition; `None` where that is not known.
#[must_use]
pub fn iam_region_of(partition: &str) -> Option<&'static str> {
    Some(match partition {
        "aws" => "us-east-1",
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-eusc" => "eusc-de-east-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        _ => return None,
    })
}

/// The short name of an AWS service by its name in any partition: `ec2` of `ec2.amazonaws.com.cn`.
#[must_use]
pub fn service(host: &str) -> Option<&str> {
    let name = DOMAINS.iter().find_map(|domain| host.strip_suffix(domain)?.strip_suffix('.'))?;
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.split('-').all(is_word).then_some(name)
}

/// What follows the name of S3 or of a bucket in an address of S3 (`eu-central-1.amazonaws.com`): whether it is a domain of
/// AWS, with a region before it or none.
#[must_use]
pub fn is_domain(name: &str) -> bool {
    DOMAINS.iter().any(|domain| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_tell_their_partition_and_where_iam_is() {
        for (region, partition, iam) in [
            ("us-east-1", "aws", Some("us-east-1")),
            ("eu-central-1", "aws", Some("us-east-1")),
            ("ap-southeast-10", "aws", Some("us-east-1")),
            ("mx-central-1", "aws", Some("us-east-1")),
            ("cn-north-1", "aws-cn", Some("cn-north-1")),
            ("cn-northwest-1", "aws-cn", Some("cn-north-1")),
            ("us-gov-west-1", "aws-us-gov", Some("us-gov-west-1")),
            ("us-gov-east-1", "aws-us-gov", Some("us-gov-west-1")),
            ("eusc-de-east-1", "aws-eusc", Some("eusc-de-east-1")),
            ("us-iso-east-1", "aws-iso", Some("us-iso-east-1")),
            ("us-iso-west-1", "aws-iso", Some("us-iso-east-1")),
            ("us-isob-east-1", "aws-iso-b", Some("us-isob-east-1")),
            ("us-isob-west-1", "aws-iso-b", Some("us-isob-east-1")),
            ("eu-isoe-west-1", "aws-iso-e", None),
            ("us-isof-south-1", "aws-iso-f", None),
            ("xx-isoz-west-9", "aws-iso-z", None),
        ] {
            assert_eq!((&*of_region(region), iam_region(region)), (partition, iam), "{region}");
        }
    }

    #[test]
    fn services_have_a_short_name_in_every_partition() {
        for (host, name) in [
            ("iam.amazonaws.com", Some("iam")),
            ("ec2.amazonaws.com.cn", Some("ec2")),
            ("eks-nodegroup.amazonaws.eu", Some("eks-nodegroup")),
            ("sts.c2s.ic.gov", Some("sts")),
            ("sts.sc2s.sgov.gov", Some("sts")),
            ("s3.cloud.adc-e.uk", Some("s3")),
            ("config.csp.hci.ic.gov", Some("config")),
            ("amazonaws.com", None),
            (".amazonaws.com", None),
            ("iam.amazonaws.com.example.org", None),
            ("iamamazonaws.com", None),
            ("ec2-203-0-113-9.amazonaws.com", None),
            ("Alice.amazonaws.com", None),
        ] {
            assert_eq!(service(host), name, "{host}");
        }
    }
}
