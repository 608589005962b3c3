//! Words for the person at the terminal: what happened that no answer to a request says.
//!
//! The sandbox prints nothing itself. Whoever opens it gives a [`Listener`]; the command shows the
//! notices on stderr.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A kept port was taken by another program.
    PortChanged {
        /// What is served there.
        what: String,
        /// The port kept so far.
        from: u16,
        /// The new one, which is kept from now on.
        to: u16,
    },
    /// A client asked for what the sandbox does not simulate.
    NotSimulated {
        /// The service, as in the credential scope.
        service: String,
        /// The operation or path.
        operation: String,
    },
    /// World time has passed real time: foreign clients see a future.
    PastRealTime {
        /// World time now.
        world: Timestamp,
        /// Real time now.
        real: Timestamp,
    },
    /// Controllers did not come to rest at one instant: a defect of the sandbox.
    Restless {
        /// Their names.
        reactors: String,
        /// After so many rounds they were cut off.
        rounds: usize,
        /// World time.
        at: Timestamp,
    },
    /// The request log could not be written; the world goes on.
    RequestLog {
        /// The system's reason.
        reason: String,
    },
    /// Serving ended by itself.
    Stopped {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortChanged { what, from, to } => {
                write!(
                    formatter,
                    "port {from} of {what} is taken, it is served on {to} from now on"
                )
            }
            Self::NotSimulated { service, operation } => {
                write!(formatter, "the sandbox does not simulate `{operation}` of `{service}`")
            }
            Self::PastRealTime { world, real } => write!(
                formatter,
                "world time {world:.0} has passed real time {real:.0}; other clients see a future"
            ),
            Self::Restless { reactors, rounds, at } => write!(
                formatter,
                "controllers ({reactors}) did not come to rest in {rounds} rounds at {at:.0}"
            ),
            Self::RequestLog { reason } => {
                write!(formatter, "failed to write the sandbox's request log: {reason}")
            }
            Self::Stopped { reason } => write!(formatter, "the sandbox stopped serving: {reason}"),
        }
    }
}

/// Who hears notices.
pub type Listener = Arc<dyn Fn(Notice) + Send + Sync>;

/// The listener, carried around.
#[derive(Clone)]
pub(crate) struct Notices(Listener);

impl Notices {
    pub(crate) fn new(listener: Listener) -> Self {
        Self(listener)
    }

    pub(crate) fn tell(&self, notice: Notice) {
        (self.0)(notice);
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Notices")
    }
}
