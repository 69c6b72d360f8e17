//! Reads the log's end from every node and has the checker judge what the clients saw.

use crate::checker::{Verdict, check};
use crate::client::{Client, Protocol};
use crate::history::{Attempt, History, LogView};
use crate::limits::READS_IN_FLIGHT;
use crate::load::LoadOutcome;
use anyhow::{Error, Result};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the clients saw, judged.
#[derive(Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Where the history lies, if the verdict does not hold.
    pub evidence: Option<PathBuf>,
}

/// Reads the log from every node and judges what the clients of a load saw; takes its attempts and reads. A history that
/// does not hold, or whose end could not be read, is written to `file`.
pub async fn conclude(urls: &[String], outcome: &mut LoadOutcome, file: &Path) -> Result<Judgement> {
    let mut history = outcome.take_history();
    let client = Client::new(Protocol::Tertulia, Duration::from_secs(5))?;
    match read_views(&client, urls, &history.attempts).await {
        Ok(views) => history.views = views,
        Err(e) => return Err(keep(&history, file, e)),
    }
    let verdict = check(&history);
    if verdict.holds() {
        return Ok(Judgement { verdict, evidence: None });
    }
    history.save(file)?;
    Ok(Judgement { verdict, evidence: Some(file.to_owned()) })
}

/// Keeps what was seen until a drill broke off.
pub(super) fn keep(history: &History, file: &Path, error: Error) -> Error {
    match history.save(file) {
        Ok(()) => error.context(format!("evidence: {}", file.display())),
        Err(e) => error.context(format!("and there is no evidence: {e:#}")),
    }
}

/// Reads every session that the attempts name, from every node.
pub async fn read_views(client: &Client, urls: &[String], attempts: &[Attempt]) -> Result<Vec<LogView>> {
    let sessions: BTreeSet<&str> = attempts.iter().map(|a| a.session.as_str()).collect();
    let mut views = Vec::new();
    for url in urls {
        let reads = sessions.iter().map(|session| async move {
            Ok::<_, anyhow::Error>(((*session).to_owned(), client.turns(url, session).await?))
        });
        let sessions = stream::iter(reads).buffer_unordered(READS_IN_FLIGHT).try_collect().await?;
        views.push(LogView { node: url.clone(), sessions });
    }
    Ok(views)
}
