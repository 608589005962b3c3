"""Every AWS operation that the sandbox serves, by boto3: what it answers, and what it refuses.

Reads on standard input what `runbook sandbox coverage --output json` prints: an operation that is
served and not called here is a failure, and so is an error that an operation's model lists and
that is neither provoked here nor excused in beyond.py.
"""

import json
import sys
import traceback

import beyond
import cluster
import costs
import identity
import lifecycle
import messages
import network
import principals
import wire
from account import Account

PARTS = (identity.check, principals.check, messages.check, network.check, lifecycle.check, wire.check, cluster.check, costs.check, principals.expired)


def served():
    """Services and operations of the sandbox, in its own words."""
    areas = {"sts", "iam", "ec2", "eks", "sqs", "events", "autoscaling", "elasticloadbalancing", "pricing", "ssm", "ce"}
    listed = json.load(sys.stdin)["coverage"]
    # An area of another name is Kubernetes', or a service that this script knows nothing of.
    others = {one["area"] for one in listed} - areas - {"kubernetes", "controller", "helm"}
    assert not others, f"services that nobody calls: {others}"
    return {(one["area"], one["name"]) for one in listed if one["area"] in areas}


def not_provoked(account):
    """Errors of the operations' models that nothing here provoked and nobody excused."""
    for (service, name), operation in sorted(account.model.items()):
        for shape in operation.error_shapes:
            code = shape.metadata.get("error", {}).get("code", shape.name)
            told = account.refusals.get((service, name), set())
            if not told & {code, shape.name} and not beyond.reason(service, name, code):
                yield f"{service} {name}: {code} is neither provoked nor excused"
            if told & {code, shape.name} and (service, name, code) in beyond.OPERATIONS:
                yield f"{service} {name}: {code} is excused, and was provoked"


def main():
    wanted, account = served(), Account()
    for part in PARTS:
        try:
            part(account)
        except Exception:  # Whatever stopped this part, the others are asked all the same.
            account.problems.append(f"{part.__module__}.{part.__name__} stopped\n{traceback.format_exc()}")
    problems = account.problems + list(not_provoked(account))
    problems += [f"{service} {name} is served and not called" for service, name in sorted(wanted - account.answered - account.never)]
    errors = sum(len(codes) for codes in account.refusals.values())
    print(f"{len(account.answered)} operations answered, {errors} errors provoked, {len(problems)} problems")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
