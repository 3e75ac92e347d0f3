//! The `quarl` command.
#[allow(dead_code)]
mod display;
#[allow(dead_code)]
mod terminal;
#[allow(dead_code)]
mod window;

fn main() {}
