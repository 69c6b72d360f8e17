//! `model bench`: an encoder's latency alone and its throughput in batches, without anything around it.

use crate::cli::{Outcome, style};
use crate::model_store::{DEFAULT, encoder_for};
use anyhow::Context;
use clap::{Args, ValueEnum};
use cluster_config::{Device, InferenceOptions};
use dialogue::EncodedUtterance;
use shaders::Encoder;
use std::time::{Duration, Instant};

/// Tokens of an utterance.
const TOKENS: [usize; 2] = [16, 64];
/// Utterances of a batch.
const BATCH: usize = 32;
/// How long each number is measured.
const SPAN: Duration = Duration::from_millis(1_500);
/// Fewest passes behind a number.
const PASSES_MIN: usize = 5;

/// Measure an encoder on this machine.
#[derive(Args)]
pub(crate) struct Bench {
    /// A known model, owner/name that was pulled, or a folder
    #[arg(default_value = DEFAULT)]
    model: String,
    /// Where it runs: `auto` is a real GPU if there is one, else the CPU
    #[arg(long, value_enum, default_value_t = On::Auto)]
    device: On,
}

#[derive(Clone, Copy, ValueEnum)]
enum On {
    Auto,
    Cpu,
    Gpu,
}

impl Bench {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let dir = encoder_for(&self.model).await?;
        let device = match self.device {
            On::Auto => Device::Auto,
            On::Cpu => Device::Cpu,
            On::Gpu => Device::Gpu,
        };
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let encoder = crate::brain::load_encoder(&dir, &InferenceOptions { device, ..Default::default() })?;
            let report = encoder.compute().report();
            let bytes = report.device.map_or(report.host, |device| device.usage).total_bytes();
            let megabytes = bytes as f64 / 1e6;
            println!("{}, loaded in {:.1} s, {megabytes:.0} MB", encoder.describe(), begun.elapsed().as_secs_f64());
            println!("{}", style::bold("tokens  P50 alone  sequences/s in batches of 32"));
            for tokens in TOKENS {
                let alone = median_seconds(&encoder, tokens, 1)?;
                let batch = median_seconds(&encoder, tokens, BATCH)?;
                println!("{tokens:6}  {:6.2} ms  {:28.0}", alone * 1e3, BATCH as f64 / batch);
            }
            anyhow::Ok(())
        })
        .await??;
        Ok(Outcome::Fine)
    }
}

/// The median time of a pass over `count` utterances of so many tokens each.
fn median_seconds(encoder: &Encoder, tokens: usize, count: usize) -> anyhow::Result<f64> {
    let batch = vec![utterance(encoder, tokens)?; count];
    // Once before the clock runs.
    encoder.forward(&batch)?;
    let (begun, mut times) = (Instant::now(), Vec::new());
    while times.len() < PASSES_MIN || begun.elapsed() < SPAN {
        let begun = Instant::now();
        encoder.forward(&batch)?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Real tokens, as many as asked for, special ones at both ends.
fn utterance(encoder: &Encoder, tokens: usize) -> anyhow::Result<EncodedUtterance> {
    let mut utterance = encoder.encode(&"when do you open on sunday ".repeat(tokens))?;
    let last = utterance.token_ids.pop().context("an encoded utterance has its special tokens")?;
    utterance.token_ids.truncate(tokens - 1);
    utterance.token_ids.push(last);
    utterance.offsets.truncate(utterance.token_ids.len());
    Ok(utterance)
}
