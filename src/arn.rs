//! Amazon Resource Names, `arn:partition:service:region:account:resource`, taken apart in one place.
//!
//! Source: IAM user guide, "Identify AWS resources with Amazon Resource Names (ARNs)". A resource may hold colons and slashes (the
//! path of a user may hold both), so nothing after the fifth colon separates fields.

/// What an ARN says. Any part may be empty; what stands in a part is not checked, for patterns of ARNs are read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov` …
    pub partition: &'a str,
    /// The service's short name, such as `iam`.
    pub service: &'a str,
    /// The region; empty for what is global, as all of IAM is.
    pub region: &'a str,
    /// The account's id; empty for buckets, and `aws` for AWS's own policies.
    pub account: &'a str,
    /// The rest, such as `user/people/alice`.
    pub resource: &'a str,
}

/// The role session of an ARN of the form `arn:P:sts::A:assumed-role/ROLE/SESSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleSession<'a> {
    /// The partition of the role.
    pub partition: &'a str,
    /// The account of the role.
    pub account: &'a str,
    /// The role's name; a session's ARN does not hold the role's path.
    pub role: &'a str,
    /// The session's name; empty where the ARN has none.
    pub session: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes a text apart; `None` for what is no ARN.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        Some(Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        })
    }

    /// What follows the resource's kind: `people/alice` of `user/people/alice` for the kind `user`; `None` for another kind.
    #[must_use]
    pub fn resource_of(&self, kind: &str) -> Option<&'a str> {
        self.resource.strip_prefix(kind)?.strip_prefix('/')
    }

    /// The role session, if it is one's.
    #[must_use]
    pub fn role_session(&self) -> Option<RoleSession<'a>> {
        let path = self.resource_of("assumed-role").filter(|_| self.service == "sts")?;
        let (role, session) = path.split_once('/').unwrap_or((path, ""));
        Some(RoleSession { partition: self.partition, account: self.account, role, session })
    }
}

/// Whether a text begins as ARNs do: what follows may be anything.
#[must_use]
pub fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// The name at the end of an ARN or a path: what follows the last slash, else all of it.
#[must_use]
pub fn name(text: &str) -> &str {
    text.rsplit_once('/').map_or(text, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arns_are_taken_apart() {
        for (text, parts) in [
            ("arn:aws:iam::111122223333:user/staff/bob", ["aws", "iam", "", "111122223333", "user/staff/bob"]),
            ("arn:aws-cn:iam::111122223333:user/a:b/bob", ["aws-cn", "iam", "", "111122223333", "user/a:b/bob"]),
            ("arn:aws:s3:::trail/AWSLogs", ["aws", "s3", "", "", "trail/AWSLogs"]),
            (
                "arn:aws:cloudtrail:eu-west-1:111122223333:trail/t",
                ["aws", "cloudtrail", "eu-west-1", "111122223333", "trail/t"],
            ),
            ("arn:*:iam::aws:policy/*", ["*", "iam", "", "aws", "policy/*"]),
            ("arn:::::", ["", "", "", "", ""]),
        ] {
            let [partition, service, region, account, resource] = parts;
            assert_eq!(Arn::parse(text), Some(Arn { partition, service, region, account, resource }), "{text}");
        }
        for text in ["", "arn", "arn:", "arn:aws:iam::111122223333", "ARN:aws:iam::1:user/a", "xarn:a:b:c:d:e", "alice"]
        {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }

    #[test]
    fn resources_have_kinds_and_names() {
        let of = |resource: &str, kind: &str| {
            let text = format!("arn:aws:iam::111122223333:{resource}");
            Arn::parse(&text).and_then(|arn| arn.resource_of(kind)).map(str::to_owned)
        };
        for (resource, kind, rest) in [
            ("user/staff/bob", "user", Some("staff/bob")),
            ("user/", "user", Some("")),
            ("user", "user", None),
            ("username/bob", "user", None),
            ("mfa/user/bob", "user", None),
            ("root", "user", None),
        ] {
            assert_eq!(of(resource, kind).as_deref(), rest, "{resource}");
        }
        for (text, end) in [
            ("arn:aws:iam::111122223333:user/staff/bob", "bob"),
            ("arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root"),
            ("/staff/bob", "bob"),
            ("staff/", ""),
            ("bob", "bob"),
            ("", ""),
        ] {
            assert_eq!(name(text), end, "{text}");
        }
    }

    #[test]
    fn role_sessions_have_a_role_and_a_name() {
        let of = |text: &'static str| {
            let one = Arn::parse(text)?.role_session()?;
            Some([one.partition, one.account, one.role, one.session])
        };
        for (text, parts) in [
            ("arn:aws:sts::111122223333:assumed-role/Ops/ada", Some(["aws", "111122223333", "Ops", "ada"])),
            ("arn:aws-us-gov:sts::111122223333:assumed-role/Ops", Some(["aws-us-gov", "111122223333", "Ops", ""])),
            ("arn:aws:sts::111122223333:federated-user/ada", None),
            ("arn:aws:iam::111122223333:role/Ops", None),
            ("arn:aws:iam::111122223333:user/x:assumed-role/Ops/ada", None),
        ] {
            assert_eq!(of(text), parts, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_of_an_arn(text in "arn(:[a-z0-9/:*]{0,6}){0,8}|[a-z:/]{0,12}") {
            match Arn::parse(&text) {
                Some(Arn { partition, service, region, account, resource }) => {
                    prop_assert_eq!(format!("arn:{partition}:{service}:{region}:{account}:{resource}"), text);
                }
                None => prop_assert!(!text.starts_with("arn:") || text.matches(':').count() < 5),
            }
        }
    }
}
