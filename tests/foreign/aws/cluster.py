"""EKS: a second cluster from its creation to its deletion; each operation's answer and refusals."""

import json

from botocore.exceptions import ClientError

from account import CLUSTER, NUMBER, trust

NAME = "foreign"
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy"
USER = f"arn:aws:iam::{NUMBER}:user/foreign"
NOT_FOUND, IN_USE = "ResourceNotFoundException", "ResourceInUseException"
INVALID, WRONG = "InvalidParameterException", "InvalidRequestException"


def check(account):
    roles = with_roles(account)
    created(account, roles)
    entries_without_api(account)
    updates(account)
    entries(account, roles)
    listings(account)
    addons(account)
    profiles(account, roles)
    tags(account)
    absent(account)
    deleted(account)


def with_roles(account):
    found = {}
    for name, service in {"control": "eks.amazonaws.com", "pods": "eks-fargate-pods.amazonaws.com"}.items():
        made = account.well("iam", "CreateRole", RoleName=f"foreign-{name}", AssumeRolePolicyDocument=trust(service))
        found[name] = made["Role"]["Arn"]
    there = account.well("eks", "DescribeCluster", name=CLUSTER)["cluster"]["resourcesVpcConfig"]
    found["subnets"] = there["subnetIds"]
    found["private"] = private(account)
    # A role is known to EKS some seconds after it was made.
    account.waits("iam", "role_exists", RoleName="foreign-pods")
    return found


def private(account):
    """Subnets without a route to the internet gateway."""
    tables = account.well("ec2", "DescribeRouteTables")["RouteTables"]
    public = [
        association.get("SubnetId")
        for table in tables
        for association in table["Associations"]
        if any(route.get("GatewayId", "").startswith("igw-") for route in table["Routes"])
    ]
    subnets = [subnet["SubnetId"] for subnet in account.well("ec2", "DescribeSubnets")["Subnets"]]
    return [subnet for subnet in subnets if subnet not in public], [subnet for subnet in subnets if subnet in public]


def created(account, roles):
    refused, well = account.refused, account.well
    wanted = {"name": NAME, "roleArn": roles["control"], "resourcesVpcConfig": {"subnetIds": roles["subnets"]}}
    for change in (
        {"name": "a b"},
        {"version": "1.1"},
        {"roleArn": f"arn:aws:iam::{NUMBER}:role/none"},
        {"resourcesVpcConfig": {"subnetIds": roles["subnets"][:1]}},
        {"resourcesVpcConfig": {"subnetIds": ["subnet-0123456789abcdef0"]}},
        {"resourcesVpcConfig": {}},
    ):
        refused(INVALID, "eks", "CreateCluster", **{**wanted, **change})
    token = {"clientRequestToken": "foreign-token"}
    made = until_made(account, {**wanted, **token, "version": "1.33", "tags": {"a": "1"}})
    account.equal("a cluster", (made["status"], "endpoint" in made), ("CREATING", False))
    account.equal("the same", well("eks", "CreateCluster", **wanted, **token)["cluster"]["arn"], made["arn"])
    refused(IN_USE, "eks", "CreateCluster", "already exists with name", **wanted)
    refused(IN_USE, "eks", "UpdateClusterConfig", "CREATING", name=NAME, accessConfig={"authenticationMode": "API"})
    refused(IN_USE, "eks", "UpdateClusterVersion", "CREATING", name=NAME, version="1.34")
    account.waits("eks", "cluster_active", name=NAME)
    found = well("eks", "DescribeCluster", name=NAME)["cluster"]
    account.holds("an active cluster says how to reach it", found["endpoint"] and found["certificateAuthority"]["data"])


def until_made(account, wanted):
    for _ in range(100):
        try:
            return account.well("eks", "CreateCluster", **wanted)["cluster"]
        except account.client("eks").exceptions.InvalidParameterException as error:
            account.holds("a role of this moment", "could not be assumed" in str(error))
    raise AssertionError("the role is never usable")


