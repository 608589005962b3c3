//! What the report tasks are told of this command: where the samples, prices and messages of a task's
//! target lie, and which cluster stands behind its connection.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use runbook_capacity::prices::{ListSource, PriceBook, PriceList};
use runbook_clients::aws;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::Context;
use runbook_core::registry::Registry;
use runbook_modules::{Cluster, Machine};
use runbook_showback::observed::ClusterId;
use runbook_tasks::surroundings::{Cluster as Looked, Places, Surroundings};

use crate::environment::Environment;
use crate::price_lists::{PriceLists, unknown_endpoint};
use crate::state::StateFolder;
use crate::target::On;

/// All modules: those of the engine and those of the reports.
pub(crate) fn registry(
    machine: &Machine,
    state: &StateFolder,
    environment: &Environment,
) -> Registry {
    let mut registry = runbook_modules::registry_on(machine);
    let here: Arc<dyn Surroundings> =
        Arc::new(Here { state: state.clone(), environment: environment.clone() });
    runbook_tasks::modules::register(&mut registry, &here);
    registry
}

/// This command.
struct Here {
    state: StateFolder,
    environment: Environment,
}

impl Here {
    /// The target behind a task's connection: the sandbox is where an account has an endpoint that
    /// nobody named.
    fn target(&self, context: &Context) -> On {
        let handle = context.connection.as_ref().map(|one| &one.handle);
        let account = handle.and_then(|handle| {
            let cluster = handle.downcast_ref::<Cluster>().and_then(|cluster| cluster.aws.as_ref());
            handle.downcast_ref::<aws::Connection>().or(cluster)
        });
        match account.and_then(aws::Connection::endpoint_url) {
            Some(url) if self.environment.get("AWS_ENDPOINT_URL") != Some(url) => On::Sandbox,
            _ => On::Aws,
        }
    }
}

impl Here {
    fn lists(&self, context: &Context) -> PriceLists {
        PriceLists::on(self.target(context), &self.state, &self.environment)
    }
}

impl Surroundings for Here {
    fn places(&self, context: &Context) -> Result<Places, Failure> {
        let target = self.target(context);
        Ok(Places {
            target: target.name().to_owned(),
            samples: self.state.samples(target),
            outbox: self.state.outbox(target),
            working_directory: self.environment.working_directory.clone(),
        })
    }

    fn cluster(&self, context: &Context) -> Result<Looked, Failure> {
        let connection = context.connection.as_ref();
        let cluster = connection.and_then(|one| one.handle.downcast_ref::<Cluster>());
        let (Some(connection), Some(cluster)) = (connection, cluster) else {
            let message = format!("the task `{}` was given no cluster", context.address);
            return Err(Failure::new(Class::Bug, message));
        };
        let identity = |name: &str| connection.identity.get(name).cloned();
        let region = identity("region").ok_or_else(|| {
            Failure::new(
                Class::Invalid,
                "the region of a cluster behind a kubeconfig is not known, and its prices depend on it",
            )
            .hint("connect by `kubernetes: {eks_cluster: NAME}`")
        })?;
        let id = ClusterId {
            account: identity("account"),
            region,
            name: identity("cluster").unwrap_or_default(),
        };
        Ok(Looked { kubernetes: cluster.kubernetes.clone(), aws: cluster.aws.clone(), id })
    }

    fn prices(&self, context: &Context) -> Result<Cow<'static, PriceBook>, Failure> {
        self.lists(context).book(None).map_err(|why| Failure::new(Class::Invalid, why))
    }

    fn prices_on(&self, context: &Context, day: Date) -> Result<Option<PriceBook>, Failure> {
        self.lists(context).book_on(day).map_err(|why| Failure::new(Class::Invalid, why))
    }

    fn price_list(&self, context: &Context, region: &str) -> Result<Option<PriceList>, Failure> {
        self.lists(context).list(region).map_err(|why| Failure::new(Class::Invalid, why))
    }

    fn price_source(
        &self,
        context: &Context,
        endpoint: Option<&str>,
    ) -> Result<ListSource, Failure> {
        let source = self.lists(context).source().clone();
        match unknown_endpoint(&source, endpoint) {
            None => Ok(source),
            Some(why) => Err(Failure::new(Class::Invalid, why)
                .hint(format!("AWS_ENDPOINT_URL={}", endpoint.unwrap_or_default()))),
        }
    }

    fn keep_prices(&self, context: &Context, list: &PriceList) -> Result<(), Failure> {
        let stored = self.lists(context).store(list, &self.state);
        stored.map(drop).map_err(|trouble| Failure::new(Class::Unavailable, trouble.message))
    }

    fn asked_costs(&self, context: &Context, account: &str) -> Result<PathBuf, Failure> {
        self.state.create().map_err(|trouble| Failure::new(Class::Unavailable, trouble.message))?;
        let endpoint = self.environment.get("AWS_ENDPOINT_URL");
        Ok(self.state.asked_costs(self.target(context), endpoint, account))
    }
}
