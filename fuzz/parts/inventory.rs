//! IAM state from files, without the live calls.

#[path = "../../src/inventory/merge.rs"]
mod merge;
#[path = "../../src/inventory/credential_report.rs"]
mod credential_report;
#[path = "../../src/inventory/error.rs"]
mod error;
#[path = "../../src/inventory/files.rs"]
pub mod files;
#[path = "../../src/inventory/policy.rs"]
mod policy;
#[path = "../../src/inventory/snapshot.rs"]
pub mod snapshot;
#[path = "../../src/inventory/state.rs"]
mod state;

pub use error::InventoryError;
pub use policy::{allows_everything, denies_everything, is_deny_all_arn, is_full_access_arn};
pub use state::{AccountState, AsOf, Device, DeviceOwner, IamState, MissingInput, RootState, UserState, VirtualDevice};
