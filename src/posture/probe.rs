//! Deactivations as CloudTrail records them and EventBridge hands them on: what a rule or a filter has to match.
//!
//! Records have the members of real ones (see the opening of [`crate::mfa`]); ids, names and times are made up.

use serde_json::{Value, json};

/// A deactivation of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A user removes its own virtual device.
    Virtual,
    /// An administrator in a role session removes a user's security key.
    SecurityKey,
    /// A user's hardware token is removed with a long-term access key.
    Hardware,
    /// The root user removes its own device.
    Root,
    /// A deactivation that is refused.
    Refused,
}

impl Probe {
    /// Those that succeed.
    pub const SUCCESSES: [Self; 4] = [Self::Virtual, Self::SecurityKey, Self::Hardware, Self::Root];

    /// What it is, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Virtual => "a user's virtual device",
            Self::SecurityKey => "a security key that an administrator's role removes",
            Self::Hardware => "a hardware token that an access key removes",
            Self::Root => "the root user's device",
            Self::Refused => "a refused attempt",
        }
    }

    /// The CloudTrail record.
    #[must_use]
    pub fn record(self, account: &str, partition: &str, region: &str) -> Value {
        let user = |mfa: &str| {
            json!({
                "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": format!("arn:{partition}:iam::{account}:user/ada"),
                "accountId": account, "accessKeyId": "ASIAEXAMPLE", "userName": "ada",
                "sessionContext": {"attributes": {"creationDate": "2026-10-01T08:00:00Z", "mfaAuthenticated": mfa}}
            })
        };
        let (identity, parameters) = match self {
            Self::Virtual => (
                user("true"),
                json!({"userName": "ada", "serialNumber": format!("arn:{partition}:iam::{account}:mfa/ada-phone")}),
            ),
            Self::SecurityKey => (
                json!({
                    "type": "AssumedRole", "principalId": "AROAEXAMPLE:desk",
                    "arn": format!("arn:{partition}:sts::{account}:assumed-role/HelpDesk/desk"), "accountId": account,
                    "accessKeyId": "ASIAEXAMPLE",
                    "sessionContext": {
                        "sessionIssuer": {
                            "type": "Role", "principalId": "AROAEXAMPLE", "arn": format!("arn:{partition}:iam::{account}:role/HelpDesk"),
                            "accountId": account, "userName": "HelpDesk"
                        },
                        "attributes": {"creationDate": "2026-10-01T08:00:00Z", "mfaAuthenticated": "false"}
                    }
                }),
                json!({
                    "userName": "ada",
                    "serialNumber": format!("arn:{partition}:iam::{account}:u2f/user/ada/key-AAAAAAAAAAAAAAAAAAAAAAAAAA")
                }),
            ),
            Self::Hardware => (
                json!({
                    "type": "IAMUser", "principalId": "AIDAEXAMPLE2", "arn": format!("arn:{partition}:iam::{account}:user/ben"),
                    "accountId": account, "accessKeyId": "AKIAEXAMPLE", "userName": "ben"
                }),
                json!({"userName": "ada", "serialNumber": "GAHT12345678"}),
            ),
            Self::Root => (
                json!({
                    "type": "Root", "principalId": account, "arn": format!("arn:{partition}:iam::{account}:root"),
                    "accountId": account, "accessKeyId": "ASIAEXAMPLE",
                    "sessionContext": {"attributes": {"creationDate": "2026-10-01T08:00:00Z", "mfaAuthenticated": "true"}}
                }),
                json!({
                    "userName": "AWS ROOT USER",
                    "serialNumber": format!("arn:{partition}:iam::{account}:mfa/root-account-mfa-device")
                }),
            ),
            Self::Refused => (user("false"), Value::Null),
        };
        let mut record = json!({
            "eventVersion": "1.11", "userIdentity": identity, "eventTime": "2026-10-01T09:00:00Z",
            "eventSource": "iam.amazonaws.com", "eventName": "DeactivateMFADevice", "awsRegion": region,
            "sourceIPAddress": "203.0.113.10", "userAgent": "aws-cli/2.31.0", "requestParameters": parameters,
            "responseElements": null, "requestID": "11111111-2222-3333-4444-555555555555",
            "eventID": "66666666-7777-8888-9999-000000000000", "readOnly": false, "eventType": "AwsApiCall",
            "managementEvent": true, "recipientAccountId": account, "eventCategory": "Management"
        });
        if self == Self::Refused {
            record["errorCode"] = json!("AccessDenied");
            record["errorMessage"] =
                json!("User is not authorized to perform: iam:DeactivateMFADevice on resource: user ada");
        }
        record
    }

    /// The event that EventBridge's default bus gets.
    #[must_use]
    pub fn event(self, account: &str, partition: &str, region: &str) -> Value {
        json!({
            "version": "0", "id": "12345678-1234-1234-1234-111122223333", "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.iam", "account": account, "time": "2026-10-01T09:00:00Z", "region": region, "resources": [],
            "detail": self.record(account, partition, region)
        })
    }
}
