//! What the channels and their secrets need to be allowed in AWS.
//!
//! Source: AWS's service authorization reference, for actions and their resources.

use super::{Access, Settings, ses, sms, sns};
use crate::alert::secret::{Place, SecretRef};
use crate::arn::{Arn, is_arn};

/// Actions that are needed, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// What it is for, in letters, as a policy's statement is called.
    pub purpose: &'static str,
    /// The actions.
    pub actions: Vec<&'static str>,
    /// On what.
    pub on: On,
}

/// Resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// These, as ARNs in which `*` and `?` stand for anything.
    These(Vec<String>),
    /// Everything but these.
    AllBut(Vec<String>),
}

fn everything() -> On {
    On::These(vec!["*".to_owned()])
}

impl Settings {
    /// How it reaches AWS; `None` for a channel elsewhere.
    #[must_use]
    pub fn access(&self) -> Option<&Access> {
        match self {
            Self::Sns(sns::Settings { aws, .. })
            | Self::Sms(sms::Settings { aws, .. })
            | Self::Ses(ses::Settings { aws, .. }) => Some(aws),
            Self::SecurityHub(settings) => Some(&settings.aws),
            Self::Webhook(_)
            | Self::PagerDuty(_)
            | Self::Slack(_)
            | Self::Teams(_)
            | Self::Email(_)
            | Self::ServiceNow(_)
            | Self::Zendesk(_)
            | Self::Jira(_) => None,
        }
    }

    /// What it needs to send and to be checked, in a partition of AWS.
    #[must_use]
    pub fn permissions(&self, partition: &str) -> Vec<Permission> {
        let own = |purpose, actions: &[&'static str], on| Permission { purpose, actions: actions.to_vec(), on };
        match self {
            Self::Sns(settings) => {
                let topic = On::These(vec![settings.topic.arn().to_owned()]);
                vec![own("PublishToTopic", &["sns:GetTopicAttributes", "sns:Publish"], topic)]
            }
            // A telephone has no ARN: what is no topic is one.
            Self::Sms(_) => vec![
                own("SendTextMessages", &["sns:Publish"], On::AllBut(vec![format!("arn:{partition}:sns:*:*:*")])),
                own(
                    "CheckTextMessages",
                    &[
                        "sns:CheckIfPhoneNumberIsOptedOut",
                        "sns:GetSMSSandboxAccountStatus",
                        "sns:ListSMSSandboxPhoneNumbers",
                    ],
                    everything(),
                ),
            ],
            Self::Ses(settings) => vec![
                own("SendMail", &["ses:SendEmail"], On::These(settings.resources(partition))),
                own("CheckMail", &["ses:GetAccount", "ses:GetEmailIdentity"], everything()),
            ],
            Self::SecurityHub(_) => vec![
                own(
                    "ImportFindings",
                    &["securityhub:BatchImportFindings"],
                    On::These(vec![format!("arn:{partition}:securityhub:*:*:product/*/default")]),
                ),
                own(
                    "CheckSecurityHub",
                    &["securityhub:DescribeHub"],
                    On::These(vec![format!("arn:{partition}:securityhub:*:*:hub/default")]),
                ),
            ],
            Self::Webhook(_)
            | Self::PagerDuty(_)
            | Self::Slack(_)
            | Self::Teams(_)
            | Self::Email(_)
            | Self::ServiceNow(_)
            | Self::Zendesk(_)
            | Self::Jira(_) => Vec::new(),
        }
    }
}

/// What it takes to get a secret; `None` where it is not in AWS. Decrypting with a key of one's own is a matter of that key.
#[must_use]
pub fn of_secret(secret: &SecretRef, partition: &str) -> Option<Permission> {
    let name = secret.name().split('#').next().unwrap_or_default();
    let (purpose, action, arn) = match secret.place() {
        // Secrets Manager adds a hyphen and six characters to the name.
        Place::SecretsManager => (
            "GetSecrets",
            "secretsmanager:GetSecretValue",
            format!("arn:{partition}:secretsmanager:*:*:secret:{name}-??????"),
        ),
        Place::ParameterStore => {
            // A version or a label may follow.
            let name = name.split(':').next().unwrap_or_default().trim_start_matches('/');
            ("GetParameters", "ssm:GetParameter", format!("arn:{partition}:ssm:*:*:parameter/{name}"))
        }
        Place::Environment | Place::File => return None,
    };
    let arn = if is_arn(name) { name.to_owned() } else { arn };
    Some(Permission { purpose, actions: vec![action], on: On::These(vec![arn]) })
}

/// The partition that something in the settings says.
#[must_use]
pub fn partition_of(settings: &Settings) -> Option<&str> {
    let topic = match settings {
        Settings::Sns(settings) => Some(settings.topic.arn()),
        _ => None,
    };
    let role = settings.access().and_then(|access| access.role.as_deref());
    topic.into_iter().chain(role).find_map(Arn::parse).map(|arn| arn.partition)
}
