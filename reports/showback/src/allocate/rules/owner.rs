//! Who answers for a pod: the first rule that matches it on that UTC day.
//!
//! What labels and annotations say is not trusted: an owner's name is cut to [`MOST_CHARACTERS`], and
//! characters that steer a terminal or the direction of text are replaced. A pod that no rule gives to
//! anybody, or to nobody by an empty value, is [`UNOWNED`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use regex::Regex;

use crate::allocate::showback::RuleUse;
use crate::observed::{Finding, PodInterval, Severity};

/// The owner of what nobody owns.
pub const UNOWNED: &str = "unowned";
/// Longer names of owners are cut.
const MOST_CHARACTERS: usize = 128;

/// What of a pod a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Its namespace.
    Namespace,
    /// The label of that key.
    Label(String),
    /// The annotation of that key.
    Annotation(String),
    /// The label of that key on its namespace.
    NamespaceLabel(String),
    /// Nothing: it matches every pod.
    Default,
}

/// What the value has to be.
#[derive(Debug, Clone)]
pub enum ValueTest {
    /// Anything but empty.
    Any,
    /// Exactly this.
    Is(String),
    /// This expression is found in it.
    Matches(Regex),
}

/// A rule of owners.
#[derive(Debug, Clone)]
pub struct OwnerRule {
    /// As it was written, with its place in the file.
    pub written: String,
    /// Only in the cluster of this name.
    pub cluster: Option<String>,
    /// What it looks at.
    pub selector: Selector,
    /// What that has to be.
    pub test: ValueTest,
    /// Whose the pod is, with `$1` and `${name}` for what the expression captured; none: the value, or
    /// the first thing captured.
    pub owner: Option<String>,
    /// The first UTC day on which it holds.
    pub from: Option<Date>,
    /// The last one.
    pub until: Option<Date>,
}

impl OwnerRule {
    fn holds_on(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }

    /// The owner it gives a pod to; none if it does not match.
    fn owner_of(&self, pod: &PodInterval) -> Option<String> {
        if self.cluster.as_ref().is_some_and(|name| *name != pod.cluster.name) {
            return None;
        }
        let value = match &self.selector {
            Selector::Namespace => &pod.namespace,
            Selector::Label(key) => pod.labels.get(key)?,
            Selector::Annotation(key) => pod.annotations.get(key)?,
            Selector::NamespaceLabel(key) => pod.namespace_labels.get(key)?,
            Selector::Default => "",
        };
        let owner = match (&self.test, &self.owner) {
            (ValueTest::Is(text), _) if text != value => return None,
            (ValueTest::Any, _)
                if value.trim().is_empty() && self.selector != Selector::Default =>
            {
                return None;
            }
            (ValueTest::Matches(regex), owner) => {
                let captures = regex.captures(value)?;
                match owner {
                    Some(template) => {
                        let mut expanded = String::new();
                        captures.expand(template, &mut expanded);
                        expanded
                    }
                    None => captures.get(1).or_else(|| captures.get(0))?.as_str().to_owned(),
                }
            }
            (_, Some(owner)) => owner.clone(),
            (_, None) => value.to_owned(),
        };
        let owner = plain(&owner);
        (!owner.is_empty()).then_some(owner)
    }
}

/// A name that is safe to show, and short.
pub(in crate::allocate) fn plain(name: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut characters = name.trim().chars().map(|c| if steers(c) { '\u{fffd}' } else { c });
    let mut kept: String = characters.by_ref().take(MOST_CHARACTERS).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    kept
}

/// What owners depend on: pods that agree in it have the same owner.
#[derive(Debug, Clone, Copy)]
pub(in crate::allocate) struct Asked<'a> {
    /// A pod over some time.
    pub(in crate::allocate) pod: &'a PodInterval,
    /// The UTC day.
    pub(in crate::allocate) day: Date,
    /// Which pod that is; its rows are asked for one after the other.
    pub(in crate::allocate) identity: usize,
}

/// How many pods, each once.
#[derive(Clone, Default)]
struct Count {
    pods: u64,
    last: Option<usize>,
}

/// The rules in use: answers who owns a pod, and counts.
pub(in crate::allocate) struct OwnerTable<'a> {
    rules: &'a [OwnerRule],
    matched: Vec<Count>,
    shadowed: Vec<Count>,
    names: BTreeMap<String, Arc<str>>,
}

impl<'a> OwnerTable<'a> {
    pub(in crate::allocate) fn new(rules: &'a [OwnerRule]) -> Self {
        let none = vec![Count::default(); rules.len()];
        Self { rules, matched: none.clone(), shadowed: none, names: BTreeMap::new() }
    }

    /// The days within a window on which another set of rules begins to hold.
    pub(in crate::allocate) fn turns(&self) -> Vec<Date> {
        let mut turns: Vec<Date> = self
            .rules
            .iter()
            .flat_map(|rule| [rule.from, rule.until.and_then(|last| last.tomorrow().ok())])
            .flatten()
            .collect();
        turns.sort_unstable();
        turns.dedup();
        turns
    }

    /// Who owns a pod on a day.
    pub(in crate::allocate) fn owner(&mut self, asked: Asked<'_>) -> Arc<str> {
        let mut owner: Option<String> = None;
        for (index, rule) in self.rules.iter().enumerate() {
            if !rule.holds_on(asked.day) {
                continue;
            }
            let Some(found) = rule.owner_of(asked.pod) else { continue };
            let counts = if owner.is_none() { &mut self.matched } else { &mut self.shadowed };
            let count = &mut counts[index];
            count.pods += u64::from(count.last != Some(asked.identity));
            count.last = Some(asked.identity);
            owner.get_or_insert(found);
        }
        self.name(owner.as_deref().unwrap_or(UNOWNED))
    }

    /// One copy of each name.
    pub(in crate::allocate) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = Arc::from(name);
        self.names.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }

    /// How the rules did, and what to know of those that did nothing.
    pub(in crate::allocate) fn used(self, findings: &mut Vec<Finding>) -> Vec<RuleUse> {
        let counts = self.matched.into_iter().zip(self.shadowed);
        self.rules
            .iter()
            .zip(counts)
            .map(|(rule, (matched, shadowed))| {
                let (matched, shadowed) = (matched.pods, shadowed.pods);
                if matched == 0 {
                    findings.push(unused(rule, shadowed));
                }
                RuleUse { rule: rule.written.clone(), matched, shadowed }
            })
            .collect()
    }
}

fn unused(rule: &OwnerRule, shadowed: u64) -> Finding {
    let (code, message) = if shadowed == 0 {
        (
            "owner_rule_matches_nothing",
            "it matches no pod of this window; correct it or take it out".to_owned(),
        )
    } else {
        let pods = runbook_capacity::plural::counted(shadowed, "pod", "pods");
        (
            "owner_rule_never_wins",
            format!(
                "{pods} that it matches already belong to earlier rules; move it up or take it out"
            ),
        )
    };
    Finding { severity: Severity::Warning, code, subject: rule.written.clone(), message }
}
