//! Drills: faults on a running cluster under load, the checker of what its clients saw, and the report.
//!
//! The checker is pure: a [`history::History`] goes in, a [`verdict::Verdict`] comes out. Everything around it speaks to
//! real nodes through their HTTP interface, as a client would.

pub mod act;
pub mod catalog;
pub mod checker;
pub mod client;
pub mod cluster;
pub mod drill;
pub mod hands;
pub mod history;
pub mod html;
pub mod lab;
pub mod limits;
pub mod linearizable;
pub mod load;
pub mod own;
pub mod pauses;
pub mod rails;
pub mod record;
pub mod report;
pub mod script;
pub mod stopwatch;
pub mod verdict;
pub mod violation;
