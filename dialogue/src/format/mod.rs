//! The assistant format: Rasa's open-source YAML (format 3.1, as of Rasa 3.6), read strictly.

mod assistant;
mod config;
mod domain;
mod load;
mod skill;
mod source;
mod story;

pub(crate) use load::{BUILT_IN_ACTIONS, DEFAULT_INTENTS, did_you_mean};
pub use load::{SkillOutline, read_nlu, skill_outline};

pub use assistant::{Assistant, Loaded, LookupTable, NamedRegex};
pub use config::{
    AnalyzerConfig, Config, ExtractorConfig, FallbackConfig, LearnedConfig, MemoizationConfig, RegexExtractorConfig,
    RulePolicyConfig, SelectorConfig, Threshold,
};
pub use domain::{
    Domain, Element, EntityType, Form, Intent, Mapping, MappingCondition, MappingSource, SessionConfig, Slot, SlotKind,
    Variation,
};
pub use skill::Skill;
pub use source::{Diagnostic, Place, SourceFile};
pub use story::{StepEntity, Story, StoryStep, TestStory, UserStep};

/// The action that is taken when no policy knows better.
pub(crate) const DEFAULT_FALLBACK: &str = "action_default_fallback";
/// The intent of a message that was not understood well enough.
pub(crate) const NLU_FALLBACK: &str = "nlu_fallback";
