//! Objectives: each file is the formula of one paper, in plain Rust. The kernels compute the same.

pub mod pretrain;
pub mod speculative;
