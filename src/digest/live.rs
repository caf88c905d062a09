//! The public keys, asked of CloudTrail itself: each region has its own.

use std::collections::BTreeSet;

use aws_config::Region;
use aws_sdk_cloudtrail::Client;
use aws_smithy_types::DateTime as SdkTime;
use chrono::{DateTime, Utc};

use super::PublicKeys;
use crate::aws::{self, Connection};

/// Why CloudTrail did not tell its keys.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The client could not be started.
    #[error("could not start the AWS client: {0}")]
    Start(#[source] std::io::Error),
    /// The call failed.
    #[error(
        "could not ask CloudTrail in {region} for its public keys: {reason}\n  hint: it needs `cloudtrail:ListPublicKeys`; or give --public-keys FILE, with what `aws cloudtrail list-public-keys --region {region} --start-time T --end-time T` prints"
    )]
    Refused {
        /// Where.
        region: String,
        /// AWS's word.
        reason: String,
    },
}

/// Asks for the keys of some regions and a time. Blocks; must not be called from within an asynchronous runtime.
///
/// # Errors
/// When a region does not answer: without its keys nothing of it could be proven.
pub fn read_live(
    connection: &Connection,
    regions: &BTreeSet<String>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<PublicKeys, LiveError> {
    let runtime = aws::runtime().map_err(LiveError::Start)?;
    runtime.block_on(async {
        let mut keys = PublicKeys::default();
        let config = aws::sdk_config(connection).await;
        for region in regions {
            let refused = |reason| LiveError::Refused { region: region.clone(), reason };
            let config = aws_sdk_cloudtrail::config::Builder::from(&config)
                .region(Region::new(region.clone()))
                .retry_partition(aws::retry_partition("public keys"))
                .build();
            let client = Client::from_conf(config);
            let mut next = None;
            loop {
                let request = client
                    .list_public_keys()
                    .start_time(SdkTime::from_secs(from.timestamp()))
                    .end_time(SdkTime::from_secs(to.timestamp()))
                    .set_next_token(next.take());
                let answer = request.send().await.map_err(|error| refused(aws::describe(&error)))?;
                for key in answer.public_key_list() {
                    let (Some(fingerprint), Some(value)) = (key.fingerprint(), key.value()) else { continue };
                    keys.add(fingerprint, value.as_ref())
                        .map_err(|reason| refused(format!("the key {fingerprint}: {reason}")))?;
                }
                next = answer.next_token().map(str::to_owned);
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(keys)
    })
}
