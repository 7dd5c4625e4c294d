//! Little Vale, the world that the course's models learn; and what a lesson needs of it.

pub mod loader;
pub mod material;
pub mod world;
