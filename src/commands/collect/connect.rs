//! Which cluster is looked at, and the connection to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runbook_clients::{aws, kubernetes};
use runbook_core::connection::{Access, Connection, Kind};
use runbook_core::value::Value;
use runbook_modules::Cluster;
use runbook_showback::collect::Origin;

use crate::arguments::TargetArguments;
use crate::target::{On, Target};
use crate::trouble::Trouble;

/// Which cluster.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ClusterArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// The cluster [default: the only one of the account and region]
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// A kubeconfig in place of an EKS cluster's name
    #[arg(long, value_name = "FILE", conflicts_with = "cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    pub(crate) context: Option<String>,
}

impl ClusterArguments {
    /// A cluster of a kubeconfig is no part of the sandbox: its time is real, and so is it.
    pub(super) fn on(&self) -> On {
        if self.kubeconfig.is_some() { On::Aws } else { self.target.on }
    }

    /// Where it works, as the first line says it.
    pub(super) fn banner(&self, target: &Target) -> String {
        match &self.kubeconfig {
            Some(path) => format!("the cluster of `{}`, read only", path.display()),
            None => target.banner.clone(),
        }
    }
}

/// A cluster that can be looked at.
pub(super) struct Reached {
    pub(super) kubernetes: kubernetes::Connection,
    /// The account behind it, where it was reached through one.
    pub(super) aws: Option<aws::Connection>,
    pub(super) origin: Origin,
}

/// Connects, for reading only.
pub(super) async fn reach(
    target: &Target,
    arguments: &ClusterArguments,
    region: Option<&str>,
) -> Result<Reached, Trouble> {
    let (connection, aws, source) = if let Some(path) = &arguments.kubeconfig {
        let connection = by_kubeconfig(target, path, arguments.context.as_deref()).await?;
        (connection, None, "kubeconfig")
    } else {
        let (connection, aws) = by_name(target, arguments, region).await?;
        (connection, Some(aws), target.on.name())
    };
    let identity = |name: &str| connection.identity.get(name).cloned();
    let origin = Origin {
        source: source.to_owned(),
        account: identity("account"),
        region: identity("region").or_else(|| region.map(str::to_owned)),
        cluster: identity("cluster").or_else(|| identity("server")).unwrap_or_default(),
    };
    Ok(Reached {
        kubernetes: kubernetes_of(&connection)?,
        aws: aws.and_then(|aws| aws.handle.downcast_ref::<aws::Connection>().cloned()),
        origin,
    })
}

async fn by_kubeconfig(
    target: &Target,
    path: &Path,
    context: Option<&str>,
) -> Result<Connection, Trouble> {
    let mut settings =
        BTreeMap::from([("kubeconfig".to_owned(), Value::from(&*path.display().to_string()))]);
    settings.extend(context.map(|name| ("context".to_owned(), Value::from(name))));
    let connector = target.connector(None);
    Ok(connector.connect(Kind::Kubernetes, &settings, None, Access::Read).await?)
}

async fn by_name(
    target: &Target,
    arguments: &ClusterArguments,
    region: Option<&str>,
) -> Result<(Connection, Connection), Trouble> {
    let connector = target.connector(None);
    let settings = region.map(|region| ("region".to_owned(), Value::from(region)));
    let settings = settings.into_iter().collect();
    let aws = connector.connect(Kind::Aws, &settings, None, Access::Read).await?;
    let name = match &arguments.cluster {
        Some(name) => name.clone(),
        None => only_cluster(&aws, target.on).await?,
    };
    let settings = BTreeMap::from([("eks_cluster".to_owned(), Value::from(name.as_str()))]);
    let cluster = connector.connect(Kind::Kubernetes, &settings, Some(&aws), Access::Read).await?;
    Ok((cluster, aws))
}

fn kubernetes_of(connection: &Connection) -> Result<kubernetes::Connection, Trouble> {
    let cluster = connection.handle.downcast_ref::<Cluster>();
    let cluster = cluster.ok_or_else(|| Trouble::failed("the connection is to no cluster"))?;
    Ok(cluster.kubernetes.clone())
}

/// The cluster that nobody has to name.
async fn only_cluster(aws: &Connection, on: On) -> Result<String, Trouble> {
    let aws = aws
        .handle
        .downcast_ref::<aws::Connection>()
        .ok_or_else(|| Trouble::failed("the connection is to no account"))?;
    let names = aws.eks().clusters().await.map_err(|error| Trouble::of(&error))?;
    match names.as_slice() {
        [name] => Ok(name.clone()),
        [] => {
            let trouble = Trouble::failed(format!(
                "there is no cluster in {} {}",
                aws.account(),
                aws.region()
            ));
            Err(match on {
                On::Sandbox => trouble.hint("runbook run nodeless.yaml makes one"),
                On::Aws => trouble.hint("--region names another region, --kubeconfig any cluster"),
            })
        }
        several => Err(Trouble::usage(format!("which cluster? {}", several.join(", ")))
            .hint(format!("--cluster {}", several[0]))),
    }
}
