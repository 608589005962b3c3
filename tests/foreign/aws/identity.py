"""IAM and STS: roles, policies, providers, sessions; each operation's answer and refusals."""

import json

from account import NUMBER, allow, document, trust

NONE = f"arn:aws:iam::{NUMBER}:policy/none"
MANAGED = "arn:aws:iam::aws:policy/ReadOnlyAccess"
LINKED = "AWSServiceRoleForAmazonEKSForFargate"
TAGS = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
MANY = [{"Key": f"k{number}", "Value": ""} for number in range(51)]
TWICE = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
RESERVED = [{"Key": "aws:a", "Value": "1"}]
THUMBPRINT = "0123456789" * 4


def check(account):
    roles(account)
    attachments(account)
    linked(account)
    policies(account)
    versions(account)
    providers(account)
    sessions(account)


def roles(account):
    refused, well = account.refused, account.well
    made = well("iam", "CreateRole", RoleName="one", AssumeRolePolicyDocument=trust(), Description="of one", Tags=TAGS)
    account.equal("trust", made["Role"]["AssumeRolePolicyDocument"], json.loads(trust()))
    account.waits("iam", "role_exists", RoleName="one")
    found = well("iam", "GetRole", RoleName="one")["Role"]
    account.equal("tags of a role", found["Tags"], TAGS)
    listed = {role["RoleName"]: role for role in account.pages("iam", "ListRoles")}
    account.holds("a listed role has no tags", "one" in listed and "Tags" not in listed["one"])
    account.equal("roles of a path", well("iam", "ListRoles", PathPrefix="/none/")["Roles"], [])
    refused("ValidationError", "iam", "ListRoles", Marker="%")
    refused("ValidationError", "iam", "ListRoles", MaxItems=1001)
    refused("EntityAlreadyExists", "iam", "CreateRole", "one already exists", RoleName="one", AssumeRolePolicyDocument=trust())
    for wrong in ('{"', "{}", document({"Effect": "Maybe", "Action": "*"}), document({"Effect": "Allow"})):
        refused("MalformedPolicyDocument", "iam", "CreateRole", RoleName="two", AssumeRolePolicyDocument=wrong)
        refused("MalformedPolicyDocument", "iam", "UpdateAssumeRolePolicy", RoleName="one", PolicyDocument=wrong)
        refused("MalformedPolicyDocument", "iam", "PutRolePolicy", RoleName="one", PolicyName="p", PolicyDocument=wrong)
    long = trust("a" * 2048)
    refused("LimitExceeded", "iam", "CreateRole", "ACLSizePerRole: 2048", RoleName="two", AssumeRolePolicyDocument=long)
    refused("LimitExceeded", "iam", "UpdateAssumeRolePolicy", "ACLSizePerRole", RoleName="one", PolicyDocument=long)
    for tags in (TWICE, RESERVED):
        refused("InvalidInput", "iam", "CreateRole", RoleName="two", AssumeRolePolicyDocument=trust(), Tags=tags)
        refused("InvalidInput", "iam", "TagRole", RoleName="one", Tags=tags)
    refused("LimitExceeded", "iam", "TagRole", RoleName="one", Tags=MANY)
    refused("ValidationError", "iam", "CreateRole", RoleName="a b", AssumeRolePolicyDocument=trust())
    refused("ValidationError", "iam", "CreateRole", RoleName="a" * 65, AssumeRolePolicyDocument=trust())
    changed = trust("lambda.amazonaws.com")
    well("iam", "UpdateAssumeRolePolicy", RoleName="one", PolicyDocument=changed)
    well("iam", "UpdateRole", RoleName="one", Description="changed", MaxSessionDuration=7200)
    refused("ValidationError", "iam", "UpdateRole", RoleName="one", MaxSessionDuration=50000)
    found = well("iam", "GetRole", RoleName="one")["Role"]
    told = (found["AssumeRolePolicyDocument"], found["Description"], found["MaxSessionDuration"])
    account.equal("a changed role", told, (json.loads(changed), "changed", 7200))
    well("iam", "TagRole", RoleName="one", Tags=[{"Key": "c", "Value": "3"}])
    well("iam", "UntagRole", RoleName="one", TagKeys=["a"])
    account.equal("keys", [tag["Key"] for tag in account.pages("iam", "ListRoleTags", RoleName="one")], ["b", "c"])
    account.equal("profiles", account.pages("iam", "ListInstanceProfilesForRole", RoleName="one"), [])
    nobody(account)


