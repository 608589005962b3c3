//! Reads the rules file: all problems in one pass, each with the path of its key.

use std::collections::{BTreeMap, BTreeSet};

use runbook_capacity::manifest::documents;
use runbook_capacity::money::{Price, Unit};
use runbook_capacity::prices::Currency;
use runbook_capacity::quantity::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::reader::{Fields, Reader, join, number_from};
use super::{Budget, GivenCost, Handing, Per, Rules, Spread};
use crate::bill::Class;

pub(super) fn read(source_name: &str, text: &str) -> Result<Rules, Vec<String>> {
    let documents = documents(source_name, text).map_err(|problem| vec![problem.to_string()])?;
    let mut reader = Reader {
        source_name,
        lines: lines(text),
        problems: Vec::new(),
        currencies: BTreeSet::new(),
    };
    let rules = match documents.as_slice() {
        [] => Rules::default(),
        [Value::Object(fields)] => reader.rules(fields),
        _ => return Err(vec![format!("{source_name}: rules are one document with keys")]),
    };
    reader.one_currency();
    if reader.problems.is_empty() { Ok(rules) } else { Err(reader.problems) }
}

/// On which line each rule of owners begins; nothing where the file cannot be read that way.
fn lines(text: &str) -> Vec<u64> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        owners: Vec<serde_saphyr::Spanned<IgnoredAny>>,
    }
    serde_saphyr::from_str::<File>(text).map_or_else(
        |_| Vec::new(),
        |file| file.owners.iter().map(|rule| rule.referenced.line()).collect(),
    )
}

