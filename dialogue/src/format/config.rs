//! What `config.yml` and `endpoints.yml` say, as far as this engine is steered by it.

use super::Place;
use analysis::PiiKind;
use std::collections::BTreeSet;

/// The settings of understanding and policies.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// ISO 639-1 code.
    pub language: String,
    /// `assistant_id`, if given.
    pub assistant_id: Option<String>,
    /// `FallbackClassifier`; none when a pipeline is given without it.
    pub fallback: Option<FallbackConfig>,
    /// `RulePolicy`; none when policies are given without it.
    pub rules: Option<RulePolicyConfig>,
    /// `MemoizationPolicy` or `AugmentedMemoizationPolicy`; none when policies are given without either.
    pub memoization: Option<MemoizationConfig>,
    /// `TEDPolicy`, or the default policies: none when policies are given without it.
    pub learned: Option<LearnedConfig>,
    /// `action_endpoint.url` of `endpoints.yml`.
    pub action_endpoint: Option<String>,
    /// `action_endpoint.enable_selective_domain`: only actions with `send_domain: true` are sent the domain.
    pub selective_domain: bool,
    /// `EntitySynonymMapper` is in the pipeline, or the pipeline is the default.
    pub synonyms: bool,
    /// `RegexEntityExtractor`.
    pub regexes: RegexExtractorConfig,
    /// Extractors of quantities, times and the like.
    pub extractors: Vec<ExtractorConfig>,
    /// `TextAnalyzer`, if the pipeline has it.
    pub analyzer: Option<AnalyzerConfig>,
    /// `ResponseSelector`s, in the order of the pipeline.
    pub selectors: Vec<SelectorConfig>,
}

/// How regular expressions and lookup tables are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegexExtractorConfig {
    /// With regard to case?
    pub case_sensitive: bool,
    /// Do lookup tables find entities?
    pub use_lookup_tables: bool,
    /// Do regular expressions?
    pub use_regexes: bool,
    /// Do values of lookup tables stand for whole words only?
    pub use_word_boundaries: bool,
}

/// An extractor that knows what it looks for without examples (`DucklingEntityExtractor`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtractorConfig {
    /// The component's name.
    pub component: String,
    /// What it looks for, by Duckling's names (`time`, `amount-of-money`); all that it knows where none are named.
    pub dimensions: Vec<String>,
    /// Its locale (`en_US`), if given.
    pub locale: Option<String>,
    /// Its time zone (`Europe/Madrid`), if given.
    pub timezone: Option<String>,
    /// Where it is configured.
    pub place: Place,
}

/// What is read off each text beside its meaning (`TextAnalyzer`), and what is masked in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnalyzerConfig {
    /// Say which language a text is in?
    pub language: bool,
    /// Say how its author feels?
    pub sentiment: bool,
    /// Personal data that are looked for.
    pub pii: Vec<PiiKind>,
    /// Personal data that are masked before anything is recorded.
    pub mask: Vec<PiiKind>,
    /// Entities whose values are recorded all the same, because slots need them.
    pub keep_entities: BTreeSet<String>,
    /// Where it is configured.
    pub place: Place,
}

/// A response selector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SelectorConfig {
    /// The retrieval intent whose keys it ranks; all together where none is named.
    pub retrieval_intent: Option<String>,
    /// Where it is configured.
    pub place: Place,
}

/// Below which confidence an intent counts as not understood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Below this, from 0 to 1.
    At(f32),
    /// Below what training finds (`threshold: auto`): see [`Config::settle_threshold`].
    Learned,
}

/// When an understanding is too weak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FallbackConfig {
    /// Intents below this confidence become `nlu_fallback`.
    pub threshold: Threshold,
    /// So do those closer than this to the second best.
    pub ambiguity_threshold: f32,
}

/// How a policy is learned from stories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnedConfig {
    /// States that it looks back; all where there is no limit.
    pub max_history: Option<usize>,
}

/// How rules are applied.
#[derive(Debug, Clone, PartialEq)]
pub struct RulePolicyConfig {
    /// Confidence of the core fallback where no rule matches.
    pub core_fallback_threshold: f32,
    /// Its action.
    pub core_fallback_action: String,
    /// Is there one?
    pub enable_fallback: bool,
    /// May a rule hold one user message only?
    pub restrict_rules: bool,
}

/// How stories are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoizationConfig {
    /// How many states back a story must agree; none for all.
    pub max_history: Option<usize>,
    /// Forget early slots if nothing matches (`AugmentedMemoizationPolicy`).
    pub augmented: bool,
}

impl Default for RegexExtractorConfig {
    fn default() -> Self {
        RegexExtractorConfig {
            case_sensitive: false,
            use_lookup_tables: true,
            use_regexes: true,
            use_word_boundaries: true,
        }
    }
}

impl FallbackConfig {
    /// The threshold where the configuration names none, as in Rasa; also that of one to be learned as long as nothing was.
    pub const THRESHOLD: f32 = 0.3;
}

impl Config {
    /// Puts the threshold that training found where the configuration asks for one (`threshold: auto`).
    pub fn settle_threshold(&mut self, learned: f32) {
        if let Some(fallback) = self.fallback.as_mut().filter(|f| f.threshold == Threshold::Learned) {
            fallback.threshold = Threshold::At(learned);
        }
    }
}

impl Default for FallbackConfig {
    fn default() -> Self {
        FallbackConfig { threshold: Threshold::At(FallbackConfig::THRESHOLD), ambiguity_threshold: 0.1 }
    }
}

impl Default for RulePolicyConfig {
    fn default() -> Self {
        RulePolicyConfig {
            core_fallback_threshold: 0.3,
            core_fallback_action: "action_default_fallback".into(),
            enable_fallback: true,
            restrict_rules: true,
        }
    }
}

impl Default for LearnedConfig {
    fn default() -> Self {
        LearnedConfig { max_history: Some(Self::MAX_HISTORY) }
    }
}

impl LearnedConfig {
    /// States that it looks back where the configuration says nothing.
    pub const MAX_HISTORY: usize = 10;
}

impl Default for MemoizationConfig {
    fn default() -> Self {
        MemoizationConfig { max_history: Some(5), augmented: false }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            language: "en".into(),
            assistant_id: None,
            fallback: Some(FallbackConfig::default()),
            rules: Some(RulePolicyConfig::default()),
            memoization: Some(MemoizationConfig::default()),
            learned: Some(LearnedConfig::default()),
            action_endpoint: None,
            selective_domain: false,
            synonyms: true,
            regexes: RegexExtractorConfig::default(),
            extractors: Vec::new(),
            analyzer: None,
            selectors: Vec::new(),
        }
    }
}
