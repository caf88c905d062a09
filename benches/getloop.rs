//! The floor of S3: lists a bucket and gets every object with the same SDK, and throws the bytes away.
//!
//! `cargo bench --bench getloop -- BUCKET [IN_FLIGHT]` prints objects and bytes. Credentials, region and endpoint come
//! from the environment, as the AWS command line takes them. One thread, as the scan's own I/O.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by a panic")]
#![allow(clippy::print_stdout, reason = "what it measured")]

use std::error::Error;

use aws_config::BehaviorVersion;
use aws_sdk_s3::{Client, config};
use tokio::{runtime, task::JoinSet};

mod corpus;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// As many as a scan has.
const IN_FLIGHT: usize = 64;

fn main() -> Result<()> {
    let arguments = corpus::arguments();
    let (bucket, in_flight) = match arguments.as_slice() {
        // Without a bucket there is nothing to get, and nothing to check either.
        [] => return Ok(()),
        [bucket] => (bucket, IN_FLIGHT),
        [bucket, in_flight] => (bucket, in_flight.parse()?),
        _ => return Err("usage: cargo bench --bench getloop -- BUCKET [IN_FLIGHT]".into()),
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (objects, bytes) = runtime.block_on(get_all(bucket, in_flight))?;
    println!("{objects} objects, {bytes} bytes");
    Ok(())
}

async fn get_all(bucket: &str, in_flight: usize) -> Result<(u64, u64)> {
    let shared = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let client = Client::from_conf(config::Builder::from(&shared).force_path_style(true).build());
    let (mut objects, mut bytes) = (0, 0);
    let mut running: JoinSet<Result<u64>> = JoinSet::new();
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    while let Some(page) = pages.next().await {
        for key in page?.contents.unwrap_or_default().into_iter().filter_map(|object| object.key) {
            if running.len() >= in_flight
                && let Some(got) = running.join_next().await
            {
                objects += 1;
                bytes += got??;
            }
            let request = client.get_object().bucket(bucket).key(key);
            running.spawn(async move {
                let body = request.send().await?.body.collect().await?;
                Ok(body.into_bytes().len() as u64)
            });
        }
    }
    while let Some(got) = running.join_next().await {
        objects += 1;
        bytes += got??;
    }
    Ok((objects, bytes))
}
