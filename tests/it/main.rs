//! The tests that share one binary, because linking it takes longer than compiling a module. What needs a package of PyPI
//! (DuckDB, moto) is in a module `online` of its file.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "../support/mod.rs"]
mod support;

mod additions;
mod alert_text;
mod bucket;
mod bundle;
mod changes;
mod conclusions;
mod config;
mod corpora;
mod docs;
mod faults;
mod forms;
mod help;
mod history;
mod incident;
mod inputs;
mod ledger;
mod monthly;
mod ocsf;
mod one_event;
mod oracle;
mod outputs;
mod posture;
mod principals;
mod properties;
mod regressions;
mod report;
mod sample;
mod search;
mod shards;
mod signed;
mod simulation;
mod sql;
mod state;
mod store;
mod store_schema;
mod store_sequences;
mod strangers;
mod trace;
mod trend;
mod usage;
mod use_cases;
mod verify;
mod watch;
mod watch_operation;
mod watch_trial;
mod watched;
