//! Leases: one run writes in a place that several machines reach.
//!
//! A state folder is guarded by a file lock, which ends at the machine's edge. Where the place
//! itself can keep a lease (a cluster), the run takes it there before its first write and shows it
//! again before later ones; a run that writes nothing takes none. What a lease is made of belongs to
//! whoever knows the connection.

use async_trait::async_trait;

use crate::failure::Failure;
use crate::module::Context;

/// Takes leases where a run writes.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Sees to it that this run may write through the connection of a task; asked before each
    /// write. A failure says who else may, and until when.
    async fn before_write(&self, context: &Context) -> Result<(), Failure>;

    /// Gives back what was taken; what cannot be given back now runs out by itself.
    async fn give_back(&self);
}

/// For places that are guarded otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLeases;

#[async_trait]
impl Leases for NoLeases {
    async fn before_write(&self, _: &Context) -> Result<(), Failure> {
        Ok(())
    }

    async fn give_back(&self) {}
}
