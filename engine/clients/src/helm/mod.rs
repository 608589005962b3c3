//! Helm releases: read natively, changed by executing a helm command line.
//!
//! Rendering a chart means Go templates with Helm's functions, which nothing but Helm does
//! faithfully, so changes are its own business ([`Helm`]). What is there can be read without it:
//! a release is a Secret ([`release`]), so plans and drift need no helm.
//!
//! There is one way to install. The executable's name comes from the target; what stands behind it
//! is invisible here.

mod command;
mod kubeconfig;
pub mod release;
#[cfg(test)]
mod tests;

pub use command::{Chart, Error, Helm, Installation, Uninstallation};
pub use kubeconfig::{Access, Exec};
pub use release::{ReadError, Release, Status};
