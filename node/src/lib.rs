//! The library of the binary `tertulia`: command line, HTTP, gRPC and telemetry. It wires the other crates together.

pub mod action_client;
pub mod assistant_files;
pub mod brain;
pub mod cli;
pub mod demo;
pub mod evaluate;
pub mod http;
pub mod model_store;
pub mod peers;
pub mod release;
pub mod server;
pub mod story_tests;
pub mod telemetry;
