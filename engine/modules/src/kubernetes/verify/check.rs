//! One check: what was expected of what, what was found, and whether that will do.

use runbook_core::module::Values;
use runbook_core::value::Value;

use crate::arguments::{text_list, values};

/// Whether a check that does not hold is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The cluster is not `NodeLess` without it.
    Hard,
    /// Somebody should know.
    Warning,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// Its place in the list of what makes a cluster `NodeLess`: `A1` to `A8` of the account, `K1`
    /// to `K8` of the cluster, `W1` of the workload.
    pub(super) id: &'static str,
    /// What it is about.
    pub(super) subject: String,
    /// What should be.
    pub(super) expected: String,
    /// What is.
    pub(super) actual: String,
    /// Whether that will do.
    pub(super) passed: bool,
    /// What follows when it will not.
    pub(super) severity: Severity,
}

impl Check {
    /// A check without which the cluster is not `NodeLess`.
    pub(super) fn hard(
        id: &'static str,
        subject: impl Into<String>,
        expected: impl Into<String>,
        passed: bool,
        actual: impl Into<String>,
    ) -> Self {
        Self {
            id,
            subject: subject.into(),
            expected: expected.into(),
            actual: actual.into(),
            passed,
            severity: Severity::Hard,
        }
    }

    /// The same as a warning.
    pub(super) fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// Whether it stands in the way of "the cluster is `NodeLess`".
    pub(super) fn fails(&self) -> bool {
        !self.passed && self.severity == Severity::Hard
    }

    fn sign(&self) -> &'static str {
        match (self.passed, self.severity) {
            (true, _) => "✓",
            (false, Severity::Hard) => "✗",
            (false, Severity::Warning) => "!",
        }
    }

    fn value(&self) -> Value {
        let severity = match self.severity {
            Severity::Hard => "hard",
            Severity::Warning => "warning",
        };
        Value::map([
            ("id", self.id.into()),
            ("subject", self.subject.as_str().into()),
            ("expected", self.expected.as_str().into()),
            ("actual", self.actual.as_str().into()),
            ("passed", self.passed.into()),
            ("severity", severity.into()),
        ])
    }
}

/// The checks as outputs: for programs, and as a table for people.
pub(super) fn outputs(checks: &[Check]) -> Values {
    values([
        ("checks", Value::list(checks.iter().map(Check::value))),
        ("columns", text_list(["", "CHECK", "FOUND"])),
        (
            "rows",
            Value::list(checks.iter().map(|check| {
                text_list([check.sign(), check.subject.as_str(), check.actual.as_str()])
            })),
        ),
        ("passed", (!checks.iter().any(Check::fails)).into()),
    ])
}

/// What is still missing, the number first and each on a line of its own; none when nothing is.
pub(super) fn missing(checks: &[Check]) -> Option<String> {
    let failing: Vec<&Check> = checks.iter().filter(|check| check.fails()).collect();
    let first = failing.first()?;
    let mut told = match failing.len() {
        1 => format!("1 of {} checks does not hold: {}", checks.len(), first.subject),
        count => format!("{count} of {} checks do not hold", checks.len()),
    };
    for check in failing {
        let Check { id, subject, actual, expected, .. } = check;
        told.push_str(&format!("\n  {id} {subject}: {actual}, expected {expected}"));
    }
    Some(told)
}
