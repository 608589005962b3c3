//! SQS: queues, their attributes and tags.

use serde_json::{Map, Value, json};

use super::tags::{self, Tags};
use super::{Answer, Call, Input, Operation, Refusal, read, write};
use crate::store::Transaction;
use crate::world::Context;

const QUEUES: &str = "sqs/queue";
/// Names that were deleted in the last minute.
const DELETED: &str = "sqs/deleted";

#[derive(serde::Serialize, serde::Deserialize)]
struct Queue {
    attributes: Map<String, Value>,
    tags: Tags,
    created: i64,
}

pub(super) const OPERATIONS: &[Operation] = &[
    write("CreateQueue", "QueueName", run),
    read("GetQueueUrl", "QueueName", run),
    read("ListQueues", "QueueNamePrefix", run),
    read("GetQueueAttributes", "QueueUrl", run),
    read("ListQueueTags", "QueueUrl", run),
    write("SetQueueAttributes", "QueueUrl", run),
    write("TagQueue", "QueueUrl", run),
    write("UntagQueue", "QueueUrl", run),
    write("DeleteQueue", "QueueUrl", run),
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
        "CreateQueue" => create(context, transaction, input),
        "GetQueueUrl" => {
            let queue = input.text("QueueName").unwrap_or_default();
            find(transaction, queue)?;
            Ok(json!({"QueueUrl": url(context, queue)}))
        }
        "ListQueues" => {
            let prefix = input.text("QueueNamePrefix").unwrap_or_default();
            let urls: Vec<String> = transaction
                .list(QUEUES)
                .iter()
                .filter(|(name, _)| name.starts_with(prefix))
                .map(|(name, _)| url(context, name))
                .collect();
            Ok(json!({"QueueUrls": urls}))
        }
        "GetQueueAttributes" => attributes(context, transaction, input),
        "SetQueueAttributes" => {
            let queue = name_of(input);
            let mut found = find(transaction, &queue)?;
            for (key, value) in input.value("Attributes").as_object().into_iter().flatten() {
                if value.as_str() == Some("") {
                    found.attributes.remove(key);
                } else {
                    found.attributes.insert(key.clone(), value.clone());
                }
            }
            transaction.put_as(QUEUES, &queue, &found);
            Ok(json!({}))
        }
        "TagQueue" => {
            let queue = name_of(input);
            let mut found = find(transaction, &queue)?;
            found.tags.extend(tags::from_map(input.value("Tags")));
            transaction.put_as(QUEUES, &queue, &found);
            Ok(json!({}))
        }
        "UntagQueue" => {
            let queue = name_of(input);
            let mut found = find(transaction, &queue)?;
            for key in
                input.value("TagKeys").as_array().into_iter().flatten().filter_map(Value::as_str)
            {
                found.tags.remove(key);
            }
            transaction.put_as(QUEUES, &queue, &found);
            Ok(json!({}))
        }
        "ListQueueTags" => Ok(json!({"Tags": find(transaction, &name_of(input))?.tags})),
        "DeleteQueue" => {
            let queue = name_of(input);
            find(transaction, &queue)?;
            transaction.delete(QUEUES, &queue);
            let at = transaction.now().as_second();
            transaction.put(DELETED, &queue, json!(at));
            Ok(json!({}))
        }
        other => Err(Refusal::unknown_operation("sqs", other)),
    }
}

fn url(context: &Context, queue: &str) -> String {
    format!("{}/{}/{queue}", context.addresses.aws(), context.account)
}

fn arn(context: &Context, queue: &str) -> String {
    format!("arn:aws:sqs:{}:{}:{queue}", context.region, context.account)
}

fn name_of(input: &Input) -> String {
    input.text("QueueUrl").unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
}

fn find(transaction: &Transaction<'_>, queue: &str) -> Result<Queue, Refusal> {
    transaction
        .get_as(QUEUES, queue)
        .ok_or_else(|| Refusal::bad("QueueDoesNotExist", "The specified queue does not exist."))
}

fn create(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let queue = input.text("QueueName").unwrap_or_default().to_owned();
    let wanted = input.value("Attributes").as_object().cloned().unwrap_or_default();
    if let Some(there) = transaction.get_as::<Queue>(QUEUES, &queue) {
        if wanted.iter().all(|(key, value)| there.attributes.get(key) == Some(value)) {
            return Ok(json!({"QueueUrl": url(context, &queue)}));
        }
        return Err(Refusal::bad(
            "QueueNameExists",
            "A queue already exists with the same name and a different value for attribute(s)",
        ));
    }
    let deleted: Option<i64> = transaction.get_as(DELETED, &queue);
    if deleted.is_some_and(|at| transaction.now().as_second() - at < 60) {
        return Err(Refusal::bad(
            "QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        ));
    }
    let created = transaction.now().as_second();
    let found = Queue { attributes: wanted, tags: tags::from_map(input.value("tags")), created };
    transaction.put_as(QUEUES, &queue, &found);
    Ok(json!({"QueueUrl": url(context, &queue)}))
}

fn attributes(context: &Context, transaction: &Transaction<'_>, input: &Input) -> Answer {
    let queue = name_of(input);
    let found = find(transaction, &queue)?;
    let mut all: Map<String, Value> = [
        ("ApproximateNumberOfMessages", "0"),
        ("DelaySeconds", "0"),
        ("MaximumMessageSize", "262144"),
        ("MessageRetentionPeriod", "345600"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), json!(value)))
    .collect();
    all.insert("QueueArn".to_owned(), json!(arn(context, &queue)));
    all.insert("CreatedTimestamp".to_owned(), json!(found.created.to_string()));
    all.extend(found.attributes);
    let names: Vec<&str> = input
        .value("AttributeNames")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !names.contains(&"All") {
        all.retain(|key, _| names.contains(&key.as_str()));
    }
    Ok(json!({"Attributes": all}))
}
