//! A simulated AWS account and EKS cluster that speak the real wire protocols on loopback.
//!
//! One world with its own clock (`world`), kept in a durable store (`store`); front ends decode,
//! change the world, encode.
#![expect(
    dead_code,
    unused_imports,
    reason = "the front ends that use the store and the world come next"
)]

mod store;
mod world;
