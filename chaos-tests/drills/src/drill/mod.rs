//! Drills: what they are, how one is run, and who judges it.

mod judge;
mod measure;
mod options;
mod plan;
mod rehearse;
mod run;
mod under_way;
mod versions;
mod view;

pub use judge::{Judgement, conclude, read_views};
pub use options::DrillOptions;
pub use plan::{Aim, Drill, HOLD, Plan, Scene, Step};
pub use rehearse::{next_plan, rails_permit, rehearse};
pub use run::{Calm, Peer, calm, run};
pub use view::View;
