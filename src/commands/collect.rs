//! `runbook collect`: one look at a cluster, kept as an inventory.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
    /// Where the inventory goes [default: stdout]
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
    let text = inventory.text();
    let Some(out) = &arguments.out else {
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
    let target = Target::open(
        arguments.target.on,
        &arguments.target.sandbox,
        &session.state,
        &session.environment,
        &session.printer,
    )
    .await?;
    session.printer.note(&words::prose(&target.banner, &session.printer.err));
    let looked = look(&target, arguments, region).await;
    target.close().await;
    let inventory = looked?;
    for missing in &inventory.missing {
        session.printer.note(&format!("not seen: {missing}"));
    }
    Ok(inventory)
}

async fn look(
    target: &Target,
    arguments: &ClusterArguments,
    region: Option<&str>,
) -> Result<Inventory, Trouble> {
    let connector = target.connector(None);
    let text = |value: &str| Value::from(value);
    let mut settings = BTreeMap::new();
    let aws = if let Some(path) = &arguments.kubeconfig {
        settings.insert("kubeconfig".to_owned(), text(&path.display().to_string()));
        if let Some(context) = &arguments.context {
            settings.insert("context".to_owned(), text(context));
        }
        None
    } else {
        let region = region.map(|region| ("region".to_owned(), text(region)));
        let region = region.into_iter().collect();
        let aws = connector
            .connect(Kind::Aws, &region, None, Access::Read)
            .await
            .map_err(Trouble::from)?;
        let name = match &arguments.cluster {
            Some(name) => name.clone(),
            None => only_cluster(&aws, target.on).await?,
        };
        settings.insert("eks_cluster".to_owned(), text(&name));
        Some(aws)
    };
    let connection = connector
        .connect(Kind::Kubernetes, &settings, aws.as_ref(), Access::Read)
        .await
        .map_err(Trouble::from)?;
    let identity = |name: &str| connection.identity.get(name).cloned();
    let source = if aws.is_some() { target.on.name() } else { "kubeconfig" };
    let origin = Origin {
        source: source.to_owned(),
        account: identity("account"),
        region: identity("region"),
        cluster: identity("cluster").or_else(|| identity("server")).unwrap_or_default(),
    };
    collect(&kubernetes_of(&connection)?, origin).await.map_err(|error| Trouble::of(&error))
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
