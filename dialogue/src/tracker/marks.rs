//! `Marks`: what the policy's name in an executed action tells besides the policy.
//!
//! Events are what conversations are folded from, and they are read by position: what a policy knew of its prediction
//! stands in brackets behind its name. Rasa has fields and an event of its own for it (`hide_rule_turn`,
//! `user_featurization`).

use crate::Event;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// No story knows of this: the turn is hidden from the memoization.
    pub rule_only: bool,
    /// The message counted by its words, not by its intent.
    pub end_to_end: bool,
}

const RULE_ONLY: &str = "rule only";
const END_TO_END: &str = "end-to-end";

impl Marks {
    /// The marks of an event; none for all but executed actions.
    pub(crate) fn of(event: &Event) -> Self {
        match event {
            Event::ActionExecuted { policy: Some(policy), .. } => Self::split(policy).1,
            _ => Marks::default(),
        }
    }
    /// The policy's own name, and its marks.
    pub(crate) fn split(policy: &str) -> (&str, Self) {
        let Some((name, marks)) = policy.strip_suffix(')').and_then(|p| p.split_once(" (")) else {
            return (policy, Marks::default());
        };
        let has = |mark: &str| marks.split(", ").any(|m| m == mark);
        (name, Marks { rule_only: has(RULE_ONLY), end_to_end: has(END_TO_END) })
    }
    /// The policy's name with the marks.
    pub(crate) fn name(self, policy: &str) -> String {
        let marks = [(self.rule_only, RULE_ONLY), (self.end_to_end, END_TO_END)];
        let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
        if marks.is_empty() { policy.to_owned() } else { format!("{policy} ({})", marks.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back() {
        for rule_only in [false, true] {
            for end_to_end in [false, true] {
                let marks = Marks { rule_only, end_to_end };
                assert_eq!(Marks::split(&marks.name("RulePolicy")), ("RulePolicy", marks));
            }
        }
        // As records of before have it.
        assert!(Marks::split("RulePolicy (rule only)").1.rule_only);
        assert_eq!(Marks::split("policy_0_MemoizationPolicy").0, "policy_0_MemoizationPolicy");
    }
}
