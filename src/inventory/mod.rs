//! IAM state: what IAM says at one moment, from files, from a snapshot or live.
//!
//! Whatever it is read from, it becomes one [`IamState`]; what could not be had is listed in it, so that the report can
//! say what it does not know. Service control policies and permissions boundaries are not read.

mod credential_report;
mod error;
pub mod files;
mod live;
mod merge;
mod policy;
pub mod snapshot;
mod state;

pub use error::InventoryError;
pub use live::{LiveOptions, read_live};
pub(crate) use live::{organization_features, read_live_with_policies};
pub(crate) use merge::{DetailedUser, Details, Grants};
pub(crate) use policy::{Applied, Call, Condition, Policy, Request, Statement, all_of, any_of, attached, both, either};
pub use policy::{allows_everything, denies_everything, is_deny_all_arn, is_full_access_arn};
pub use state::{
    AccountState, AsOf, Device, DeviceOwner, IamState, InputGap, MissingInput, RootState, UserState, VirtualDevice,
};
