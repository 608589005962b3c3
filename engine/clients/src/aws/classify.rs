//! From what an AWS service said to the class of an error: a table of codes, then the status where
//! there is no code, then the transport.
//!
//! Absence is a *code*. A 404 without one is an answer that could not be understood: an endpoint
//! that does not know the operation answers so.

use crate::error::{Class, Passes, Processed, Said};

/// The class of an error code with its HTTP status.
pub(crate) fn class_of_code(code: &str, status: u16) -> Class {
    // The JSON protocols may qualify a code by its namespace.
    let code = code.rsplit('#').next().unwrap_or(code);
    match code {
        "ResourceNotFoundException"
        | "NoSuchEntity"
        | "NoSuchEntityException"
        | "NotFoundException"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue" => Class::NotFound,
        code if code.ends_with(".NotFound") => Class::NotFound,
        code if is_throttling(code) => Class::Throttled,
        "ResourceInUseException"
        | "ResourceInUse"
        | "EntityAlreadyExists"
        | "EntityAlreadyExistsException"
        | "ResourceAlreadyExistsException"
        | "QueueAlreadyExists"
        | "QueueNameExists"
        | "QueueDeletedRecently"
        | "AWS.SimpleQueueService.QueueDeletedRecently"
        | "DeleteConflict"
        | "DeleteConflictException"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "EntityTemporarilyUnmodifiable"
        | "DependencyViolation"
        | "ManagedRuleException"
        // S3: something is there already, or is being put there at this moment.
        | "PreconditionFailed"
        | "ConditionalRequestConflict"
        | "ConflictException" => Class::Conflict,
        code if is_denial(code) => Class::Denied,
        "RequestTimeout" | "RequestTimeoutException" => Class::Timeout,
        _ if status >= 500 => Class::Unavailable,
        _ if status == 429 => Class::Throttled,
        _ => Class::Invalid,
    }
}

fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "EC2ThrottledException"
            | "PriorRequestNotComplete"
            | "SlowDown"
    )
}

fn is_denial(code: &str) -> bool {
    code.starts_with("AccessDenied")
        || code.starts_with("ExpiredToken")
        || code.starts_with("MissingAuthenticationToken")
        || matches!(
            code,
            "AuthFailure"
                | "IncompleteSignature"
                | "InvalidClientTokenId"
                | "NotAuthorized"
                | "OptInRequired"
                | "RequestExpired"
                | "SignatureDoesNotMatch"
                | "UnauthorizedOperation"
                | "UnrecognizedClientException"
                | "InvalidSignatureException"
        )
}

/// What an error response says. `code` is `None` where the answer carried none.
pub(crate) fn answered(
    code: Option<&str>,
    message: Option<&str>,
    status: u16,
    request_id: Option<String>,
) -> Said {
    let class = match code {
        Some(code) => class_of_code(code, status),
        None if status == 429 => Class::Throttled,
        None if status >= 500 => Class::Unavailable,
        None if status == 403 || status == 401 => Class::Denied,
        None => Class::Unreadable,
    };
    let passes = match class {
        Class::Throttled | Class::Unavailable | Class::Timeout => Passes::Soon,
        _ => Passes::No,
    };
    // A refusal had no effect. A server error may have come after the effect; throttling may not.
    let processed = if class == Class::Throttled || (400..500).contains(&status) {
        Processed::No
    } else {
        Processed::Unknown
    };
    let message = match (code, message) {
        (_, Some(message)) if !message.is_empty() => message.to_owned(),
        (None, _) => format!(
            "the answer has status {status} and no error code; does the endpoint know this operation?"
        ),
        _ => format!("the service gave no reason (status {status})"),
    };
    let code = code.map(|code| code.rsplit('#').next().unwrap_or(code).to_owned());
    Said {
        class,
        code,
        message,
        request_id,
        status: Some(status),
        conflicts: Vec::new(),
        processed,
        passes,
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: &str, status: u16) -> Class {
        answered(Some(code), Some("m"), status, None).class
    }

    #[test]
    fn absence_is_a_code_and_never_a_status() {
        assert_eq!(class("ResourceNotFoundException", 404), Class::NotFound);
        assert_eq!(class("NoSuchEntity", 404), Class::NotFound);
        assert_eq!(class("InvalidVpcID.NotFound", 400), Class::NotFound);
        assert_eq!(class("AWS.SimpleQueueService.NonExistentQueue", 400), Class::NotFound);
        assert_eq!(class("com.amazonaws.sqs#QueueDoesNotExist", 400), Class::NotFound);
        let page = answered(None, None, 404, None);
        assert_eq!(page.class, Class::Unreadable);
        assert_eq!(page.processed, Processed::No);
        assert!(page.message.contains("does the endpoint know this operation"), "{}", page.message);
    }

    #[test]
    fn throttling_was_not_processed_and_passes() {
        for (code, status) in
            [("Throttling", 400), ("RequestLimitExceeded", 503), ("TooManyRequestsException", 429)]
        {
            let said = answered(Some(code), Some("m"), status, None);
            assert_eq!(
                (said.class, said.processed, said.passes),
                (Class::Throttled, Processed::No, Passes::Soon),
                "{code}"
            );
        }
    }

    #[test]
    fn a_server_error_may_have_come_after_the_effect() {
        let said = answered(Some("ServerException"), Some("m"), 500, None);
        assert_eq!(
            (said.class, said.processed, said.passes),
            (Class::Unavailable, Processed::Unknown, Passes::Soon)
        );
        assert_eq!(answered(None, None, 502, None).processed, Processed::Unknown);
    }

    #[test]
    fn refusals_are_told_apart() {
        assert_eq!(class("ResourceInUseException", 409), Class::Conflict);
        assert_eq!(class("AccessDeniedException", 403), Class::Denied);
        assert_eq!(class("UnauthorizedOperation", 403), Class::Denied);
        assert_eq!(class("ExpiredTokenException", 403), Class::Denied);
        assert_eq!(class("InvalidParameterException", 400), Class::Invalid);
        assert_eq!(class("MalformedPolicyDocument", 400), Class::Invalid);
        assert_eq!(class("ResourceLimitExceededException", 400), Class::Invalid);
    }
}
