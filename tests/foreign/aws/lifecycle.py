"""The life of some resources as Terraform leads it: plan, apply, an empty plan, destroy.

boto3's resources and waiters stand where Terraform's provider does: what is declared is compared
with what is read back, exactly, and what is destroyed in the wrong order is refused.
"""

import json

from botocore.exceptions import ClientError

from account import NUMBER, REGION, allow, document, trust

NAME = "lifecycle"
ROLE = {
    "path": "/life/",
    "description": "of a lifecycle",
    "max_session_duration": 7200,
    "assume_role_policy": json.loads(trust("ecs-tasks.amazonaws.com")),
    "tags": {"team": "a", "stage": "ä+b c"},
    "inline": {"own": json.loads(allow("sqs:ReceiveMessage"))},
}
POLICY = {"path": "/life/", "description": "for a role", "document": json.loads(allow()), "tags": {"team": "a"}}
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{NUMBER}:{NAME}"
SENDER = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
QUEUE = {
    "attributes": {"MessageRetentionPeriod": "300", "VisibilityTimeout": "45"},
    "policy": json.loads(document({**SENDER, "Resource": QUEUE_ARN})),
    "tags": {"team": "a", "stage": "b"},
}
RULE = {
    "description": "of interruptions",
    "state": "ENABLED",
    "pattern": {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]},
    "targets": [{"Id": "queue", "Arn": QUEUE_ARN}],
    "tags": {"team": "a"},
}
DECLARED = {"role": ROLE, "policy": POLICY, "attached": [NAME], "queue": QUEUE, "rule": RULE}
POLICY_ARN = f"arn:aws:iam::{NUMBER}:policy/life/{NAME}"


def check(account):
    stack = Stack(account)
    absent = dict.fromkeys(DECLARED)
    account.equal("plan: all is absent", stack.read(), absent)
    stack.apply()
    account.equal("plan after apply", stack.read(), DECLARED)
    stack.apply_again()
    account.equal("plan after a second apply", stack.read(), DECLARED)
    stack.drift()
    account.equal("what drifted is seen", stack.read()["queue"]["tags"], {"team": "b", "stage": "b"})
    stack.apply_again()
    account.equal("plan after the drift is undone", stack.read(), DECLARED)
    stack.refuse_wrong_order()
    account.equal("a refused deletion left all whole", stack.read(), DECLARED)
    stack.destroy()
    account.equal("plan after destroy", stack.read(), absent)


def tag_list(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags):
    return {tag["Key"]: tag["Value"] for tag in tags or []}


