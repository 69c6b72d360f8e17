//! Looks at a drill before it is run: whether everything that it does can be done, and undone.

use super::plan::{Drill, Plan, Scene};
use super::run::scene;
use super::under_way::UnderWay;
use super::view::View;
use crate::hands::{Hands, Target};
use crate::rails::Groups;
use anyhow::{Result, ensure};

/// Can every act of a drill be done by these hands, whoever of the targets it hits? The error names what cannot.
pub fn rehearse(hands: &dyn Hands, drill: &Drill) -> Result<()> {
    let targets = hands.targets();
    ensure!(!targets.is_empty(), "no targets");
    // Whom it hits is seen only when it runs; it has a round of each kind for each of them.
    for victim in 0..targets.len() {
        for round in 0..2 {
            let other = (0..targets.len()).find(|i| targets[*i].zone != targets[victim].zone);
            let plan = (drill.plan)(&Scene { victim, other, targets: targets.len(), round });
            for (target, act) in plan.acts() {
                let lacks = hands.lacks(target, &act);
                ensure!(lacks.is_none(), "{act} of node {}: {}", targets[target].node, lacks.unwrap_or_default());
            }
            ensure!(plan.acts().next().is_some(), "{} needs targets in two zones", drill.name);
        }
    }
    Ok(())
}

/// What the next round would do, as the cluster is now.
pub async fn next_plan(targets: &[Target], drill: &Drill, view: &View) -> Result<Plan> {
    Ok((drill.plan)(&scene(drill, targets, 0, view).await?))
}

/// Would the guard rails let a round be, as the cluster is now?
pub async fn rails_permit(targets: &[Target], plan: &Plan) -> Result<()> {
    let groups = Groups::fetch(View::new()?.client(), targets).await?;
    let mut under_way = UnderWay::default();
    for (target, act) in plan.acts() {
        under_way.begin(target, &act);
        if act.takes_the_node_away() {
            groups.permits(&under_way.away(targets))?;
        }
    }
    Ok(())
}
