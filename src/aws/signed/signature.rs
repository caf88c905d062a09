//! Signatures: AWS Signature Version 4 in the headers of a request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;

use crate::http::Request;

/// For whom and where a request is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) credentials: &'s Credentials,
    pub(super) region: &'s str,
    /// The service's name in signatures.
    pub(super) service: &'s str,
    pub(super) time: SystemTime,
}

/// Adds the signature, its time and the session's token to the headers.
///
/// # Errors
/// In words, when the request cannot be signed.
pub(super) fn signed(mut request: Request, scope: &Scope<'_>) -> Result<Request, String> {
    let identity = Identity::from(scope.credentials.clone());
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(scope.time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableRequest::new(
        request.method.as_str(),
        request.url.as_str(),
        headers,
        SignableBody::Bytes(&request.body),
    );
    let output = signable.and_then(|signable| sign(signable, &parameters)).map_err(|error| error.to_string())?;
    let added: Vec<_> = output.output().headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    request.headers.extend(added);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::Method;

    use super::*;

    /// Of "aws-signing-test-suite" (v4), which AWS publishes for whoever signs.
    #[test]
    fn signatures_are_those_of_the_published_vectors() {
        const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        // 2015-08-30T12:36:00Z
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        const FORM: &[(&str, &str)] = &[
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", "13"),
            ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
        ];
        for (name, method, path, headers, body, token, signature) in [
            (
                "get-vanilla",
                Method::GET,
                "/",
                &[][..],
                "",
                None,
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-with-session-token",
                Method::GET,
                "/",
                &[],
                "",
                Some(TOKEN),
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
            (
                "get-vanilla-query-order-encoded",
                Method::GET,
                "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
                &[],
                "",
                None,
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            (
                "post-vanilla",
                Method::POST,
                "/",
                &[],
                "",
                None,
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                Method::POST,
                "/",
                FORM,
                "Param1=value1",
                None,
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
        ] {
            let request = Request {
                method,
                url: format!("https://example.amazonaws.com{path}"),
                headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
                body: body.as_bytes().to_vec(),
            };
            let credentials = Credentials::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                token.map(str::to_owned),
                None,
                "a test",
            );
            let scope = Scope { credentials: &credentials, region: "us-east-1", service: "service", time };
            let signed = signed(request, &scope).unwrap();
            let header = |name: &str| {
                signed.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
            };
            let authorization = header("authorization").unwrap();
            assert!(authorization.ends_with(&format!("Signature={signature}")), "{name}: {authorization}");
            assert!(authorization.contains("Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"), "{name}");
            assert_eq!(header("x-amz-date"), Some("20150830T123600Z"), "{name}");
            assert_eq!(header("x-amz-security-token"), token, "{name}");
        }
    }
}
