//! How every AWS client of this program is set up, in one place: credentials, region, retries and timeouts.
//!
//! Two defaults of the SDK do not suit a program that makes very many calls. A server that accepts a connection and
//! never answers holds a call for ever, so every attempt has a deadline. And all retries draw on one bucket of tokens
//! that a burst of throttling empties, after which calls fail that a second attempt would have answered; the bucket
//! is therefore unlimited and the number of attempts is the limit.

mod address;
mod answer;
mod pages;
pub mod signed;
mod trust;

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iam::config::SharedCredentialsProvider;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};

pub use address::{discreet, is_http, without_user};
pub(crate) use answer::{Bound, bounded};
pub(crate) use pages::{MOST_PAGES, Pages};
pub(crate) use trust::Trust;

/// Attempts per call, the first included.
const ATTEMPTS: u32 = 8;
/// Where nothing names a region. IAM, which is global, is reached there in the `aws` partition.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";
/// How much of an answer is read: the largest that AWS gives, a credential report, is a fifth of it.
const BOUND: Bound = Bound { answer: 16 << 20, all: u64::MAX };
/// How sessions of assumed roles are called, so that they can be told apart in the very trail that is read.
const SESSION_NAME: &str = "mfatrail";

/// What the command line says about the connection to AWS. What is absent follows the SDK's default chain:
/// environment, profile, container, instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// `--profile`.
    pub profile: Option<String>,
    /// `--aws-region`.
    pub region: Option<String>,
    /// `--endpoint-url`: a stand-in for AWS, asked for every service, STS included. To replace one service alone, the
    /// SDK reads `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL_IAM` and `AWS_ENDPOINT_URL_STS`.
    pub endpoint_url: Option<String>,
    /// A role to assume first.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy may ask for.
    pub external_id: Option<String>,
}

/// The configuration for all clients. Makes no call but those that the SDK's region chain makes: a wrong credential is
/// found by the first call that needs it.
pub(crate) async fn sdk_config(connection: &Connection) -> SdkConfig {
    trusting(connection, &Trust::of(connection.profile.as_deref()).await).await
}

/// As [`sdk_config`], for clients that read no more than this.
pub(crate) async fn bounded_config(connection: &Connection, bound: Bound) -> SdkConfig {
    let trust = Trust::of(connection.profile.as_deref()).await;
    bounded(&trusting(connection, &trust).await, &trust, bound)
}

/// As [`sdk_config`], where it is known who is trusted.
pub(crate) async fn trusting(connection: &Connection, trust: &Trust) -> SdkConfig {
    let mut chain = DefaultRegionChain::builder();
    if let Some(profile) = &connection.profile {
        chain = chain.profile_name(profile);
    }
    let region = RegionProviderChain::first_try(connection.region.clone().map(Region::new))
        .or_else(chain.build())
        .or_else(Region::new(DEFAULT_REGION))
        .region()
        .await;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(Duration::from_secs(20)))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(3))
                .read_timeout(Duration::from_secs(20))
                .operation_attempt_timeout(Duration::from_secs(60))
                .build(),
        );
    let client = answer::client(trust, BOUND);
    if let Some(client) = &client {
        loader = loader.http_client(client.clone());
    }
    if let Ok(name) = AppName::new("mfatrail") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &connection.profile {
        // The default chain would prefer keys from the environment to the profile that was asked for, and fall back to
        // the machine's own role where it does not exist: either is another account than the one meant.
        let mut own = ProviderConfig::default().with_region(region);
        if let Some(client) = client {
            own = own.with_http_client(client);
        }
        let provider = ProfileFileCredentialsProvider::builder().configure(&own).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(url) = &connection.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    match &connection.role_arn {
        Some(role) => assume(&config, role, connection.external_id.as_deref()).await,
        None => config,
    }
}

/// `config` with the credentials of a role, which are fetched when the first call needs them and renewed in time.
pub(crate) async fn assume(config: &SdkConfig, role_arn: &str, external_id: Option<&str>) -> SdkConfig {
    let mut role = AssumeRoleProvider::builder(role_arn).configure(config).session_name(SESSION_NAME);
    if let Some(id) = external_id {
        role = role.external_id(id);
    }
    let provider = role.build().await;
    // The cache of the configuration it came from must not be shared: it belongs to the caller's own credentials.
    config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .identity_cache(aws_config::identity::IdentityCache::lazy().build())
        .build()
}

/// The retry bucket for one kind of work: set it on each service's own configuration.
pub(crate) fn retry_partition(name: &'static str) -> RetryPartition {
    RetryPartition::custom(name).token_bucket(TokenBucket::unlimited()).build()
}

