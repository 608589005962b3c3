"""Cost Explorer: what the account used, by day and group, in pages; tags; what it refuses."""

import datetime
import time
from decimal import Decimal

import account as names

COST = "UnblendedCost"
EKS = "Amazon Elastic Container Service for Kubernetes"
NAT = {"Dimensions": {"Key": "USAGE_TYPE", "Values": ["NatGateway-Hours"], "MatchOptions": ["ENDS_WITH"]}}


def check(account):
    began = account.well("ec2", "DescribeNatGateways")["NatGateways"][0]["CreateTime"].date()
    # Two days, of which the second may be the first of another month: no question may end beyond that.
    month_end = (began.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
    period = between(began, min(began + datetime.timedelta(days=2), month_end))
    wait_for_an_hour(account, period)
    totals(account, period)
    filters(account, period)
    values(account, period)
    tags(account, period)
    resources(account, period)
    refusals(account, period, began)


def between(start, end):
    return {"Start": start.isoformat(), "End": end.isoformat()}


def wait_for_an_hour(account, period):
    """Data comes by the hour, and the world is young."""
    for _ in range(180):
        if sum(costs(account, period).values()) > 0:
            return
        time.sleep(0.5)
    account.problems.append("ce: an hour has passed, and nothing was billed")


def ask(account, period, granularity="DAILY", **more):
    more = {"TimePeriod": period, "Granularity": granularity, "Metrics": [COST], **more}
    return account.well("ce", "GetCostAndUsage", **more)


def costs(account, period, **more):
    """Costs by keys; without groups under no key."""
    found = {}
    for result in ask(account, period, **more)["ResultsByTime"]:
        groups = result["Groups"] or [{"Keys": [], "Metrics": result["Total"]}]
        for group in groups:
            if COST in group["Metrics"]:
                keys = tuple(group["Keys"])
                found[keys] = found.get(keys, 0) + Decimal(group["Metrics"][COST]["Amount"])
    return found


def by(*keys):
    return [{"Type": "DIMENSION", "Key": key} for key in keys]


def totals(account, period):
    # Between two questions another hour may close: they are asked until none did.
    for _ in range(5):
        whole = costs(account, period)
        grouped = [
            sum(costs(account, period, GroupBy=by(*keys)).values())
            for keys in (["SERVICE"], ["USAGE_TYPE", "OPERATION"], ["REGION", "RECORD_TYPE"], ["LINKED_ACCOUNT"], ["AZ", "INSTANCE_TYPE"])
        ]
        monthly = sum(costs(account, period, granularity="MONTHLY").values())
        if whole == costs(account, period):
            break
    account.equal("groups of costs", grouped, [whole[()]] * 5)
    account.equal("days and months of costs", monthly, whole[()])
    answer = ask(account, period, GroupBy=by("LINKED_ACCOUNT"))
    account.equal("a group's account", [one["Value"] for one in answer["DimensionValueAttributes"]], [names.NUMBER])
    account.equal("an open month", {one["Estimated"] for one in answer["ResultsByTime"]}, {True})
    account.equal("what it is grouped by", answer["GroupDefinitions"], by("LINKED_ACCOUNT"))
    everything = ["AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "NormalizedUsageAmount", COST, "UsageQuantity"]
    answer = ask(account, period, Metrics=everything, Filter=NAT)
    first = answer["ResultsByTime"][0]["Total"]
    account.equal("all metrics", sorted(first), sorted(everything))
    account.equal("the unit of hours", {one["Total"]["UsageQuantity"]["Unit"] for one in answer["ResultsByTime"]} & {"Hrs"}, {"Hrs"})
    account.equal("a tag that is not active", {keys[0] for keys in costs(account, period, GroupBy=[{"Type": "TAG", "Key": "none"}])}, {"none$"})


def filters(account, period):
    nat = sum(costs(account, period, Filter=NAT).values())
    account.holds("hours of a NAT gateway at 0.059", nat > 0 and nat % Decimal("0.059") == 0)
    service = {"Dimensions": {"Key": "SERVICE", "Values": ["EC2 - Other"]}}
    both = sum(costs(account, period, Filter={"And": [NAT, service]}).values())
    neither = sum(costs(account, period, Filter={"And": [NAT, {"Not": service}]}).values())
    account.holds("a filter and its opposite", both >= nat > 0 and neither == 0)
    either = costs(account, period, GroupBy=by("SERVICE"), Filter={"Or": [service, {"Dimensions": {"Key": "SERVICE", "Values": [EKS]}}]})
    account.equal("either of two services", set(either), {("EC2 - Other",), (EKS,)})
    untagged = {"Tags": {"Key": "none", "MatchOptions": ["ABSENT"]}}
    account.holds("what has not a tag", sum(costs(account, period, Filter=untagged).values()) > 0)


def values(account, period):
    found = account.well("ce", "GetDimensionValues", TimePeriod=period, Dimension="SERVICE", Context="COST_AND_USAGE")
    services = [one["Value"] for one in found["DimensionValues"]]
    account.holds("services", EKS in services and services == sorted(services))
    account.equal("how many services", (found["ReturnSize"], found["TotalSize"]), (len(services), len(services)))
    pages, more = [], {}
    while True:
        page = account.well("ce", "GetDimensionValues", TimePeriod=period, Dimension="SERVICE", MaxResults=1, **more)
        pages += [one["Value"] for one in page["DimensionValues"]]
        if "NextPageToken" not in page:
            break
        more = {"NextPageToken": page["NextPageToken"]}
    account.equal("services in pages", pages, services)
    found = account.well("ce", "GetDimensionValues", TimePeriod=period, Dimension="USAGE_TYPE", SearchString="fargate", SortBy=[{"Key": COST, "SortOrder": "DESCENDING"}])
    account.equal("usage types of Fargate", {one["Value"] for one in found["DimensionValues"]}, {"APN2-Fargate-GB-Hours", "APN2-Fargate-vCPU-Hours:perCPU"})


def tags(account, period):
    key = "runbook/owner"
    listed = {one["TagKey"]: one for one in account.well("ce", "ListCostAllocationTags")["CostAllocationTags"]}
    account.equal("a tag that nobody activated", (listed[key]["Status"], listed[key]["Type"]), ("Inactive", "UserDefined"))
    account.equal("its values", account.well("ce", "GetTags", TimePeriod=period, TagKey=key)["Tags"], [""])
    found = account.well("ce", "UpdateCostAllocationTagsStatus", CostAllocationTagsStatus=[{"TagKey": key, "Status": "Active"}, {"TagKey": "no-such-tag", "Status": "Active"}])
    account.equal("a key that nothing has", [one["Code"] for one in found["Errors"]], ["TagKeysNotFoundException"])
    active = account.well("ce", "ListCostAllocationTags", Status="Active", Type="UserDefined", TagKeys=[key])["CostAllocationTags"]
    account.equal("active tags", [one["TagKey"] for one in active], [key])
    one = account.well("ce", "ListCostAllocationTags", MaxResults=1)
    account.holds("a page of tags", len(one["CostAllocationTags"]) == 1)
    account.well("ce", "GetTags", TimePeriod=period)
    account.well("ce", "UpdateCostAllocationTagsStatus", CostAllocationTagsStatus=[{"TagKey": key, "Status": "Inactive"}])
    account.refused("InvalidNextTokenException", "ce", "ListCostAllocationTags", NextToken="%")
    account.refused("ValidationException", "ce", "ListCostAllocationTags", Status="Actif")
    account.refused("ValidationException", "ce", "UpdateCostAllocationTagsStatus", CostAllocationTagsStatus=[{"TagKey": key, "Status": "On"}])


def resources(account, period):
    service = {"Dimensions": {"Key": "SERVICE", "Values": [EKS]}}
    answer = account.well("ce", "GetCostAndUsageWithResources", TimePeriod=period, Granularity="DAILY", Metrics=[COST], Filter=service, GroupBy=by("RESOURCE_ID"))
    found = {group["Keys"][0] for result in answer["ResultsByTime"] for group in result["Groups"]}
    cluster = f"arn:aws:eks:{names.REGION}:{names.NUMBER}:"
    account.holds("a cluster and pods", {one.split("/")[0] for one in found} == {f"{cluster}cluster", f"{cluster}pod"})
    account.refused("ValidationException", "ce", "GetCostAndUsage", "RESOURCE_ID", TimePeriod=period, Granularity="DAILY", Metrics=[COST], GroupBy=by("RESOURCE_ID"))
    old = between(datetime.date.fromisoformat(period["Start"]) - datetime.timedelta(days=20), datetime.date.fromisoformat(period["End"]))
    account.refused("ValidationException", "ce", "GetCostAndUsageWithResources", "14 days", TimePeriod=old, Granularity="DAILY", Filter=service)


def refusals(account, period, began):
    service = {"Dimensions": {"Key": "SERVICE", "Values": [EKS]}}
    questions = {
        "GetCostAndUsage": {"Granularity": "DAILY", "Metrics": [COST]},
        "GetCostAndUsageWithResources": {"Granularity": "DAILY", "Filter": service},
        "GetDimensionValues": {"Dimension": "SERVICE"},
        "GetTags": {},
    }
    before = between(began - datetime.timedelta(days=3), began - datetime.timedelta(days=2))
    expired = {"Start": "2020-01-01", "End": "2020-01-02"}
    token = account.well("ce", "GetDimensionValues", TimePeriod=period, Dimension="USAGE_TYPE", MaxResults=1)["NextPageToken"]
    view = f"arn:aws:billing::{names.NUMBER}:billingview/custom-1"
    for operation, more in questions.items():
        account.refused("DataUnavailableException", "ce", operation, TimePeriod=before, **more)
        account.refused("BillExpirationException", "ce", operation, "expired", TimePeriod=expired, **more)
        account.refused("InvalidNextTokenException", "ce", operation, TimePeriod=period, NextPageToken="%", **more)
        account.refused("RequestChangedException", "ce", operation, TimePeriod=period, NextPageToken=token, **more)
        account.refused("ResourceNotFoundException", "ce", operation, TimePeriod=period, BillingViewArn=view, **more)
        backwards = {"Start": period["End"], "End": period["Start"]}
        account.refused("ValidationException", "ce", operation, "before end date", TimePeriod=backwards, **more)
    ask_wrong(account, "14 months", TimePeriod=between(began.replace(year=began.year - 2), began))
    ask_wrong(account, "beginning of next month", TimePeriod=between(began, began.replace(year=began.year + 1)))
    ask_wrong(account, "yyyy-MM-dd", TimePeriod={"Start": "yesterday", "End": "today"})
    ask_wrong(account, "granularity", TimePeriod=period, Granularity="YEARLY")
    ask_wrong(account, "not supported", TimePeriod=period, Metrics=["Cost"])
    ask_wrong(account, "at most 2", TimePeriod=period, GroupBy=by("SERVICE", "REGION", "AZ"))
    ask_wrong(account, "groupBy.key", TimePeriod=period, GroupBy=by("COLOUR"))
    ask_wrong(account, "exactly one", TimePeriod=period, Filter={**service, "Not": service})
    ask_wrong(account, "at least 2", TimePeriod=period, Filter={"And": [service]})
    ask_wrong(account, "must not be empty", TimePeriod=period, Filter={"Dimensions": {"Key": "SERVICE", "Values": []}})


def ask_wrong(account, words, **more):
    more = {"Granularity": "DAILY", "Metrics": [COST], **more}
    account.refused("ValidationException", "ce", "GetCostAndUsage", words, **more)
