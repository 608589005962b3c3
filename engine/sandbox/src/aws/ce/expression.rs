//! Dimensions and tags of lines, and expressions over them.

use serde_json::Value;

use super::{invalid, one_of, texts};
use crate::aws::Refusal;
use crate::billing::{Account, Line, Record};

/// Dimensions that the service knows.
const KNOWN: [&str; 36] = [
    "AZ",
    "INSTANCE_TYPE",
    "LINKED_ACCOUNT",
    "PAYER_ACCOUNT",
    "LINKED_ACCOUNT_NAME",
    "OPERATION",
    "PURCHASE_TYPE",
    "REGION",
    "SERVICE",
    "SERVICE_CODE",
    "USAGE_TYPE",
    "USAGE_TYPE_GROUP",
    "RECORD_TYPE",
    "OPERATING_SYSTEM",
    "TENANCY",
    "SCOPE",
    "PLATFORM",
    "SUBSCRIPTION_ID",
    "LEGAL_ENTITY_NAME",
    "DEPLOYMENT_OPTION",
    "DATABASE_ENGINE",
    "CACHE_ENGINE",
    "INSTANCE_TYPE_FAMILY",
    "BILLING_ENTITY",
    "RESERVATION_ID",
    "RESOURCE_ID",
    "RIGHTSIZING_TYPE",
    "SAVINGS_PLANS_TYPE",
    "SAVINGS_PLAN_ARN",
    "PAYMENT_OPTION",
    "AGREEMENT_END_DATE_TIME_AFTER",
    "AGREEMENT_END_DATE_TIME_BEFORE",
    "INVOICING_ENTITY",
    "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
    "ANOMALY_TOTAL_IMPACT_PERCENTAGE",
    "PRODUCT_ATTRIBUTE",
];
/// Of a resource that has not the tag, as a group's key and as a value.
const UNTAGGED: &str = "";

/// What lines are grouped or filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Dimension(&'static str),
    Tag(String),
}

/// Dimensions that the sandbox's lines have.
const SIMULATED: [&str; 12] = [
    "AZ",
    "INSTANCE_TYPE",
    "LINKED_ACCOUNT",
    "OPERATION",
    "PAYER_ACCOUNT",
    "PURCHASE_TYPE",
    "RECORD_TYPE",
    "REGION",
    "RESOURCE_ID",
    "SERVICE",
    "SERVICE_CODE",
    "USAGE_TYPE",
];

impl Key {
    /// A dimension; those of resources only where resources are.
    pub(super) fn dimension(place: &str, name: &str, has_resources: bool) -> Result<Self, Refusal> {
        one_of(place, name, &KNOWN)?;
        if name == "RESOURCE_ID" && !has_resources {
            return Err(invalid(
                "Dimension RESOURCE_ID is not supported: use GetCostAndUsageWithResources",
            ));
        }
        let known = SIMULATED.iter().find(|known| **known == name);
        let known =
            known.ok_or_else(|| Refusal::not_simulated(&format!("dimension {name} of ce")))?;
        Ok(Self::Dimension(known))
    }

    /// The value of a line.
    pub(super) fn value(&self, account: &Account, line: &Line) -> String {
        let (item, place) = (&line.item, line.item.place);
        let or = |text: &str, none: &str| if text.is_empty() { none } else { text }.to_owned();
        match self {
            Self::Tag(key) => account.tags(line).remove(key).unwrap_or_else(|| UNTAGGED.to_owned()),
            Self::Dimension(name) => match *name {
                "AZ" => or(item.zone.as_deref().unwrap_or_default(), "NoAZ"),
                "INSTANCE_TYPE" => {
                    or(item.instance_type.as_deref().unwrap_or_default(), "NoInstanceType")
                }
                "LINKED_ACCOUNT" | "PAYER_ACCOUNT" => account.number.clone(),
                "OPERATION" => or(place.operation, "NoOperation"),
                "PURCHASE_TYPE" => match (place.usage, item.instance_type.is_some()) {
                    ("SpotUsage", _) => "Spot Instances".to_owned(),
                    (_, true) => "On Demand Instances".to_owned(),
                    _ => "NoPurchaseType".to_owned(),
                },
                "RECORD_TYPE" => record(line.record).to_owned(),
                "REGION" if item.usage_type.is_empty() => "NoRegion".to_owned(),
                "REGION" => account.region.clone(),
                "RESOURCE_ID" => or(&item.resource, "NoResourceId"),
                "SERVICE_CODE" => place.code.to_owned(),
                "USAGE_TYPE" => or(&item.usage_type, "NoUsageType"),
                _ => place.service.to_owned(),
            },
        }
    }

    /// As a group names it: tags with their key.
    pub(super) fn group(&self, account: &Account, line: &Line) -> String {
        match self {
            Self::Tag(key) => format!("{key}${}", self.value(account, line)),
            Self::Dimension(_) => self.value(account, line),
        }
    }
}

