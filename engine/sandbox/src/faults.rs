//! Faults by script: what goes wrong, at which operation, at which of its calls.
//!
//! ```yaml
//! - operation: eks:CreateFargateProfile     # service:operation, * and ? allowed
//!   nth: 2                                  # from its second call on; default 1
//!   count: 1                                # that many calls; default 1
//!   kind: lost_reply
//! - operation: "*:Describe*"
//!   count: 3
//!   kind: throttle
//! - operation: eks:CreateCluster
//!   kind: refusal
//!   code: ResourceLimitExceededException
//!   message: you have reached the limit of clusters
//! ```
//!
//! Kubernetes' operations are `kubernetes:<verb> <resource>`, for example
//! `kubernetes:patch deployments.apps` or `kubernetes:list pods`; the `code` of a refusal is then a
//! reason such as `Forbidden`, and `stale_read`, `partial_page` and `slow_convergence` are AWS's only.
//! Faults count in memory: a script belongs to a process, not
//! to a world.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::kubernetes::suffer;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Refused for its rate; nothing happens.
    Throttle,
    /// The service fails; nothing happens.
    ServerError,
    /// The connection is closed before anything happens.
    Reset,
    /// It happens, then the connection is closed instead of an answer.
    LostReply,
    /// A read answers from the world as it was before its last change.
    StaleRead,
    /// A list answers one item per page.
    PartialPage,
    /// What the call begins takes ten times as long.
    SlowConvergence,
    /// The token or signature is said to have expired.
    TokenExpiry,
    /// A refusal with a code and a message of the script's own.
    Refusal,
}

/// One fault of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `service:operation`, with `*` and `?`.
    pub operation: String,
    /// Which matching call is the first to suffer, from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many calls suffer.
    #[serde(default = "one")]
    pub count: u64,
    /// What goes wrong.
    pub kind: FaultKind,
    /// The code of a [`FaultKind::Refusal`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

const fn one() -> u64 {
    1
}

/// A script that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Not YAML of that form.
    #[error("the fault script cannot be read")]
    Form(#[source] serde_saphyr::Error),
    /// A fault that can never strike, or says too little.
    #[error("fault {place} of the script: {why}")]
    Senseless {
        /// From 1.
        place: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Reads a script.
pub fn parse(text: &str) -> Result<Vec<Fault>, ScriptError> {
    let script: Vec<Fault> = serde_saphyr::from_str(text).map_err(ScriptError::Form)?;
    check(&script)?;
    Ok(script)
}

pub(crate) fn check(script: &[Fault]) -> Result<(), ScriptError> {
    for (index, fault) in script.iter().enumerate() {
        let senseless = |why| Err(ScriptError::Senseless { place: index + 1, why });
        if fault.nth == 0 || fault.count == 0 {
            return senseless("`nth` and `count` begin at 1");
        }
        if !fault.operation.contains(':') && fault.operation != "*" {
            return senseless(
                "`operation` is `service:operation`, for example `eks:CreateCluster`",
            );
        }
        if fault.operation.starts_with("kubernetes:") {
            check_kubernetes(fault).or_else(senseless)?;
        }
        let speaks = fault.code.is_some() || fault.message.is_some();
        match fault.kind {
            FaultKind::Refusal if fault.code.is_none() => {
                return senseless("a refusal needs a `code`");
            }
            FaultKind::Refusal => {}
            _ if speaks => return senseless("`code` and `message` belong to `kind: refusal`"),
            _ => {}
        }
    }
    Ok(())
}

fn check_kubernetes(fault: &Fault) -> Result<(), &'static str> {
    match (fault.kind, &fault.code) {
        (FaultKind::StaleRead | FaultKind::PartialPage | FaultKind::SlowConvergence, _) => {
            Err("stale reads, partial pages and slow convergence are of AWS's services only")
        }
        (FaultKind::Refusal, Some(code)) if suffer::reason(code).is_none() => {
            Err("the `code` of Kubernetes' refusal is a reason, for example Forbidden or Conflict")
        }
        _ => Ok(()),
    }
}

#[derive(Debug, Default)]
struct Loaded {
    fault: Vec<(Fault, u64)>,
}

/// The faults of a process.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Loaded>);

impl Faults {
    fn loaded(&self) -> std::sync::MutexGuard<'_, Loaded> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Replaces the script; counting begins anew.
    pub(crate) fn load(&self, script: Vec<Fault>) {
        self.loaded().fault = script.into_iter().map(|fault| (fault, 0)).collect();
    }

    /// The faults that have not struck as often as they should, with how often they were reached.
    pub(crate) fn remaining(&self) -> Vec<Fault> {
        let loaded = self.loaded();
        let left = loaded.fault.iter().filter(|(fault, seen)| *seen < fault.nth + fault.count - 1);
        left.map(|(fault, _)| fault.clone()).collect()
    }

    /// A call of that operation: the first fault of the script that it suffers. Every matching
    /// fault counts the call.
    pub(crate) fn strike(&self, service: &str, operation: &str) -> Option<Fault> {
        let name = format!("{service}:{operation}");
        let mut loaded = self.loaded();
        let mut suffered = None;
        for (fault, seen) in &mut loaded.fault {
            if !glob(&fault.operation, &name) {
                continue;
            }
            *seen += 1;
            if suffered.is_none() && *seen >= fault.nth && *seen < fault.nth + fault.count {
                suffered = Some(fault.clone());
            }
        }
        suffered
    }
}

/// Whether a text matches a pattern of `*` and `?`. Linear in practice: it goes back to the last
/// star only.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(one) if *one == '?' || Some(one) == text.get(place) => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((starred, covered)) = star else { return false };
                star = Some((starred, covered + 1));
                at = starred + 1;
                place = covered + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|one| *one == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_the_nth_call_as_often_as_asked() {
        let faults = Faults::default();
        faults
            .load(parse("- {operation: 'eks:Create*', nth: 2, count: 2, kind: throttle}").unwrap());
        let struck: Vec<bool> =
            (0..5).map(|_| faults.strike("eks", "CreateCluster").is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!(faults.strike("eks", "DeleteCluster"), None);
        assert_eq!(faults.remaining(), []);
    }

    #[test]
    fn refuses_a_script_that_says_too_little() {
        let text = |script: &str| parse(script).unwrap_err().to_string();
        assert_eq!(
            text("- {operation: 'eks:*', kind: refusal}"),
            "fault 1 of the script: a refusal needs a `code`"
        );
        assert_eq!(
            text("- {operation: CreateCluster, kind: reset}"),
            "fault 1 of the script: `operation` is `service:operation`, for example `eks:CreateCluster`"
        );
        assert_eq!(
            text("- {operation: 'eks:*', kind: reset, nth: 0}"),
            "fault 1 of the script: `nth` and `count` begin at 1"
        );
    }

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("kubernetes:patch *", "kubernetes:patch deployments.apps", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }
}
