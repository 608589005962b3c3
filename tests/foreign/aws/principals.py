"""Whom pods and machines are taken for: instance profiles, what a policy says, tokens, associations."""

import base64
import json
import os
import ssl
import subprocess
import urllib.request

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from account import CLUSTER, NUMBER, allow, document, trust
from identity import LINKED, MANY, RESERVED, TAGS, TWICE

AUDIENCE = "sts.amazonaws.com"
# Of all that is asked for, the shortest that the API server grants.
SHORT = 600
# What the account keeps between the parts: a token that ends while they run.
KEPT = {}
NOT_FOUND, IN_USE, INVALID = "ResourceNotFoundException", "ResourceInUseException", "InvalidParameterException"


def check(account):
    instance_profiles(account)
    simulations(account)
    web_identity(account)
    pod_identity(account)
    insights(account)


def instance_profiles(account):
    refused, well = account.refused, account.well
    named = {"InstanceProfileName": "machine"}
    made = well("iam", "CreateInstanceProfile", **named, Path="/a/", Tags=TAGS)["InstanceProfile"]
    account.equal("a profile's ARN", made["Arn"], f"arn:aws:iam::{NUMBER}:instance-profile/a/machine")
    account.waits("iam", "instance_profile_exists", **named)
    refused("EntityAlreadyExists", "iam", "CreateInstanceProfile", "machine already exists", **named)
    refused("ValidationError", "iam", "CreateInstanceProfile", InstanceProfileName="a b")
    for tags in (TWICE, RESERVED):
        refused("InvalidInput", "iam", "CreateInstanceProfile", InstanceProfileName="two", Tags=tags)
        refused("InvalidInput", "iam", "TagInstanceProfile", **named, Tags=tags)
    refused("LimitExceeded", "iam", "CreateInstanceProfile", InstanceProfileName="two", Tags=MANY)
    refused("LimitExceeded", "iam", "TagInstanceProfile", **named, Tags=MANY)
    for name in ("machine", "other"):
        well("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust())
    well("iam", "AddRoleToInstanceProfile", **named, RoleName="machine")
    refused("LimitExceeded", "iam", "AddRoleToInstanceProfile", "InstanceSessionsPerInstanceProfile: 1", **named, RoleName="other")
    found = well("iam", "GetInstanceProfile", **named)["InstanceProfile"]
    account.equal("the role of a profile", [role["RoleName"] for role in found["Roles"]], ["machine"])
    of_role = account.pages("iam", "ListInstanceProfilesForRole", RoleName="machine")
    listed = account.pages("iam", "ListInstanceProfiles", PathPrefix="/a/")
    account.equal("profiles", [[one["InstanceProfileName"] for one in all] for all in (of_role, listed)], [["machine"]] * 2)
    refused("DeleteConflict", "iam", "DeleteInstanceProfile", "must remove roles", **named)
    refused("DeleteConflict", "iam", "DeleteRole", "must remove roles", RoleName="machine")
    for operation in ("AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile"):
        refused("UnmodifiableEntity", "iam", operation, "protected role", **named, RoleName=LINKED)
        refused("NoSuchEntity", "iam", operation, "nobody", **named, RoleName="nobody")
    refused("NoSuchEntity", "iam", "RemoveRoleFromInstanceProfile", "other", **named, RoleName="other")
    well("iam", "TagInstanceProfile", **named, Tags=[{"Key": "c", "Value": "3"}])
    well("iam", "UntagInstanceProfile", **named, TagKeys=["a"])
    keys = [tag["Key"] for tag in account.pages("iam", "ListInstanceProfileTags", **named)]
    account.equal("keys", keys, ["b", "c"])
    well("iam", "RemoveRoleFromInstanceProfile", **named, RoleName="machine")
    well("iam", "DeleteInstanceProfile", **named)
    for operation, more in {
        "GetInstanceProfile": {},
        "DeleteInstanceProfile": {},
        "ListInstanceProfileTags": {},
        "TagInstanceProfile": {"Tags": TAGS},
        "UntagInstanceProfile": {"TagKeys": ["a"]},
        "AddRoleToInstanceProfile": {"RoleName": "other"},
        "RemoveRoleFromInstanceProfile": {"RoleName": "other"},
    }.items():
        refused("NoSuchEntity", "iam", operation, "machine cannot be found", **named, **more)
    for name in ("machine", "other"):
        well("iam", "DeleteRole", RoleName=name)


def simulations(account):
    """What the policies of a role say; of a user of the sandbox, that everything is allowed."""
    refused, well = account.refused, account.well
    me = well("sts", "GetCallerIdentity")["Arn"]
    arn = well("iam", "CreateRole", RoleName="judged", AssumeRolePolicyDocument=trust())["Role"]["Arn"]
    tagged = {"StringEquals": {"aws:ResourceTag/team": "a"}}
    own = document(
        {"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::one/*"},
        {"Effect": "Allow", "Action": "ec2:StopInstances", "Resource": "*", "Condition": tagged},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::one/secret"},
    )
    well("iam", "PutRolePolicy", RoleName="judged", PolicyName="own", PolicyDocument=own)
    ask = lambda who, action, *resources, **more: well(
        "iam", "SimulatePrincipalPolicy", PolicySourceArn=who, ActionNames=[action], **({"ResourceArns": resources} if resources else {}), **more
    )["EvaluationResults"]
    told = ask(arn, "s3:GetObject", "arn:aws:s3:::one/a", "arn:aws:s3:::one/secret", "arn:aws:s3:::two/a")
    account.equal("decisions", [one["EvalDecision"] for one in told], ["allowed", "explicitDeny", "implicitDeny"])
    account.equal("the policy that allows", told[0]["MatchedStatements"][0]["SourcePolicyId"], "own")
    missing = ask(arn, "ec2:StopInstances")[0]
    account.equal("a missing value", (missing["EvalDecision"], missing["MissingContextValues"]), ("implicitDeny", ["aws:ResourceTag/team"]))
    team = {"ContextKeyName": "aws:ResourceTag/team", "ContextKeyValues": ["a"], "ContextKeyType": "string"}
    account.equal("with its value", ask(arn, "ec2:StopInstances", ContextEntries=[team])[0]["EvalDecision"], "allowed")
    account.equal("one more policy", ask(arn, "sqs:SendMessage", PolicyInputList=[allow("sqs:*")])[0]["EvalDecision"], "allowed")
    account.equal("the caller", ask(me, "eks:CreateCluster")[0]["EvalDecision"], "allowed")
    whole = {"PolicySourceArn": arn, "ActionNames": ["s3:GetObject", "s3:PutObject"]}
    account.pages("iam", "SimulatePrincipalPolicy", **whole)
    refused("NoSuchEntity", "iam", "SimulatePrincipalPolicy", "nobody", PolicySourceArn=f"{arn}-nobody", ActionNames=["s3:GetObject"])
    refused("NoSuchEntity", "iam", "SimulatePrincipalPolicy", "nobody", PolicySourceArn=f"{me}-nobody", ActionNames=["s3:GetObject"])
    refused("InvalidInput", "iam", "SimulatePrincipalPolicy", PolicySourceArn="arn:aws:s3:::none/at/all", ActionNames=["s3:GetObject"])
    refused("InvalidInput", "iam", "SimulatePrincipalPolicy", "Action", PolicySourceArn=arn, ActionNames=["none"])
    refused("InvalidInput", "iam", "SimulatePrincipalPolicy", PolicySourceArn=arn, ActionNames=["s3:GetObject"], PolicyInputList=['{"'])
    # What AWS' own policies say is not known here, and not made up.
    managed = {"RoleName": "judged", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    well("iam", "AttachRolePolicy", **managed)
    refused("NotSimulated", "iam", "SimulatePrincipalPolicy", "ReadOnlyAccess", **whole)
    well("iam", "DetachRolePolicy", **managed)
    well("iam", "DeleteRolePolicy", RoleName="judged", PolicyName="own")
    well("iam", "DeleteRole", RoleName="judged")


def token(name, audience=AUDIENCE, seconds=3600):
    """A token of a service account of kube-system, from the API server."""
    with open(os.environ["KUBECONFIG"].split(":")[0], encoding="utf-8") as file:
        config = json.load(file)
    plugin = config["users"][0]["user"]["exec"]
    more = {one["name"]: one["value"] for one in plugin.get("env") or []}
    said = subprocess.run([plugin["command"], *plugin["args"]], env={**os.environ, **more}, check=True, capture_output=True)
    server = config["clusters"][0]["cluster"]
    path = f"/api/v1/namespaces/kube-system/serviceaccounts/{name}/token"
    body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"audiences": [audience], "expirationSeconds": seconds}}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {json.loads(said.stdout)['status']['token']}"}
    trusting = ssl.create_default_context(cadata=base64.b64decode(server["certificate-authority-data"]).decode())
    request = urllib.request.Request(server["server"] + path, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, context=trusting) as answer:
        return json.load(answer)["status"]["token"]


