//! Drills on real processes, the load generator and the checker of histories.
//!
//! The checker is pure: a [`history::History`] goes in, a [`checker::Verdict`] comes out. Everything around it drives
//! real `tertulia` processes through their HTTP interface, as a client would.

pub mod bench;
pub mod binary;
pub mod peer;
pub mod replica;
pub mod simulation;
