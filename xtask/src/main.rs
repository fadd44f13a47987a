//! Every command of this project.
fn main() {}
