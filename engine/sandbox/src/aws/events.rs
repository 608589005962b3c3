//! `EventBridge`: rules of the default bus and their targets.

use serde_json::{Value, json};

use super::paging::{Paging, page};
use super::tags::{self, Tags};
use super::{Answer, Call, Input, Operation, Refusal, read, write};
use crate::store::Transaction;
use crate::world::Context;

const RULES: &str = "events/rule";
const BUS: &str = "default";
/// Targets of one rule.
const MOST_TARGETS: usize = 5;
/// Characters of a rule's name.
const MOST_NAME: usize = 64;
const PAGING: Paging = Paging {
    token: "NextToken",
    limit: "Limit",
    most: 100,
    least: 1,
    bad_token: "ValidationException",
};

#[derive(serde::Serialize, serde::Deserialize)]
struct Rule {
    pattern: Option<String>,
    #[serde(default)]
    schedule: Option<String>,
    state: String,
    description: Option<String>,
    #[serde(default)]
    role: Option<String>,
    targets: Vec<Value>,
    tags: Tags,
}

pub(super) const OPERATIONS: &[Operation] = &[
    write("PutRule", "Name", run),
    write("DeleteRule", "Name", run),
    read("DescribeRule", "Name", run),
    read("ListRules", "NamePrefix", run),
    write("PutTargets", "Rule", run),
    write("RemoveTargets", "Rule", run),
    read("ListTargetsByRule", "Rule", run),
    write("TagResource", "ResourceARN", run),
    write("UntagResource", "ResourceARN", run),
    read("ListTagsForResource", "ResourceARN", run),
];

fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, name, input, .. } = call;
    let (context, input) = (*context, *input);
    check_bus(input)?;
    match *name {
        "PutRule" => put(context, transaction, input),
        "DescribeRule" => {
            let rule = input.required("Name")?;
            let mut answer = describe(context, rule, &find(transaction, rule)?);
            answer["CreatedBy"] = json!(context.account);
            Ok(answer)
        }
        "ListRules" => list(context, transaction, input),
        "PutTargets" => put_targets(transaction, input),
        "ListTargetsByRule" => {
            let targets = find(transaction, input.required("Rule")?)?.targets;
            let keyed =
                targets.into_iter().enumerate().map(|(index, one)| (format!("{index:03}"), one));
            let (targets, next) = page(PAGING, input, keyed.collect())?;
            Ok(json!({"Targets": targets, "NextToken": next}))
        }
        "RemoveTargets" => {
            let rule = input.required("Rule")?;
            let mut found = find(transaction, rule)?;
            let gone = input.texts("Ids");
            found
                .targets
                .retain(|target| !gone.contains(&target["Id"].as_str().unwrap_or_default()));
            transaction.put_as(RULES, rule, &found);
            Ok(json!({"FailedEntryCount": 0, "FailedEntries": []}))
        }
        "DeleteRule" => delete(transaction, input.required("Name")?),
        operation => tag(transaction, operation, input),
    }
}

/// There is one bus.
fn check_bus(input: &Input) -> Result<(), Refusal> {
    let named = input.text("EventBusName").unwrap_or(BUS);
    if named == BUS || named.ends_with(":event-bus/default") {
        return Ok(());
    }
    let why = format!("Event bus {named} does not exist.");
    Err(Refusal::bad("ResourceNotFoundException", why))
}

fn arn(context: &Context, rule: &str) -> String {
    format!("arn:aws:events:{}:{}:rule/{rule}", context.region, context.account)
}

fn find(transaction: &Transaction<'_>, rule: &str) -> Result<Rule, Refusal> {
    transaction.get_as(RULES, rule).ok_or_else(|| {
        Refusal::bad(
            "ResourceNotFoundException",
            format!("Rule {rule} does not exist on EventBus {BUS}."),
        )
    })
}

fn describe(context: &Context, name: &str, rule: &Rule) -> Value {
    json!({
        "Name": name, "Arn": arn(context, name), "EventPattern": rule.pattern, "ScheduleExpression": rule.schedule,
        "State": rule.state, "Description": rule.description, "RoleArn": rule.role, "EventBusName": BUS,
    })
}

fn list(context: &Context, transaction: &Transaction<'_>, input: &Input) -> Answer {
    let prefix = input.text("NamePrefix").unwrap_or_default();
    let rules = transaction
        .list_as::<Rule>(RULES)
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, rule)| (name.to_string(), describe(context, &name, &rule)));
    let (rules, next) = page(PAGING, input, rules.collect())?;
    Ok(json!({"Rules": rules, "NextToken": next}))
}

fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::bad("ValidationException", why)
}

/// A pattern is a map whose leaves are lists.
fn check_pattern(text: &str) -> Result<(), Refusal> {
    fn has_lists(value: &Value) -> bool {
        value.as_object().is_some_and(|entries| {
            entries.values().all(|inner| match inner {
                Value::Array(items) => !items.is_empty(),
                other => has_lists(other),
            })
        })
    }
    let refused = |why: &str| {
        let why = format!("Event pattern is not valid. Reason: {why}");
        Err(Refusal::bad("InvalidEventPatternException", why))
    };
    match serde_json::from_str::<Value>(text) {
        Err(error) => refused(&error.to_string()),
        Ok(value) if !value.is_object() => refused("Filter is not an object"),
        Ok(value) if !has_lists(&value) => refused("a field must be an array or an object"),
        Ok(_) => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let is_taken = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_');
    let constraint = if name.len() > MOST_NAME {
        "Member must have length less than or equal to 64"
    } else if !name.chars().all(is_taken) {
        "Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+"
    } else {
        return Ok(());
    };
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: {constraint}"
    )))
}

fn put(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let name = input.required("Name")?;
    check_name(name)?;
    let pattern = input.text("EventPattern").filter(|text| !text.is_empty());
    let schedule = input.text("ScheduleExpression").filter(|text| !text.is_empty());
    if let Some(text) = pattern {
        check_pattern(text)?;
    }
    let is_schedule = |text: &str| {
        (text.starts_with("rate(") || text.starts_with("cron(")) && text.ends_with(')')
    };
    if schedule.is_some_and(|text| !is_schedule(text)) {
        return Err(invalid("Parameter ScheduleExpression is not valid."));
    }
    if pattern.is_none() && schedule.is_none() {
        return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
    }
    let before: Option<Rule> = transaction.get_as(RULES, name);
    // Tags are for a new rule: those of one that is there are changed by TagResource alone.
    let (targets, tags) = match before {
        Some(before) => (before.targets, before.tags),
        None => (Vec::new(), tags_of(input)?),
    };
    let rule = Rule {
        pattern: pattern.map(str::to_owned),
        schedule: schedule.map(str::to_owned),
        state: input.text("State").unwrap_or("ENABLED").to_owned(),
        description: input.text("Description").map(str::to_owned),
        role: input.text("RoleArn").map(str::to_owned),
        targets,
        tags,
    };
    transaction.put_as(RULES, name, &rule);
    Ok(json!({"RuleArn": arn(context, name)}))
}

fn put_targets(transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let rule = input.required("Rule")?;
    let mut found = find(transaction, rule)?;
    let mut failed = Vec::new();
    for target in input.list("Targets") {
        let arn = target["Arn"].as_str().unwrap_or_default();
        if !arn.starts_with("arn:") {
            failed.push(json!({"TargetId": target["Id"], "ErrorCode": "ValidationException", "ErrorMessage": format!("{arn} is not a valid ARN")}));
            continue;
        }
        match found.targets.iter_mut().find(|one| one["Id"] == target["Id"]) {
            Some(there) => *there = target.clone(),
            None => found.targets.push(target.clone()),
        }
    }
    if found.targets.len() > MOST_TARGETS {
        return Err(Refusal::bad(
            "LimitExceededException",
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    transaction.put_as(RULES, rule, &found);
    Ok(json!({"FailedEntryCount": failed.len(), "FailedEntries": failed}))
}

/// A rule that is not there is deleted well.
fn delete(transaction: &mut Transaction<'_>, rule: &str) -> Answer {
    let found: Option<Rule> = transaction.get_as(RULES, rule);
    if found.is_some_and(|found| !found.targets.is_empty()) {
        return Err(invalid("Rule can't be deleted since it has targets."));
    }
    transaction.delete(RULES, rule);
    Ok(json!({}))
}

fn tags_of(input: &Input) -> Result<Tags, Refusal> {
    let found = tags::from_list(input.list("Tags"));
    tags::check(&found, invalid)?;
    Ok(found)
}

fn tag(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let arn = input.required("ResourceARN")?;
    let rule = arn.rsplit('/').next().unwrap_or_default();
    let mut found = find(transaction, rule)?;
    match operation {
        "TagResource" => found.tags.extend(tags_of(input)?),
        "UntagResource" => {
            input.texts("TagKeys").iter().for_each(|key| drop(found.tags.remove(*key)));
        }
        _ => return Ok(json!({"Tags": tags::to_list(&found.tags)})),
    }
    transaction.put_as(RULES, rule, &found);
    Ok(json!({}))
}
