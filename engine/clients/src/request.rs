//! What is known of a request before it is sent: its name, its class, who may send it, and who
//! sees each try of it.

use std::fmt;

/// What a request may do to the world. The class comes from the operation, not from the HTTP
/// method: a presigned POST may read, and a PATCH with `dryRun=All` changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestClass {
    /// Changes nothing.
    Read,
    /// Is judged as if it changed something, and changes nothing.
    DryRun,
    /// Changes something.
    Write,
}

impl RequestClass {
    /// `read`, `dry_run` or `write`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::DryRun => "dry_run",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for RequestClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a connection may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads and dry runs; writes are refused before they are sent.
    Read,
    /// Everything.
    Write,
}

impl Access {
    /// Whether a request of that class may be sent.
    pub const fn permits(self, class: RequestClass) -> bool {
        matches!((self, class), (Self::Write, _) | (_, RequestClass::Read | RequestClass::DryRun))
    }
}

/// One try of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// For example `eks:CreateCluster` or `PATCH deployments.apps/kube-system/coredns`.
    pub operation: String,
    /// What it may do.
    pub class: RequestClass,
    /// From 1.
    pub number: u32,
    /// `ok`, the service's error code, or a word for what happened to the connection.
    pub outcome: String,
}

/// Sees each try of each request.
pub trait Observer: Send + Sync {
    /// A request was tried.
    fn tried(&self, r#try: Try);
}

/// An observer for those who do not want to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentObserver;

impl Observer for SilentObserver {
    fn tried(&self, _: Try) {}
}

/// A request's name and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    /// The service, for example `eks` or `kubernetes`.
    pub(crate) service: &'static str,
    /// The name in the service's own words.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) class: RequestClass,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.service == crate::kubernetes::SERVICE {
            formatter.write_str(&self.name)
        } else {
            write!(formatter, "{}:{}", self.service, self.name)
        }
    }
}
