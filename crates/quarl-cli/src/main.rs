//! The `quarl` command.
fn main() {}
