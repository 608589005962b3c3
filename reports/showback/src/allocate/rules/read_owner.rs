//! Reads a rule of owners.

use jiff::civil::Date;
use regex::RegexBuilder;
use serde_json::Value;

use super::reader::{Fields, Reader, join};
use super::{OwnerRule, Selector, ValueTest};

impl Reader<'_> {
    pub(super) fn owner(&mut self, at: &str, index: usize, fields: &Fields) -> Option<OwnerRule> {
        const SELECTORS: [&str; 6] =
            ["namespace", "namespace_regex", "label", "annotation", "namespace_label", "default"];
        let known: Vec<&str> = SELECTORS
            .into_iter()
            .chain(["value", "regex", "owner", "cluster", "from", "until"])
            .collect();
        self.known(at, fields, &known);
        let named: Vec<&str> =
            SELECTORS.into_iter().filter(|key| fields.contains_key(*key)).collect();
        let [by] = named.as_slice() else {
            let what = if named.is_empty() { "nothing".to_owned() } else { named.join(" and ") };
            self.refuse(
                at,
                &format!("a rule matches by one of {}; this has {what}", SELECTORS.join(", ")),
            );
            return None;
        };
        let selector = self.selector(at, fields, by)?;
        let test = self.test(at, fields, by)?;
        let owner = self.text(at, fields, "owner");
        if *by == "default" {
            self.needed(at, "owner", owner.as_ref(), fields);
        }
        let (from, until) = (self.day(at, fields, "from"), self.day(at, fields, "until"));
        if let (Some(from), Some(until)) = (from, until)
            && until < from
        {
            self.refuse(at, &format!("it ends on {until}, before it begins on {from}"));
        }
        let cluster = self.text(at, fields, "cluster");
        let place = self.lines.get(index).map_or_else(
            || format!("{} {at}", self.source_name),
            |line| format!("{}:{line}", self.source_name),
        );
        let written = format!("{place} {}", Value::Object(fields.clone()));
        Some(OwnerRule { written, cluster, selector, test, owner, from, until })
    }

    fn selector(&mut self, at: &str, fields: &Fields, by: &str) -> Option<Selector> {
        if by == "default" {
            if fields.get("default") != Some(&Value::Bool(true)) {
                self.refuse(&join(at, "default"), "it can only be `true`");
            }
            return Some(Selector::Default);
        }
        let key = self.text(at, fields, by)?;
        Some(match by {
            "label" => Selector::Label(key),
            "annotation" => Selector::Annotation(key),
            "namespace_label" => Selector::NamespaceLabel(key),
            _ => Selector::Namespace,
        })
    }

    fn test(&mut self, at: &str, fields: &Fields, by: &str) -> Option<ValueTest> {
        let regex = |text: &str| {
            let built = RegexBuilder::new(text).size_limit(1 << 20).build();
            built.map_err(|why| why.to_string().lines().collect::<Vec<_>>().join(" "))
        };
        let has = ["value", "regex"].into_iter().filter(|key| fields.contains_key(*key)).count();
        if has > 0 && !matches!(by, "label" | "annotation" | "namespace_label") {
            self.refuse(
                at,
                &format!("`value` and `regex` go with a label or an annotation, not with `{by}`"),
            );
            return None;
        }
        if has == 2 {
            self.refuse(at, "`value` and `regex` exclude each other");
            return None;
        }
        match by {
            "namespace" => self.text(at, fields, "namespace").map(ValueTest::Is),
            "namespace_regex" => {
                self.value(at, fields, "namespace_regex", regex).map(ValueTest::Matches)
            }
            _ if fields.contains_key("value") => {
                self.value(at, fields, "value", |text| Ok(ValueTest::Is(text.to_owned())))
            }
            _ if fields.contains_key("regex") => {
                self.value(at, fields, "regex", regex).map(ValueTest::Matches)
            }
            _ => Some(ValueTest::Any),
        }
    }

    fn day(&mut self, at: &str, fields: &Fields, key: &str) -> Option<Date> {
        self.value(at, fields, key, |text| {
            text.parse::<Date>()
                .ok()
                .filter(|_| text.len() == 10)
                .ok_or_else(|| format!("`{text}` is no day such as 2026-10-31"))
        })
    }
}
