//! Reading the world: all that the checks judge by, at once where nothing depends on another.

use std::collections::BTreeMap;

use runbook_clients::aws;
use runbook_clients::aws::ec2::Filter;
use runbook_clients::aws::eks::FargateProfile;
use runbook_clients::helm::ReadError;
use runbook_clients::helm::release::observe;
use runbook_clients::kubernetes::placement::Pod;
use runbook_clients::kubernetes::{Connection, Kind, Reference, Selection};
use runbook_core::failure::{Class, Failure};
use serde_json::Value;

use super::aws::execution_roles;
use super::world::{
    Account, Asked, BALANCER, BALANCER_WEBHOOK, Balancer, Inside, Karpenter, ROLE_ANNOTATION,
    SYSTEM, entry, text,
};
use crate::failures::{Read as _, failure};

/// The Lease by which Karpenter's replicas choose a leader.
const LEASE: &str = "karpenter-leader-election";
/// The variable that names Karpenter's queue.
const QUEUE_VARIABLE: &str = "INTERRUPTION_QUEUE";

/// What the cluster shows.
pub(super) async fn inside(connection: &Connection, asked: &Asked) -> Result<Inside, Failure> {
    let get = |kind: Kind, name: &'static str| async move {
        connection.get(&Reference::new(kind, Some(SYSTEM), name)).await.read()
    };
    let nodes =
        async { connection.list(&Kind::new("v1", "Node"), &Selection::default()).await.read() };
    let (nodes, pods, dns_pods, dns, dns_slices, aws_auth, karpenter, balancer, releases, workload) =
        tokio::try_join!(
            nodes,
            system_pods(connection, asked),
            pods(connection, SYSTEM, "k8s-app=kube-dns"),
            get(deployment(), "coredns"),
            slices(connection, "kube-dns"),
            get(Kind::new("v1", "ConfigMap"), "aws-auth"),
            karpenter(connection, &asked.karpenter_namespace),
            balancer(connection),
            releases(connection, asked),
            workload(connection, asked),
        )?;
    Ok(Inside {
        now: connection.now(),
        nodes,
        pods,
        dns_pods,
        dns,
        dns_slices,
        karpenter,
        balancer,
        releases,
        workload,
        aws_auth,
    })
}

fn deployment() -> Kind {
    Kind::new("apps/v1", "Deployment")
}

async fn pods(connection: &Connection, namespace: &str, labels: &str) -> Result<Vec<Pod>, Failure> {
    let mut selection = Selection::namespace(namespace);
    if !labels.is_empty() {
        selection = selection.labels(labels);
    }
    connection.placement(&selection).await.read()
}

async fn system_pods(connection: &Connection, asked: &Asked) -> Result<Vec<Pod>, Failure> {
    let mut all = Vec::new();
    for namespace in asked.system_namespaces() {
        all.extend(pods(connection, namespace, "").await?);
    }
    Ok(all)
}

async fn workload(connection: &Connection, asked: &Asked) -> Result<Vec<Pod>, Failure> {
    match &asked.workload {
        None => Ok(Vec::new()),
        Some(workload) => pods(connection, &workload.namespace, &workload.selector).await,
    }
}

async fn slices(connection: &Connection, service: &str) -> Result<Vec<Value>, Failure> {
    let kind = Kind::new("discovery.k8s.io/v1", "EndpointSlice");
    let labels = format!("kubernetes.io/service-name={service}");
    connection.list(&kind, &Selection::namespace(SYSTEM).labels(labels)).await.read()
}

async fn karpenter(connection: &Connection, namespace: &str) -> Result<Karpenter, Failure> {
    const LABELS: &str = "app.kubernetes.io/name=karpenter";
    let lease =
        Reference::new(Kind::new("coordination.k8s.io/v1", "Lease"), Some(namespace), LEASE);
    let everywhere = Selection::default();
    let chosen = Selection::namespace(namespace).labels(LABELS);
    let (kind, class, pool) = (
        deployment(),
        Kind::new("karpenter.k8s.aws/v1", "EC2NodeClass"),
        Kind::new("karpenter.sh/v1", "NodePool"),
    );
    let (deployments, pods, lease, node_classes, node_pools) = tokio::try_join!(
        async { connection.list(&kind, &chosen).await.read() },
        pods(connection, namespace, LABELS),
        async { connection.get(&lease).await.read() },
        async { connection.list(&class, &everywhere).await.read() },
        async { connection.list(&pool, &everywhere).await.read() },
    )?;
    let deployment = deployments.into_iter().next();
    Ok(Karpenter { deployment, pods, lease, node_classes, node_pools })
}

