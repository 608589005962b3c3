//! What people see: pure functions from the engine's values to text.
