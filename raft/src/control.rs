//! What the control group replicates: members and the feature level.

use serde::{Deserialize, Serialize};

/// A member of the cluster as the control log knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Its id, never reused.
    pub node: u64,
    /// Its zone.
    pub zone: String,
    /// `host:port` of its peer transport.
    pub peer: String,
    /// Base URL of its client API.
    pub http: String,
}

/// A command to the control group. Append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlCommand {
    /// Records a member, or what changed of it.
    PutMember(MemberRecord),
    /// Lets records of this level into the logs. Never goes down.
    RaiseFeatureLevel(u32),
}

/// What came of a [`ControlCommand`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlOutcome {
    /// Done, or already so.
    Done,
    /// Refused, and why.
    Refused(String),
}

/// The replicated state of the control group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ControlState {
    /// The members, in the order of their ids.
    pub members: Vec<MemberRecord>,
    /// The feature level that every node must understand.
    pub feature_level: u32,
}

/// The highest feature level that this version understands.
pub const FEATURE_LEVEL: u32 = 1;

impl ControlState {
    /// Applies a command.
    pub fn apply(&mut self, command: ControlCommand) -> ControlOutcome {
        match command {
            ControlCommand::PutMember(member) => {
                match self.members.binary_search_by_key(&member.node, |m| m.node) {
                    Ok(at) => self.members[at] = member,
                    Err(at) => self.members.insert(at, member),
                }
                ControlOutcome::Done
            }
            ControlCommand::RaiseFeatureLevel(level) if level < self.feature_level => ControlOutcome::Refused(format!(
                "the feature level is {} and never goes down to {level}",
                self.feature_level
            )),
            ControlCommand::RaiseFeatureLevel(level) => {
                self.feature_level = level;
                ControlOutcome::Done
            }
        }
    }
}
