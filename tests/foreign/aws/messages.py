"""SQS and EventBridge: queues, rules, targets; each operation's answer and refusals."""

from botocore.exceptions import ClientError

from account import CLUSTER, NUMBER, REGION, document

GONE = "AWS.SimpleQueueService.NonExistentQueue"
PATTERN = '{"source":["aws.ec2"]}'
TAGS = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]


def check(account):
    queues(account)
    attributes(account)
    rules(account)
    targets(account)
    rule_tags(account)


def queues(account):
    refused, well = account.refused, account.well
    wanted = {"VisibilityTimeout": "45", "SqsManagedSseEnabled": "true"}
    url = well("sqs", "CreateQueue", QueueName="one", Attributes=wanted, tags={"a": "1"})["QueueUrl"]
    same = {"VisibilityTimeout": "45", "DelaySeconds": "0"}
    account.equal("the same queue", well("sqs", "CreateQueue", QueueName="one", Attributes=same)["QueueUrl"], url)
    refused("QueueAlreadyExists", "sqs", "CreateQueue", QueueName="one", Attributes={"VisibilityTimeout": "46"})
    refused("InvalidAttributeName", "sqs", "CreateQueue", QueueName="two", Attributes={"None": "1"})
    refused("InvalidAttributeValue", "sqs", "CreateQueue", QueueName="two", Attributes={"DelaySeconds": "901"})
    for name in ("a b", "a" * 81, ""):
        refused("InvalidParameterValue", "sqs", "CreateQueue", "alphanumeric", QueueName=name)
    account.equal("a URL", well("sqs", "GetQueueUrl", QueueName="one")["QueueUrl"], url)
    well("sqs", "CreateQueue", QueueName="two")
    account.holds("queues are listed", url in account.pages("sqs", "ListQueues"))
    account.equal("queues by prefix", well("sqs", "ListQueues", QueueNamePrefix="on")["QueueUrls"], [url])
    account.equal("no queue", well("sqs", "ListQueues", QueueNamePrefix="none").get("QueueUrls", []), [])
    well("sqs", "TagQueue", QueueUrl=url, Tags={"b": "2"})
    well("sqs", "UntagQueue", QueueUrl=url, TagKeys=["a"])
    account.equal("tags of a queue", well("sqs", "ListQueueTags", QueueUrl=url)["Tags"], {"b": "2"})
    none = url.replace("one", "none")
    refused(GONE, "sqs", "GetQueueUrl", QueueName="none")
    for operation, more in {
        "GetQueueAttributes": {"AttributeNames": ["All"]},
        "SetQueueAttributes": {"Attributes": {"DelaySeconds": "1"}},
        "TagQueue": {"Tags": {"a": "1"}},
        "UntagQueue": {"TagKeys": ["a"]},
        "ListQueueTags": {},
        "DeleteQueue": {},
    }.items():
        refused(GONE, "sqs", operation, "does not exist", QueueUrl=none, **more)
    well("sqs", "DeleteQueue", QueueUrl=url.replace("one", "two"))
    deleted_just_now(account)


def deleted_just_now(account):
    """A name is free a minute after its queue is gone, and the world's minutes here are short."""
    for number in range(5):
        url = account.well("sqs", "CreateQueue", QueueName=f"gone-{number}")["QueueUrl"]
        account.well("sqs", "DeleteQueue", QueueUrl=url)
        try:
            account.well("sqs", "CreateQueue", QueueName=f"gone-{number}")
        except ClientError as error:
            account.judge("AWS.SimpleQueueService.QueueDeletedRecently", ["60 seconds"], "sqs CreateQueue", error)
            return
    account.problems.append("CreateQueue: a queue that was just deleted is made again at once")


