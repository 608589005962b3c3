//! What every AWS request passes on its way out: the refusal of writes on a connection that only
//! reads, before anything is built or sent, and the header that names the run.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::operation::class_of;
use crate::request::Access;

/// The header that names the run on every request.
pub(crate) const RUN_HEADER: &str = "x-runbook-run";

/// A write was stopped on a connection that only reads.
#[derive(Debug, thiserror::Error)]
#[error("this connection only reads, and `{operation}` writes; nothing was sent")]
pub(crate) struct WriteRefused {
    pub(crate) operation: String,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Gatekeeper {
    pub(crate) access: Access,
    pub(crate) run_id: Option<Arc<str>>,
}

impl Intercept for Gatekeeper {
    fn name(&self) -> &'static str {
        "RunbookGatekeeper"
    }

    // Not `read_before_execution`: the operation has no name yet there.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Without a name nothing is known of the request, so it is not known to read.
        let operation = configuration.load::<Metadata>().map_or("an operation", Metadata::name);
        if self.access.permits(class_of(operation)) {
            Ok(())
        } else {
            Err(WriteRefused { operation: operation.to_owned() }.into())
        }
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // After signing: a proxy that drops unknown headers must not break the signature.
        if let Some(run_id) = &self.run_id {
            context.request_mut().headers_mut().try_insert(RUN_HEADER, run_id.to_string())?;
        }
        Ok(())
    }
}
