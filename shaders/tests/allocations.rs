//! The CPU path allocates what it answers, and little else: what a pass works in is kept. A binary of its own: its allocator counts.

mod common;

use cap::Cap;
use common::{cpu_options, tiny::Tiny};
use dialogue::EncodedUtterance;
use safetensors::Dtype;
use std::alloc::System;
use tertulia_shaders::Encoder;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Hidden size, layers, heads, feed-forward size.
const SIZES: (usize, usize, usize, usize) = (64, 4, 4, 256);

/// Bytes that the last of some calls allocated in all, also those that it gave back.
fn bytes_of_a_call(call: impl Fn()) -> usize {
    let mut bytes = 0;
    // What is kept is made at first, by each thread that comes to it.
    for _ in 0..20 {
        let before = MEMORY.total_allocated();
        call();
        bytes = MEMORY.total_allocated() - before;
    }
    bytes
}

#[test]
fn a_pass_allocates_its_result_and_little_else() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    Tiny::new(SIZES, 1).write_safetensors(dir.path(), Dtype::F32, "");
    for threads in [1, 2] {
        let encoder = Encoder::load(dir.path(), &cpu_options(threads)).expect("it loads");
        for (count, tokens) in [(1, 3), (1, 16), (32, 16), (64, 9)] {
            let utterance = EncodedUtterance {
                text: String::new(),
                token_ids: (0..tokens as u32).map(|i| i % 8).collect(),
                offsets: vec![(0, 0); tokens],
            };
            let batch = vec![utterance; count];
            let bytes = bytes_of_a_call(|| drop(encoder.forward(&batch).expect("it runs")));
            let (rows, numbers) = (count * tokens, 4 * SIZES.0);
            let result = (rows + count) * numbers;
            // Three words for each token say what the batch is.
            let described = 12 * rows + 32 * count;
            let more = bytes.saturating_sub(result + described);
            println!(
                "{threads} threads, {count} × {tokens}: {bytes} bytes, {more} of them neither result nor description"
            );
            assert!(more < 4_096, "{threads} threads, {count} × {tokens}: {bytes} bytes, the result has {result}");
        }
    }
}