fn record(record: Record) -> &'static str {
    match record {
        Record::Usage => "Usage",
        Record::Discount => "Enterprise Discount Program Discount",
        Record::Credit => "Credit",
        Record::Tax => "Tax",
    }
}

/// A filter.
#[derive(Debug)]
pub(super) enum Expression {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Is { key: Key, values: Vec<String>, how: Match },
}

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Equals,
    Insensitive,
    StartsWith,
    EndsWith,
    Contains,
    Absent,
}

impl Expression {
    /// Reads a filter: each level says exactly one thing.
    pub(super) fn of(value: &Value, has_resources: bool) -> Result<Self, Refusal> {
        Self::at(value, has_resources, 0)
    }

    fn at(value: &Value, has_resources: bool, depth: usize) -> Result<Self, Refusal> {
        let entries = value.as_object().filter(|entries| !entries.is_empty());
        let mut entries = entries.into_iter().flatten();
        let (Some((name, inner)), None) = (entries.next(), entries.next()) else {
            return Err(invalid(
                "Expression must have exactly one of [Or, And, Not, Dimensions, Tags, CostCategories]",
            ));
        };
        if depth > 8 {
            return Err(invalid("Expression nesting is too deep"));
        }
        let several = |inner: &Value| {
            let parts = inner.as_array().map_or(&[][..], Vec::as_slice);
            if parts.len() < 2 {
                return Err(invalid(format!("{name} expression must have at least 2 operands")));
            }
            parts.iter().map(|part| Self::at(part, has_resources, depth + 1)).collect()
        };
        match name.as_str() {
            "And" => Ok(Self::And(several(inner)?)),
            "Or" => Ok(Self::Or(several(inner)?)),
            "Not" => Ok(Self::Not(Box::new(Self::at(inner, has_resources, depth + 1)?))),
            "Dimensions" => {
                let key = inner["Key"].as_str().unwrap_or_default();
                let key = Key::dimension("filter.dimensions.key", key, has_resources)?;
                let how = how(inner)?;
                if how == Match::Absent {
                    return Err(invalid("MatchOptions ABSENT is not supported for dimensions"));
                }
                Self::leaf(key, inner, how)
            }
            "Tags" => {
                let key = inner["Key"].as_str().filter(|key| !key.is_empty());
                let key = key.ok_or_else(|| invalid("Tag key must not be empty"))?;
                Self::leaf(Key::Tag(key.to_owned()), inner, how(inner)?)
            }
            "CostCategories" | "ProductAttributes" => {
                Err(Refusal::not_simulated(&format!("{name} of ce")))
            }
            other => Err(invalid(format!("Expression has no member {other}"))),
        }
    }

    fn leaf(key: Key, inner: &Value, how: Match) -> Result<Self, Refusal> {
        let values: Vec<String> = texts(&inner["Values"]).into_iter().map(str::to_owned).collect();
        if values.is_empty() && how != Match::Absent {
            return Err(invalid("Values must not be empty"));
        }
        Ok(Self::Is { key, values, how })
    }

    /// Whether a line is meant.
    pub(super) fn takes(&self, account: &Account, line: &Line) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.takes(account, line)),
            Self::Or(parts) => parts.iter().any(|part| part.takes(account, line)),
            Self::Not(part) => !part.takes(account, line),
            Self::Is { key, values, how } => {
                let value = key.value(account, line);
                match how {
                    Match::Absent => value.is_empty(),
                    Match::Equals => values.contains(&value),
                    Match::Insensitive => values.iter().any(|one| one.eq_ignore_ascii_case(&value)),
                    Match::StartsWith => values.iter().any(|one| value.starts_with(one.as_str())),
                    Match::EndsWith => values.iter().any(|one| value.ends_with(one.as_str())),
                    Match::Contains => values.iter().any(|one| value.contains(one.as_str())),
                }
            }
        }
    }
}

fn how(inner: &Value) -> Result<Match, Refusal> {
    const KNOWN: [&str; 9] = [
        "EQUALS",
        "ABSENT",
        "STARTS_WITH",
        "ENDS_WITH",
        "CONTAINS",
        "CASE_SENSITIVE",
        "CASE_INSENSITIVE",
        "GREATER_THAN_OR_EQUAL",
        "NOT_NULL",
    ];
    let mut how = Match::Equals;
    for option in texts(&inner["MatchOptions"]) {
        how = match one_of("filter.matchOptions", option, &KNOWN)? {
            "EQUALS" | "CASE_SENSITIVE" => how,
            "ABSENT" => Match::Absent,
            "STARTS_WITH" => Match::StartsWith,
            "ENDS_WITH" => Match::EndsWith,
            "CONTAINS" => Match::Contains,
            "CASE_INSENSITIVE" => Match::Insensitive,
            other => return Err(invalid(format!("MatchOptions {other} is not supported"))),
        };
    }
    Ok(how)
}
