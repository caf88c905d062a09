//! The library and the binary against servers: of AWS's interfaces, ones that misbehave by script, and moto, which comes from PyPI; of
//! the APIs that alerts are sent to, stand-ins. What needs a registry is in modules `online`.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "what it has for other targets")]
mod support;

#[path = "../support/standin/mod.rs"]
mod standin;

mod channels;
mod deploy;
mod device;
mod distant;
mod iam;
mod ministack;
mod own_process;
mod permissions;
mod posture;
mod queue;
mod release;
mod respond;
mod s3;
mod spark;
