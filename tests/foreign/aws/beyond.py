"""Errors that a service's model lists and that no call here provokes, each with the reason."""

FAULT = "a fault's doing; tests/faults.rs scripts them"
RACE = "two writers at the same moment; the sandbox's writes follow each other"
QUOTA = "a quota of hundreds or thousands that the sandbox does not keep"
UNHEARD = "no condition for it is known"
ELSEWHERE = "a part of the service that the sandbox does not have"

# Of every operation.
CODES = {
    "ServiceFailure": FAULT,
    "ServerException": FAULT,
    "ServiceUnavailableException": FAULT,
    "ThrottlingException": FAULT,
    "RequestThrottled": FAULT,
    "DependencyThrottle": FAULT,
    "InternalException": FAULT,
    "InternalErrorException": FAULT,
    "InternalServerError": FAULT,
    "ConcurrentModification": RACE,
    "ConcurrentModificationException": RACE,
    "ResourceContention": RACE,
    "ClientException": UNHEARD,
    "LimitExceededException": FAULT,
    "BillingViewHealthStatusException": ELSEWHERE,
    "ManagedRuleException": ELSEWHERE,
    "InvalidAddress": "a queue's URL that is none; SQS reads the last two parts of any",
    "InvalidSecurity": "a request to the real SQS by plain HTTP; the sandbox has nothing else",
    "UnsupportedOperation": UNHEARD,
    "AccessDeniedException": "every signed caller may do everything",
    "ExpiredNextTokenException": "an hour of real time; a test of the crate has it",
    "InvalidKeyId": ELSEWHERE,
    "InvalidFilterKey": ELSEWHERE,
    "InvalidFilterOption": ELSEWHERE,
    "InvalidFilterValue": ELSEWHERE,
    "OpenIdIdpCommunicationError": "AWS asks the provider when no thumbprint is given",
    "PackedPolicyTooLarge": "session tags, which the sandbox does not take",
    "RegionDisabledException": "every region is enabled",
    "InvalidContextAssertion": ELSEWHERE,
    "ExpiredTokenException": "of operations that take a token of somebody else's",
    "UnsupportedAvailabilityZoneException": "no zone of the sandbox is unsupported",
    "InvalidStateException": UNHEARD,
    "OverLimit": UNHEARD,
}

# Of one operation.
OPERATIONS = {
    ("iam", "CreateServiceLinkedRole", "LimitExceeded"): QUOTA,
    ("iam", "CreateServiceLinkedRole", "NoSuchEntity"): UNHEARD,
    ("iam", "UpdateRole", "InvalidInput"): UNHEARD,
    ("iam", "DetachRolePolicy", "LimitExceeded"): QUOTA,
    ("iam", "DeleteRolePolicy", "LimitExceeded"): QUOTA,
    ("iam", "DeleteRole", "LimitExceeded"): QUOTA,
    ("iam", "ListAttachedRolePolicies", "InvalidInput"): UNHEARD,
    ("iam", "DeletePolicyVersion", "LimitExceeded"): QUOTA,
    ("iam", "SetDefaultPolicyVersion", "LimitExceeded"): QUOTA,
    ("iam", "DeletePolicy", "LimitExceeded"): QUOTA,
    ("eks", "CreateCluster", "ResourceLimitExceededException"): QUOTA,
    ("eks", "CreateAccessEntry", "ResourceLimitExceededException"): QUOTA,
    ("eks", "DescribeClusterVersions", "InvalidRequestException"): UNHEARD,
    ("eks", "DeleteCluster", "InvalidRequestException"): UNHEARD,
    ("eks", "UpdateClusterVersion", "InvalidRequestException"): UNHEARD,
    ("eks", "CreateFargateProfile", "InvalidRequestException"): UNHEARD,
    ("eks", "DeleteFargateProfile", "InvalidParameterException"): UNHEARD,
    ("eks", "DescribeFargateProfile", "InvalidParameterException"): UNHEARD,
    ("eks", "DescribeNodegroup", "InvalidParameterException"): UNHEARD,
    ("eks", "DescribeUpdate", "InvalidParameterException"): UNHEARD,
    ("eks", "ListAddons", "InvalidRequestException"): UNHEARD,
    ("eks", "CreateAddon", "InvalidRequestException"): UNHEARD,
    ("eks", "UpdateAddon", "InvalidRequestException"): UNHEARD,
    ("eks", "DeleteAddon", "InvalidRequestException"): UNHEARD,
    ("eks", "DeleteAddon", "InvalidParameterException"): UNHEARD,
    ("eks", "DescribeAddon", "InvalidRequestException"): UNHEARD,
    ("eks", "DescribeAddon", "InvalidParameterException"): UNHEARD,
    ("eks", "DescribeAddonVersions", "ResourceNotFoundException"): UNHEARD,
    ("eks", "DescribeAddonConfiguration", "ResourceNotFoundException"): UNHEARD,
    ("events", "PutRule", "LimitExceededException"): QUOTA,
}


def reason(service, operation, code):
    return CODES.get(code) or OPERATIONS.get((service, operation, code))
