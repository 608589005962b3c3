"""What boto3 says of the finished cluster, asserted. Waits for nothing; writes only what it removes."""

import json
import sys

import boto3
from botocore.exceptions import ClientError

CLUSTER = "myeks"
ACCOUNT = "111122223333"
REGION = "ap-northeast-2"
FARGATE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/AmazonEKSFargatePodExecutionRole-{CLUSTER}"
NODE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/KarpenterNodeRole-{CLUSTER}"
QUICK = {"Delay": 1, "MaxAttempts": 2}


def pages(client, operation, key, size=1, **arguments):
    """Every item of a listing, asked for in small pages."""
    paginator = client.get_paginator(operation)
    found = paginator.paginate(**arguments, PaginationConfig={"PageSize": size})
    return [item for page in found for item in page.get(key, [])]


def equal(what, found, wanted):
    assert found == wanted, f"{what}: found {found!r}, wanted {wanted!r}"


def refused(code, call, **arguments):
    """The call is refused with that code, and with words."""
    try:
        call(**arguments)
    except ClientError as error:
        equal(f"refusal of {call.__name__}", error.response["Error"]["Code"], code)
        assert error.response["Error"]["Message"], f"{call.__name__}: no message"
    else:
        raise AssertionError(f"{call.__name__} was not refused")


