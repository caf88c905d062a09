//! IAM state: what IAM says at one moment, from files, from a snapshot or live.

mod state;

pub use state::{AccountState, Device, DeviceOwner, IamState, MissingInput, RootState, UserState, VirtualDevice};
