//! What a lesson on flash attention needs beside the kernels: the elements that each algorithm moves
//! ([`traffic`]), a walk through the tiles that shows every
//! intermediate number ([`steps`], and [`grad_steps`] for the backward pass), and the memory
//! that the planner gives each algorithm ([`memory`]).

pub mod grad_steps;
pub mod memory;
pub mod steps;
pub mod tiles;
pub mod traffic;

pub use tiles::Tiles;
pub use traffic::{Meter, Problem, Traffic};
