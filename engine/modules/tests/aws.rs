//! The AWS modules against the sandbox.
