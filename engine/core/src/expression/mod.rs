//! Expressions: what they refer to, found before the run, and what they read, recorded during it.
//!
//! minijinja evaluates, and is not asked to know about unknown or secret values: an object cannot
//! see `'a' == x`, `x in […]`, `x is defined` or `default`, so marking by overloading would be
//! unsound. Instead the context is one root object whose containers record each leaf that is read
//! ([`context`]), and the verdict falls outside ([`crate::graph`]): any unknown leaf read means that the
//! result is unknown, whatever came back or was raised; any secret one that it is secret.
//!
//! What an expression refers to is known from its syntax tree ([`references`], the one file that
//! uses minijinja's unstable machinery, whose version is pinned exactly).

pub mod context;
pub mod environment;
pub mod references;
pub mod scope;
pub mod text;
