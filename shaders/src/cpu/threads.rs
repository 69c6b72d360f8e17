//! `Threads`: the CPU path's own worker threads.

use crate::error::ModelError;
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

/// A fixed number of threads; one thread works in the caller's.
#[derive(Debug)]
pub struct Threads {
    pool: Option<ThreadPool>,
    count: usize,
}

impl Threads {
    /// `count` threads, 0 for one a core.
    pub fn new(count: usize) -> Result<Self, ModelError> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let count = if count == 0 { cores } else { count };
        if count == 1 {
            return Ok(Self::one());
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|i| format!("encoder-{i}"))
            .build()
            .map_err(|e| ModelError::Device(format!("cannot start {count} threads: {e}")))?;
        Ok(Self { pool: Some(pool), count })
    }

    /// Only the caller's thread.
    pub fn one() -> Self {
        Self { pool: None, count: 1 }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Runs `work` inside the threads, so that the parallel parts below need no hand-over each.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// As [`Threads::rows`], with a place of `scratch` for each run; there is one for each thread.
    pub fn rows_with<S: Send, F>(&self, data: &mut [f32], width: usize, rows_min: usize, scratch: &mut [S], work: F)
    where
        F: Fn(usize, &mut [f32], &mut S) + Sync,
    {
        let rows = data.len() / width;
        let run = rows.div_ceil(self.count).max(rows_min).max(1);
        if self.pool.is_none() || run >= rows {
            work(0, data, &mut scratch[0]);
        } else {
            let parts = data.par_chunks_mut(run * width).zip(scratch.par_iter_mut()).enumerate();
            parts.for_each(|(i, (part, scratch))| work(i * run, part, scratch));
        }
    }

    /// Calls `work(first_row, rows)` for runs of rows of `width` numbers that together cover `data`; runs have at least
    /// `rows_min` rows, for a hand-over costs more than a few rows.
    pub fn rows<F>(&self, data: &mut [f32], width: usize, rows_min: usize, work: F)
    where
        F: Fn(usize, &mut [f32]) + Sync,
    {
        let rows = data.len() / width;
        let run = rows.div_ceil(self.count).max(rows_min).max(1);
        if self.pool.is_none() || run >= rows {
            work(0, data);
        } else {
            data.par_chunks_mut(run * width).enumerate().for_each(|(i, part)| work(i * run, part));
        }
    }
}
