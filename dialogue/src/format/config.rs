//! What `config.yml` and `endpoints.yml` say, as far as this engine is steered by it.

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
    /// `action_endpoint.url` of `endpoints.yml`.
    pub action_endpoint: Option<String>,
    /// `EntitySynonymMapper` is in the pipeline, or the pipeline is the default.
    pub synonyms: bool,
}

/// When an understanding is too weak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FallbackConfig {
    /// Intents below this confidence become `nlu_fallback`.
    pub threshold: f32,
    /// So do those closer than this to the second best.
    pub ambiguity_threshold: f32,
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

impl Default for FallbackConfig {
    fn default() -> Self {
        FallbackConfig { threshold: 0.3, ambiguity_threshold: 0.1 }
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
            // Rasa's default policies have a learned one (TED) that generalises; the augmented memoization stands in.
            memoization: Some(MemoizationConfig { augmented: true, ..MemoizationConfig::default() }),
            action_endpoint: None,
            synonyms: true,
        }
    }
}
