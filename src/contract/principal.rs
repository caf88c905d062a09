//! Whose MFA it is.

use serde::{Deserialize, Serialize};

/// Whose MFA it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// What kind of identity.
    pub kind: PrincipalKind,
    /// Its latest name; `root` for the root user, the user id for Identity Center.
    pub name: String,
    /// The unique id, `AIDA…` or a GUID, where known.
    pub id: Option<String>,
}

impl Principal {
    /// Whose MFA it is, in a sentence.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.kind {
            PrincipalKind::Root => "the root user".to_owned(),
            PrincipalKind::IdentityCenter => format!("Identity Center user {}", self.name),
            PrincipalKind::IamUser => format!("user {}", self.name),
        }
    }
}

/// The kinds of principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PrincipalKind {
    IamUser,
    Root,
    IdentityCenter,
}

impl PrincipalKind {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IamUser => "iam_user",
            Self::Root => "root",
            Self::IdentityCenter => "identity_center",
        }
    }
}
