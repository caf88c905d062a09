//! What tests share: the binary and its surroundings, archives, servers.

pub mod digests;
pub mod duckdb;
pub mod faulty;
pub mod moto;
pub mod percent;
pub mod run;
pub mod s3;
pub mod schema;
pub mod store;
pub mod terminal;
pub mod upload;
pub mod venv;