def entries_without_api(account):
    """A cluster that knows its users by a config map alone has no access entries."""
    who = {"clusterName": NAME, "principalArn": USER}
    policy = {"policyArn": ADMIN}
    for operation, more in {
        "CreateAccessEntry": who,
        "UpdateAccessEntry": who,
        "DescribeAccessEntry": who,
        "DeleteAccessEntry": who,
        "ListAccessEntries": {"clusterName": NAME},
        "AssociateAccessPolicy": {**who, **policy, "accessScope": {"type": "cluster"}},
        "DisassociateAccessPolicy": {**who, **policy},
        "ListAssociatedAccessPolicies": who,
    }.items():
        account.refused(WRONG, "eks", operation, "authentication mode", **more)


def updates(account):
    refused, well = account.refused, account.well
    modes = lambda mode: {"name": NAME, "accessConfig": {"authenticationMode": mode}}
    refused(WRONG, "eks", "UpdateClusterConfig", "No changes needed", **modes("CONFIG_MAP"))
    refused(INVALID, "eks", "UpdateClusterConfig", **modes("NONE"))
    for version in ("1.33", "1.35", "1.36", "1"):
        refused(INVALID, "eks", "UpdateClusterVersion", name=NAME, version=version)
    update = well("eks", "UpdateClusterConfig", **modes("API_AND_CONFIG_MAP"))["update"]
    refused(IN_USE, "eks", "UpdateClusterConfig", "update in progress", **modes("API"))
    refused(IN_USE, "eks", "UpdateClusterVersion", "update in progress", name=NAME, version="1.34")
    until_done(account, update["id"])
    refused(INVALID, "eks", "UpdateClusterConfig", **modes("CONFIG_MAP"))
    second = well("eks", "UpdateClusterVersion", name=NAME, version="1.34")["update"]
    until_done(account, second["id"])
    found = well("eks", "DescribeCluster", name=NAME)["cluster"]
    told = (found["version"], found["accessConfig"]["authenticationMode"])
    account.equal("an updated cluster", told, ("1.34", "API_AND_CONFIG_MAP"))
    listed = account.pages("eks", "ListUpdates", name=NAME)
    account.equal("updates", sorted(listed), sorted([update["id"], second["id"]]))
    none = "00000000-0000-0000-0000-000000000000"
    refused(NOT_FOUND, "eks", "DescribeUpdate", none, name=NAME, updateId=none)


def until_done(account, update, **more):
    """Waits for an update; botocore has no waiter for it."""
    for _ in range(20000):
        found = account.well("eks", "DescribeUpdate", name=NAME, updateId=update, **more)["update"]
        if found["status"] != "InProgress":
            return account.equal("an update", found["status"], "Successful")
    raise AssertionError("an update does not end")


