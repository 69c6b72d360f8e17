//! Colours, on a terminal only (`NO_COLOR` turns them off), and progress bars.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};

fn painted(code: &str, text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    if plain || !std::io::stdout().is_terminal() || !std::io::stderr().is_terminal() {
        return text.to_owned();
    }
    format!("\x1b[{code}m{text}\x1b[0m")
}

pub(crate) fn red(text: &str) -> String {
    painted("1;31", text)
}

pub(crate) fn green(text: &str) -> String {
    painted("32", text)
}

pub(crate) fn yellow(text: &str) -> String {
    painted("33", text)
}

pub(crate) fn bold(text: &str) -> String {
    painted("1", text)
}

pub(crate) fn dim(text: &str) -> String {
    painted("2", text)
}

/// A bar on standard error; silent where that is no terminal.
pub(crate) fn bar(total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:24} [{bar:30}] {pos}/{len} {eta}");
    ProgressBar::new(total as u64)
        .with_style(style.map_or_else(|_| ProgressStyle::default_bar(), |s| s.progress_chars("=> ")))
}

/// Prints a long text; a reader that has seen enough (`| head`) is no error.
pub(crate) fn print_all(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
