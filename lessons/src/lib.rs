//! Little Vale, the world that the course's models learn; the recipes that each lesson runs, and their
//! checks.

pub mod ask;
pub mod check;
pub mod chi_square;
pub mod instruments;
pub mod loader;
pub mod material;
mod null;
pub mod recipe;
pub mod world;
