//! Rules, stories and test stories.

use super::Place;
use crate::Value;

/// A rule or a story.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Story {
    /// Its name.
    pub name: String,
    /// What happens, in order.
    pub steps: Vec<StoryStep>,
    /// Rules only: what must hold before it (`slot_was_set` and `active_loop` steps).
    pub condition: Vec<StoryStep>,
    /// Rules only: only at the start of a conversation.
    pub conversation_start: bool,
    /// Rules only: does the turn end behind the last step?
    pub wait_for_user_input: bool,
    /// Where it begins.
    pub place: Place,
}

/// A story that checks the assistant (`rasa test`'s format).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TestStory {
    /// Its name.
    pub name: String,
    /// What the user says and what the assistant is expected to do.
    pub steps: Vec<StoryStep>,
    /// Where it begins.
    pub place: Place,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum StoryStep {
    /// The user says something.
    User(UserStep),
    /// One of these: the user says one of several things (`User`), or one of several slots is set (`SlotWasSet`).
    Or(Vec<StoryStep>),
    /// The assistant does something.
    Action {
        /// The action's name.
        name: String,
        /// Where it stands.
        place: Place,
    },
    /// The assistant says exactly these words: in training an action of that name, in test stories what is expected.
    Bot {
        /// The words.
        text: String,
        /// Where it stands.
        place: Place,
    },
    /// A form becomes active, or none.
    ActiveLoop {
        /// The form's name.
        name: Option<String>,
        /// Where it stands.
        place: Place,
    },
    /// Slots are set.
    SlotWasSet {
        /// Names with their values; no value stands for "any".
        slots: Vec<(String, Option<Value>)>,
        /// Where it stands.
        place: Place,
    },
    /// Joins stories.
    Checkpoint {
        /// Its name.
        name: String,
        /// Slots that must be set for it.
        slots: Vec<(String, Option<Value>)>,
        /// Where it stands.
        place: Place,
    },
    /// `...`: whatever happened before (between a rule's condition and its steps).
    Anything,
}

/// What a user says in a story.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserStep {
    /// The intent; `None` where only words are given. Of a retrieval intent the base (`faq`).
    pub intent: Option<String>,
    /// The full name of a retrieval intent's key (`faq/ask_name`), where a test story names one.
    pub response_key: Option<String>,
    /// The words, without markup. Alone, in training, they stand for messages with the same words.
    pub text: Option<String>,
    /// The entities.
    pub entities: Vec<StepEntity>,
    /// Where it stands.
    pub place: Place,
}

/// An entity in a story's step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepEntity {
    /// Its type.
    pub entity: String,
    /// Its value, if the story says one.
    pub value: Option<Value>,
    /// Its role.
    pub role: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Its span in the text, in characters, where it comes from markup.
    pub span: Option<(u32, u32)>,
}