def entries(account, roles):
    refused, well = account.refused, account.well
    who = {"clusterName": NAME, "principalArn": USER}
    made = well("eks", "CreateAccessEntry", **who, kubernetesGroups=["viewers"], tags={"a": "1"})["accessEntry"]
    account.equal("an entry", (made["type"], made["kubernetesGroups"]), ("STANDARD", ["viewers"]))
    refused(IN_USE, "eks", "CreateAccessEntry", "already in use", **who)
    nodes = {"clusterName": NAME, "principalArn": roles["control"], "type": "EC2_LINUX"}
    well("eks", "CreateAccessEntry", **nodes)
    other = {"clusterName": NAME, "principalArn": f"arn:aws:iam::{NUMBER}:role/none"}
    refused(INVALID, "eks", "CreateAccessEntry", **other)
    refused(INVALID, "eks", "CreateAccessEntry", clusterName=NAME, principalArn=f"{USER}2", type="NONE")
    forbidden = ["system:masters"]
    words = "it cannot start with system:"
    refused(INVALID, "eks", "CreateAccessEntry", words, clusterName=NAME, principalArn=f"{USER}2", kubernetesGroups=forbidden)
    refused(INVALID, "eks", "UpdateAccessEntry", words, **who, kubernetesGroups=forbidden)
    changed = well("eks", "UpdateAccessEntry", **who, kubernetesGroups=["editors"], username="foreign")["accessEntry"]
    account.equal("a changed entry", (changed["kubernetesGroups"], changed["username"]), (["editors"], "foreign"))
    account.equal("an entry", well("eks", "DescribeAccessEntry", **who)["accessEntry"], changed)
    spaces = {"type": "namespace", "namespaces": ["default"]}
    found = well("eks", "AssociateAccessPolicy", **who, policyArn=ADMIN, accessScope=spaces)
    account.equal("an association", found["associatedAccessPolicy"]["accessScope"], spaces)
    view = ADMIN.replace("Admin", "View")
    well("eks", "AssociateAccessPolicy", **who, policyArn=view, accessScope={"type": "cluster"})
    refused(INVALID, "eks", "AssociateAccessPolicy", **who, policyArn="arn:aws:iam::aws:policy/ReadOnlyAccess", accessScope=spaces)
    refused(INVALID, "eks", "AssociateAccessPolicy", **who, policyArn=ADMIN, accessScope={"type": "namespace"})
    there = [one["policyArn"] for one in account.pages("eks", "ListAssociatedAccessPolicies", **who)]
    account.equal("policies", sorted(there), sorted([ADMIN, view]))
    listed = account.pages("eks", "ListAccessEntries", clusterName=NAME)
    account.holds("entries", {USER, roles["control"]} <= set(listed))
    account.equal("entries of a policy", well("eks", "ListAccessEntries", clusterName=NAME, associatedPolicyArn=ADMIN)["accessEntries"], [USER])
    well("eks", "DisassociateAccessPolicy", **who, policyArn=ADMIN)
    refused(NOT_FOUND, "eks", "DisassociateAccessPolicy", **who, policyArn=ADMIN)
    for operation, more in {
        "DescribeAccessEntry": {},
        "UpdateAccessEntry": {},
        "DeleteAccessEntry": {},
        "ListAssociatedAccessPolicies": {},
        "DisassociateAccessPolicy": {"policyArn": ADMIN},
        "AssociateAccessPolicy": {"policyArn": ADMIN, "accessScope": {"type": "cluster"}},
    }.items():
        refused(NOT_FOUND, "eks", operation, "could not be found", **other, **more)
    well("eks", "DeleteAccessEntry", **who)


def listings(account):
    """What every listing does with a token or a size that is none."""
    account.equal("clusters", account.pages("eks", "ListClusters"), [NAME, CLUSTER])
    account.equal("node groups", account.pages("eks", "ListNodegroups", clusterName=NAME), [])
    versions = account.pages("eks", "DescribeClusterVersions")
    defaults = [one["clusterVersion"] for one in versions if one["defaultVersion"]]
    account.equal("the default version", defaults, ["1.34"])
    one = account.well("eks", "DescribeClusterVersions", clusterVersions=["1.33"])["clusterVersions"]
    account.equal("one version", [version["clusterVersion"] for version in one], ["1.33"])
    one = account.well("eks", "DescribeClusterVersions", defaultOnly=True)["clusterVersions"]
    account.equal("the default version", [version["clusterVersion"] for version in one], ["1.34"])
    for operation, more in {
        "ListClusters": {},
        "ListNodegroups": {"clusterName": NAME},
        "ListUpdates": {"name": NAME},
        "ListFargateProfiles": {"clusterName": NAME},
        "ListAddons": {"clusterName": NAME},
        "ListAccessEntries": {"clusterName": NAME},
        "DescribeClusterVersions": {},
        "DescribeAddonVersions": {},
    }.items():
        account.refused(INVALID, "eks", operation, nextToken="%", **more)
        account.refused(INVALID, "eks", operation, maxResults=101, **more)


