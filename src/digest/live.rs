//! The public keys, asked of CloudTrail itself: each region has its own.

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::ProvideCredentials;
use aws_smithy_types::DateTime as SdkTime;
use chrono::{DateTime, Utc};
use tokio::task::JoinSet;

use super::PublicKeys;
use crate::aws::{self, Bound, Connection, Pages};
use crate::source::is_region;

/// How many regions are asked at most: several times as many as AWS has. Digests of others may name more.
const MOST_REGIONS: usize = 128;
/// How many are asked at a time.
const AT_A_TIME: usize = 16;
/// A region that does not exist is not tried for minutes.
const ATTEMPTS: u32 = 4;
/// How many pages of keys a region has at most. AWS makes a new key now and then, and says all in one.
const MOST_PAGES: u32 = 1_000;
/// How much is read: a key has some 300 bytes.
const BOUND: Bound = Bound { answer: 1 << 20, all: 64 << 20 };

/// Why CloudTrail cannot be asked for its keys at all.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The client could not be started.
    #[error("could not start the AWS client: {0}")]
    Start(#[source] std::io::Error),
    /// No usable credentials.
    #[error(
        "could not fetch CloudTrail's public keys: no usable AWS credentials: {0}\n  hint: use --profile, or --public-keys FILE with the output of `aws cloudtrail list-public-keys --start-time T --end-time T`"
    )]
    NoCredentials(String),
}

/// Asks for the keys of some regions and a time, those first that come first. A region that does not answer is among
/// [`PublicKeys::silent`]. Blocks; must not be called from within an asynchronous runtime.
///
/// # Errors
/// When no region can be asked: there are no credentials.
pub fn read_live(
    connection: &Connection,
    regions: &[String],
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<PublicKeys, LiveError> {
    let runtime = aws::runtime().map_err(LiveError::Start)?;
    runtime.block_on(read(connection, regions, from, to))
}

async fn read(
    connection: &Connection,
    regions: &[String],
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<PublicKeys, LiveError> {
    let mut keys = PublicKeys::default();
    if regions.is_empty() {
        return Ok(keys);
    }
    let config = aws::bounded_config(connection, BOUND).await;
    let provider = config.credentials_provider().ok_or_else(|| LiveError::NoCredentials("none are set".to_owned()))?;
    let refused = |error| LiveError::NoCredentials(aws::no_credentials(&error, connection.profile.as_deref()));
    provider.provide_credentials().await.map_err(refused)?;
    let mut asked = JoinSet::new();
    let mut rest = regions.iter().take(MOST_REGIONS);
    for region in regions.iter().skip(MOST_REGIONS) {
        keys.is_silent(region, format!("not fetched: {MOST_REGIONS} other regions have more digests"));
    }
    loop {
        while asked.len() < AT_A_TIME
            && let Some(region) = rest.next()
        {
            let (config, region) = (config.clone(), region.clone());
            asked.spawn(async move { (of_region(&config, &region, from, to).await, region) });
        }
        match asked.join_next().await {
            None => return Ok(keys),
            Some(Ok((Ok(found), _))) => keys.extend(found),
            Some(Ok((Err(reason), region))) => keys.is_silent(&region, reason),
            Some(Err(error)) => return Err(LiveError::Start(std::io::Error::other(error))),
        }
    }
}

/// The keys of a region, or in words why there are none.
async fn of_region(
    config: &SdkConfig,
    region: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<PublicKeys, String> {
    if !is_region(region) {
        return Err("there is no such region".to_owned());
    }
    let config = aws_sdk_cloudtrail::config::Builder::from(config)
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .retry_partition(aws::retry_partition("public keys"))
        .build();
    let client = Client::from_conf(config);
    let (mut pages, mut token) = (Pages::new(MOST_PAGES), None);
    let mut keys = PublicKeys::default();
    loop {
        let request = client
            .list_public_keys()
            .start_time(SdkTime::from_secs(from.timestamp()))
            .end_time(SdkTime::from_secs(to.timestamp()))
            .set_next_token(token);
        let answer = request.send().await.map_err(|error| aws::describe(&error))?;
        token = pages.next(false, answer.next_token())?;
        for key in answer.public_key_list() {
            let (Some(fingerprint), Some(value)) = (key.fingerprint(), key.value()) else { continue };
            keys.add(fingerprint, value.as_ref()).map_err(|reason| format!("the key {fingerprint}: {reason}"))?;
        }
        if token.is_none() {
            return Ok(keys);
        }
    }
}
