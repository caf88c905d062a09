//! Puts signed archives into a server's buckets, with the signatures as metadata, as CloudTrail does.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};

use super::digests::Bucket;

/// Makes the buckets, with all their objects.
pub fn upload(endpoint: &str, buckets: &[&Bucket]) {
    let credentials = SharedCredentialsProvider::new(Credentials::new("testing", "secret", None, None, "test"));
    let config = aws_sdk_s3::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for bucket in buckets {
            client.create_bucket().bucket(&bucket.name).send().await.expect("a bucket");
            for (key, object) in &bucket.objects {
                let mut request = client.put_object().bucket(&bucket.name).key(key).body(object.bytes.clone().into());
                if let Some(signature) = &object.signature {
                    request = request.metadata("signature", signature).metadata("signature-algorithm", "SHA256withRSA");
                }
                request.send().await.expect("it is put");
            }
        }
    });
}