def nobody(account):
    """Every operation on a role says the same of one that is not there."""
    document_of = {"PolicyDocument": allow()}
    for operation, more in {
        "GetRole": {},
        "UpdateRole": {},
        "DeleteRole": {},
        "ListRoleTags": {},
        "ListRolePolicies": {},
        "ListAttachedRolePolicies": {},
        "ListInstanceProfilesForRole": {},
        "UpdateAssumeRolePolicy": document_of,
        "TagRole": {"Tags": TAGS},
        "UntagRole": {"TagKeys": ["a"]},
        "AttachRolePolicy": {"PolicyArn": MANAGED},
        "DetachRolePolicy": {"PolicyArn": MANAGED},
        "PutRolePolicy": {"PolicyName": "p", **document_of},
        "GetRolePolicy": {"PolicyName": "p"},
        "DeleteRolePolicy": {"PolicyName": "p"},
    }.items():
        account.refused("NoSuchEntity", "iam", operation, "nobody cannot be found", RoleName="nobody", **more)


def attachments(account):
    refused, well = account.refused, account.well
    for name in ("p", "q"):
        well("iam", "PutRolePolicy", RoleName="one", PolicyName=name, PolicyDocument=allow())
    account.equal("inline", account.pages("iam", "ListRolePolicies", RoleName="one"), ["p", "q"])
    found = well("iam", "GetRolePolicy", RoleName="one", PolicyName="p")
    account.equal("an inline document", found["PolicyDocument"], json.loads(allow()))
    long = allow(resource="a" * 10240)
    refused("LimitExceeded", "iam", "PutRolePolicy", "10240", RoleName="one", PolicyName="r", PolicyDocument=long)
    refused("NoSuchEntity", "iam", "GetRolePolicy", RoleName="one", PolicyName="none")
    refused("NoSuchEntity", "iam", "DeleteRolePolicy", RoleName="one", PolicyName="none")
    refused("DeleteConflict", "iam", "DeleteRole", "must delete policies first", RoleName="one")
    for name in ("p", "q"):
        well("iam", "DeleteRolePolicy", RoleName="one", PolicyName=name)
    for call in ("AttachRolePolicy", "DetachRolePolicy"):
        refused("NoSuchEntity", "iam", call, RoleName="one", PolicyArn=NONE)
        refused("InvalidInput", "iam", call, "is not valid", RoleName="one", PolicyArn="arn:aws:iam::policy/none")
    of_service = "arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy"
    refused("PolicyNotAttachable", "iam", "AttachRolePolicy", RoleName="one", PolicyArn=of_service)
    managed = [one["Arn"] for one in well("iam", "ListPolicies", Scope="AWS", PathPrefix="/")["Policies"]]
    wanted = [arn for arn in managed if arn.count("/") == 1][:11]
    for arn in wanted[:10]:
        well("iam", "AttachRolePolicy", RoleName="one", PolicyArn=arn)
    well("iam", "AttachRolePolicy", RoleName="one", PolicyArn=wanted[0])
    refused("LimitExceeded", "iam", "AttachRolePolicy", "PoliciesPerRole: 10", RoleName="one", PolicyArn=wanted[10])
    there = account.pages("iam", "ListAttachedRolePolicies", RoleName="one")
    account.equal("attached", sorted(one["PolicyArn"] for one in there), sorted(wanted[:10]))
    refused("DeleteConflict", "iam", "DeleteRole", "must detach all policies first", RoleName="one")
    for arn in wanted[:10]:
        well("iam", "DetachRolePolicy", RoleName="one", PolicyArn=arn)
    well("iam", "DeleteRole", RoleName="one")
    refused("NoSuchEntity", "iam", "DeleteRole", RoleName="one")


