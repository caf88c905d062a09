//! How findings are made: about an object, a chain, a region.

use chrono::{DateTime, Utc};

use crate::contract::integrity::{Code, Finding};

impl Finding {
    /// About an object.
    pub(super) fn object(code: Code, object: &str, text: impl Into<String>) -> Self {
        let key = crate::source::KeyInfo::parse(object);
        Self {
            code,
            account: key.account,
            region: key.region,
            trail: None,
            from: None,
            to: None,
            object: Some(object.to_owned()),
            count: 1,
            event_id: None,
            text: text.into(),
        }
    }

    /// About a chain.
    pub(super) fn chain(code: Code, chain: &super::ChainId, count: u64, text: impl Into<String>) -> Self {
        Self {
            code,
            account: Some(chain.account.clone()),
            region: Some(chain.region.clone()),
            trail: Some(chain.trail.clone()),
            from: None,
            to: None,
            object: None,
            count,
            event_id: None,
            text: text.into(),
        }
    }

    /// About a region.
    pub(super) fn region(code: Code, region: &str, text: impl Into<String>) -> Self {
        Self {
            code,
            account: None,
            region: Some(region.to_owned()),
            trail: None,
            from: None,
            to: None,
            object: None,
            count: 1,
            event_id: None,
            text: text.into(),
        }
    }

    /// The same, about a time.
    pub(super) fn between(self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Self {
        Self { from, to, ..self }
    }

    /// The same, about an object.
    pub(super) fn at(self, object: &str) -> Self {
        Self { object: Some(object.to_owned()), ..self }
    }
}
