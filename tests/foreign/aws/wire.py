"""Requests that no SDK sends: unsigned, wrongly signed, late, unreadable, for what is not there.

Each gets the refusal of the real service in its protocol's own shape, and nothing is changed by it.
"""

import datetime
import json
import os
import urllib.error
import urllib.request
import xml.etree.ElementTree as tree

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

import identity
from account import CLUSTER, REGION
from shapes import bare

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def json_of(version, target):
    return {"Content-Type": f"application/x-amz-json-{version}", "X-Amz-Target": target}


# A write of each protocol that would do something: method, path, headers, body.
REQUESTS = {
    "iam": ("POST", "/", FORM, "Action=DeleteRole&Version=2010-05-08&RoleName=wire"),
    "ec2": ("POST", "/", FORM, "Action=DescribeVpcs&Version=2016-11-15"),
    "eks": ("POST", "/clusters/none/updates", {"Content-Type": "application/json"}, '{"version": "1.35"}'),
    "sqs": ("POST", "/", json_of("1.0", "AmazonSQS.CreateQueue"), '{"QueueName": "wire"}'),
    "events": ("POST", "/", json_of("1.1", "AWSEvents.PutRule"), '{"Name": "wire", "ScheduleExpression": "rate(5 minutes)"}'),
}
# What each answers to the same mistake: status and code.
UNSIGNED = {
    "iam": (403, "MissingAuthenticationToken"),
    "eks": (403, "MissingAuthenticationTokenException"),
    "sqs": (400, "MissingAuthenticationTokenException"),
    "events": (400, "MissingAuthenticationTokenException"),
}
INCOMPLETE = {
    "iam": (400, "IncompleteSignature"),
    "eks": (403, "IncompleteSignatureException"),
    "sqs": (400, "IncompleteSignatureException"),
    "events": (400, "IncompleteSignatureException"),
}
UNKNOWN_KEY = {
    "iam": (403, "InvalidClientTokenId"),
    "ec2": (401, "AuthFailure"),
    "eks": (403, "UnrecognizedClientException"),
    "sqs": (403, "InvalidClientTokenId"),
    "events": (400, "UnrecognizedClientException"),
}
WRONG_SIGNATURE = {
    "iam": (403, "SignatureDoesNotMatch"),
    "ec2": (401, "AuthFailure"),
    "eks": (403, "InvalidSignatureException"),
    "sqs": (403, "SignatureDoesNotMatch"),
    "events": (400, "InvalidSignatureException"),
}
LATE = {**WRONG_SIGNATURE, "ec2": (400, "RequestExpired")}


def check(account):
    account.well("iam", "CreateRole", RoleName="wire", AssumeRolePolicyDocument=identity.trust_in_account())
    before = world(account)
    wire = Wire(account)
    signatures(wire)
    bodies(wire)
    operations(wire)
    sessions(wire)
    account.equal("the world after bad requests", world(account), before)
    account.well("iam", "DeleteRole", RoleName="wire")


def world(account):
    """What a bad request could have changed."""
    listings = [
        ("iam", "ListRoles", "Roles"),
        ("iam", "ListPolicies", "Policies"),
        ("sqs", "ListQueues", "QueueUrls"),
        ("events", "ListRules", "Rules"),
        ("eks", "ListClusters", "clusters"),
        ("ec2", "DescribeVpcs", "Vpcs"),
    ]
    found = {operation: account.well(service, operation).get(key) for service, operation, key in listings}
    cluster = account.well("eks", "DescribeCluster", name=CLUSTER)["cluster"]
    return {**found, "cluster": cluster, "updates": account.well("eks", "ListUpdates", name=CLUSTER)["updateIds"]}


