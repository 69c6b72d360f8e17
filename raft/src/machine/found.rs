//! Damage that is found while a node runs, wherever that is: in a read, in an entry's effects, in a copy for a follower.

use std::{io, sync::Arc};
use tokio::sync::SetOnce;

/// What a node has found damaged first, for whoever ends its part. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct DamageFound(Arc<SetOnce<String>>);

impl DamageFound {
    /// Takes note if this has failed because what is stored is damaged.
    pub(crate) fn note<T>(&self, done: &io::Result<T>) {
        if let Err(e) = done
            && e.kind() == io::ErrorKind::InvalidData
        {
            // Only the first counts.
            drop(self.0.set(e.to_string()));
        }
    }

    /// What was found, if anything.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Returns when something was found.
    pub(crate) async fn wait(&self) -> &str {
        self.0.wait().await
    }
}
