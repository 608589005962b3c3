//! `runbook eks-token`: the credential plugin of our kubeconfigs; no AWS command line is needed.

use std::sync::Arc;

use runbook_clients::aws::{Connection, Settings};
use runbook_clients::kubernetes::token;
use runbook_clients::{Access, SilentObserver};

use super::Session;
use crate::arguments::EksTokenArguments;
use crate::exit::Exit;
use crate::target::clock::{ClientTime, RealTime};
use crate::trouble::Trouble;

/// Prints an `ExecCredential`.
pub(crate) async fn eks_token(
    session: &Session,
    arguments: &EksTokenArguments,
) -> Result<Exit, Trouble> {
    let clock = Arc::new(ClientTime(Arc::new(RealTime)));
    let settings = Settings {
        region: arguments.region.clone(),
        role_arn: arguments.role_arn.clone(),
        endpoint_url: session.environment.get("AWS_ENDPOINT_URL").map(str::to_owned),
        ..Settings::default()
    };
    let aws = Connection::open(settings, Access::Read, clock.clone(), Arc::new(SilentObserver))
        .await
        .map_err(|error| Trouble::of(&error))?;
    let token = token::make(&aws, &arguments.cluster, clock.as_ref())
        .await
        .map_err(|error| Trouble::of(&error))?;
    session.printer.out(&token::exec_credential(&token).to_string());
    Ok(Exit::Done)
}
