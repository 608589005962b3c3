//! Deliveries end to end: real sockets, a real file system, servers that none of us wrote.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod real_parts;
mod sockets;
mod support;
