//! The data folder of a stopped node: check it, carry it elsewhere, make it small again.
//!
//! All of it takes the folder's lock first, so none of it runs beside a node. Opening the database finishes its own
//! recovery, as a start of the node would; nothing else is changed but by [`import`] and [`compact`].

mod compact;
mod export;
mod folder;
mod import;
mod verify;

pub use compact::{Compaction, compact};
pub use export::{Exported, export, export_sessions};
pub use folder::DataFolder;
pub use import::import;
pub use verify::{GroupReport, Report, verify};

pub(crate) use folder::finish_compaction;

use crate::{StartError, store::Damage};
use std::{io, path::PathBuf};

/// Says how far an operation is: a phase, what is done of it, and how much there is, where that is known.
pub type Progress<'a> = dyn FnMut(&str, u64, Option<u64>) + 'a;

/// How many keys lie between two reports of progress.
const PROGRESS_KEYS: u64 = 1_024;

/// Why a data folder was not checked, exported, imported or made small.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A node runs on the folder, or another of these operations.
    #[error("{}: in use by another process: stop the node first", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// It is not a data folder.
    #[error("{}: not the data folder of a node: {reason}", path.display())]
    NoDataFolder {
        /// The folder.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// Something stands where the result should go.
    #[error("{}: {found}, expected {expected}", path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// The log, a state or a snapshot is damaged.
    #[error("{}: {source}", path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        #[source]
        source: Damage,
    },
    /// A snapshot was being installed when the node stopped: the state is half of one and half of another.
    #[error("{}: a snapshot of {group} was being installed: start the node once, so that it ends that", path.display())]
    InstallPending {
        /// The folder.
        path: PathBuf,
        /// The group.
        group: crate::GroupId,
    },
    /// An export is not whole, or not one of ours.
    #[error("{}: {found}, expected {expected}", path.display())]
    BadExport {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The copy is not what was copied. The copy is gone, the original is untouched.
    #[error("{}: the copy is not what was copied: {found}, expected {expected}", path.display())]
    BadCopy {
        /// The copy.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

impl From<StartError> for DataError {
    fn from(e: StartError) -> Self {
        match e {
            StartError::Locked { path } => Self::Locked { path },
            StartError::Folder { path, source } | StartError::DiskFull { path, source } => Self::Io { path, source },
            other => Self::NoDataFolder { path: PathBuf::new(), reason: other.to_string() },
        }
    }
}

impl DataError {
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

#[cfg(test)]
mod tests;