impl Reader<'_> {
    fn rules(&mut self, fields: &Fields) -> Rules {
        let known = [
            "currency",
            "weight",
            "root_volume_gib",
            "owners",
            "idle",
            "node_overhead",
            "shared",
            "budgets",
        ];
        self.known("", fields, &known);
        let mut rules = Rules::default();
        self.currency("", fields);
        rules.weight =
            self.value("", fields, "weight", |text| text.parse().map_err(|why| format!("{why}")));
        rules.root_volume = self
            .value("", fields, "root_volume_gib", number_from(1, 16_384))
            .map(|gibibytes| Bytes::gibibytes(i64::from(gibibytes)));
        for (index, (at, fields)) in self.list("", fields, "owners").into_iter().enumerate() {
            rules.owners.extend(self.owner(&at, index, fields));
        }
        for (key, handing) in
            [("idle", &mut rules.idle), ("node_overhead", &mut rules.node_overhead)]
        {
            if let Some(part) = self.part("", fields, key) {
                self.known(key, part, &["rule", "shares", "per"]);
                *handing = self.handing(key, part, handing.clone());
            }
        }
        if let Some(part) = self.part("", fields, "shared") {
            self.shared(part, &mut rules);
        }
        for (at, fields) in self.list("", fields, "budgets") {
            let Some(budget) = self.budget(&at, fields) else { continue };
            if rules.budgets.iter().any(|other| other.owner == budget.owner) {
                self.refuse(&at, &format!("`{}` has a budget already", budget.owner));
            }
            rules.budgets.push(budget);
        }
        rules
    }

    fn spread(&mut self, at: &str, fields: &Fields) -> Option<Spread> {
        let word = self.value(at, fields, "rule", |text| {
            let known = ["proportional", "even", "fixed", "apart"];
            known
                .into_iter()
                .find(|word| *word == text)
                .ok_or_else(|| format!("`{text}` is no rule (known: {})", known.join(", ")))
        });
        let shares = self.shares(at, fields);
        match (word, shares) {
            (Some("fixed"), Some(shares)) => Some(Spread::Fixed(shares)),
            (Some("fixed"), None) => {
                self.refuse(
                    at,
                    "the rule `fixed` needs `shares` of owners, such as {shop: 3, search: 1}",
                );
                None
            }
            (_, Some(_)) => {
                self.refuse(&join(at, "shares"), "shares go with the rule `fixed`");
                None
            }
            (Some("even"), None) => Some(Spread::Even),
            (Some("apart"), None) => Some(Spread::Apart),
            (Some(_), None) => Some(Spread::Proportional),
            (None, None) => None,
        }
    }

    fn shares(&mut self, at: &str, fields: &Fields) -> Option<BTreeMap<String, u32>> {
        let part = self.part(at, fields, "shares")?;
        let at = join(at, "shares");
        let mut shares = BTreeMap::new();
        for owner in part.keys() {
            let share = self.value(&at, part, owner, number_from(1, 1_000_000));
            shares.extend(share.map(|share| (owner.clone(), share)));
        }
        if part.is_empty() {
            self.refuse(&at, "it names no owner");
        }
        Some(shares)
    }

    fn handing(&mut self, at: &str, fields: &Fields, default: Handing) -> Handing {
        let per = self.value(at, fields, "per", |text| match text {
            "node" => Ok(Per::Node),
            "cluster" => Ok(Per::Cluster),
            other => Err(format!("`{other}` is neither node nor cluster")),
        });
        let spread = self.spread(at, fields).unwrap_or(default.spread);
        if per == Some(Per::Node) && spread != Spread::Proportional {
            self.refuse(&join(at, "per"), "per node goes with the rule `proportional`");
        }
        let fallback = if spread == Spread::Proportional { default.per } else { Per::Cluster };
        Handing { spread, per: per.unwrap_or(fallback) }
    }

    fn shared(&mut self, part: &Fields, rules: &mut Rules) {
        const AT: &str = "shared";
        self.known(AT, part, &["control_plane", "system_layer", "given"]);
        if let Some(fields) = self.part(AT, part, "control_plane") {
            let at = join(AT, "control_plane");
            self.known(&at, fields, &["rule", "shares"]);
            rules.control_plane = self.spread(&at, fields).unwrap_or(Spread::Proportional);
        }
        if let Some(fields) = self.part(AT, part, "system_layer") {
            let at = join(AT, "system_layer");
            self.known(&at, fields, &["namespaces", "rule", "shares"]);
            let spread = self.spread(&at, fields).unwrap_or(Spread::Proportional);
            let namespaces = self.namespaces(&at, fields);
            rules.system_layer = Some((namespaces, spread));
        }
        for (at, fields) in self.list(AT, part, "given") {
            let Some(given) = self.given(&at, fields) else { continue };
            let is_twice =
                |other: &GivenCost| other.name == given.name && other.cluster == given.cluster;
            if given.name == "control plane" || given.name == "system layer" {
                self.refuse(&join(&at, "name"), "this name has a meaning of its own");
            } else if rules.given.iter().any(is_twice) {
                self.refuse(&join(&at, "name"), &format!("`{}` is given twice", given.name));
            }
            rules.given.push(given);
        }
    }

    fn namespaces(&mut self, at: &str, fields: &Fields) -> BTreeSet<String> {
        let path = join(at, "namespaces");
        let mut names = BTreeSet::new();
        match fields.get("namespaces") {
            Some(Value::Array(items)) if !items.is_empty() => {
                for item in items {
                    match item.as_str() {
                        Some(name) if !name.is_empty() => {
                            names.insert(name.to_owned());
                        }
                        _ => self.refuse(&path, &format!("`{item}` is no namespace")),
                    }
                }
            }
            _ => self.refuse(&path, "it is a list of namespaces, such as [kube-system]"),
        }
        names
    }

    fn given(&mut self, at: &str, fields: &Fields) -> Option<GivenCost> {
        let known = ["name", "class", "hourly", "monthly", "currency", "cluster", "rule", "shares"];
        self.known(at, fields, &known);
        self.currency(at, fields);
        let name = self.text(at, fields, "name");
        let name = self.needed(at, "name", name, fields);
        let class = self.value(at, fields, "class", |text| match text {
            "nat" => Ok(Class::Nat),
            "load_balancer" => Ok(Class::LoadBalancer),
            "transfer" => Ok(Class::Transfer),
            "other" => Ok(Class::Other),
            wrong => {
                Err(format!("`{wrong}` is no class (known: nat, load_balancer, transfer, other)"))
            }
        });
        let hourly = self.price(at, fields, "hourly", Unit::Hour);
        let monthly = self.price(at, fields, "monthly", Unit::Month);
        if fields.contains_key("hourly") == fields.contains_key("monthly") {
            self.refuse(at, "it needs either `hourly` or `monthly`, in dollars");
        }
        let cluster = self.text(at, fields, "cluster");
        let spread = self.spread(at, fields).unwrap_or(Spread::Proportional);
        Some(GivenCost {
            name: name?,
            class: class.unwrap_or(Class::Other),
            price: hourly.or(monthly)?,
            cluster,
            spread,
        })
    }

    fn price(&mut self, at: &str, fields: &Fields, key: &str, unit: Unit) -> Option<Price> {
        self.value(at, fields, key, |text| Price::parse(text, unit).map_err(|why| why.to_string()))
    }

    fn budget(&mut self, at: &str, fields: &Fields) -> Option<Budget> {
        self.known(at, fields, &["owner", "monthly", "thresholds", "currency"]);
        self.currency(at, fields);
        let owner = self.text(at, fields, "owner");
        let owner = self.needed(at, "owner", owner, fields);
        let monthly = self.price(at, fields, "monthly", Unit::Month);
        let monthly = self.needed(at, "monthly", monthly, fields);
        let path = join(at, "thresholds");
        let mut thresholds = Vec::new();
        match fields.get("thresholds") {
            None => thresholds.push(100),
            Some(Value::Array(items)) => {
                for item in items {
                    match number_from(1, 1000)(&item.to_string()) {
                        Ok(percent) => thresholds.push(percent),
                        Err(why) => self.refuse(&path, &why),
                    }
                }
            }
            Some(other) => self.refuse(&path, &format!("`{other}` is no list of percents")),
        }
        thresholds.sort_unstable();
        thresholds.dedup();
        Some(Budget { owner: owner?, monthly: monthly?, thresholds })
    }

    /// Keeps what currencies are named; there may be one.
    fn currency(&mut self, at: &str, fields: &Fields) {
        let code = self.text(at, fields, "currency");
        self.currencies.extend(code);
    }

    fn one_currency(&mut self) {
        let named: Vec<String> = self.currencies.iter().map(|code| format!("`{code}`")).collect();
        if named.len() > 1 {
            self.refuse(
                "currency",
                &format!("amounts are in {}, and sums of two currencies are none; only USD is understood", named.join(" and ")),
            );
            return;
        }
        let codes = std::mem::take(&mut self.currencies);
        for code in codes {
            if let Err(why) = Currency::parse(&code) {
                self.refuse("currency", &why.to_string());
            }
        }
    }
}
