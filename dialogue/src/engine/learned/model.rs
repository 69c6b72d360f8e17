//! `PolicyModel`: which action fits a moment, as a softmax over its features.

/// A moment of a training conversation, and what is done there.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyExample {
    /// Hashed features of the moment, sorted, each once.
    pub features: Vec<u64>,
    /// The action.
    pub action: String,
    /// How much it counts; more than 0.
    pub weight: f32,
}

/// A multinomial logistic regression over hashed features: F features, C actions. It knows nothing but what training saw: what
/// is new about a moment has no weight.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyModel {
    /// C names, sorted.
    pub actions: Vec<String>,
    /// F hashes, sorted, each once.
    pub features: Vec<u64>,
    /// `[F, C]`.
    pub weights: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
}

impl PolicyModel {
    /// Did training see this feature?
    pub fn knows(&self, feature: u64) -> bool {
        self.features.binary_search(&feature).is_ok()
    }

    /// All actions with their probabilities, best first; equal ones by name.
    pub fn rank(&self, features: &[u64]) -> Vec<(&str, f32)> {
        let c = self.actions.len();
        let mut scores = self.bias.clone();
        for feature in features {
            if let Ok(row) = self.features.binary_search(feature) {
                scores.iter_mut().zip(&self.weights[row * c..(row + 1) * c]).for_each(|(s, w)| *s += w);
            }
        }
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|s| *s = (*s - max).exp());
        let sum: f32 = scores.iter().sum();
        let mut ranked: Vec<(&str, f32)> =
            self.actions.iter().map(String::as_str).zip(scores.iter().map(|s| s / sum)).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        ranked
    }
}
