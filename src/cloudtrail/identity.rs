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

impl ActorKind {
    /// As it is serialised.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::AssumedRoot => "assumed_root",
            Self::IamUser => "iam_user",
            Self::AssumedRole => "assumed_role",
            Self::Service => "service",
            Self::IdentityCenter => "identity_center",
            Self::Other => "other",
        }
    }
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

/// An [`Actor`], borrowed from its record: most records are looked at and let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the fields are `Actor`'s")]
pub struct Caller<'r> {
    pub kind: ActorKind,
    pub account: Option<&'r str>,
    pub id: Option<&'r str>,
    pub name: Option<&'r str>,
    pub arn: Option<&'r str>,
    pub access_key: Option<&'r str>,
}

impl Caller<'_> {
    /// The same, owned.
    #[must_use]
    pub fn to_actor(&self) -> Actor {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Actor {
            kind: self.kind,
            account: owned(self.account),
            id: owned(self.id),
            name: owned(self.name),
            arn: owned(self.arn),
            access_key: owned(self.access_key),
        }
    }
}

impl Actor {
    /// The same, borrowed.
    #[must_use]
    pub fn as_caller(&self) -> Caller<'_> {
        Caller {
            kind: self.kind,
            account: self.account.as_deref(),
            id: self.id.as_deref(),
            name: self.name.as_deref(),
            arn: self.arn.as_deref(),
            access_key: self.access_key.as_deref(),
        }
    }

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
