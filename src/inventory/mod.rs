//! IAM state: what IAM says at one moment, from files, from a snapshot or live.

pub mod policy;
mod state;

pub use state::{AccountState, Device, DeviceOwner, IamState, MissingInput, RootState, UserState, VirtualDevice};
