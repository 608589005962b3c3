"""Describes the finished cluster of a served sandbox with boto3, a client that none of us wrote.

Endpoint, credentials and region come from the environment, as `runbook sandbox env` prints them.
Ends with a count of what was found; any answer that boto3 cannot read, or that is not what the
cluster should be, is an AssertionError.
"""

import json
import sys

import boto3
from botocore.exceptions import ClientError


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        equal(error.response["Error"]["Code"], code)
    else:
        raise AssertionError(f"{code} was expected")


def pages(client, operation, key, **arguments):
    """All items, two a page: what a page token says must be understood by us."""
    paginator = client.get_paginator(operation)
    found = []
    for page in paginator.paginate(PaginationConfig={"PageSize": 2}, **arguments):
        found.extend(page[key])
    return found


def main():
    cluster = sys.argv[1]
    sts, eks, ec2 = boto3.client("sts"), boto3.client("eks"), boto3.client("ec2")
    iam, sqs, events = boto3.client("iam"), boto3.client("sqs"), boto3.client("events")

    account = sts.get_caller_identity()["Account"]
    equal(account, "111122223333")

    described = eks.describe_cluster(name=cluster)["cluster"]
    equal(described["status"], "ACTIVE")
    equal(described["accessConfig"]["authenticationMode"], "API_AND_CONFIG_MAP")
    equal(described["tags"]["runbook/owner"], f"nodeless/{cluster}")
    equal(eks.list_nodegroups(clusterName=cluster)["nodegroups"], [])
    equal(eks.list_clusters()["clusters"], [cluster])
    refused("ResourceNotFoundException", eks.describe_cluster, name="nothing")
    eks.get_waiter("cluster_active").wait(name=cluster, WaiterConfig={"MaxAttempts": 1})

    profiles = sorted(pages(eks, "list_fargate_profiles", "fargateProfileNames", clusterName=cluster))
    equal(profiles, ["karpenter", "kube-system"])
    for name in profiles:
        profile = eks.describe_fargate_profile(clusterName=cluster, fargateProfileName=name)
        equal(profile["fargateProfile"]["status"], "ACTIVE")
        equal(profile["fargateProfile"]["selectors"][0]["namespace"], name)
        eks.get_waiter("fargate_profile_active").wait(
            clusterName=cluster, fargateProfileName=name, WaiterConfig={"MaxAttempts": 1}
        )

    addons = sorted(pages(eks, "list_addons", "addons", clusterName=cluster))
    equal(addons, ["coredns", "kube-proxy", "vpc-cni"])
    coredns = eks.describe_addon(clusterName=cluster, addonName="coredns")["addon"]
    equal(coredns["status"], "ACTIVE")
    equal(json.loads(coredns["configurationValues"])["computeType"], "Fargate")
    eks.get_waiter("addon_active").wait(
        clusterName=cluster, addonName="coredns", WaiterConfig={"MaxAttempts": 1}
    )

    entries = pages(eks, "list_access_entries", "accessEntries", clusterName=cluster)
    kinds = sorted(
        eks.describe_access_entry(clusterName=cluster, principalArn=arn)["accessEntry"]["type"]
        for arn in entries
    )
    assert "EC2_LINUX" in kinds and "FARGATE_LINUX" in kinds, kinds

    for role in (f"{cluster}-cluster", f"KarpenterNodeRole-{cluster}", f"{cluster}-karpenter"):
        found = iam.get_role(RoleName=role)["Role"]
        equal(found["AssumeRolePolicyDocument"]["Version"], "2012-10-17")
        tags = pages(iam, "list_role_tags", "Tags", RoleName=role)
        assert {"Key": "runbook/owner", "Value": f"nodeless/{cluster}"} in tags, tags
    attached = pages(
        iam, "list_attached_role_policies", "AttachedPolicies", RoleName=f"{cluster}-karpenter"
    )
    equal(len(attached), 6)
    refused("NoSuchEntity", iam.get_role, RoleName="nothing")
    issuer = described["identity"]["oidc"]["issuer"].removeprefix("https://")
    provider = iam.get_open_id_connect_provider(
        OpenIDConnectProviderArn=f"arn:aws:iam::{account}:oidc-provider/{issuer}"
    )
    equal(provider["ClientIDList"], ["sts.amazonaws.com"])

    url = sqs.get_queue_url(QueueName=cluster)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    equal(attributes["MessageRetentionPeriod"], "300")
    refused("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="nothing")

    rules = events.list_rules(NamePrefix=f"karpenter-{cluster}-")["Rules"]
    equal(len(rules), 5)
    for rule in rules:
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        equal([target["Arn"] for target in targets], [attributes["QueueArn"]])

    tagged = ec2.describe_subnets(
        Filters=[{"Name": "tag:karpenter.sh/discovery", "Values": [cluster]}]
    )["Subnets"]
    equal(len(tagged), 3)
    instances = [
        instance
        for reservation in ec2.describe_instances(
            Filters=[{"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]}]
        )["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] == "running"
    ]
    assert instances, "Karpenter made no instance"
    for instance in instances:
        keys = {tag["Key"] for tag in instance["Tags"]}
        assert "karpenter.sh/nodepool" in keys, keys

    print(
        f"{len(profiles)} profiles, {len(addons)} add-ons, {len(entries)} access entries, "
        f"{len(rules)} rules, {len(tagged)} subnets"
    )


main()
