//! `userIdentity`: who made a call.

use serde::{Deserialize, Serialize};

use crate::arn::{Arn, RoleSession};

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
    /// As it is serialized.
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
    /// `userIdentity.sessionContext.sessionIssuer.arn` of a role session: the role's ARN, with the path that the session's
    /// lacks.
    pub issuer: Option<String>,
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
    pub issuer: Option<&'r str>,
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
            issuer: owned(self.issuer),
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
            issuer: self.issuer.as_deref(),
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

    /// The ARN of a session's role, without the path that only [`Actor::issuer`] tells.
    #[must_use]
    pub fn role_arn(&self) -> Option<String> {
        let RoleSession { partition, account, role, .. } = self.session()?;
        Some(format!("arn:{partition}:iam::{account}:role/{role}"))
    }

    fn session(&self) -> Option<RoleSession<'_>> {
        Arn::parse(self.arn.as_deref()?)?.role_session()
    }

    /// Whether AWS itself calls: a service, or one in a session of its service-linked role. IAM makes roles under
    /// `aws-service-role/` for services alone ("Path prefix '/aws-service-role/' can only be used for AWS Service linked
    /// Roles"); the name is nobody's, and counts only where the record does not tell the path.
    #[must_use]
    pub fn is_aws(&self) -> bool {
        let linked = || match &self.issuer {
            Some(issuer) => {
                let path = Arn::parse(issuer).and_then(|role| role.resource_of("role"));
                path.is_some_and(|path| path.starts_with("aws-service-role/"))
            }
            None => self.session().is_some_and(|session| session.role.starts_with("AWSServiceRoleFor")),
        };
        self.kind == ActorKind::Service || (self.kind == ActorKind::AssumedRole && linked())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn session(arn: &str, issuer: Option<&str>) -> Actor {
        let owned = |text: &str| Some(text.to_owned());
        Actor {
            kind: ActorKind::AssumedRole,
            account: owned("111122223333"),
            id: owned("AROAEXAMPLE:session"),
            name: None,
            arn: owned(arn),
            access_key: None,
            issuer: issuer.map(str::to_owned),
        }
    }

    #[test]
    fn a_service_linked_role_is_told_by_its_path_and_else_by_its_name() {
        let config = "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForConfig/AWSConfig-Describe";
        let issuer = |path: &str| format!("arn:aws:iam::111122223333:role/{path}");
        let linked = issuer("aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig");
        let china = "arn:aws-cn:sts::111122223333:assumed-role/AWSServiceRoleForTrustedAdvisor/TrustedAdvisor";
        for (arn, issuer, aws) in [
            (config, Some(linked.as_str()), true),
            (config, None, true),
            (china, None, true),
            // A person's role with such a name.
            (config, Some(issuer("AWSServiceRoleForConfig").as_str()), false),
            (config, Some(issuer("team/aws-service-role/AWSServiceRoleForConfig").as_str()), false),
            // A path may hold whatever stands in an ARN.
            (config, Some(issuer("x:role/aws-service-role/AWSServiceRoleForConfig").as_str()), false),
            (config, Some("arn:aws:iam::111122223333:policy/x:role/aws-service-role/AWSServiceRoleForConfig"), false),
            ("arn:aws:sts::111122223333:assumed-role/MyAWSServiceRoleForConfig/x", None, false),
            ("arn:aws:sts::111122223333:assumed-role/ops/AWSServiceRoleForConfig", None, false),
            (
                "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/jane@example.com",
                Some(issuer("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef").as_str()),
                false,
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/config-role/AWSConfig",
                Some(issuer("service-role/config-role").as_str()),
                false,
            ),
        ] {
            assert_eq!(session(arn, issuer).is_aws(), aws, "{arn} {issuer:?}");
        }
        let user = Actor { kind: ActorKind::IamUser, ..session(config, Some(&linked)) };
        assert!(!user.is_aws() && Actor { kind: ActorKind::Service, ..session("", None) }.is_aws());
        let role = session(china, None).role_arn();
        assert_eq!(role.as_deref(), Some("arn:aws-cn:iam::111122223333:role/AWSServiceRoleForTrustedAdvisor"));
        assert_eq!(session("arn:aws:iam::111122223333:user/a", None).role_arn(), None);
    }
}
