//! One call of an SDK operation: its name and class, the retry policy around it, and the
//! translation of the SDK's error into ours.

use std::error::Error as StdError;
use std::future::Future;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};

use super::classify::answered;
use super::interceptor::WriteRefused;
use super::operation::class_of;
use crate::error::{
    Class, Error, Outcome, Passes, Processed, Said, Undone, causes as chain, root_cause,
};
use crate::request::Operation;
use crate::retry::{Caller, Repeat};

/// Calls the operations of one service.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) service: &'static str,
    pub(crate) caller: Caller,
}

impl Calls {
    fn operation(&self, name: &'static str) -> Operation {
        Operation { service: self.service, name: name.to_owned(), class: class_of(name) }
    }

    /// A read.
    pub(crate) async fn read<T, E, F, R>(&self, name: &'static str, call: F) -> Result<T, Error>
    where
        F: Fn() -> R,
        R: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let operation = self.operation(name);
        let request = || async { call().await.map_err(|error| translate(&operation, &error)) };
        self.caller.read(&operation, request).await
    }

    /// A read of something that may not be there.
    pub(crate) async fn find<T, E, F, R>(
        &self,
        name: &'static str,
        call: F,
    ) -> Result<Option<T>, Error>
    where
        F: Fn() -> R,
        R: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match self.read(name, call).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A write.
    pub(crate) async fn write<T, E, F, R>(
        &self,
        name: &'static str,
        repeat: Repeat,
        call: F,
    ) -> Outcome<T>
    where
        F: Fn() -> R,
        R: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let operation = self.operation(name);
        let request = || async { call().await.map_err(|error| translate(&operation, &error)) };
        self.caller.write(&operation, repeat, request).await
    }

    /// A write without a token.
    pub(crate) async fn write_once<T, E, F, R>(&self, name: &'static str, call: F) -> Outcome<T>
    where
        F: Fn() -> R,
        R: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        self.write(name, Repeat::OnlyIfUnprocessed, call).await
    }

    /// A request that could not be built from what we were given.
    pub(crate) fn unbuilt(&self, name: &'static str, problem: &dyn StdError) -> Error {
        let said = Said::unsent(Class::Invalid, format!("the request is incomplete: {problem}"));
        self.error(name, said)
    }

    /// An error of that operation.
    pub(crate) fn error(&self, name: &'static str, said: Said) -> Error {
        Error::new(&self.operation(name), said)
    }

    /// The answer to a write without something that it must have. It was done, so what is in the
    /// world has to be looked at.
    pub(crate) fn done_but_incomplete(&self, name: &'static str, missing: &str) -> Undone {
        Undone::Ambiguous(self.incomplete(name, missing))
    }

    /// An answer without something that it must have.
    pub(crate) fn incomplete(&self, name: &'static str, missing: &str) -> Error {
        let mut said = Said::unsent(Class::Unreadable, format!("the answer has no `{missing}`"));
        said.processed = Processed::Unknown;
        self.error(name, said)
    }
}

fn translate<E>(operation: &Operation, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let said = match error {
        SdkError::ServiceError(context) => {
            service_said(operation.service, context.err().meta(), context.raw())
        }
        SdkError::ResponseError(context) => unreadable(context.raw(), error),
        SdkError::DispatchFailure(context) => match context.as_connector_error() {
            Some(connector) => connector_said(connector),
            None => Said::unanswered(Class::Unavailable, root_cause(error)),
        },
        SdkError::TimeoutError(_) => {
            Said::unanswered(Class::Timeout, "the service gave no answer in time")
        }
        SdkError::ConstructionFailure(_) => unsent_said(error),
        other => Said::unanswered(Class::Unavailable, root_cause(other)),
    };
    Error::new(operation, said)
}

fn service_said(service: &str, metadata: &ErrorMetadata, response: &HttpResponse) -> Said {
    let request_id = metadata
        .extra("aws_request_id")
        .or_else(|| response.headers().get("x-amzn-requestid"))
        .or_else(|| response.headers().get("x-amz-request-id"))
        .map(str::to_owned);
    let status = response.status().as_u16();
    // Elsewhere a limit is a quota, which no waiting changes; Cost Explorer says so of too many calls
    // in a short time.
    if service == "ce" && metadata.code() == Some("LimitExceededException") {
        let mut said =
            answered(Some("ThrottlingException"), metadata.message(), status, request_id);
        said.code = metadata.code().map(str::to_owned);
        return said;
    }
    answered(metadata.code(), metadata.message(), status, request_id)
}

/// There was a response, and the SDK could not make sense of it.
fn unreadable(response: &HttpResponse, error: &(dyn StdError + 'static)) -> Said {
    let status = response.status().as_u16();
    if status >= 400 {
        return answered(None, None, status, None);
    }
    let mut said = Said::unsent(
        Class::Unreadable,
        format!("the answer (status {status}) could not be read: {}", root_cause(error)),
    );
    said.status = Some(status);
    said.processed = Processed::Unknown;
    // A body that was cut is worth another look.
    said.passes = Passes::Soon;
    said
}

/// Something failed before there was a request to send.
fn unsent_said(error: &(dyn StdError + 'static)) -> Said {
    if let Some(refused) = chain(error).find_map(|cause| cause.downcast_ref::<WriteRefused>()) {
        return Said::unsent(Class::Refused, refused.to_string());
    }
    let cause = root_cause(error);
    if is_about_credentials(error) {
        return Said::unsent(Class::Denied, format!("there are no usable credentials: {cause}"));
    }
    Said::unsent(Class::Invalid, cause)
}

fn connector_said(connector: &ConnectorError) -> Said {
    let cause = root_cause(connector);
    if is_about_credentials(connector) {
        return Said::unsent(Class::Denied, format!("there are no usable credentials: {cause}"));
    }
    if let Some(tls) = chain(connector).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return Said::unsent(Class::Unavailable, format!("the TLS handshake failed: {tls}"));
    }
    let never_connected = chain(connector)
        .filter_map(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>())
        .any(hyper_util::client::legacy::Error::is_connect);
    if never_connected {
        let mut said =
            Said::unsent(Class::Unavailable, format!("no connection to the service: {cause}"));
        said.passes = Passes::Soon;
        return said;
    }
    if connector.is_user() {
        return Said::unsent(Class::Invalid, cause);
    }
    let class = if connector.is_timeout() { Class::Timeout } else { Class::Unavailable };
    Said::unanswered(class, format!("the connection broke before the answer: {cause}"))
}

fn is_about_credentials(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| {
        cause.is::<aws_credential_types::provider::error::CredentialsError>()
            || cause.to_string().contains("failed to select an auth scheme")
            || cause.to_string().contains("identity resolver")
    })
}
