//! Little Vale.
