//! How well an assistant understands what it did not learn: trained on a part of its examples, asked the rest.

mod charts;
mod compare;
mod markdown;
mod report;
mod run;

pub use compare::compare;
pub use report::Evaluation;
pub use run::{Plan, cross_validate, of_release};
