//! Times in whole seconds, as everywhere in the product: inputs may bring fractions, and a clock always does.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Serialize, Serializer};

pub(super) fn one<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    at.trunc_subsecs(0).serialize(serializer)
}

pub(super) fn optional<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.trunc_subsecs(0)).serialize(serializer)
}

pub(super) fn pair<S: Serializer>(between: &[DateTime<Utc>; 2], serializer: S) -> Result<S::Ok, S::Error> {
    between.map(|at| at.trunc_subsecs(0)).serialize(serializer)
}