def web_identity(account):
    """A pod's token becomes a session of the role that trusts its service account."""
    refused, well = account.refused, account.well
    issuer = well("eks", "DescribeCluster", name=CLUSTER)["cluster"]["identity"]["oidc"]["issuer"].removeprefix("https://")
    federated = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{NUMBER}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": "system:serviceaccount:kube-system:default"}},
    }
    role = well("iam", "CreateRole", RoleName="web", AssumeRolePolicyDocument=document(federated))["Role"]["Arn"]
    account.waits("iam", "role_exists", RoleName="web")
    # Nobody signs this: a pod has no credentials yet.
    account.clients["sts"] = account.session.client("sts", config=Config(signature_version=UNSIGNED))
    mine = token("default", seconds=SHORT)
    named = {"RoleArn": role, "RoleSessionName": "pod", "WebIdentityToken": mine}
    answer = until_usable(account, named)
    account.equal("whose token", answer["SubjectFromWebIdentityToken"], "system:serviceaccount:kube-system:default")
    session = answer["Credentials"]
    sts = account.session.client(
        "sts",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    account.equal("who a pod is", sts.get_caller_identity()["Arn"], answer["AssumedRoleUser"]["Arn"])
    operation = "AssumeRoleWithWebIdentity"
    refused("MalformedPolicyDocument", "sts", operation, **named, Policy='{"')
    refused("ValidationError", "sts", operation, **named, DurationSeconds=43201)
    head, claims, signature = mine.split(".")
    for wrong, words in {
        "none": "valid JWT",
        "a.b.c": "valid JWT",
        f"{head}.{claims}.{signature[::-1]}": "signature",
        token("default", audience="other"): "audience",
    }.items():
        refused("InvalidIdentityToken", "sts", operation, words, **{**named, "WebIdentityToken": wrong})
    stranger = {**named, "WebIdentityToken": token("coredns")}
    refused("AccessDenied", "sts", operation, "Not authorized", **stranger)
    KEPT.update(named)
    account.clients.pop("sts")


def until_usable(account, named):
    """A new role is known to STS some seconds after it was made."""
    for _ in range(200):
        try:
            return account.well("sts", "AssumeRoleWithWebIdentity", **named)
        except ClientError as error:
            account.equal("a role of this moment", error.response["Error"]["Code"], "AccessDenied")
    raise AssertionError("the role is never usable")


def expired(account):
    """Minutes of the world later a token of ten minutes is over."""
    account.refused("ExpiredTokenException", "sts", "AssumeRoleWithWebIdentity", "Token expired", **KEPT)
    account.well("iam", "DeleteRole", RoleName="web")


def pod_identity(account):
    refused, well = account.refused, account.well
    trusted = document({"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]})
    role = well("iam", "CreateRole", RoleName="pod", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    other = well("iam", "CreateRole", RoleName="pod-2", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    wanted = {"clusterName": CLUSTER, "namespace": "default", "serviceAccount": "app", "roleArn": role}
    made = until_associated(account, {**wanted, "tags": {"a": "1"}})
    named = {"clusterName": CLUSTER, "associationId": made["associationId"]}
    refused(IN_USE, "eks", "CreatePodIdentityAssociation", "already exists", **wanted)
    more = well("eks", "CreatePodIdentityAssociation", **{**wanted, "namespace": "other"})["association"]
    account.equal("associations", len(account.pages("eks", "ListPodIdentityAssociations", clusterName=CLUSTER)), 2)
    found = well("eks", "ListPodIdentityAssociations", clusterName=CLUSTER, namespace="other")["associations"]
    account.equal("of a namespace", [one["associationId"] for one in found], [more["associationId"]])
    none = f"arn:aws:iam::{NUMBER}:role/none"
    refused(INVALID, "eks", "CreatePodIdentityAssociation", "does not exist", **{**wanted, "serviceAccount": "b", "roleArn": none})
    refused(INVALID, "eks", "UpdatePodIdentityAssociation", "does not exist", **named, roleArn=none)
    for token_or_size in ({"nextToken": "%"}, {"maxResults": 101}):
        refused(INVALID, "eks", "ListPodIdentityAssociations", clusterName=CLUSTER, **token_or_size)
    changed = well("eks", "UpdatePodIdentityAssociation", **named, roleArn=other, disableSessionTags=True)["association"]
    account.equal("a changed association", (changed["roleArn"], changed["disableSessionTags"]), (other, True))
    account.equal("an association", well("eks", "DescribePodIdentityAssociation", **named)["association"], changed)
    account.equal("its tags", well("eks", "ListTagsForResource", resourceArn=made["associationArn"])["tags"], {"a": "1"})
    for one in (made, more):
        well("eks", "DeletePodIdentityAssociation", clusterName=CLUSTER, associationId=one["associationId"])
    for operation in ("DescribePodIdentityAssociation", "UpdatePodIdentityAssociation", "DeletePodIdentityAssociation"):
        refused(NOT_FOUND, "eks", operation, made["associationId"], **named)
        refused(NOT_FOUND, "eks", operation, "No cluster found", clusterName="none", associationId="a-1")
    refused(NOT_FOUND, "eks", "ListPodIdentityAssociations", "No cluster found", clusterName="none")
    refused(NOT_FOUND, "eks", "CreatePodIdentityAssociation", "No cluster found", **{**wanted, "clusterName": "none"})
    for name in ("pod", "pod-2"):
        well("iam", "DeleteRole", RoleName=name)


def until_associated(account, wanted):
    for _ in range(200):
        try:
            return account.well("eks", "CreatePodIdentityAssociation", **wanted)["association"]
        except account.client("eks").exceptions.InvalidParameterException as error:
            account.holds("a role of this moment", "does not exist" in str(error))
    raise AssertionError("the role is never usable")


def insights(account):
    refused, well = account.refused, account.well
    listed = account.pages("eks", "ListInsights", clusterName=CLUSTER)
    status = {one["name"]: one["insightStatus"]["status"] for one in listed}
    wanted = {"Kubelet version skew": "PASSING", "EKS add-on version compatibility": "ERROR"}
    account.equal("insights", {name: status.get(name) for name in wanted}, wanted)
    account.equal("of the next version", {one["kubernetesVersion"] for one in listed}, {"1.35"})
    failing = well("eks", "ListInsights", clusterName=CLUSTER, filter={"statuses": ["ERROR"], "categories": ["UPGRADE_READINESS"]})["insights"]
    account.equal("those that fail", [one["name"] for one in failing], ["EKS add-on version compatibility"])
    found = well("eks", "DescribeInsight", clusterName=CLUSTER, id=failing[0]["id"])["insight"]
    details = found["categorySpecificSummary"]["addonCompatibilityDetails"]
    account.holds("an add-on with the versions to take", {"coredns", "vpc-cni"} <= {one["name"] for one in details})
    refused(INVALID, "eks", "ListInsights", "NONE", clusterName=CLUSTER, filter={"categories": ["NONE"]})
    refused(INVALID, "eks", "ListInsights", clusterName=CLUSTER, nextToken="%")
    refused(NOT_FOUND, "eks", "ListInsights", "No cluster found", clusterName="none")
    refused(NOT_FOUND, "eks", "DescribeInsight", "No insight found", clusterName=CLUSTER, id="none")
