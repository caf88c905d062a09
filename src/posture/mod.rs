//! Whether the guardrails around MFA stand: rules and alarms that tell of a deactivation, policies that deny it, the trail that records
//! it, and the state of users and of the root user.
//!
//! Facts are gathered (`gather`) from a `Source` of answers: AWS itself (`live`) or a folder of what the AWS CLI printed (`files`);
//! both give the same answers, so that there is one way from an answer to a verdict. What judges is pure: patterns of EventBridge
//! (`pattern`), filters of CloudWatch Logs (`filter`), policies (`inventory`), and the checks (`checks`), one file for each kind.
//!
//! A verdict has three values. What was not read, was refused or is not understood is never a failure, and never a pass.

mod calls;
mod checks;
mod facts;
mod files;
pub mod filter;
mod gather;
mod live;
pub mod pattern;
pub mod probe;

pub(crate) use calls::{ACCOUNT_ACTIONS, ORGANIZATION_ACTIONS};
pub use checks::Expectations;
pub(crate) use checks::judge;
pub(crate) use facts::{Gap, Iam};
pub(crate) use files::Folders;
pub(crate) use gather::{Subject, gather};
pub(crate) use live::{Live, OrganizationCalls, own_account};