/// A runtime that drives every call from the calling thread: the calls wait for the network, not for a processor.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// The service's error code, where the service answered with one.
pub(crate) fn error_code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    match error {
        SdkError::ServiceError(answer) => answer.err().code(),
        _ => None,
    }
}

/// One line that says what went wrong: the service's code and message, else the chain of causes.
pub(crate) fn describe<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: std::fmt::Debug + 'static,
{
    if let SdkError::ServiceError(answer) = error {
        match (answer.err().code(), answer.err().message()) {
            (Some(code), Some(message)) => return format!("{code}: {message}"),
            (Some(code), None) => return code.to_owned(),
            _ => {}
        }
    }
    causes(error)
}

/// What an error says by itself. The SDK's own answer of a service displays itself as a struct in Rust's notation.
pub(crate) fn own_text(error: &(dyn StdError + 'static)) -> String {
    match error.downcast_ref::<ErrorMetadata>() {
        Some(answer) => match (answer.code(), answer.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (code, message) => code.or(message).unwrap_or("no reason was given").to_owned(),
        },
        None => discreet(&error.to_string()).into_owned(),
    }
}

/// Why there are no credentials. Where there simply are none, the SDK lists what it tried in terms of its own.
pub(crate) fn no_credentials(error: &CredentialsError, profile: Option<&str>) -> String {
    match (error, profile) {
        (CredentialsError::CredentialsNotLoaded(_), Some(profile)) => {
            format!("none were found for profile `{profile}`")
        }
        (CredentialsError::CredentialsNotLoaded(_), None) => {
            "none were found in the environment, the AWS CLI's files or this machine's role".to_owned()
        }
        (_, Some(profile)) => format!("profile `{profile}`: {}", causes(error)),
        (_, None) => causes(error),
    }
}

/// An error with its causes in one line. Equal neighbors are said once.
pub(crate) fn causes(error: &(dyn StdError + 'static)) -> String {
    let one_line = |error: &(dyn StdError + 'static)| {
        let message = own_text(error);
        message.lines().map(str::trim).collect::<Vec<_>>().join("; ")
    };
    let mut text = one_line(error);
    let mut last = text.clone();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = one_line(cause);
        if message != last {
            text.push_str(": ");
            text.push_str(&message);
        }
        last = message;
        next = cause.source();
    }
    text
}

/// The profiles of the AWS CLI's two files, by name; `None` where neither file can be read.
#[must_use]
pub fn profiles() -> Option<BTreeSet<String>> {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).map(PathBuf::from);
    let file = |variable: &str, name: &str| {
        let given = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        std::fs::read(given.or_else(|| Some(home.as_ref()?.join(".aws").join(name)))?).ok()
    };
    let config = file("AWS_CONFIG_FILE", "config");
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    if config.is_none() && credentials.is_none() {
        return None;
    }
    let mut names = sections(&config.unwrap_or_default(), true);
    names.extend(sections(&credentials.unwrap_or_default(), false));
    Some(names)
}

/// The profiles of one file: in `config` a section says that it is one, but for the default.
fn sections(text: &[u8], config: bool) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text);
    let sections = text.lines().filter_map(|line| line.trim().strip_prefix('[')?.split(']').next());
    let name = |section: &str| {
        let section = section.trim();
        match section.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])) {
            Some(name) if config => Some(name.trim().trim_matches(['"', '\'']).to_owned()),
            _ if config && section != "default" => None,
            _ => Some(section.to_owned()),
        }
    };
    sections.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_named_by_their_sections() {
        let names = |text: &str, config| sections(text.as_bytes(), config).into_iter().collect::<Vec<_>>();
        let config = "# mine\n[default]\nregion = us-east-1\n[profile audit]\r\nx=1\n [ profile \"two words\" ] ; a\n\
            [sso-session corp]\n[services x]\n[stray]\n[profile\taudit-eu]\nname = [profile no]\n";
        assert_eq!(names(config, true), ["audit", "audit-eu", "default", "two words"]);
        assert_eq!(names("[default]\n[audit]\n[profile x]\n", false), ["audit", "default", "profile x"]);
    }

    #[test]
    fn no_message_is_a_struct_in_rusts_notation() {
        let answer = ErrorMetadata::builder().code("AccessDenied").message("not you").build();
        assert!(answer.to_string().contains("Error {"), "the SDK says it still");
        assert_eq!(causes(&answer), "AccessDenied: not you");
        assert_eq!(causes(&ErrorMetadata::builder().build()), "no reason was given");
    }
}
