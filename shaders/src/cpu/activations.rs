//! `Activations`: the memory that a pass works in, counted in the budget and kept for the next pass.

use crate::{
    budget::{MemoryBudget, MemoryKind, OverBudget, Reservation},
    cpu::attention::AttentionScratch,
    limits,
    model::BertConfig,
};
use std::sync::{Mutex, PoisonError};

/// Passes grow in steps of so many tokens.
const TOKENS_STEP: usize = 64;
/// Most numbers by which a side is filled up to whole panels.
const PADDING_MAX: usize = 32;

/// What a pass of up to `tokens_max` tokens writes between its input and its output.
#[derive(Debug)]
pub struct Activations {
    tokens_max: usize,
    /// `[T, H]`: the states.
    pub x: Vec<f32>,
    /// `[T, 3H]`.
    pub qkv: Vec<f32>,
    /// `[T, H]`.
    pub context: Vec<f32>,
    /// `[T, H]`.
    pub sum: Vec<f32>,
    /// `[T, F]`.
    pub wide: Vec<f32>,
    /// For each thread, the columns of a product that it makes apart.
    pub apart: Vec<Vec<f32>>,
    /// For each thread, what it works in between queries and context.
    pub attention: Vec<AttentionScratch>,
    _reservation: Reservation,
}

impl Activations {
    fn new(config: &BertConfig, threads: usize, tokens: usize, budget: &MemoryBudget) -> Result<Self, OverBudget> {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let tokens_max = tokens.next_multiple_of(TOKENS_STEP);
        let keys = tokens_max.min(limits::UTTERANCE_TOKENS_MAX);
        // Scores of all queries with all keys, and the keys and values of a head; each side up to whole panels.
        let (padded, d) = (keys + PADDING_MAX, h / config.num_attention_heads + PADDING_MAX);
        let attention = keys * padded + 2 * padded * d;
        let numbers = tokens_max * (h + 3 * h + h + h + f + f.max(3 * h)) + threads * attention;
        let reservation = budget.reserve(MemoryKind::Activations, 4 * numbers as u64)?;
        Ok(Self {
            tokens_max,
            x: vec![0.0; tokens_max * h],
            qkv: vec![0.0; tokens_max * 3 * h],
            context: vec![0.0; tokens_max * h],
            sum: vec![0.0; tokens_max * h],
            wide: vec![0.0; tokens_max * f],
            apart: vec![Vec::new(); threads],
            attention: (0..threads).map(|_| AttentionScratch::default()).collect(),
            _reservation: reservation,
        })
    }
}

/// Those that no pass works in.
#[derive(Debug, Default)]
pub struct ActivationPool(Mutex<Vec<Activations>>);

impl ActivationPool {
    /// Memory for a pass of `tokens` tokens on up to `threads` threads: the one kept that fits best, or a new one in the place of
    /// one that is too small.
    pub fn take(
        &self,
        config: &BertConfig,
        threads: usize,
        tokens: usize,
        budget: &MemoryBudget,
    ) -> Result<Activations, OverBudget> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |a: &Activations| a.tokens_max >= tokens;
        let best = (0..kept.len()).filter(|i| fits(&kept[*i])).min_by_key(|i| kept[*i].tokens_max);
        if let Some(best) = best {
            return Ok(kept.swap_remove(best));
        }
        // The old one goes first, so that both never stand side by side.
        kept.pop();
        drop(kept);
        Activations::new(config, threads, tokens, budget)
    }

    /// Keeps it for another pass, where fewer than `keep` are kept.
    pub fn put_back(&self, activations: Activations, keep: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < keep {
            kept.push(activations);
        }
    }
}
