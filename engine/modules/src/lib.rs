//! The tasks a runbook can use: each observes, diffs, applies and verifies one kind of thing.
