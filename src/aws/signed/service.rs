//! Services and their addresses.
//!
//! Sources: the API models (`service-2.json`) for names and protocols, and the endpoint rules (`endpoint-rule-set-1.json`) in AWS's SDKs
//! for hosts.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use hyper::Uri;

use crate::aws::address;
use crate::partition;

/// Services whose ordinary endpoint in GovCloud is the one that conforms to FIPS 140, so that no other has a name of its own.
const FIPS_BY_ITSELF: [&str; 8] =
    ["sqs", "sns", "ssm", "sts", "events", "monitoring", "cloudformation", "organizations"];

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its name where endpoints are configured: `SQS`, as in `AWS_ENDPOINT_URL_SQS`.
    pub id: &'static str,
    /// How its host begins: `email`, as in `email.eu-west-1.amazonaws.com`.
    pub host: &'static str,
    /// Its name in signatures and in IAM's actions: `ses`.
    pub name: &'static str,
}

impl Service {
    const fn new(id: &'static str, name: &'static str) -> Self {
        Self { id, host: name, name }
    }
}

/// A service that speaks JSON 1.0 or 1.1: the action stands in `X-Amz-Target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json {
    /// The service.
    pub service: Service,
    /// `1.0` or `1.1`.
    pub version: &'static str,
    /// What stands before the action: `AmazonSQS`.
    pub target: &'static str,
}

/// A service that speaks the query protocol: a form is sent, XML comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// The service.
    pub service: Service,
    /// The version of its API: a date.
    pub version: &'static str,
}

/// A service that speaks REST with JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// The service.
    pub service: Service,
}

/// Amazon SQS.
pub const SQS: Json = Json { service: Service::new("SQS", "sqs"), version: "1.0", target: "AmazonSQS" };
/// AWS Secrets Manager.
pub const SECRETS_MANAGER: Json =
    Json { service: Service::new("Secrets Manager", "secretsmanager"), version: "1.1", target: "secretsmanager" };
/// AWS Systems Manager.
pub const SSM: Json = Json { service: Service::new("SSM", "ssm"), version: "1.1", target: "AmazonSSM" };
/// AWS Organizations. Its endpoint is in one region of each partition: a caller has to be there ([`organizations_region`]).
pub const ORGANIZATIONS: Json = Json {
    service: Service::new("Organizations", "organizations"),
    version: "1.1",
    target: "AWSOrganizationsV20161128",
};
/// AWS KMS.
pub const KMS: Json = Json { service: Service::new("KMS", "kms"), version: "1.1", target: "TrentService" };
/// Amazon EventBridge.
pub const EVENTS: Json = Json { service: Service::new("EventBridge", "events"), version: "1.1", target: "AWSEvents" };
/// Amazon CloudWatch Logs.
pub const LOGS: Json =
    Json { service: Service::new("CloudWatch Logs", "logs"), version: "1.1", target: "Logs_20140328" };
/// Amazon CloudWatch.
pub const CLOUDWATCH: Query =
    Query { service: Service { id: "CloudWatch", host: "monitoring", name: "monitoring" }, version: "2010-08-01" };
/// Amazon SNS.
pub const SNS: Query = Query { service: Service::new("SNS", "sns"), version: "2010-03-31" };
/// AWS STS.
pub const STS: Query = Query { service: Service::new("STS", "sts"), version: "2011-06-15" };
/// AWS CloudFormation.
pub const CLOUDFORMATION: Query =
    Query { service: Service::new("CloudFormation", "cloudformation"), version: "2010-05-15" };
/// Amazon SES by its API v2.
pub const SES: Rest = Rest { service: Service { id: "SESv2", host: "email", name: "ses" } };
/// AWS Security Hub.
pub const SECURITY_HUB: Rest = Rest { service: Service::new("SecurityHub", "securityhub") };

/// Where AWS Organizations is in the partition of a region.
#[must_use]
pub fn organizations_region(region: &str) -> &str {
    match &*partition::of_region(region) {
        "aws" => "us-east-1",
        "aws-cn" => "cn-northwest-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-f" => "us-isof-south-1",
        _ => region,
    }
}

