//! A script of log and state operations of one group, and a model of what a crash may leave of it.
//!
//! The script is a function of its seed, so that whoever looks at a folder later knows what was asked of it. All
//! operations of a group stand in one order, and a crash leaves a prefix of them that holds everything acknowledged:
//! one comparison finds a lost entry, a gap, an order that changed and a state that is not its log.
// Each test binary uses a part of it, and helpers of tests may unwrap as tests do.
#![allow(dead_code, clippy::unwrap_used)]

mod machine;
mod script;

pub use machine::{Machine, References, found};
pub use script::{Model, Script};
