//! IAM state: what IAM says at one moment, from files, from a snapshot or live.

mod policy;
mod state;

pub use policy::{allows_everything, denies_everything, is_deny_all_arn, is_full_access_arn};
pub use state::{AccountState, Device, DeviceOwner, IamState, MissingInput, RootState, UserState, VirtualDevice};
