//! Connections for the tasks: what stands behind `aws` and `kubernetes` on this target.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runbook_clients::aws::{self, StaticCredentials};
use runbook_clients::helm::{Exec, Helm};
use runbook_clients::{Access as ClientAccess, SilentObserver, kubernetes};
use runbook_core::connection::{Access, Connection, Connector, Kind};
use runbook_core::failure::{Class, Failure};
use runbook_core::value::Value;
use runbook_modules::Cluster;

use super::clock::ClientTime;

/// What a target says about connections.
#[derive(Clone)]
pub(crate) struct Behind {
    /// Where all AWS services are, when not at AWS.
    pub(crate) endpoint: Option<String>,
    /// Credentials that stand instead of the environment's.
    pub(crate) credentials: Option<StaticCredentials>,
    /// The region when a connection names none.
    pub(crate) region: Option<String>,
    /// The helm command line.
    pub(crate) helm: Vec<String>,
    /// This program, for the credential plugin that helm runs.
    pub(crate) program: PathBuf,
}

/// Opens connections of a target.
pub(crate) struct TargetConnector {
    /// What stands behind them.
    pub(crate) behind: Behind,
    /// The target's clock.
    pub(crate) clock: Arc<ClientTime>,
    /// The run, named on every request.
    pub(crate) run: Option<String>,
}

fn text(settings: &BTreeMap<String, Value>, name: &str) -> Option<String> {
    settings.get(name).and_then(Value::as_str).map(str::to_owned).filter(|text| !text.is_empty())
}

fn client_access(access: Access) -> ClientAccess {
    match access {
        Access::Read => ClientAccess::Read,
        Access::Write => ClientAccess::Write,
    }
}

#[async_trait]
impl Connector for TargetConnector {
    async fn connect(
        &self,
        kind: Kind,
        settings: &BTreeMap<String, Value>,
        aws: Option<&Connection>,
        access: Access,
    ) -> Result<Connection, Failure> {
        match kind {
            Kind::Aws => self.aws(settings, access).await,
            Kind::Kubernetes => self.kubernetes(settings, aws, access).await,
        }
    }
}

impl TargetConnector {
    async fn aws(
        &self,
        settings: &BTreeMap<String, Value>,
        access: Access,
    ) -> Result<Connection, Failure> {
        let simulated = self.behind.credentials.is_some();
        let settings = aws::Settings {
            region: text(settings, "region").or_else(|| self.behind.region.clone()),
            // On the sandbox a profile of the person's own machine means nothing.
            profile: text(settings, "profile").filter(|_| !simulated),
            role_arn: text(settings, "role_arn"),
            expected_account: text(settings, "expected_account"),
            endpoint_url: self.behind.endpoint.clone(),
            credentials: self.behind.credentials.clone(),
            run_id: self.run.clone(),
        };
        let opened = aws::Connection::open(
            settings,
            client_access(access),
            self.clock.clone(),
            Arc::new(SilentObserver),
        )
        .await
        .map_err(|error| aws_failure(&error))?;
        Ok(Connection {
            kind: Kind::Aws,
            identity: BTreeMap::from([
                ("account".to_owned(), opened.account().to_owned()),
                ("region".to_owned(), opened.region().to_owned()),
            ]),
            handle: Arc::new(opened),
        })
    }