def caller():
    sts = boto3.client("sts")
    equal("account", sts.get_caller_identity()["Account"], ACCOUNT)
    key = boto3.Session().get_credentials().access_key
    wrong = boto3.client("sts", aws_access_key_id=key, aws_secret_access_key="wrong")
    refused("SignatureDoesNotMatch", wrong.get_caller_identity)
    unknown = boto3.client("eks", aws_access_key_id="AKIANOBODY", aws_secret_access_key="wrong")
    refused("UnrecognizedClientException", unknown.list_clusters)
    refused("AccessDenied", sts.assume_role, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/none", RoleSessionName="foreign")


def cluster():
    eks = boto3.client("eks")
    equal("clusters", pages(eks, "list_clusters", "clusters"), [CLUSTER])
    found = eks.describe_cluster(name=CLUSTER)["cluster"]
    equal("status", found["status"], "ACTIVE")
    equal("mode", found["accessConfig"]["authenticationMode"], "API_AND_CONFIG_MAP")
    assert found["endpoint"].startswith("https://127.0.0.1:"), found["endpoint"]
    assert found["certificateAuthority"]["data"], "no certificate authority"
    eks.get_waiter("cluster_active").wait(name=CLUSTER, WaiterConfig=QUICK)
    refused("ResourceNotFoundException", eks.describe_cluster, name="none")
    refused("ResourceInUseException", eks.delete_cluster, name=CLUSTER)
    equal("node groups", eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"], [])
    return found


def profiles():
    eks = boto3.client("eks")
    names = pages(eks, "list_fargate_profiles", "fargateProfileNames", clusterName=CLUSTER)
    namespaces = set()
    for name in names:
        found = eks.describe_fargate_profile(clusterName=CLUSTER, fargateProfileName=name)["fargateProfile"]
        equal(f"status of {name}", found["status"], "ACTIVE")
        equal(f"role of {name}", found["podExecutionRoleArn"], FARGATE_ROLE)
        namespaces |= {selector["namespace"] for selector in found["selectors"]}
        eks.get_waiter("fargate_profile_active").wait(clusterName=CLUSTER, fargateProfileName=name, WaiterConfig=QUICK)
    equal("namespaces on Fargate", namespaces, {"kube-system", "karpenter"})
    refused("ResourceNotFoundException", eks.describe_fargate_profile, clusterName=CLUSTER, fargateProfileName="none")


def addons():
    eks = boto3.client("eks")
    names = set(pages(eks, "list_addons", "addons", clusterName=CLUSTER))
    assert {"coredns", "kube-proxy", "vpc-cni"} <= names, names
    for name in names:
        found = eks.describe_addon(clusterName=CLUSTER, addonName=name)["addon"]
        equal(f"status of {name}", found["status"], "ACTIVE")
        if name == "coredns":
            values = json.loads(found["configurationValues"])
            equal("compute type of coredns", values["computeType"].lower(), "fargate")
        eks.get_waiter("addon_active").wait(clusterName=CLUSTER, addonName=name, WaiterConfig=QUICK)
    refused("ResourceNotFoundException", eks.describe_addon, clusterName=CLUSTER, addonName="none")


def access():
    eks = boto3.client("eks")
    kinds = {}
    for principal in pages(eks, "list_access_entries", "accessEntries", clusterName=CLUSTER):
        entry = eks.describe_access_entry(clusterName=CLUSTER, principalArn=principal)["accessEntry"]
        kinds[principal] = entry["type"]
    equal("entry of Fargate's role", kinds.get(FARGATE_ROLE), "FARGATE_LINUX")
    equal("entry of the nodes' role", kinds.get(NODE_ROLE), "EC2_LINUX")
    refused("ResourceInUseException", eks.create_access_entry, clusterName=CLUSTER, principalArn=NODE_ROLE)
    none = f"arn:aws:iam::{ACCOUNT}:role/none"
    refused("ResourceNotFoundException", eks.describe_access_entry, clusterName=CLUSTER, principalArn=none)


def identity(found):
    iam = boto3.client("iam")
    names = {role["RoleName"] for role in pages(iam, "list_roles", "Roles")}
    for arn in (FARGATE_ROLE, NODE_ROLE):
        assert arn.rsplit("/")[-1] in names, f"{arn} is not listed"
    trust = iam.get_role(RoleName=FARGATE_ROLE.rsplit("/")[-1])["Role"]["AssumeRolePolicyDocument"]
    assert "eks-fargate-pods.amazonaws.com" in json.dumps(trust), trust
    attached = pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=NODE_ROLE.rsplit("/")[-1])
    assert "AmazonEKSWorkerNodePolicy" in {policy["PolicyName"] for policy in attached}, attached
    own = pages(iam, "list_policies", "Policies", Scope="Local")
    assert own, "no policy of the account's own"
    for policy in own:
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        assert version["PolicyVersion"]["Document"]["Statement"], policy["Arn"]
    issuer = found["identity"]["oidc"]["issuer"].removeprefix("https://")
    providers = [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    equal("providers", providers, [f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"])
    provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=providers[0])
    equal("audience", provider["ClientIDList"], ["sts.amazonaws.com"])
    refused("NoSuchEntity", iam.get_role, RoleName="none")
    refused("NoSuchEntity", iam.get_policy, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/none")
    refused("DeleteConflict", iam.delete_role, RoleName=NODE_ROLE.rsplit("/")[-1])
    refused("InvalidInput", iam.create_service_linked_role, AWSServiceName="spot.amazonaws.com")
    refused("MalformedPolicyDocument", iam.create_role, RoleName="none", AssumeRolePolicyDocument='{"')


def interruption():
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url = sqs.get_queue_url(QueueName=CLUSTER)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{CLUSTER}"
    equal("queue", attributes["QueueArn"], arn)
    equal("retention", attributes["MessageRetentionPeriod"], "300")
    statements = json.loads(attributes["Policy"])["Statement"]
    assert any("events.amazonaws.com" in json.dumps(statement) for statement in statements), statements
    rules = [rule for page in events.get_paginator("list_rules").paginate() for rule in page["Rules"]]
    assert len(rules) >= 4, rules
    for rule in rules:
        assert json.loads(rule["EventPattern"])["source"], rule
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        equal(f"target of {rule['Name']}", [target["Arn"] for target in targets], [arn])
    try:
        sqs.get_queue_url(QueueName="none")
        raise AssertionError("a queue that is not there has a URL")
    except sqs.exceptions.QueueDoesNotExist:
        pass
    refused("ResourceNotFoundException", events.describe_rule, Name="none")
    refused("InvalidEventPatternException", events.put_rule, Name="none", EventPattern="{")
    refused("ValidationException", events.delete_rule, Name=rules[0]["Name"])


def network(found):
    ec2 = boto3.client("ec2")
    named = [{"Name": "tag:Name", "Values": ["myeks-VPC"]}]
    (vpc,) = ec2.describe_vpcs(Filters=named)["Vpcs"]
    equal("VPC of the cluster", found["resourcesVpcConfig"]["vpcId"], vpc["VpcId"])
    attribute = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
    equal("DNS names", attribute["EnableDnsHostnames"]["Value"], True)
    inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    subnets = pages(ec2, "describe_subnets", "Subnets", size=5, Filters=inside)
    equal("subnets", len(subnets), 6)
    discovered = [one for one in subnets if {"Key": "karpenter.sh/discovery", "Value": CLUSTER} in one.get("Tags", [])]
    equal("subnets that Karpenter finds", len(discovered), 3)
    equal("gateways", [one["State"] for one in ec2.describe_nat_gateways()["NatGateways"]], ["available"])
    reservations = pages(ec2, "describe_instances", "Reservations", size=5)
    running = [
        instance
        for reservation in reservations
        for instance in reservation["Instances"]
        if instance["State"]["Name"] == "running"
    ]
    assert running, "no machine of Karpenter's runs"
    for instance in running:
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        equal("node pool of a machine", tags.get("karpenter.sh/nodepool"), "default")
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=["vpc-0123456789abcdef0"])
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=["sg-0123456789abcdef0"])


def written():
    """A role, a policy, a queue and a rule: made, read, removed."""
    iam, sqs, events = boto3.client("iam"), boto3.client("sqs"), boto3.client("events")
    principal = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = lambda statement: json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="foreign", AssumeRolePolicyDocument=document(principal), Tags=[{"Key": "a", "Value": "b"}])
    iam.get_waiter("role_exists").wait(RoleName="foreign", WaiterConfig=QUICK)
    refused("EntityAlreadyExists", iam.create_role, RoleName="foreign", AssumeRolePolicyDocument=document(principal))
    policy = iam.create_policy(PolicyName="foreign", PolicyDocument=document(allowed))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="foreign", PolicyArn=policy)
    refused("DeleteConflict", iam.delete_policy, PolicyArn=policy)
    iam.detach_role_policy(RoleName="foreign", PolicyArn=policy)
    iam.delete_policy(PolicyArn=policy)
    equal("tags", iam.list_role_tags(RoleName="foreign")["Tags"], [{"Key": "a", "Value": "b"}])
    iam.delete_role(RoleName="foreign")
    refused("NoSuchEntity", iam.delete_role, RoleName="foreign")
    url = sqs.create_queue(QueueName="foreign", Attributes={"VisibilityTimeout": "30"}, tags={"a": "b"})["QueueUrl"]
    refused("QueueAlreadyExists", sqs.create_queue, QueueName="foreign", Attributes={"VisibilityTimeout": "31"})
    equal("queue's tags", sqs.list_queue_tags(QueueUrl=url)["Tags"], {"a": "b"})
    sqs.delete_queue(QueueUrl=url)
    events.put_rule(Name="foreign", EventPattern='{"source":["aws.ec2"]}')
    target = {"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{CLUSTER}"}
    equal("failed targets", events.put_targets(Rule="foreign", Targets=[target])["FailedEntryCount"], 0)
    equal("removed targets", events.remove_targets(Rule="foreign", Ids=["1"])["FailedEntryCount"], 0)
    events.delete_rule(Name="foreign")


def main():
    caller()
    found = cluster()
    profiles()
    addons()
    access()
    identity(found)
    interruption()
    network(found)
    written()
    print("boto3 finds all of the cluster as it should be")


if __name__ == "__main__":
    sys.exit(main())