async fn balancer(connection: &Connection) -> Result<Balancer, Failure> {
    let reference = |kind, name| Reference::new(kind, Some(SYSTEM), name);
    let workload = reference(deployment(), BALANCER);
    let account = reference(Kind::new("v1", "ServiceAccount"), BALANCER);
    let class = Reference::new(Kind::new("networking.k8s.io/v1", "IngressClass"), None, "alb");
    let (deployment, pods, webhook_slices, service_account, ingress_class) = tokio::try_join!(
        async { connection.get(&workload).await.read() },
        pods(connection, SYSTEM, "app.kubernetes.io/name=aws-load-balancer-controller"),
        slices(connection, BALANCER_WEBHOOK),
        async { connection.get(&account).await.read() },
        async { connection.get(&class).await.read() },
    )?;
    Ok(Balancer { deployment, pods, webhook_slices, service_account, ingress_class })
}

type Releases = BTreeMap<String, Option<(String, String)>>;

async fn releases(connection: &Connection, asked: &Asked) -> Result<Releases, Failure> {
    let mut found = Releases::new();
    for (name, wanted) in &asked.releases {
        let release =
            observe(connection, &wanted.namespace, name).await.map_err(|error| match &error {
                ReadError::Request(error) => failure(error),
                ReadError::Damaged { .. } => Failure::new(Class::Terminal, error.to_string()),
            })?;
        let release = release.map(|one| (one.status.as_str().to_owned(), one.chart_version));
        found.insert(name.clone(), release);
    }
    Ok(found)
}

/// What the account shows; some of it is named by objects in the cluster.
pub(super) async fn account(
    connection: &aws::Connection,
    asked: &Asked,
    inside: &Inside,
    accounts: &[Value],
) -> Result<Account, Failure> {
    let name = asked.cluster.as_str();
    let (eks, ec2, groups) = (connection.eks(), connection.ec2(), connection.autoscaling());
    let tag = format!("kubernetes.io/cluster/{name}");
    let filters = [
        Filter::new("tag-key", tag.clone()),
        Filter::any("instance-state-name", ["pending", "running", "stopping", "stopped"]),
    ];
    let (cluster, node_groups, tagged, named, instances, profiles) = tokio::try_join!(
        async { eks.cluster(name).await.read() },
        async { eks.node_groups(name).await.read() },
        async { groups.groups_tagged(&tag, None).await.read() },
        async { groups.groups_tagged("eks:cluster-name", Some(name)).await.read() },
        async { ec2.instances(&filters).await.read() },
        profiles(connection, name),
    )?;
    let mut auto_scaling_groups = tagged;
    auto_scaling_groups.extend(named);
    auto_scaling_groups.sort_by(|one, other| one.arn.cmp(&other.arn));
    auto_scaling_groups.dedup_by(|one, other| one.arn == other.arn);
    let issuer = cluster.as_ref().and_then(|one| one.oidc_issuer.clone());
    let (has_oidc_provider, roles, queue, rules) = tokio::try_join!(
        knows_issuer(connection, issuer.as_deref()),
        roles(connection, accounts),
        queue(connection, inside),
        rules(connection, asked),
    )?;
    let mut account = Account {
        cluster,
        node_groups,
        auto_scaling_groups,
        instances,
        profiles,
        has_oidc_provider,
        roles,
        queue,
        rules,
        node_role_arn: node_role(connection, asked, inside),
        ..Account::default()
    };
    account.access = access(connection, asked, &account).await?;
    Ok(account)
}

async fn profiles(
    connection: &aws::Connection,
    cluster: &str,
) -> Result<Vec<FargateProfile>, Failure> {
    let eks = connection.eks();
    let mut profiles = Vec::new();
    for name in eks.fargate_profiles(cluster).await.read()? {
        profiles.extend(eks.fargate_profile(cluster, &name).await.read()?);
    }
    Ok(profiles)
}

