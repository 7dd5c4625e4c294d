//! The pages of the course.

mod home;

pub(crate) use home::Laboratory;