def linked(account):
    """A role of a service is the service's to change."""
    refused, well = account.refused, account.well
    there = {role["RoleName"] for role in well("iam", "ListRoles", PathPrefix="/aws-service-role/")["Roles"]}
    for service in ("eks-fargate.amazonaws.com", "eks.amazonaws.com", "spot.amazonaws.com"):
        if not any(name in there for name in named_for(service)):
            well("iam", "CreateServiceLinkedRole", AWSServiceName=service)
        refused("InvalidInput", "iam", "CreateServiceLinkedRole", "has been taken", AWSServiceName=service)
    for operation, more in {
        "UpdateAssumeRolePolicy": {"PolicyDocument": trust()},
        "UpdateRole": {"MaxSessionDuration": 3600},
        "AttachRolePolicy": {"PolicyArn": MANAGED},
        "DetachRolePolicy": {"PolicyArn": MANAGED},
        "PutRolePolicy": {"PolicyName": "p", "PolicyDocument": allow()},
        "DeleteRolePolicy": {"PolicyName": "p"},
        "DeleteRole": {},
    }.items():
        refused("UnmodifiableEntity", "iam", operation, "protected role", RoleName=LINKED, **more)
    refused("InvalidInput", "iam", "CreateServiceLinkedRole", AWSServiceName="none.amazonaws.com")


def named_for(service):
    return {
        "eks-fargate.amazonaws.com": ["AWSServiceRoleForAmazonEKSForFargate"],
        "eks.amazonaws.com": ["AWSServiceRoleForAmazonEKS"],
        "spot.amazonaws.com": ["AWSServiceRoleForEC2Spot"],
    }[service]


def policies(account):
    refused, well = account.refused, account.well
    made = well("iam", "CreatePolicy", PolicyName="one", PolicyDocument=allow(), Description="of one", Tags=TAGS)
    arn = made["Policy"]["Arn"]
    account.waits("iam", "policy_exists", PolicyArn=arn)
    refused("EntityAlreadyExists", "iam", "CreatePolicy", PolicyName="one", PolicyDocument=allow())
    refused("MalformedPolicyDocument", "iam", "CreatePolicy", PolicyName="two", PolicyDocument='{"')
    refused("LimitExceeded", "iam", "CreatePolicy", "6144", PolicyName="two", PolicyDocument=allow(resource="a" * 6144))
    for tags in (TWICE, RESERVED):
        refused("InvalidInput", "iam", "CreatePolicy", PolicyName="two", PolicyDocument=allow(), Tags=tags)
        refused("InvalidInput", "iam", "TagPolicy", PolicyArn=arn, Tags=tags)
    refused("LimitExceeded", "iam", "TagPolicy", PolicyArn=arn, Tags=MANY)
    found = well("iam", "GetPolicy", PolicyArn=arn)["Policy"]
    told = (found["Description"], found["Tags"], found["AttachmentCount"])
    account.equal("a policy", told, ("of one", TAGS, 0))
    own = {one["Arn"]: one for one in account.pages("iam", "ListPolicies", Scope="Local")}
    account.holds("a listed policy has neither description nor tags", not {"Tags", "Description"} & set(own[arn]))
    scopes = [{one["Arn"] for one in well("iam", "ListPolicies", Scope=scope)["Policies"]} for scope in ("All", "AWS")]
    account.equal("all policies", scopes[0], scopes[1] | set(own))
    attached = {one["Arn"] for one in well("iam", "ListPolicies", OnlyAttached=True)["Policies"]}
    account.holds("only what is attached", attached and arn not in attached)
    well("iam", "TagPolicy", PolicyArn=arn, Tags=[{"Key": "c", "Value": "3"}])
    well("iam", "UntagPolicy", PolicyArn=arn, TagKeys=["a"])
    account.equal("keys", [tag["Key"] for tag in account.pages("iam", "ListPolicyTags", PolicyArn=arn)], ["b", "c"])
    for operation, more in {
        "GetPolicy": {},
        "DeletePolicy": {},
        "ListPolicyTags": {},
        "ListPolicyVersions": {},
        "ListEntitiesForPolicy": {},
        "GetPolicyVersion": {"VersionId": "v1"},
        "DeletePolicyVersion": {"VersionId": "v1"},
        "SetDefaultPolicyVersion": {"VersionId": "v1"},
        "CreatePolicyVersion": {"PolicyDocument": allow()},
        "TagPolicy": {"Tags": TAGS},
        "UntagPolicy": {"TagKeys": ["a"]},
    }.items():
        refused("NoSuchEntity", "iam", operation, PolicyArn=NONE, **more)
        refused("InvalidInput", "iam", operation, "is not valid", PolicyArn="arn:aws:iam::policy/none", **more)


