//! SQS: queues, their attributes and tags.

mod attributes;

use serde_json::{Map, Value, json};

use super::paging::{Paging, page};
use super::tags::{self, Tags};
use super::{Answer, Call, Input, Operation, Refusal, read, write};
use crate::store::Transaction;
use crate::world::Context;

const QUEUES: &str = "sqs/queue";
/// Names that were deleted in the last minute.
const DELETED: &str = "sqs/deleted";
/// Characters of a name.
const MOST_NAME: usize = 80;
const PAGING: Paging = Paging {
    token: "NextToken",
    limit: "MaxResults",
    most: 1000,
    least: 1,
    bad_token: "InvalidParameterValue",
};

#[derive(serde::Serialize, serde::Deserialize)]
struct Queue {
    /// Those that somebody set.
    attributes: Map<String, Value>,
    tags: Tags,
    created: i64,
    /// When its attributes were set last; none when that was its creation.
    #[serde(default)]
    modified: Option<i64>,
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
    let (context, input) = (*context, *input);
    match *name {
        "CreateQueue" => create(context, transaction, input),
        "GetQueueUrl" => {
            let queue = parameter(input, "QueueName")?;
            find(transaction, queue)?;
            Ok(json!({"QueueUrl": url(context, queue)}))
        }
        "ListQueues" => list(context, transaction, input),
        operation => on_queue(context, transaction, operation, input),
    }
}

fn on_queue(
    context: &Context,
    transaction: &mut Transaction<'_>,
    operation: &str,
    input: &Input,
) -> Answer {
    let url = parameter(input, "QueueUrl")?;
    let name = url.rsplit('/').next().unwrap_or_default().to_owned();
    let mut queue = find(transaction, &name)?;
    match operation {
        "GetQueueAttributes" => {
            let arn = arn(context, &name);
            return attributes::of(&queue, &arn, &input.texts("AttributeNames"));
        }
        "ListQueueTags" => return Ok(json!({"Tags": queue.tags})),
        "SetQueueAttributes" => {
            let wanted = input.value("Attributes").as_object().cloned().unwrap_or_default();
            attributes::check(&wanted)?;
            for (key, value) in wanted {
                if value.as_str() == Some("") {
                    queue.attributes.remove(&key);
                } else {
                    queue.attributes.insert(key, value);
                }
            }
            queue.modified = Some(transaction.now().as_second());
        }
        "TagQueue" => queue.tags.extend(tags_of(input.value("Tags"))?),
        "UntagQueue" => {
            input.texts("TagKeys").iter().for_each(|key| drop(queue.tags.remove(*key)));
        }
        "DeleteQueue" => {
            transaction.delete(QUEUES, &name);
            let at = transaction.now().as_second();
            transaction.put(DELETED, &name, json!(at));
            return Ok(json!({}));
        }
        other => return Err(Refusal::unknown_operation("sqs", other)),
    }
    transaction.put_as(QUEUES, &name, &queue);
    Ok(json!({}))
}

/// A parameter that must be there, in the words of SQS.
fn parameter<'a>(input: &'a Input, name: &str) -> Result<&'a str, Refusal> {
    if input.value(name).is_null() {
        let why = format!("The request must contain the parameter {name}.");
        return Err(Refusal::bad("MissingParameter", why));
    }
    if input.text(name) == Some("") {
        return Ok("");
    }
    input.required(name)
}

fn tags_of(value: &Value) -> Result<Tags, Refusal> {
    let found = tags::from_map(value);
    tags::check(&found, |why| Refusal::bad("InvalidParameterValue", why))?;
    Ok(found)
}

fn url(context: &Context, queue: &str) -> String {
    format!("{}/{}/{queue}", context.addresses.aws(), context.account)
}

fn arn(context: &Context, queue: &str) -> String {
    format!("arn:aws:sqs:{}:{}:{queue}", context.region, context.account)
}

fn find(transaction: &Transaction<'_>, queue: &str) -> Result<Queue, Refusal> {
    transaction
        .get_as(QUEUES, queue)
        .ok_or_else(|| Refusal::bad("QueueDoesNotExist", "The specified queue does not exist."))
}

fn list(context: &Context, transaction: &Transaction<'_>, input: &Input) -> Answer {
    let prefix = input.text("QueueNamePrefix").unwrap_or_default();
    let found = transaction
        .list(QUEUES)
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, _)| (name.to_string(), json!(url(context, name))))
        .collect();
    let (urls, next) = page(PAGING, input, found)?;
    // Without a size there are no further pages: the real one cuts the list off.
    let next = next.filter(|_| !input.value(PAGING.limit).is_null() || input.page_limit.is_some());
    Ok(json!({"QueueUrls": (!urls.is_empty()).then_some(urls), "NextToken": next}))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let is_taken = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_');
    if name.is_empty() || name.len() > MOST_NAME || !name.chars().all(is_taken) {
        return Err(Refusal::bad(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ));
    }
    Ok(())
}

fn create(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let name = parameter(input, "QueueName")?;
    check_name(name)?;
    let wanted = input.value("Attributes").as_object().cloned().unwrap_or_default();
    attributes::check(&wanted)?;
    if let Some(there) = transaction.get_as::<Queue>(QUEUES, name) {
        let other = wanted.iter().find(|(key, value)| attributes::differs(&there, key, value));
        return match other {
            None => Ok(json!({"QueueUrl": url(context, name)})),
            Some((key, _)) => Err(Refusal::bad(
                "QueueNameExists",
                format!(
                    "A queue already exists with the same name and a different value for attribute {key}"
                ),
            )),
        };
    }
    let deleted: Option<i64> = transaction.get_as(DELETED, name);
    if deleted.is_some_and(|at| transaction.now().as_second() - at < 60) {
        return Err(Refusal::bad(
            "QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        ));
    }
    let created = transaction.now().as_second();
    let queue =
        Queue { attributes: wanted, tags: tags_of(input.value("tags"))?, created, modified: None };
    transaction.put_as(QUEUES, name, &queue);
    Ok(json!({"QueueUrl": url(context, name)}))
}
