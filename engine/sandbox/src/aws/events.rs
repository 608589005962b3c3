//! `EventBridge`: rules and their targets.

use serde_json::{Value, json};

use super::tags::{self, Tags};
use super::{Answer, Call, Input, Operation, Refusal, read, write};
use crate::store::Transaction;
use crate::world::Context;

const RULES: &str = "events/rule";

#[derive(serde::Serialize, serde::Deserialize)]
struct Rule {
    pattern: Option<String>,
    state: String,
    description: Option<String>,
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
    dispatch(context, transaction, name, input)
}

fn dispatch(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    input: &Input,
) -> Answer {
    match name {
        "PutRule" => put(context, transaction, input),
        "DescribeRule" => {
            let rule = input.text("Name").unwrap_or_default();
            let found = find(transaction, rule)?;
            Ok(json!({
                "Name": rule, "Arn": arn(context, rule), "EventPattern": found.pattern, "State": found.state,
                "Description": found.description, "EventBusName": "default",
            }))
        }
        "ListRules" => {
            let prefix = input.text("NamePrefix").unwrap_or_default();
            let rules: Vec<Value> = transaction
                .list(RULES)
                .iter()
                .filter(|(name, _)| name.starts_with(prefix))
                .map(|(name, value)| json!({"Name": &**name, "Arn": arn(context, name), "EventPattern": value["pattern"], "State": value["state"], "EventBusName": "default"}))
                .collect();
            Ok(json!({"Rules": rules}))
        }
        "PutTargets" => put_targets(transaction, input),
        "ListTargetsByRule" => Ok(
            json!({"Targets": find(transaction, input.text("Rule").unwrap_or_default())?.targets}),
        ),
        "RemoveTargets" => {
            let rule = input.text("Rule").unwrap_or_default();
            let mut found = find(transaction, rule)?;
            let gone: Vec<&str> = input
                .value("Ids")
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            found
                .targets
                .retain(|target| !gone.contains(&target["Id"].as_str().unwrap_or_default()));
            transaction.put_as(RULES, rule, &found);
            Ok(json!({"FailedEntryCount": 0, "FailedEntries": []}))
        }
        "DeleteRule" => {
            let rule = input.text("Name").unwrap_or_default();
            if transaction
                .get_as::<Rule>(RULES, rule)
                .is_some_and(|found| !found.targets.is_empty())
            {
                return Err(Refusal::bad(
                    "ValidationException",
                    "Rule can't be deleted since it has targets.",
                ));
            }
            transaction.delete(RULES, rule);
            Ok(json!({}))
        }
        "TagResource" | "UntagResource" | "ListTagsForResource" => tag(transaction, name, input),
        other => Err(Refusal::unknown_operation("events", other)),
    }
}

fn arn(context: &Context, rule: &str) -> String {
    format!("arn:aws:events:{}:{}:rule/{rule}", context.region, context.account)
}

fn find(transaction: &Transaction<'_>, rule: &str) -> Result<Rule, Refusal> {
    transaction.get_as(RULES, rule).ok_or_else(|| {
        Refusal::bad(
            "ResourceNotFoundException",
            format!("Rule {rule} does not exist on EventBus default."),
        )
    })
}

fn put(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let rule = input.text("Name").unwrap_or_default();
    let pattern = input.text("EventPattern").map(str::to_owned);
    if let Some(text) = &pattern {
        if serde_json::from_str::<Value>(text).map_or(true, |value| !value.is_object()) {
            return Err(Refusal::bad(
                "InvalidEventPatternException",
                "Event pattern is not valid.",
            ));
        }
    } else if input.text("ScheduleExpression").is_none() {
        return Err(Refusal::bad(
            "ValidationException",
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ));
    }
    let before: Option<Rule> = transaction.get_as(RULES, rule);
    let (targets, mut tags) =
        before.map_or_else(Default::default, |before| (before.targets, before.tags));
    tags.extend(tags::from_list(input.list("Tags")));
    let found = Rule {
        pattern,
        state: input.text("State").unwrap_or("ENABLED").to_owned(),
        description: input.text("Description").map(str::to_owned),
        targets,
        tags,
    };
    transaction.put_as(RULES, rule, &found);
    Ok(json!({"RuleArn": arn(context, rule)}))
}

fn put_targets(transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let rule = input.text("Rule").unwrap_or_default();
    let mut found = find(transaction, rule)?;
    let mut failed = Vec::new();
    for target in input.value("Targets").as_array().into_iter().flatten() {
        let arn = target["Arn"].as_str().unwrap_or_default();
        if !arn.starts_with("arn:") {
            failed.push(json!({"TargetId": target["Id"], "ErrorCode": "ValidationException", "ErrorMessage": format!("{arn} is not a valid ARN")}));
            continue;
        }
        found.targets.retain(|one| one["Id"] != target["Id"]);
        found.targets.push(target.clone());
    }
    transaction.put_as(RULES, rule, &found);
    Ok(json!({"FailedEntryCount": failed.len(), "FailedEntries": failed}))
}

fn tag(transaction: &mut Transaction<'_>, name: &str, input: &Input) -> Answer {
    let rule = input
        .text("ResourceARN")
        .unwrap_or_default()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut found = find(transaction, &rule)?;
    match name {
        "TagResource" => found.tags.extend(tags::from_list(input.list("Tags"))),
        "UntagResource" => {
            for key in
                input.value("TagKeys").as_array().into_iter().flatten().filter_map(Value::as_str)
            {
                found.tags.remove(key);
            }
        }
        _ => return Ok(json!({"Tags": tags::to_list(&found.tags)})),
    }
    transaction.put_as(RULES, &rule, &found);
    Ok(json!({}))
}