def versions(account):
    refused, well = account.refused, account.well
    arn = f"arn:aws:iam::{NUMBER}:policy/one"
    well("iam", "CreateRole", RoleName="two", AssumeRolePolicyDocument=trust())
    well("iam", "CreateRole", RoleName="three", AssumeRolePolicyDocument=trust())
    for role in ("two", "three"):
        well("iam", "AttachRolePolicy", RoleName=role, PolicyArn=arn)
    users = account.pages("iam", "ListEntitiesForPolicy", PolicyArn=arn)
    whole = well("iam", "ListEntitiesForPolicy", PolicyArn=arn)["PolicyRoles"]
    account.equal("users", {one["RoleName"] for one in whole}, {"two", "three"})
    account.equal("no groups use it", users, [])
    refused("DeleteConflict", "iam", "DeletePolicy", "attached to entities", PolicyArn=arn)
    for role in ("two", "three"):
        well("iam", "DetachRolePolicy", RoleName=role, PolicyArn=arn)
        well("iam", "DeleteRole", RoleName=role)
    for number in range(2, 6):
        text = allow(resource=f"arn:aws:s3:::{number}")
        made = well("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=text, SetAsDefault=number == 2)
        account.equal("a version", made["PolicyVersion"]["VersionId"], f"v{number}")
    refused("LimitExceeded", "iam", "CreatePolicyVersion", "5 versions", PolicyArn=arn, PolicyDocument=allow())
    refused("MalformedPolicyDocument", "iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument='{"')
    refused("AccessDenied", "iam", "CreatePolicyVersion", PolicyArn=MANAGED, PolicyDocument=allow())
    refused("DeleteConflict", "iam", "DeletePolicy", "more than one version", PolicyArn=arn)
    refused("DeleteConflict", "iam", "DeletePolicyVersion", "default version", PolicyArn=arn, VersionId="v2")
    for operation in ("GetPolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion"):
        refused("NoSuchEntity", "iam", operation, "v9", PolicyArn=arn, VersionId="v9")
    well("iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v5")
    found = well("iam", "GetPolicyVersion", PolicyArn=arn, VersionId="v5")["PolicyVersion"]
    told = (found["IsDefaultVersion"], found["Document"]["Statement"][0]["Resource"])
    account.equal("the default version", told, (True, "arn:aws:s3:::5"))
    there = [one["VersionId"] for one in account.pages("iam", "ListPolicyVersions", PolicyArn=arn)]
    account.equal("versions", there, ["v5", "v4", "v3", "v2", "v1"])
    for version in there[1:]:
        well("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=version)
    well("iam", "DeletePolicy", PolicyArn=arn)


def providers(account):
    refused, well = account.refused, account.well
    url = "https://oidc.example.com/id/ONE"
    both = {"ClientIDList": ["sts.amazonaws.com"], "ThumbprintList": [THUMBPRINT]}
    arn = well("iam", "CreateOpenIDConnectProvider", Url=url, Tags=TAGS, **both)["OpenIDConnectProviderArn"]
    refused("EntityAlreadyExists", "iam", "CreateOpenIDConnectProvider", Url=url)
    refused("InvalidInput", "iam", "CreateOpenIDConnectProvider", "https://", Url="http://oidc.example.com")
    refused("InvalidInput", "iam", "CreateOpenIDConnectProvider", Url=f"{url}/2", ThumbprintList=[THUMBPRINT] * 6)
    clients = [f"client-{number}" for number in range(101)]
    refused("LimitExceeded", "iam", "CreateOpenIDConnectProvider", Url=f"{url}/2", ClientIDList=clients)
    listed = well("iam", "ListOpenIDConnectProviders")["OpenIDConnectProviderList"]
    account.holds("a provider is listed", arn in [one["Arn"] for one in listed])
    for client in clients[:99]:
        well("iam", "AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID=client)
    named = {"OpenIDConnectProviderArn": arn}
    refused("LimitExceeded", "iam", "AddClientIDToOpenIDConnectProvider", **named, ClientID="one-more")
    refused("InvalidInput", "iam", "UpdateOpenIDConnectProviderThumbprint", **named, ThumbprintList=[THUMBPRINT] * 6)
    well("iam", "UpdateOpenIDConnectProviderThumbprint", **named, ThumbprintList=["f" * 40])
    for tags in (TWICE, RESERVED):
        refused("InvalidInput", "iam", "TagOpenIDConnectProvider", **named, Tags=tags)
    refused("LimitExceeded", "iam", "TagOpenIDConnectProvider", **named, Tags=MANY)
    well("iam", "TagOpenIDConnectProvider", **named, Tags=[{"Key": "c", "Value": "3"}])
    well("iam", "UntagOpenIDConnectProvider", **named, TagKeys=["a"])
    keys = [tag["Key"] for tag in account.pages("iam", "ListOpenIDConnectProviderTags", **named)]
    account.equal("keys", keys, ["b", "c"])
    found = well("iam", "GetOpenIDConnectProvider", **named)
    told = (found["Url"], len(found["ClientIDList"]), found["ThumbprintList"])
    account.equal("a provider", told, (url.removeprefix("https://"), 100, ["f" * 40]))
    for operation, more in {
        "GetOpenIDConnectProvider": {},
        "DeleteOpenIDConnectProvider": {},
        "ListOpenIDConnectProviderTags": {},
        "TagOpenIDConnectProvider": {"Tags": TAGS},
        "UntagOpenIDConnectProvider": {"TagKeys": ["a"]},
        "AddClientIDToOpenIDConnectProvider": {"ClientID": "a"},
        "UpdateOpenIDConnectProviderThumbprint": {"ThumbprintList": [THUMBPRINT]},
    }.items():
        none = f"arn:aws:iam::{NUMBER}:oidc-provider/none.example.com"
        refused("NoSuchEntity", "iam", operation, OpenIDConnectProviderArn=none, **more)
        wrong = "arn:aws:iam::oidc-provider/none"
        refused("InvalidInput", "iam", operation, "is not valid", OpenIDConnectProviderArn=wrong, **more)
    well("iam", "DeleteOpenIDConnectProvider", **named)


def sessions(account):
    refused, well = account.refused, account.well
    account.equal("account", well("sts", "GetCallerIdentity")["Account"], NUMBER)
    made = well("iam", "CreateRole", RoleName="session", AssumeRolePolicyDocument=trust_in_account())
    role = made["Role"]["Arn"]
    account.waits("iam", "role_exists", RoleName="session")
    named = {"RoleArn": role, "RoleSessionName": "foreign"}
    answer = until_usable(account, named)
    mine = answer["Credentials"]
    sts = account.session.client(
        "sts",
        aws_access_key_id=mine["AccessKeyId"],
        aws_secret_access_key=mine["SecretAccessKey"],
        aws_session_token=mine["SessionToken"],
    )
    account.equal("who a session is", sts.get_caller_identity()["Arn"], answer["AssumedRoleUser"]["Arn"])
    refused("MalformedPolicyDocument", "sts", "AssumeRole", **named, Policy='{"')
    refused("ValidationError", "sts", "AssumeRole", **named, DurationSeconds=43201)
    refused("AccessDenied", "sts", "AssumeRole", "sts:AssumeRole", RoleArn=f"{role}-none", RoleSessionName="foreign")
    well("iam", "DeleteRole", RoleName="session")


def trust_in_account():
    """Whoever is of the account may take the role."""
    principal = {"AWS": f"arn:aws:iam::{NUMBER}:root"}
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def until_usable(account, named):
    """A role is known to others some seconds after it was made; until then they may not take it."""
    for _ in range(200):
        try:
            return account.well("sts", "AssumeRole", **named)
        except account.client("sts").exceptions.ClientError as error:
            account.equal("a role of this moment", error.response["Error"]["Code"], "AccessDenied")
    raise AssertionError("the role is never usable")