class Stack:
    """The declared resources, through boto3's resources where there are some."""

    def __init__(self, account):
        self.account = account
        self.iam, self.sqs = account.session.resource("iam"), account.session.resource("sqs")
        self.events = account.client("events")
        self.role, self.policy = self.iam.Role(NAME), self.iam.Policy(POLICY_ARN)

    def queue(self):
        return self.sqs.get_queue_by_name(QueueName=NAME)

    def read(self):
        """What is there, in the words of the declaration; none of what is not."""
        readers = (self.read_role, self.read_policy, self.read_attached, self.read_queue, self.read_rule)
        return {name: self.there(reader) for name, reader in zip(DECLARED, readers)}

    def there(self, reader):
        try:
            return reader()
        except ClientError as error:
            absent = {"NoSuchEntity", "AWS.SimpleQueueService.NonExistentQueue", "ResourceNotFoundException"}
            if error.response["Error"]["Code"] not in absent:
                raise
            return None

    def read_role(self):
        role = self.iam.Role(NAME)
        role.load()
        return {
            "path": role.path,
            "description": role.description,
            "max_session_duration": role.max_session_duration,
            "assume_role_policy": role.assume_role_policy_document,
            "tags": tag_map(role.tags),
            "inline": {policy.name: policy.policy_document for policy in role.policies.all()},
        }

    def read_policy(self):
        policy = self.iam.Policy(POLICY_ARN)
        policy.load()
        return {
            "path": policy.path,
            "description": policy.description,
            "document": policy.default_version.document,
            "tags": tag_map(policy.tags),
        }

    def read_attached(self):
        return [policy.policy_name for policy in self.iam.Role(NAME).attached_policies.all()]

    def read_queue(self):
        found = self.queue()
        tags = found.meta.client.list_queue_tags(QueueUrl=found.url).get("Tags", {})
        return {
            "attributes": {name: found.attributes[name] for name in QUEUE["attributes"]},
            "policy": json.loads(found.attributes["Policy"]),
            "tags": tags,
        }

    def read_rule(self):
        found = self.events.describe_rule(Name=NAME)
        return {
            "description": found["Description"],
            "state": found["State"],
            "pattern": json.loads(found["EventPattern"]),
            "targets": self.events.list_targets_by_rule(Rule=NAME)["Targets"],
            "tags": tag_map(self.events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]),
        }

    def apply(self):
        self.iam.create_role(
            RoleName=NAME,
            Path=ROLE["path"],
            Description=ROLE["description"],
            MaxSessionDuration=ROLE["max_session_duration"],
            AssumeRolePolicyDocument=json.dumps(ROLE["assume_role_policy"]),
            Tags=tag_list(ROLE["tags"]),
        )
        self.account.waits("iam", "role_exists", RoleName=NAME)
        for name, text in ROLE["inline"].items():
            self.role.Policy(name).put(PolicyDocument=json.dumps(text))
        self.iam.create_policy(
            PolicyName=NAME,
            Path=POLICY["path"],
            Description=POLICY["description"],
            PolicyDocument=json.dumps(POLICY["document"]),
            Tags=tag_list(POLICY["tags"]),
        )
        self.account.waits("iam", "policy_exists", PolicyArn=POLICY_ARN)
        self.role.attach_policy(PolicyArn=POLICY_ARN)
        attributes = {**QUEUE["attributes"], "Policy": json.dumps(QUEUE["policy"])}
        self.sqs.create_queue(QueueName=NAME, Attributes=attributes, tags=QUEUE["tags"])
        self.put_rule(Tags=tag_list(RULE["tags"]))

    def put_rule(self, **more):
        pattern = json.dumps(RULE["pattern"])
        self.events.put_rule(Name=NAME, EventPattern=pattern, State=RULE["state"], Description=RULE["description"], **more)
        failed = self.events.put_targets(Rule=NAME, Targets=RULE["targets"])["FailedEntryCount"]
        self.account.equal("failed targets", failed, 0)

    def apply_again(self):
        """Whatever can be said twice, said twice."""
        self.role.AssumeRolePolicy().update(PolicyDocument=json.dumps(ROLE["assume_role_policy"]))
        self.role.attach_policy(PolicyArn=POLICY_ARN)
        found = self.queue()
        found.set_attributes(Attributes={**QUEUE["attributes"], "Policy": json.dumps(QUEUE["policy"])})
        found.meta.client.tag_queue(QueueUrl=found.url, Tags=QUEUE["tags"])
        self.put_rule()

    def drift(self):
        """Somebody else changes something."""
        found = self.queue()
        found.set_attributes(Attributes={"VisibilityTimeout": "60"})
        found.meta.client.tag_queue(QueueUrl=found.url, Tags={"team": "b"})
        self.account.equal("drift", self.read_queue()["attributes"]["VisibilityTimeout"], "60")

    def refuse_wrong_order(self):
        refused = self.account.refused
        refused("DeleteConflict", "iam", "DeletePolicy", PolicyArn=POLICY_ARN)
        refused("DeleteConflict", "iam", "DeleteRole", RoleName=NAME)
        refused("ValidationException", "events", "DeleteRule", "since it has targets", Name=NAME)

    def destroy(self):
        self.events.remove_targets(Rule=NAME, Ids=[target["Id"] for target in RULE["targets"]])
        self.events.delete_rule(Name=NAME)
        self.queue().delete()
        self.role.detach_policy(PolicyArn=POLICY_ARN)
        self.account.refused("DeleteConflict", "iam", "DeleteRole", "delete policies first", RoleName=NAME)
        for policy in self.role.policies.all():
            policy.delete()
        self.role.delete()
        self.policy.delete()