async fn knows_issuer(connection: &aws::Connection, issuer: Option<&str>) -> Result<bool, Failure> {
    let Some(issuer) = issuer else { return Ok(false) };
    let arn = format!(
        "arn:{}:iam::{}:oidc-provider/{}",
        connection.partition(),
        connection.account(),
        issuer.trim_start_matches("https://")
    );
    Ok(connection.iam().oidc_provider(&arn).await.read()?.is_some())
}

/// The service accounts whose roles must exist: Karpenter's and the load balancer controller's.
pub(super) async fn service_accounts(
    connection: &Connection,
    asked: &Asked,
    inside: &Inside,
) -> Result<Vec<Value>, Failure> {
    let mut accounts: Vec<Value> = inside.balancer.service_account.iter().cloned().collect();
    if let Some(deployment) = &inside.karpenter.deployment {
        let name = text(deployment, "/spec/template/spec/serviceAccountName");
        let kind = Kind::new("v1", "ServiceAccount");
        let reference = Reference::new(kind, Some(&asked.karpenter_namespace), name);
        if !name.is_empty() {
            accounts.extend(connection.get(&reference).await.read()?);
        }
    }
    Ok(accounts)
}

async fn roles(
    connection: &aws::Connection,
    accounts: &[Value],
) -> Result<BTreeMap<String, bool>, Failure> {
    let mut roles = BTreeMap::new();
    for account in accounts {
        let Some(arn) = entry(account, "/metadata/annotations", ROLE_ANNOTATION) else { continue };
        let name = arn.rsplit('/').next().unwrap_or(arn);
        let found = connection.iam().role(name).await.read()?;
        roles.insert(arn.to_owned(), found.is_some_and(|role| role.arn == arn));
    }
    Ok(roles)
}

async fn queue(
    connection: &aws::Connection,
    inside: &Inside,
) -> Result<Option<(String, Option<String>)>, Failure> {
    let Some(deployment) = &inside.karpenter.deployment else { return Ok(None) };
    let Some(name) = variable(deployment, QUEUE_VARIABLE).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let sqs = connection.sqs();
    let Some(url) = sqs.queue_url(name).await.read()? else {
        return Ok(Some((name.to_owned(), None)));
    };
    let attributes = sqs.queue_attributes(&url).await.read()?.unwrap_or_default();
    Ok(Some((name.to_owned(), attributes.get("QueueArn").cloned())))
}

/// A variable of a Deployment's containers.
fn variable<'a>(deployment: &'a Value, name: &str) -> Option<&'a str> {
    deployment
        .pointer("/spec/template/spec/containers")?
        .as_array()?
        .iter()
        .filter_map(|container| container.get("env")?.as_array())
        .flatten()
        .find(|variable| variable.get("name").is_some_and(|it| it == name))?
        .get("value")?
        .as_str()
}

type Rules = BTreeMap<String, Option<Vec<String>>>;

async fn rules(connection: &aws::Connection, asked: &Asked) -> Result<Rules, Failure> {
    let events = connection.events();
    let mut rules = Rules::new();
    for name in &asked.rules {
        let targets = events.targets(name).await.read()?;
        let targets = targets.map(|all| all.into_iter().map(|target| target.arn).collect());
        rules.insert(name.clone(), targets);
    }
    Ok(rules)
}

/// The role of Karpenter's nodes: as asked, else as the first node class says.
fn node_role(connection: &aws::Connection, asked: &Asked, inside: &Inside) -> Option<String> {
    asked.node_role_arn.clone().or_else(|| {
        let class = inside.karpenter.node_classes.first()?;
        let role = Some(text(class, "/spec/role")).filter(|role| !role.is_empty())?;
        Some(format!("arn:{}:iam::{}:role/{role}", connection.partition(), connection.account()))
    })
}

async fn access(
    connection: &aws::Connection,
    asked: &Asked,
    account: &Account,
) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut access = BTreeMap::new();
    let mode = account.cluster.as_ref().and_then(|one| one.authentication_mode.as_deref());
    // Without the API there are no entries to ask for, only the table in the cluster.
    if matches!(mode, None | Some("CONFIG_MAP")) {
        return Ok(access);
    }
    let eks = connection.eks();
    let mut roles = execution_roles(asked, account);
    roles.extend(account.node_role_arn.clone());
    for role in roles {
        let entry = eks.access_entry(&asked.cluster, &role).await.read()?;
        access.insert(role, entry.map(|entry| entry.kind));
    }
    Ok(access)
}