/// The address of a service in a region, without a slash at its end: as configured in this program, for the service alone or for all
/// of AWS; else AWS's own.
///
/// # Errors
/// When what is configured is not an address, or it is not known where the region's services are.
pub(super) fn endpoint(config: &SdkConfig, service: &Service, region: &str) -> Result<String, String> {
    let own = || {
        let key = ServiceConfigKey::builder().service_id(service.id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        config.service_config()?.load_config(key.build().ok()?)
    };
    let given = config.endpoint_url().map(str::to_owned);
    let configured = if config.get_origin("endpoint_url").is_client_config() { given } else { own().or(given) };
    match configured {
        Some(address) => checked(&address),
        None => host(service, region, config.use_fips() == Some(true), config.use_dual_stack() == Some(true))
            .map(|host| format!("https://{host}")),
    }
}

/// An address that requests can be sent to.
fn checked(address: &str) -> Result<String, String> {
    let plain = address::without_user(address).unwrap_or_else(|| address.to_owned());
    let usable = plain.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if usable && !plain.contains('?') {
        Ok(plain.trim_end_matches('/').to_owned())
    } else {
        Err(format!("the endpoint URL `{}` is not a URL (hint: https://HOST)", address::discreet(&plain)))
    }
}

fn host(service: &Service, region: &str, fips: bool, dual_stack: bool) -> Result<String, String> {
    let label = |text: &str| {
        (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let domains = label(region).then(|| partition::endpoint_domains(region)).flatten();
    let (plain, dual) = domains
        .ok_or_else(|| format!("the endpoints of the region `{region}` are unknown (hint: set AWS_ENDPOINT_URL)"))?;
    let govcloud = partition::of_region(region) == "aws-us-gov";
    let by_itself = govcloud && !dual_stack && FIPS_BY_ITSELF.contains(&service.host);
    let begin = if fips && !by_itself { format!("{}-fips", service.host) } else { service.host.to_owned() };
    Ok(format!("{begin}.{region}.{}", if dual_stack { dual } else { plain }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_where_the_endpoint_rules_of_the_sdks_say() {
        for (service, region, fips, dual_stack, expected) in [
            (SQS.service, "eu-west-1", false, false, "sqs.eu-west-1.amazonaws.com"),
            (SES.service, "eu-west-1", false, false, "email.eu-west-1.amazonaws.com"),
            (SES.service, "eu-west-1", true, false, "email-fips.eu-west-1.amazonaws.com"),
            (SNS.service, "eu-west-1", false, true, "sns.eu-west-1.api.aws"),
            (SNS.service, "eu-west-1", true, true, "sns-fips.eu-west-1.api.aws"),
            (SQS.service, "us-gov-west-1", true, false, "sqs.us-gov-west-1.amazonaws.com"),
            (SQS.service, "us-gov-west-1", true, true, "sqs-fips.us-gov-west-1.api.aws"),
            (SECURITY_HUB.service, "us-gov-east-1", true, false, "securityhub-fips.us-gov-east-1.amazonaws.com"),
            (SSM.service, "cn-north-1", false, false, "ssm.cn-north-1.amazonaws.com.cn"),
            (STS.service, "cn-northwest-1", false, true, "sts.cn-northwest-1.api.amazonwebservices.com.cn"),
            (EVENTS.service, "eusc-de-east-1", false, false, "events.eusc-de-east-1.amazonaws.eu"),
            (LOGS.service, "us-iso-east-1", false, false, "logs.us-iso-east-1.c2s.ic.gov"),
            (CLOUDWATCH.service, "us-isob-east-1", false, false, "monitoring.us-isob-east-1.sc2s.sgov.gov"),
            (CLOUDFORMATION.service, "eu-isoe-west-1", false, false, "cloudformation.eu-isoe-west-1.cloud.adc-e.uk"),
            (
                SECRETS_MANAGER.service,
                "us-isof-south-1",
                true,
                true,
                "secretsmanager-fips.us-isof-south-1.api.aws.hci.ic.gov",
            ),
        ] {
            assert_eq!(host(&service, region, fips, dual_stack).as_deref(), Ok(expected));
        }
        for region in ["", "evil.example.com/", "eu west", "xx-isoz-west-1", "a@b"] {
            assert!(host(&SQS.service, region, false, false).is_err(), "{region}");
        }
        for (region, there) in
            [("ap-south-1", "us-east-1"), ("cn-north-1", "cn-northwest-1"), ("xx-isoz-w-1", "xx-isoz-w-1")]
        {
            assert_eq!(organizations_region(region), there);
        }
    }

    #[test]
    fn an_endpoint_is_an_address_without_a_password() {
        assert_eq!(checked("http://u:hunter2@127.0.0.1:5000/x/").as_deref(), Ok("http://127.0.0.1:5000/x"));
        for wrong in ["127.0.0.1:5000", "ftp://host", "http://", "https://host/?a=b", "http://a b", "u:hunter2@"] {
            assert!(checked(wrong).is_err_and(|why| why.contains("endpoint URL")), "{wrong}");
        }
    }
}
