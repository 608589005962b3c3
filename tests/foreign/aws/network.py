"""EC2, the load balancers, Auto Scaling, prices and parameters: what is described, and refused."""

VPC = "vpc-0123456789abcdef0"


def check(account):
    described(account)
    machines(account)
    types(account)
    attributes(account)
    tags(account)
    balancers(account)
    groups(account)
    prices(account)
    parameters(account)


# Operation, parameter, an id that is not there, the code for it.
KINDS = [
    ("DescribeVpcs", "VpcIds", VPC, "InvalidVpcID.NotFound"),
    ("DescribeSubnets", "SubnetIds", "subnet-0123456789abcdef0", "InvalidSubnetID.NotFound"),
    ("DescribeRouteTables", "RouteTableIds", "rtb-0123456789abcdef0", "InvalidRouteTableID.NotFound"),
    ("DescribeSecurityGroups", "GroupIds", "sg-0123456789abcdef0", "InvalidGroup.NotFound"),
    ("DescribeNatGateways", "NatGatewayIds", "nat-0123456789abcdef0", "NatGatewayNotFound"),
    ("DescribeInternetGateways", "InternetGatewayIds", "igw-0123456789abcdef0", "InvalidInternetGatewayID.NotFound"),
    ("DescribeInstances", "InstanceIds", "i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
    ("DescribeVolumes", "VolumeIds", "vol-0123456789abcdef0", "InvalidVolume.NotFound"),
    ("DescribeVpcEndpoints", "VpcEndpointIds", "vpce-0123456789abcdef0", "InvalidVpcEndpointId.NotFound"),
]


def described(account):
    for operation, parameter, none, code in KINDS:
        found = account.pages("ec2", operation)
        account.holds(f"{operation} finds some", found or operation == "DescribeVpcEndpoints")
        account.refused(code, "ec2", operation, none, **{parameter: [none]})
        account.refused("InvalidParameterValue", "ec2", operation, Filters=[{"Name": "none", "Values": ["x"]}])
        account.refused("InvalidNextToken", "ec2", operation, NextToken="%")
        account.refused("InvalidParameterValue", "ec2", operation, MaxResults=1001)
        no_tag = [{"Name": "tag:none", "Values": ["*"]}]
        (key,) = [key for key in account.well("ec2", operation, Filters=no_tag) if key != "NextToken"] or [None]
        account.equal(f"{operation} by a tag", account.well("ec2", operation, Filters=no_tag).get(key, []), [])
    zones = account.well("ec2", "DescribeAvailabilityZones")["AvailabilityZones"]
    account.equal("states of zones", {zone["State"] for zone in zones}, {"available"})
    one = account.well("ec2", "DescribeAvailabilityZones", ZoneNames=[zones[0]["ZoneName"]])["AvailabilityZones"]
    account.equal("one zone", one, zones[:1])
    account.refused("InvalidParameterValue", "ec2", "DescribeAvailabilityZones", "none", ZoneNames=["none"])


def machines(account):
    """Waiters of the network and its machines."""
    first = lambda operation, key: account.well("ec2", operation)[key][0]
    vpc = first("DescribeVpcs", "Vpcs")["VpcId"]
    account.waits("ec2", "vpc_exists", VpcIds=[vpc])
    account.waits("ec2", "vpc_available", VpcIds=[vpc])
    account.waits("ec2", "subnet_available", SubnetIds=[first("DescribeSubnets", "Subnets")["SubnetId"]])
    account.waits("ec2", "security_group_exists", GroupIds=[first("DescribeSecurityGroups", "SecurityGroups")["GroupId"]])
    account.waits("ec2", "nat_gateway_available", NatGatewayIds=[first("DescribeNatGateways", "NatGateways")["NatGatewayId"]])
    gateway = first("DescribeInternetGateways", "InternetGateways")["InternetGatewayId"]
    account.waits("ec2", "internet_gateway_exists", InternetGatewayIds=[gateway])
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    (instance, *_) = account.well("ec2", "DescribeInstances", Filters=running)["Reservations"][0]["Instances"]
    account.waits("ec2", "instance_exists", InstanceIds=[instance["InstanceId"]])
    account.waits("ec2", "instance_running", InstanceIds=[instance["InstanceId"]])
    of_it = [{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
    (volume,) = account.well("ec2", "DescribeVolumes", Filters=of_it)["Volumes"]
    (attachment,) = volume["Attachments"]
    told = (volume["VolumeType"], volume["Size"] > 0, attachment["DeleteOnTermination"], attachment["InstanceId"])
    account.equal("a root volume", told, ("gp3", True, True, instance["InstanceId"]))
    account.waits("ec2", "volume_in_use", VolumeIds=[volume["VolumeId"]])


def types(account):
    refused, well = account.refused, account.well
    large = [{"Name": "instance-type", "Values": ["m7g.*large"]}]
    found = {one["InstanceType"]: one for one in account.pages("ec2", "DescribeInstanceTypes", Filters=large)}
    one = found["m7g.large"]
    told = (one["VCpuInfo"]["DefaultVCpus"], one["MemoryInfo"]["SizeInMiB"], one["ProcessorInfo"]["SupportedArchitectures"])
    account.equal("a type", told, (2, 8192, ["arm64"]))
    account.equal("a type by name", well("ec2", "DescribeInstanceTypes", InstanceTypes=["m7g.large"])["InstanceTypes"], [one])
    account.pages("ec2", "DescribeInstanceTypeOfferings", Filters=large)
    zones = {"LocationType": "availability-zone", "Filters": [{"Name": "instance-type", "Values": ["m7g.large"]}]}
    there = well("ec2", "DescribeInstanceTypeOfferings", **zones)["InstanceTypeOfferings"]
    account.holds("it is offered in zones", {"ap-northeast-2a"} <= {one["Location"] for one in there})
    refused("InvalidInstanceType", "ec2", "DescribeInstanceTypes", "none.large", InstanceTypes=["none.large"])
    for operation in ("DescribeInstanceTypes", "DescribeInstanceTypeOfferings"):
        refused("InvalidParameterValue", "ec2", operation, Filters=[{"Name": "none", "Values": ["x"]}])
        refused("InvalidNextToken", "ec2", operation, NextToken="%")
    account.equal("all types come in pages", all_types(account), well("ec2", "DescribeInstanceTypeOfferings")["InstanceTypeOfferings"])


def all_types(account):
    """Where the types of every page are offered; a page has at most a hundred."""
    pages = account.client("ec2").get_paginator("describe_instance_types").paginate()
    names = sorted(one["InstanceType"] for page in pages for one in page["InstanceTypes"])
    return [{"InstanceType": name, "LocationType": "region", "Location": "ap-northeast-2"} for name in names]


def attributes(account):
    vpc = account.well("ec2", "DescribeVpcs")["Vpcs"][0]["VpcId"]
    for name in ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics"):
        found = account.well("ec2", "DescribeVpcAttribute", VpcId=vpc, Attribute=name)
        account.equal(name, found[name[0].upper() + name[1:]]["Value"], not name.endswith("Metrics"))
    account.refused("InvalidParameterValue", "ec2", "DescribeVpcAttribute", VpcId=vpc, Attribute="none")
    account.refused("InvalidVpcID.NotFound", "ec2", "DescribeVpcAttribute", VpcId=VPC, Attribute="enableDnsSupport")


def tags(account):
    refused, well = account.refused, account.well
    subnet = well("ec2", "DescribeSubnets")["Subnets"][0]
    both = [{"Key": "one", "Value": "1"}, {"Key": "two", "Value": ""}]
    well("ec2", "CreateTags", Resources=[subnet["SubnetId"]], Tags=both)
    found = lambda: well("ec2", "DescribeSubnets", SubnetIds=[subnet["SubnetId"]])["Subnets"][0].get("Tags", [])
    account.holds("tags are there", all(tag in found() for tag in both))
    well("ec2", "DeleteTags", Resources=[subnet["SubnetId"]], Tags=[{"Key": "one", "Value": "other"}])
    account.holds("a tag of another value stays", both[0] in found())
    well("ec2", "DeleteTags", Resources=[subnet["SubnetId"]], Tags=[{"Key": "one"}, {"Key": "two"}])
    account.equal("tags are as before", found(), subnet.get("Tags", []))
    for operation in ("CreateTags", "DeleteTags"):
        for none, code in [(kind[2], kind[3]) for kind in KINDS] + [("none", "InvalidID")]:
            refused(code, "ec2", operation, none, Resources=[none], Tags=both)
    resource = [subnet["SubnetId"]]
    refused("InvalidParameterValue", "ec2", "CreateTags", "aws:", Resources=resource, Tags=[{"Key": "aws:a", "Value": ""}])
    many = [{"Key": f"k{number}", "Value": ""} for number in range(51)]
    refused("TagLimitExceeded", "ec2", "CreateTags", Resources=resource, Tags=many)
    account.equal("tags are as before", found(), subnet.get("Tags", []))


def balancers(account):
    account.equal("balancers", account.pages("elbv2", "DescribeLoadBalancers"), [])
    account.equal("targets", account.pages("elbv2", "DescribeTargetGroups"), [])
    account.equal("old balancers", account.pages("elb", "DescribeLoadBalancers"), [])
    account.refused("LoadBalancerNotFound", "elb", "DescribeLoadBalancers", "none", LoadBalancerNames=["none"])
    account.refused("LoadBalancerNotFound", "elbv2", "DescribeLoadBalancers", Names=["none"])
    account.refused("TargetGroupNotFound", "elbv2", "DescribeTargetGroups", Names=["none"])
    arn = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:loadbalancer/app/none/50dc6c495c0c9188"
    account.refused("LoadBalancerNotFound", "elbv2", "DescribeLoadBalancers", LoadBalancerArns=[arn])
    account.refused("LoadBalancerNotFound", "elbv2", "DescribeTargetGroups", LoadBalancerArn=arn)
    account.waits("elbv2", "load_balancers_deleted", Names=["none"])
    group = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/none/50dc6c495c0c9188"
    account.refused("TargetGroupNotFound", "elbv2", "DescribeTargetHealth", TargetGroupArn=group)
    for kind, code in {
        "loadbalancer/app": "LoadBalancerNotFound",
        "targetgroup": "TargetGroupNotFound",
        "listener/app": "ListenerNotFound",
        "listener-rule/app": "RuleNotFound",
        "truststore": "TrustStoreNotFound",
    }.items():
        arn = f"arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:{kind}/none/50dc6c495c0c9188"
        account.refused(code, "elbv2", "DescribeTags", "not found", ResourceArns=[arn])


def groups(account):
    account.equal("groups", account.pages("autoscaling", "DescribeAutoScalingGroups"), [])
    named = account.well("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=["none"])
    account.equal("a group", named["AutoScalingGroups"], [])
    account.refused("InvalidNextToken", "autoscaling", "DescribeAutoScalingGroups", NextToken="%")


def prices(account):
    codes = [one["ServiceCode"] for one in account.pages("pricing", "DescribeServices")]
    account.holds("EKS is for sale", "AmazonEKS" in codes)
    here = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "ap-northeast-2"}]
    account.holds("its price is listed", account.pages("pricing", "GetProducts", ServiceCode="AmazonEKS", Filters=here))
    for operation in ("DescribeServices", "GetProducts"):
        account.refused("NotFoundException", "pricing", operation, "none", ServiceCode="none")
        wrong = {"ServiceCode": "AmazonEKS", "FormatVersion": "aws_v2"}
        account.refused("InvalidParameterException", "pricing", operation, "aws_v2", **wrong)
        token = {"ServiceCode": "AmazonEKS", "NextToken": "%"}
        account.refused("InvalidNextTokenException", "pricing", operation, **token)


def parameters(account):
    name = "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/standard/recommended/image_id"
    found = account.well("ssm", "GetParameter", Name=name)["Parameter"]
    account.equal("a parameter", (found["Name"], found["Value"][:4]), (name, "ami-"))
    account.refused("ParameterNotFound", "ssm", "GetParameter", Name="/none")
    account.refused("ParameterVersionNotFound", "ssm", "GetParameter", Name=f"{name}:99")
    both = account.well("ssm", "GetParameters", Names=[name, "/none"])
    account.equal("parameters", (both["Parameters"], both["InvalidParameters"]), ([found], ["/none"]))
    path = "/aws/service/eks/optimized-ami/1.34"
    listed = account.pages("ssm", "GetParametersByPath", Path=path, Recursive=True)
    account.holds("parameters of a path", found in listed)
    account.equal("parameters right below it", account.pages("ssm", "GetParametersByPath", Path=path), [])
    account.refused("ValidationException", "ssm", "GetParameters", Names=[name] * 11)
    account.refused("ValidationException", "ssm", "GetParametersByPath", Path="none")
    account.refused("InvalidNextToken", "ssm", "GetParametersByPath", Path=path, NextToken="%")