class Wire:
    """Sends requests made by hand."""

    def __init__(self, account):
        self.account = account
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.credentials = account.session.get_credentials().get_frozen_credentials()

    def signed(self, service, method, path, headers, body, credentials=None, at=None):
        """The request's headers with a right signature of the moment `at`."""
        request = AWSRequest(method, self.endpoint + path, headers=dict(headers), data=body.encode())
        credentials = credentials or self.credentials
        signer = botocore.auth.SigV4Auth(credentials, service, REGION)
        if credentials.token:
            request.headers["X-Amz-Security-Token"] = credentials.token
        moment = at or datetime.datetime.now(datetime.timezone.utc)
        request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        string = signer.string_to_sign(request, signer.canonical_request(request))
        scope = f"Credential={signer.scope(request)}"
        names = signer.signed_headers(signer.headers_to_sign(request))
        signature = signer.signature(string, request)
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders={names}, Signature={signature}"
        return dict(request.headers)

    def session(self, name):
        """Temporary credentials."""
        role = self.account.well("iam", "GetRole", RoleName="wire")["Role"]["Arn"]
        named = {"RoleArn": role, "RoleSessionName": name}
        return identity.until_usable(self.account, named)["Credentials"]

    def told(self, what, wanted, method, path, headers, body, words=""):
        """The request is refused with this status and code, and with a message."""
        request = urllib.request.Request(self.endpoint + path, body.encode() or None, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                found = (answer.status, "an answer", answer.read().decode())
        except urllib.error.HTTPError as error:
            found = (error.code, *code_and_message(error.headers, error.read().decode()))
        self.account.equal(f"{what}: status and code", found[:2], wanted)
        self.account.holds(f"{what}: a message with {words!r} in {found}", found[2] and words in found[2])


def code_and_message(headers, body):
    """As the protocol of the answer has them; SQS' older code stands before its newer one."""
    if headers["content-type"].startswith("text/xml"):
        parts = {bare(element.tag): element.text for element in tree.fromstring(body).iter()}
        return parts["Code"], parts["Message"]
    found = json.loads(body)
    code = headers.get("x-amzn-query-error") or headers.get("x-amzn-errortype") or found["__type"]
    return code.split(";")[0].rsplit("#")[-1], found.get("message", found.get("Message"))


def signatures(wire):
    now = datetime.datetime.now(datetime.timezone.utc)
    stranger = ReadOnlyCredentials("AKIASTRANGERS0000000", "secret", None)
    liar = ReadOnlyCredentials(wire.credentials.access_key, "secret", wire.credentials.token)
    bearer = ReadOnlyCredentials(wire.credentials.access_key, wire.credentials.secret_key, "none")
    for service, (method, path, headers, body) in REQUESTS.items():
        send = lambda what, wanted, given, text=body: wire.told(f"{service} {what}", wanted, method, path, given, text)
        sign = lambda **more: wire.signed(service, method, path, headers, body, **more)
        if service in UNSIGNED:
            send("unsigned", UNSIGNED[service], headers)
            send("with an empty signature", INCOMPLETE[service], {**headers, "Authorization": "AWS4-HMAC-SHA256 "})
            no_date = {name: value for name, value in sign().items() if name != "X-Amz-Date"}
            send("without a date", INCOMPLETE[service], no_date)
        send("by a stranger", UNKNOWN_KEY[service], sign(credentials=stranger))
        send("with a bad token", UNKNOWN_KEY[service], sign(credentials=bearer))
        send("with a wrong secret", WRONG_SIGNATURE[service], sign(credentials=liar))
        send("with another body", WRONG_SIGNATURE[service], sign(), body.replace("none", "myeks") + " ")
        for late in (-datetime.timedelta(minutes=20), datetime.timedelta(minutes=20)):
            send("at another time", LATE[service], sign(at=now + late))


def bodies(wire):
    serialization = (400, "SerializationException")
    texts = ("{", "[]", '"text"', '{"Name": 1, "QueueName": 1}')
    for service in ("sqs", "events"):
        method, path, headers, _ = REQUESTS[service]
        for text in texts:
            signed = wire.signed(service, method, path, headers, text)
            wire.told(f"{service} {text}", serialization, method, path, signed, text)
    for path, text in (("/clusters", "{"), ("/clusters", "[]"), ("/clusters", '{"name": 1}')):
        signed = wire.signed("eks", "POST", path, {}, text)
        wire.told(f"eks {path} {text}", serialization, "POST", path, signed, text)
    for service, target, wanted in (
        ("events", "AWSEvents.PutRule", (400, "ValidationException")),
        ("sqs", "AmazonSQS.CreateQueue", (400, "MissingParameter")),
    ):
        method, path, headers, _ = REQUESTS[service]
        signed = wire.signed(service, method, path, headers, "{}")
        wire.told(f"{target} of nothing", wanted, method, path, signed, "{}", "ame")
    for service, text, wanted in (
        ("iam", "", (400, "MissingAction")),
        ("iam", "%%%&&&===", (400, "MissingAction")),
        ("iam", "Action=GetRole&Version=2010-05-08", (400, "ValidationError")),
        ("iam", "Action=TagRole&Version=2010-05-08&RoleName=wire&Tags.member.x=1", (400, "MalformedQueryString")),
        ("iam", "Action=ListRoles&Version=2010-05-08&MaxItems=many", (400, "MalformedInput")),
        ("ec2", "Action=DescribeVpcAttribute&Version=2016-11-15", (400, "MissingParameter")),
        ("ec2", "Version=2016-11-15", (400, "MissingAction")),
    ):
        method, path, headers, _ = REQUESTS[service]
        signed = wire.signed(service, method, path, headers, text)
        wire.told(f"{service} {text}", wanted, method, path, signed, text)


def operations(wire):
    unknown = {
        "iam": [("Action=DoNothing&Version=2010-05-08", (400, "InvalidAction"))],
        "ec2": [("Action=DoNothing&Version=2016-11-15", (400, "InvalidAction"))],
    }
    unknown["iam"].append(("Action=GetRole&RoleName=wire", (400, "InvalidAction")))
    unknown["iam"].append(("Action=GetRole&Version=1999-01-01&RoleName=wire", (400, "InvalidAction")))
    for service, texts in unknown.items():
        for text, wanted in texts:
            method, path, headers, _ = REQUESTS[service]
            signed = wire.signed(service, method, path, headers, text)
            wire.told(f"{service} {text}", wanted, method, path, signed, text)
    for service, version, target in (
        ("events", "1.1", "AWSEvents.DoNothing"),
        ("events", "1.1", "Another.PutRule"),
        ("sqs", "1.0", "AmazonSQS.DoNothing"),
        ("pricing", "1.1", "AWSPriceListService.DoNothing"),
        ("ssm", "1.1", "AmazonSSM"),
    ):
        signed = wire.signed(service, "POST", "/", json_of(version, target), "{}")
        wire.told(target, (400, "UnknownOperationException"), "POST", "/", signed, "{}")
    for method, path in (("GET", "/none"), ("PUT", "/clusters"), ("DELETE", "/clusters"), ("GET", "/clusters/a/b/c/d/e/f")):
        signed = wire.signed("eks", method, path, {}, "")
        wire.told(f"eks {method} {path}", (404, "UnknownOperationException"), method, path, signed, "")


def sessions(wire):
    """A scope that is none, a token that is missing, and one of another session."""
    method, path, headers, body = REQUESTS["iam"]
    scope = "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=d"
    given = {**headers, "X-Amz-Date": "20260101T000000Z", "Authorization": scope}
    words = "5 slash-delimited elements"
    wire.told("a short scope", (400, "IncompleteSignature"), method, path, given, body, words)
    one, two = (wire.session(name) for name in ("one", "two"))
    for token in (None, two["SessionToken"]):
        wrong = ReadOnlyCredentials(one["AccessKeyId"], one["SecretAccessKey"], token)
        for service in ("iam", "eks", "events"):
            method, path, headers, body = REQUESTS[service]
            given = wire.signed(service, method, path, headers, body, credentials=wrong)
            wire.told(f"{service} with the token {token}", UNKNOWN_KEY[service], method, path, given, body)
