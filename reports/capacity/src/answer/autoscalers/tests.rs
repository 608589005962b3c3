//! The answer as others read it.
