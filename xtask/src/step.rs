//! Steps with a name and a time, and the plain lines at the end.

use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// The steps of one run, in order.
#[derive(Default)]
pub struct Steps {
    begun: Option<Instant>,
    done: Vec<(&'static str, Duration)>,
    notes: Vec<String>,
}

impl Steps {
    /// Runs one step and times it; its error names it.
    pub fn step<T>(&mut self, name: &'static str, body: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        self.begun.get_or_insert(begun);
        eprintln!("\n=== {}. {name}", self.done.len() + 1);
        let result = body();
        let took = begun.elapsed();
        match &result {
            Ok(_) => eprintln!("=== {name}: passed in {}", show(took)),
            Err(_) => eprintln!("=== {name}: FAILED after {}", show(took)),
        }
        self.done.push((name, took));
        result.context(name)
    }

    /// Something to be read at the end.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The plain closing lines.
    pub fn close(&self, what: &str) {
        println!();
        for (name, took) in &self.done {
            println!("{:>9}  {name}", show(*took));
        }
        for note in &self.notes {
            println!("{note}");
        }
        let total = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        println!("{what}: all {} steps passed in {}", self.done.len(), show(total));
    }
}

/// `1.2 s`, or `3 min 4 s`.
fn show(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(show(Duration::from_millis(1_234)), "1.2 s");
        assert_eq!(show(Duration::from_secs(184)), "3 min 4 s");
    }

    #[test]
    fn an_error_names_its_step() {
        let error = Steps::default().step::<()>("format", || anyhow::bail!("it is not")).unwrap_err();
        assert_eq!(format!("{error:#}"), "format: it is not");
    }
}