def attributes(account):
    refused, well = account.refused, account.well
    url = well("sqs", "GetQueueUrl", QueueName="one")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{NUMBER}:one"
    principal = {"Service": "events.amazonaws.com"}
    policy = document({"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": arn})
    well("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy, "DelaySeconds": "5"})
    found = well("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    told = {key: found[key] for key in ("QueueArn", "VisibilityTimeout", "DelaySeconds", "Policy")}
    wanted = {"QueueArn": arn, "VisibilityTimeout": "45", "DelaySeconds": "5", "Policy": policy}
    account.equal("attributes", told, wanted)
    times = {"CreatedTimestamp", "LastModifiedTimestamp", "ApproximateNumberOfMessagesNotVisible"}
    account.holds("all attributes are told", times <= set(found))
    some = well("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    account.equal("one attribute", some, {"QueueArn": arn})
    account.equal("no attribute", well("sqs", "GetQueueAttributes", QueueUrl=url), {})
    well("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": ""})
    found = well("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    account.holds("an emptied policy is gone", "Policy" not in found)
    refused("InvalidAttributeName", "sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["None"])
    for name in ("None", "QueueArn"):
        refused("InvalidAttributeName", "sqs", "SetQueueAttributes", QueueUrl=url, Attributes={name: "1"})
    for name, value in {
        "VisibilityTimeout": "43201",
        "MessageRetentionPeriod": "59",
        "MaximumMessageSize": "1023",
        "ReceiveMessageWaitTimeSeconds": "x",
        "SqsManagedSseEnabled": "perhaps",
        "Policy": "{",
    }.items():
        refused("InvalidAttributeValue", "sqs", "SetQueueAttributes", name, QueueUrl=url, Attributes={name: value})
    well("sqs", "DeleteQueue", QueueUrl=url)


def rules(account):
    refused, well = account.refused, account.well
    arn = well("events", "PutRule", Name="one", EventPattern=PATTERN, Description="of one", Tags=TAGS)["RuleArn"]
    found = well("events", "DescribeRule", Name="one")
    wanted = {"Name": "one", "Arn": arn, "EventPattern": PATTERN, "State": "ENABLED", "Description": "of one"}
    account.equal("a rule", {key: found.get(key) for key in wanted}, wanted)
    well("events", "PutRule", Name="two", ScheduleExpression="rate(5 minutes)", State="DISABLED")
    found = well("events", "DescribeRule", Name="two")
    told = (found.get("ScheduleExpression"), found["State"], "EventPattern" in found)
    account.equal("a schedule", told, ("rate(5 minutes)", "DISABLED", False))
    listed = {rule["Name"]: rule for rule in account.pages("events", "ListRules")}
    account.equal("a listed rule", (listed["one"]["Description"], listed["one"]["Arn"]), ("of one", arn))
    by_prefix = well("events", "ListRules", NamePrefix="on")["Rules"]
    account.equal("rules by prefix", [rule["Name"] for rule in by_prefix], ["one"])
    refused("InvalidEventPatternException", "events", "PutRule", "not valid", Name="three", EventPattern="{")
    refused("InvalidEventPatternException", "events", "PutRule", Name="three", EventPattern='{"source":"aws.ec2"}')
    refused("ValidationException", "events", "PutRule", "EventPattern", Name="three")
    refused("ValidationException", "events", "PutRule", Name="a b", EventPattern=PATTERN)
    refused("ValidationException", "events", "PutRule", Name="three", ScheduleExpression="now and then")
    refused("ValidationException", "events", "ListRules", NextToken="%")
    refused("ResourceNotFoundException", "events", "DescribeRule", "none does not exist", Name="none")
    other = {"EventBusName": "none"}
    for operation, more in {
        "PutRule": {"Name": "three", "EventPattern": PATTERN},
        "DescribeRule": {"Name": "one"},
        "DeleteRule": {"Name": "one"},
        "ListRules": {},
        "PutTargets": {"Rule": "one", "Targets": [target("1")]},
        "RemoveTargets": {"Rule": "one", "Ids": ["1"]},
        "ListTargetsByRule": {"Rule": "one"},
    }.items():
        refused("ResourceNotFoundException", "events", operation, "none does not exist", **other, **more)
    well("events", "DeleteRule", Name="two")
    well("events", "DeleteRule", Name="two")


def target(name):
    return {"Id": name, "Arn": f"arn:aws:sqs:{REGION}:{NUMBER}:{CLUSTER}"}


def targets(account):
    refused, well = account.refused, account.well
    five = [target(str(number)) for number in range(5)]
    account.equal("targets", well("events", "PutTargets", Rule="one", Targets=five)["FailedEntryCount"], 0)
    refused("LimitExceededException", "events", "PutTargets", Rule="one", Targets=[target("5")])
    account.equal("targets", account.pages("events", "ListTargetsByRule", Rule="one"), five)
    wrong = well("events", "PutTargets", Rule="one", Targets=[{"Id": "1", "Arn": "not-an-arn"}])
    told = [(one["TargetId"], bool(one["ErrorCode"])) for one in wrong["FailedEntries"]]
    account.equal("a wrong target", (wrong["FailedEntryCount"], told), (1, [("1", True)]))
    refused("ResourceNotFoundException", "events", "PutTargets", Rule="none", Targets=[target("1")])
    refused("ResourceNotFoundException", "events", "RemoveTargets", Rule="none", Ids=["1"])
    refused("ResourceNotFoundException", "events", "ListTargetsByRule", Rule="none")
    refused("ValidationException", "events", "DeleteRule", "since it has targets", Name="one")
    removed = well("events", "RemoveTargets", Rule="one", Ids=[one["Id"] for one in five])
    account.equal("removed targets", (removed["FailedEntryCount"], removed["FailedEntries"]), (0, []))


def rule_tags(account):
    refused, well = account.refused, account.well
    arn = well("events", "DescribeRule", Name="one")["Arn"]
    well("events", "PutRule", Name="one", EventPattern=PATTERN, Tags=[{"Key": "ignored", "Value": ""}])
    well("events", "TagResource", ResourceARN=arn, Tags=[{"Key": "c", "Value": "3"}])
    well("events", "UntagResource", ResourceARN=arn, TagKeys=["a"])
    found = well("events", "ListTagsForResource", ResourceARN=arn)["Tags"]
    account.equal("tags of a rule", [tag["Key"] for tag in found], ["b", "c"])
    for operation, more in {
        "TagResource": {"Tags": TAGS},
        "UntagResource": {"TagKeys": ["a"]},
        "ListTagsForResource": {},
    }.items():
        none = arn.replace("/one", "/none")
        refused("ResourceNotFoundException", "events", operation, "does not exist", ResourceARN=none, **more)
    refused("ValidationException", "events", "TagResource", ResourceARN=arn, Tags=[{"Key": "aws:a", "Value": ""}])
    well("events", "DeleteRule", Name="one")
