//! The terminal, where there is one: how wide it is.

use std::io::{IsTerminal, stderr, stdout};
#[cfg(unix)]
use std::os::fd::AsFd as Stream;
#[cfg(windows)]
use std::os::windows::io::AsHandle as Stream;

use terminal_size::{Width, terminal_size_of};

/// A terminal that tells nothing of its width has at least this.
const USUAL: u16 = 80;

/// Narrower ones are taken for as wide as this: nothing can be read in them.
const NARROWEST: u16 = 40;

/// The width of standard output; `None` where no terminal shows it, and nothing has to fit.
pub(super) fn output_width() -> Option<u16> {
    width(&stdout())
}

/// The width of standard error, likewise.
pub(super) fn error_width() -> Option<u16> {
    width(&stderr())
}

fn width(stream: &(impl IsTerminal + Stream)) -> Option<u16> {
    stream.is_terminal().then(|| {
        let real = terminal_size_of(stream).map(|(Width(columns), _)| columns);
        // A terminal at the far end of a wire may not know its width, and its user may.
        let told = || std::env::var("COLUMNS").ok()?.parse().ok();
        real.or_else(told).unwrap_or(USUAL).max(NARROWEST)
    })
}