def addons(account):
    refused, well = account.refused, account.well
    names = account.pages("eks", "DescribeAddonVersions")
    account.holds("add-ons are offered", {"coredns", "vpc-cni"} <= {one["addonName"] for one in names})
    some = well("eks", "DescribeAddonVersions", addonName="vpc-cni", kubernetesVersion="1.34")["addons"]
    version = some[0]["addonVersions"][0]["addonVersion"]
    schema = well("eks", "DescribeAddonConfiguration", addonName="vpc-cni", addonVersion=version)
    account.equal("a schema", json.loads(schema["configurationSchema"])["type"], "object")
    refused(INVALID, "eks", "DescribeAddonVersions", kubernetesVersion="none")
    refused(INVALID, "eks", "DescribeAddonConfiguration", addonName="none", addonVersion=version)
    refused(INVALID, "eks", "DescribeAddonConfiguration", addonName="vpc-cni", addonVersion="v0")
    named = {"clusterName": NAME, "addonName": "vpc-cni"}
    for change in ({"addonName": "none"}, {"addonVersion": "v0"}, {"configurationValues": '{"none": 1}'}):
        refused(INVALID, "eks", "CreateAddon", **{**named, **change})
    made = well("eks", "CreateAddon", **named, addonVersion=version, tags={"a": "1"})["addon"]
    account.equal("an add-on", (made["status"], made["addonVersion"]), ("CREATING", version))
    refused(IN_USE, "eks", "CreateAddon", "already exists", **named)
    account.waits("eks", "addon_active", **named)
    for change in ({"addonVersion": "v0"}, {"configurationValues": "{"}, {"configurationValues": '{"none": 1}'}):
        refused(INVALID, "eks", "UpdateAddon", **named, **change)
    updates_made = updated(account, named)
    listed = well("eks", "ListUpdates", name=NAME, addonName="vpc-cni")["updateIds"]
    account.equal("updates of the add-on", sorted(listed), sorted(updates_made))
    account.equal("add-ons", account.pages("eks", "ListAddons", clusterName=NAME), ["vpc-cni"])
    found = well("eks", "DescribeAddon", **named)["addon"]
    account.equal("its values", found["configurationValues"], '{"resources": {}}')
    account.equal("a removed add-on", well("eks", "DeleteAddon", **named)["addon"]["status"], "DELETING")
    account.waits("eks", "addon_deleted", **named)


def updated(account, named):
    """Updates an add-on until a second update came before the first had ended; the updates."""
    made = []
    for _ in range(20):
        for _ in range(2):
            try:
                update = account.well("eks", "UpdateAddon", **named, configurationValues='{"resources": {}}')["update"]
                made.append(update["id"])
            except ClientError as error:
                account.judge(IN_USE, ["UPDATING state"], "eks UpdateAddon", error)
                until_done(account, made[-1], addonName="vpc-cni")
                return made
        account.waits("eks", "addon_active", **named)
    raise AssertionError("an add-on is updated twice at once")