    async fn kubernetes(
        &self,
        settings: &BTreeMap<String, Value>,
        aws: Option<&Connection>,
        access: Access,
    ) -> Result<Connection, Failure> {
        let access = client_access(access);
        let observer = Arc::new(SilentObserver);
        let clock = self.clock.clone();
        let aws = aws.and_then(|one| one.handle.downcast_ref::<aws::Connection>()).cloned();
        let (opened, identity) = if let Some(cluster) = text(settings, "eks_cluster") {
            let aws = aws.as_ref().ok_or_else(|| {
                Failure::new(
                    Class::Invalid,
                    format!("the connection to `{cluster}` has no `aws` connection to go through"),
                )
            })?;
            let eks = kubernetes::Eks { cluster: cluster.clone(), ..kubernetes::Eks::default() };
            let opened = kubernetes::Connection::eks(aws, eks, access, clock, observer)
                .await
                .map_err(|error| kubernetes_failure(&error))?;
            let identity = BTreeMap::from([
                ("account".to_owned(), aws.account().to_owned()),
                ("cluster".to_owned(), cluster),
                ("region".to_owned(), aws.region().to_owned()),
            ]);
            (opened, identity)
        } else {
            let kubeconfig = kubernetes::Kubeconfig {
                path: text(settings, "kubeconfig").map(PathBuf::from),
                context: text(settings, "context"),
                run_id: self.run.clone(),
            };
            let opened = kubernetes::Connection::kubeconfig(kubeconfig, access, clock, observer)
                .await
                .map_err(|error| kubernetes_failure(&error))?;
            let server = match opened.server() {
                kubernetes::Server::Eks { cluster, .. } => cluster.clone(),
                kubernetes::Server::Kubeconfig { endpoint, .. } => endpoint.clone(),
            };
            (opened, BTreeMap::from([("server".to_owned(), server)]))
        };
        let exec = self.token_command(&opened, aws.as_ref());
        let cluster =
            Cluster { kubernetes: opened, aws, helm: Helm::new(self.behind.helm.clone()), exec };
        Ok(Connection { kind: Kind::Kubernetes, identity, handle: Arc::new(cluster) })
    }

    /// What makes tokens for helm: this program, with the target's credentials where it has its
    /// own.
    fn token_command(
        &self,
        opened: &kubernetes::Connection,
        aws: Option<&aws::Connection>,
    ) -> Exec {
        let kubernetes::Server::Eks { cluster, .. } = opened.server() else {
            return Exec::default();
        };
        let mut arguments = vec!["eks-token".to_owned(), "--cluster".to_owned(), cluster.clone()];
        if let Some(aws) = aws {
            arguments.extend(["--region".to_owned(), aws.region().to_owned()]);
        }
        let mut environment = Vec::new();
        if let Some(credentials) = &self.behind.credentials {
            environment.push(("AWS_ACCESS_KEY_ID".to_owned(), credentials.access_key_id.clone()));
            environment
                .push(("AWS_SECRET_ACCESS_KEY".to_owned(), credentials.secret_access_key.clone()));
        }
        if let Some(endpoint) = &self.behind.endpoint {
            environment.push(("AWS_ENDPOINT_URL".to_owned(), endpoint.clone()));
        }
        Exec { command: self.behind.program.clone(), arguments, environment }
    }
}

fn aws_failure(error: &aws::OpenError) -> Failure {
    let (class, hint) = match error {
        aws::OpenError::NoRegion => (
            Class::Invalid,
            "`connections: {aws: {region: …}}` in the runbook, or AWS_REGION in the environment",
        ),
        aws::OpenError::WrongAccount { .. } => (
            Class::Denied,
            "use the credentials of the expected account, or change `expected_account`",
        ),
        aws::OpenError::Setting { .. } => (Class::Invalid, "correct the connection's settings"),
        aws::OpenError::Identity { error, .. } if error.is_denied() => {
            (Class::Denied, "check the credentials: `aws sts get-caller-identity` should work")
        }
        aws::OpenError::Identity { .. } => (
            Class::Unavailable,
            "check the network and the credentials: `aws sts get-caller-identity` should work",
        ),
    };
    Failure::new(class, error.to_string()).hint(hint)
}

fn kubernetes_failure(error: &kubernetes::OpenError) -> Failure {
    match error {
        kubernetes::OpenError::NoCluster { .. } => Failure::new(Class::NotFound, error.to_string()),
        kubernetes::OpenError::NotUp { .. } => Failure::new(Class::Unavailable, error.to_string()),
        kubernetes::OpenError::Unreachable { error: cause, .. } if cause.is_denied() => {
            Failure::new(Class::Denied, error.to_string()).hint(
                "the caller needs an access entry of the cluster (`eks.access_entry`), or to be the one who made it",
            )
        }
        kubernetes::OpenError::Unreachable { .. } => {
            Failure::new(Class::Unavailable, error.to_string()).hint(
                "is the endpoint private? then run this from inside the VPC, or turn the public endpoint on",
            )
        }
        kubernetes::OpenError::Unusable { .. } | kubernetes::OpenError::Kubeconfig { .. } => {
            Failure::new(Class::Invalid, error.to_string())
        }
    }
}
