//! What a drill does to a node, and how that is undone.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One act on one node. An operator's cluster file names the kinds as [`Act::kind`] does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "act")]
pub enum Act {
    /// Its process ends at once (kill -9).
    Kill,
    /// It is asked to end (SIGTERM); done when it has ended.
    Stop,
    /// It is started again.
    Start,
    /// It is started again as a node of the version before, which writes that version's records.
    StartPrevious,
    /// It stands still (SIGSTOP): its sockets stay open and nobody answers.
    Freeze,
    /// It goes on (SIGCONT).
    Thaw,
    /// Nothing passes between it and the other zones.
    Cut,
    /// Nothing passes from it to the other zones; what they send arrives.
    CutOutgoing,
    /// Nothing passes from the other zones to it; what it sends arrives.
    CutIncoming,
    /// A share of what passes between it and the other zones is lost.
    Lossy {
        /// Of a hundred packets so many.
        percent: u32,
    },
    /// What passes between it and the other zones is late, and there is little room.
    SlowLink {
        /// Added to each packet's way, in milliseconds.
        delay_ms: u64,
        /// What passes in a second, in kilobit, each way.
        kilobit: u64,
    },
    /// Its links are whole again.
    MendLink,
    /// Each of its barriers takes longer.
    SlowDisk {
        /// Added to each call of fdatasync or fsync, in milliseconds.
        delay_ms: u64,
    },
    /// Its disk is as fast as before.
    MendDisk,
    /// Its disk has no byte left.
    FillDisk,
    /// What filled its disk is gone.
    FreeDisk,
    /// Its clock is set.
    StepClock {
        /// By so much, in milliseconds; 0 sets it right.
        offset_ms: i64,
    },
    /// Its certificate is one that another authority has signed.
    WrongCertificate,
    /// It has its own certificate again.
    RightCertificate,
}

impl Act {
    /// Its name, without parameters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::StartPrevious => "start-previous",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Cut => "cut",
            Self::CutOutgoing => "cut-outgoing",
            Self::CutIncoming => "cut-incoming",
            Self::Lossy { .. } => "lossy",
            Self::SlowLink { .. } => "slow-link",
            Self::MendLink => "mend-link",
            Self::SlowDisk { .. } => "slow-disk",
            Self::MendDisk => "mend-disk",
            Self::FillDisk => "fill-disk",
            Self::FreeDisk => "free-disk",
            Self::StepClock { .. } => "step-clock",
            Self::WrongCertificate => "wrong-certificate",
            Self::RightCertificate => "right-certificate",
        }
    }

    /// Its parameters by name, as a command's placeholders have them.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Lossy { percent } => vec![("percent", percent.to_string())],
            Self::SlowLink { delay_ms, kilobit } => {
                vec![("delay_ms", delay_ms.to_string()), ("kilobit", kilobit.to_string())]
            }
            Self::SlowDisk { delay_ms } => vec![("delay_ms", delay_ms.to_string())],
            Self::StepClock { offset_ms } => vec![("offset_ms", offset_ms.to_string())],
            _ => Vec::new(),
        }
    }

    /// What makes it undone; `None` for an act that undoes another.
    pub fn undo(&self) -> Option<Self> {
        Some(match self {
            Self::Kill | Self::Stop => Self::Start,
            Self::Freeze => Self::Thaw,
            Self::Cut | Self::CutOutgoing | Self::CutIncoming | Self::Lossy { .. } | Self::SlowLink { .. } => {
                Self::MendLink
            }
            Self::SlowDisk { .. } => Self::MendDisk,
            Self::FillDisk => Self::FreeDisk,
            Self::StepClock { offset_ms } if *offset_ms != 0 => Self::StepClock { offset_ms: 0 },
            Self::WrongCertificate => Self::RightCertificate,
            _ => return None,
        })
    }

    /// Does this do what `undo` is there for? A node of the version before is started, too.
    pub fn closes(&self, undo: &Self) -> bool {
        let this = if *self == Self::StartPrevious { Self::Start } else { *self };
        this == *undo
    }

    /// May a quorum no longer count on the node? Guard rails treat it as gone until the act is undone.
    pub fn takes_the_node_away(&self) -> bool {
        self.undo().is_some() && !matches!(self, Self::StepClock { .. })
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Lossy { percent } => write!(f, " {percent} %"),
            Self::SlowLink { delay_ms, kilobit } => write!(f, " +{delay_ms} ms, {kilobit} kbit/s"),
            Self::SlowDisk { delay_ms } => write!(f, " +{delay_ms} ms"),
            Self::StepClock { offset_ms } => write!(f, " {offset_ms:+} ms"),
            _ => Ok(()),
        }
    }
}
