//! net
pub mod buffer;
pub mod kernels;
