//! A simulated AWS account and EKS cluster that speak the real wire protocols on loopback.
//!
//! One world with its own clock ([`world`]), kept in a durable store ([`store`]); front ends decode,
//! change the world, encode.

mod store;
mod world;
