# Recipes for people; `.ci/run` takes the same steps without `just`. Here the quickest come first.

export RUSTDOCFLAGS := "-D warnings -A rustdoc::private-intra-doc-links"

# Lists the recipes.
default:
    @just --list

# The whole gate: format, lints, tests, docs, licences.
check: format-check lints test docs licences

# Formats the sources.
format:
    cargo fmt --all

# Fails when a source is not formatted.
format-check:
    cargo fmt --all --check

# Clippy, with warnings as errors.
lints:
    cargo clippy --locked --workspace --all-targets -- -D warnings

# All tests, those of the README too.
test:
    cargo test --locked --workspace

# The documentation, private items too; a broken link is an error.
docs:
    cargo doc --locked --workspace --no-deps --document-private-items

# Licences, banned packages and sources; needs `cargo install --locked cargo-deny --version 0.20.2`.
licences:
    cargo deny --locked check bans licenses sources

# The main job, on the sandbox.
run *arguments:
    cargo run --locked -- run nodeless.yaml {{ arguments }}

# Forgets the simulated world and the runs of this folder.
forget:
    rm -rf .runbook
