//! A short talk in the middle of which a zone dies.

use super::cluster::Cluster;
use crate::cli::client::{Answer, Talker};
use crate::cli::style;
use std::time::Instant;

/// What is said before the zone dies, and after.
const BEFORE: [&str; 2] = ["hello", "how much is shipping?"];
const AFTER: [&str; 3] = ["where is my order A1234?", "how can I pay?", "thank you, bye"];

/// Talks, kills the zone, talks on, and waits until the zone is back.
pub(super) async fn through_the_loss_of(zone: &str, cluster: &mut Cluster) -> anyhow::Result<()> {
    let session = cluster.session_led_by(zone).await?;
    println!("A talk in session {session}:\n");
    let mut talker = Talker::new(cluster.urls(), session.as_str())?;
    for text in BEFORE {
        show(text, &talker.say(text).await?);
    }
    println!("\n{}", style::red(&format!("kill -9 zone {zone}")));
    cluster.kill(zone)?;
    let killed = Instant::now();
    let mut first = None;
    for text in AFTER {
        show(text, &talker.say(text).await?);
        first.get_or_insert_with(|| killed.elapsed());
    }
    if let Some(pause) = first {
        println!("\nThe first reply after the loss came {} ms after the kill.", pause.as_millis());
    }
    while !cluster.is_complete() {
        cluster.watch().await?;
    }
    cluster.wait_until_ready().await?;
    println!("{}: the zone is back, and its log has caught up.\n", style::green("ready"));
    show("are you a bot?", &talker.say("are you a bot?").await?);
    let turns = talker.turns().await?;
    println!("\nThe log holds {turns} turns of this session; {} were acknowledged.\n", talker.acknowledged());
    anyhow::ensure!(turns == talker.acknowledged(), "turns were lost or doubled");
    Ok(())
}

fn show(text: &str, answer: &Answer) {
    println!("{} {text}", style::bold("you:"));
    for line in &answer.lines {
        println!("{} {line}", style::bold("bot:"));
    }
    println!("{}", style::dim(&format!("     {}", answer.details)));
}