def profiles(account, roles):
    refused, well = account.refused, account.well
    private, public = roles["private"]
    wanted = {
        "podExecutionRoleArn": roles["pods"],
        "subnets": private,
        "selectors": [{"namespace": "one", "labels": {"a": "1"}}],
    }
    named = lambda number: {"clusterName": NAME, "fargateProfileName": f"profile-{number}"}
    for change in (
        {"selectors": []},
        {"selectors": [{"namespace": "one"}] * 6},
        {"fargateProfileName": "eks-one"},
        {"podExecutionRoleArn": roles["control"]},
        {"subnets": public},
        {"subnets": ["subnet-0123456789abcdef0"]},
    ):
        refused(INVALID, "eks", "CreateFargateProfile", **{**named("one"), **wanted, **change})
    for number in range(10):
        made = well("eks", "CreateFargateProfile", **wanted, **named(number), tags={"a": "1"})["fargateProfile"]
        account.equal("a profile", made["status"], "CREATING")
        # What the model does not list for it, the service says all the same.
        if number == 0:
            refused(IN_USE, "eks", "CreateFargateProfile", "CREATING", **named("two"), **wanted)
            refused(IN_USE, "eks", "CreateFargateProfile", "already exists", **wanted, **named(0))
            refused(IN_USE, "eks", "DeleteFargateProfile", "CREATING", **named(0))
        account.waits("eks", "fargate_profile_active", **named(number))
    limit = "ResourceLimitExceededException"
    refused(limit, "eks", "CreateFargateProfile", **named("two"), **wanted)
    listed = account.pages("eks", "ListFargateProfiles", clusterName=NAME)
    account.equal("profiles", listed, [f"profile-{number}" for number in range(10)])
    found = well("eks", "DescribeFargateProfile", **named(3))["fargateProfile"]
    account.equal("its selectors", found["selectors"], wanted["selectors"])
    entry = well("eks", "DescribeAccessEntry", clusterName=NAME, principalArn=roles["pods"])["accessEntry"]
    account.equal("the entry of its pods", entry["type"], "FARGATE_LINUX")
    refused(IN_USE, "eks", "DeleteCluster", "Fargate profile", name=NAME)
    for number in range(10):
        well("eks", "DeleteFargateProfile", **named(number))
        account.waits("eks", "fargate_profile_deleted", **named(number))


def tags(account):
    refused, well = account.refused, account.well
    arn = well("eks", "DescribeCluster", name=NAME)["cluster"]["arn"]
    well("eks", "TagResource", resourceArn=arn, tags={"b": "2", "c": "3"})
    well("eks", "UntagResource", resourceArn=arn, tagKeys=["a", "b"])
    account.equal("tags", well("eks", "ListTagsForResource", resourceArn=arn)["tags"], {"c": "3"})
    for operation, more in {
        "TagResource": {"tags": {"a": "1"}},
        "UntagResource": {"tagKeys": ["a"]},
        "ListTagsForResource": {},
    }.items():
        refused("NotFoundException", "eks", operation, resourceArn=f"{arn}-none", **more)
        refused("BadRequestException", "eks", operation, resourceArn="none", **more)


def absent(account):
    """Every operation says the same of a cluster that is not there, and of its parts."""
    refused = account.refused
    who = {"principalArn": USER}
    for operation, more in {
        "ListNodegroups": {},
        "DescribeNodegroup": {"nodegroupName": "n"},
        "ListFargateProfiles": {},
        "DescribeFargateProfile": {"fargateProfileName": "n"},
        "DeleteFargateProfile": {"fargateProfileName": "n"},
        "ListAddons": {},
        "CreateAddon": {"addonName": "vpc-cni"},
        "DescribeAddon": {"addonName": "n"},
        "UpdateAddon": {"addonName": "n"},
        "DeleteAddon": {"addonName": "n"},
        "CreateAccessEntry": who,
        "ListAccessEntries": {},
    }.items():
        refused(NOT_FOUND, "eks", operation, "No cluster found for name: none", clusterName="none", **more)
        if more and not operation.startswith("Create"):
            refused(NOT_FOUND, "eks", operation, clusterName=NAME, **more)
    for operation, more in {
        "DescribeCluster": {},
        "DeleteCluster": {},
        "ListUpdates": {},
        "DescribeUpdate": {"updateId": "n"},
        "UpdateClusterConfig": {"upgradePolicy": {"supportType": "STANDARD"}},
        "UpdateClusterVersion": {"version": "1.35"},
    }.items():
        refused(NOT_FOUND, "eks", operation, "No cluster found for name: none", name="none", **more)
    account.waits("eks", "nodegroup_deleted", clusterName=NAME, nodegroupName="n")


def deleted(account):
    account.equal("a cluster", account.well("eks", "DeleteCluster", name=NAME)["cluster"]["status"], "DELETING")
    account.waits("eks", "cluster_deleted", name=NAME)
    account.equal("clusters", account.well("eks", "ListClusters")["clusters"], [CLUSTER])
    for name in ("foreign-control", "foreign-pods"):
        account.well("iam", "DeleteRole", RoleName=name)
