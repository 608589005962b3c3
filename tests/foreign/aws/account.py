"""The account as boto3 sees it: every call is recorded and every answer held against the model."""

import json

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

import shapes

REGION = "ap-northeast-2"
NUMBER = "111122223333"
CLUSTER = "myeks"
# What botocore calls a service in its events, and in its data.
NAMES = {
    "auto-scaling": "autoscaling",
    "elastic-load-balancing": "elb",
    "elastic-load-balancing-v2": "elbv2",
    "eventbridge": "events",
    "cost-explorer": "ce",
}
# The smallest pages where only the service's documentation says it, not the model.
LEAST = {"DescribeInstances": 5, "DescribeVolumes": 5}


class Account:
    """Clients of one session, what was answered and refused by operation, what was wrong."""

    def __init__(self):
        self.core = botocore.session.get_session()
        # A refusal must not be tried again: each one is the answer that is asserted.
        self.core.set_default_client_config(Config(retries={"total_max_attempts": 1}))
        self.core.get_component("event_emitter").register_last("response-received", self.received)
        self.session = boto3.Session(botocore_session=self.core)
        self.clients = {}
        self.answered, self.refusals, self.problems = set(), {}, []
        self.model = {}
        # Served operations of which only the refusal can be had.
        self.never = {
            ("eks", "DescribeNodegroup"),
            ("elasticloadbalancing", "DescribeTargetHealth"),
            ("elasticloadbalancing", "DescribeTags"),
        }

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = self.session.client(service)
        return self.clients[service]

    def received(self, event_name, response_dict, **_):
        """Holds what is on the wire against the model; botocore calls this for every answer."""
        _, name, operation = event_name.split(".")
        service = NAMES.get(name, name)
        model = self.core.get_service_model(service)
        operation = model.operation_model(operation)
        self.model[service, operation.name] = operation
        protocol = model.resolved_protocol
        if response_dict["status_code"] < 300:
            self.answered.add((model.signing_name, operation.name))
            found = shapes.problems_of(operation, protocol, response_dict["body"])
        else:
            found = refusal_problems(operation, protocol, response_dict)
        self.problems += [f"{service} {operation.name}: {one}" for one in found]

    def well(self, service, operation, **arguments):
        """The answer of a call that succeeds."""
        answer = getattr(self.client(service), xform_name(operation))(**arguments)
        answer.pop("ResponseMetadata")
        return answer

    def refused(self, code, service, operation, *words, **arguments):
        """The call is refused with that code, with a message, and with these words in it."""
        where = f"{service} {operation} {arguments}"
        try:
            found = self.well(service, operation, **arguments)
        except ClientError as error:
            self.judge(code, words, where, error)
        else:
            self.problems.append(f"{where}: {code} was expected, {found} answered"[:400])

    def judge(self, code, words, where, error):
        """Whether a refusal is the one that was expected; `where` begins with the service."""
        told, operation = error.response["Error"], error.operation_name
        if told["Code"] != code:
            self.problems.append(f"{where}: {code} was expected: {error}")
        missing = [word for word in words if word not in told["Message"]]
        if not told["Message"] or missing:
            self.problems.append(f"{where}: the message lacks {missing}: {error}")
        codes = self.refusals.setdefault((where.split()[0], operation), set())
        codes |= {told["Code"], told.get("QueryErrorCode", told["Code"])}

    def equal(self, what, found, wanted):
        if found != wanted:
            self.problems.append(f"{what}: found {found!r}, wanted {wanted!r}")

    def holds(self, what, is_so):
        self.equal(what, bool(is_so), True)

    def pages(self, service, operation, **arguments):
        """A listing in the smallest pages is the same as at once; what it lists."""
        client = self.client(service)
        paginator = client.get_paginator(xform_name(operation))
        keys = [key.expression for key in paginator.result_keys]
        input_shape = client.meta.service_model.operation_model(operation).input_shape
        limit = client._PY_TO_OP_NAME and paginator._limit_key
        least = LEAST.get(operation, 1)
        size = max(input_shape.members[limit].metadata.get("min", least), 1) if limit else None
        whole = self.well(service, operation, **arguments)
        found = {key: [] for key in keys}
        config = {"PageSize": size} if limit else {}
        pages = 0
        for page in paginator.paginate(**arguments, PaginationConfig=config):
            pages += 1
            for key in keys:
                items = page.get(key, [])
                found[key] += items if isinstance(items, list) else []
                if limit and isinstance(items, list) and len(items) > size:
                    self.problems.append(f"{operation}: a page of {len(items)} {key}, not {size}")
        for key in keys:
            if isinstance(whole.get(key, []), list):
                self.equal(f"{operation} in pages: {key}", found[key], whole.get(key, []))
        first = found[keys[0]]
        if limit and pages < -(-len(first) // size):
            self.problems.append(f"{operation}: {pages} pages for {len(first)} items")
        return first

    def waits(self, service, waiter, **arguments):
        """The waiter ends, and well."""
        found = self.client(service).get_waiter(waiter)
        try:
            found.wait(**arguments, WaiterConfig={"Delay": 0.1, "MaxAttempts": 900})
        except WaiterError as error:
            self.problems.append(f"waiter {waiter} {arguments}: {error}")


def refusal_problems(operation, protocol, response):
    """What is wrong with a refusal on the wire: the status, members that its shape does not have."""
    if protocol in ("query", "ec2"):
        return []
    body = json.loads(response["body"])
    named = body.get("__type") or response["headers"].get("x-amzn-errortype", "")
    shape = {shape.name: shape for shape in operation.error_shapes}.get(named.rsplit("#")[-1])
    if shape is None:
        return [] if body.get("message") or body.get("Message") else [f"{named} without a message"]
    status = shape.metadata.get("error", {}).get("httpStatusCode", response["status_code"])
    # Every refusal has a message; some models do not say so.
    known = {"__type", *(shape.members or {"message"})}
    found = [f"{named} has an unknown member {name}" for name in body if name not in known]
    if status != response["status_code"]:
        found.append(f"{named} has the status {response['status_code']}, not {status}")
    return found


def document(*statements):
    """A policy document, as text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service="ec2.amazonaws.com"):
    return document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def allow(action="s3:GetObject", resource="*"):
    return document({"Effect": "Allow", "Action": action, "Resource": resource})
