//! `userIdentity`: who made a call.

use serde::{Deserialize, Serialize};

/// What kind of caller `userIdentity.type` names.
///
/// Source: CloudTrail user guide, "CloudTrail userIdentity element". Unknown types are kept as [`ActorKind::Other`]:
/// new ones appear without notice and must not break a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// The account's root user.
    Root,
    /// A session of `sts:AssumeRoot`: shown by CloudTrail as the root user, but the central account's doing.
    AssumedRoot,
    /// An IAM user, with long-term keys, a console session or a session token.
    IamUser,
    /// A role session, federated ones included.
    AssumedRole,
    /// An AWS service acting by itself.
    Service,
    /// An IAM Identity Center user in the access portal.
    IdentityCenter,
    /// Anything else, absent identities included.
    Other,
}

/// Who made a call, as far as the record tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Actor {
    /// The kind of caller.
    pub kind: ActorKind,
    /// `userIdentity.accountId`: the caller's own account, which in cross-account calls is not the record's.
    pub account: Option<String>,
    /// `userIdentity.principalId`: `AIDA…` of a user, `AROA…:session` of a role session, or `onBehalfOf.userId`.
    pub id: Option<String>,
    /// `userIdentity.userName`.
    pub name: Option<String>,
    /// `userIdentity.arn`, or the calling service's host name.
    pub arn: Option<String>,
    /// `userIdentity.accessKeyId`.
    pub access_key: Option<String>,
}

impl Actor {
    /// How reports show the caller: its ARN, else its name, else its id, else its kind.
    #[must_use]
    pub fn display(&self) -> String {
        let known = self.arn.as_deref().or(self.name.as_deref()).or(self.id.as_deref());
        match (known, self.kind) {
            (Some(text), _) => text.to_owned(),
            (None, ActorKind::Root | ActorKind::AssumedRoot) => "root".to_owned(),
            (None, _) => "unknown".to_owned(),
        }
    }

    /// Whether `self` and `other` are one caller: the same unique id where both have one, else the same ARN or name in
    /// the same account. Access keys are not compared: one user has many.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        if self.kind != other.kind {
            return false;
        }
        if self.kind == ActorKind::Root {
            return self.account == other.account;
        }
        match (&self.id, &other.id) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => match (&self.arn, &other.arn) {
                (Some(mine), Some(theirs)) => mine == theirs,
                _ => self.account == other.account && self.name.is_some() && self.name == other.name,
            },
        }
    }
}
