//! `runbook collect`: one look at a cluster, kept as an inventory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runbook_clients::kubernetes;
use runbook_core::connection::{Access, Connection, Kind};
use runbook_core::value::Value;
use runbook_modules::Cluster;
use runbook_showback::collect::{Inventory, Origin, collect};

use super::Session;
use crate::arguments::TargetArguments;
use crate::exit::Exit;
use crate::state::write_whole;
use crate::style::Meaning;
use crate::target::{On, Target};
use crate::trouble::Trouble;
use crate::view::words;

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

/// `runbook collect`
#[derive(Debug, clap::Args)]
pub(crate) struct CollectArguments {
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// Where the inventory goes [default: -, stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The region [default: that of the environment]
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// Looks at a cluster and writes the inventory.
pub(super) async fn run(session: &Session, arguments: &CollectArguments) -> Result<Exit, Trouble> {
    if !arguments.once {
        return Err(Trouble::usage("collecting samples over time is not there yet")
            .hint("runbook collect --once --out inventory.json"));
    }
    let inventory = inventory(session, &arguments.cluster, arguments.region.as_deref()).await?;
    let text = inventory.text().map_err(|error| Trouble::of(&error))?;
    let Some(out) = arguments.out.as_ref().filter(|out| out.as_os_str() != "-") else {
        session.printer.raw(text.as_bytes());
        return Ok(Exit::Done);
    };
    write_whole(&session.environment.working_directory.join(out), text.as_bytes())?;
    let count = |kind: &str| inventory.items.iter().filter(|item| item["kind"] == kind).count();
    session.printer.out(&format!(
        "{} {}: {} nodes, {} pods, {} objects in {}",
        session.printer.out.paint(Meaning::Good, "✓"),
        inventory.origin.cluster,
        count("Node"),
        count("Pod"),
        inventory.items.len(),
        out.display()
    ));
    Ok(Exit::Done)
}

/// Looks at a cluster once; where that was and what was not seen is said on stderr.
pub(super) async fn inventory(
    session: &Session,
    arguments: &ClusterArguments,
    region: Option<&str>,
) -> Result<Inventory, Trouble> {
    // A cluster of a kubeconfig is no part of the sandbox: its time is real, and so is it.
    let on = if arguments.kubeconfig.is_some() { On::Aws } else { arguments.target.on };
    let (options, printer) = (&arguments.target.sandbox, &session.printer);
    let target = Target::open(on, options, &session.state, &session.environment, printer).await?;
    let banner = match &arguments.kubeconfig {
        Some(path) => format!("the cluster of `{}`, read only", path.display()),
        None => target.banner.clone(),
    };
    printer.note(&words::prose(&banner, &printer.err));
    let looked = look(&target, arguments, region).await;
    target.close().await;
    let inventory = looked?;
    for missing in &inventory.missing {
        printer.note(&format!("not seen: {missing}"));
    }
    Ok(inventory)
}

async fn look(
    target: &Target,
    arguments: &ClusterArguments,
    region: Option<&str>,
) -> Result<Inventory, Trouble> {
    let (connection, source) = match &arguments.kubeconfig {
        Some(path) => {
            (by_kubeconfig(target, path, arguments.context.as_deref()).await?, "kubeconfig")
        }
        None => (by_name(target, arguments, region).await?, target.on.name()),
    };
    let identity = |name: &str| connection.identity.get(name).cloned();
    let origin = Origin {
        source: source.to_owned(),
        account: identity("account"),
        region: identity("region").or_else(|| region.map(str::to_owned)),
        cluster: identity("cluster").or_else(|| identity("server")).unwrap_or_default(),
    };
    collect(&kubernetes_of(&connection)?, origin).await.map_err(|error| Trouble::of(&error))
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
) -> Result<Connection, Trouble> {
    let connector = target.connector(None);
    let settings = region.map(|region| ("region".to_owned(), Value::from(region)));
    let settings = settings.into_iter().collect();
    let aws = connector.connect(Kind::Aws, &settings, None, Access::Read).await?;
    let name = match &arguments.cluster {
        Some(name) => name.clone(),
        None => only_cluster(&aws, target.on).await?,
    };
    let settings = BTreeMap::from([("eks_cluster".to_owned(), Value::from(name.as_str()))]);
    Ok(connector.connect(Kind::Kubernetes, &settings, Some(&aws), Access::Read).await?)
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
        .downcast_ref::<runbook_clients::aws::Connection>()
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
