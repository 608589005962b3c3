//! A1 to A8: what the account says about the cluster.

use runbook_clients::aws::eks::FargateProfile;

use super::check::Check;
use super::world::{Account, Asked, Inside, text};

/// The tag by which Karpenter's instances are known.
const NODE_POOL_TAG: &str = "karpenter.sh/nodepool";

/// The checks of the account.
pub(super) fn judge(asked: &Asked, account: &Account, inside: &Inside) -> Vec<Check> {
    let mut checks = vec![cluster(asked, account)];
    checks.extend(no_nodes(account));
    checks.extend(asked.profiles.iter().map(|name| profile(asked, account, name)));
    checks.push(workloads_stay_off_fargate(asked, account));
    checks.push(auto_mode(account));
    checks.extend(identity(account));
    checks.extend(interruptions(account));
    checks.extend(access(asked, account, inside));
    checks
}

fn cluster(asked: &Asked, account: &Account) -> Check {
    let expected = "ACTIVE and healthy";
    let Some(cluster) = &account.cluster else {
        let actual = format!("there is no cluster `{}`", asked.cluster);
        return Check::hard("A1", "cluster", expected, false, actual);
    };
    let mut actual = format!("{} is {}, {}", cluster.name, cluster.status, cluster.version);
    for issue in &cluster.health {
        actual.push_str(&format!("; {}: {}", issue.code, issue.message));
    }
    let passed = cluster.status == "ACTIVE" && cluster.health.is_empty();
    Check::hard("A1", "cluster", expected, passed, actual)
}

fn no_nodes(account: &Account) -> [Check; 3] {
    let groups: Vec<&str> = account.auto_scaling_groups.iter().map(|one| &*one.name).collect();
    let strangers: Vec<&str> = account
        .instances
        .iter()
        .filter(|one| !one.tags.contains_key(NODE_POOL_TAG))
        .map(|one| &*one.id)
        .collect();
    let machines = match (strangers.as_slice(), account.instances.len()) {
        ([], 0) => "none".to_owned(),
        ([], 1) => "1, of Karpenter's".to_owned(),
        ([], count) => format!("{count}, all of Karpenter's"),
        (strangers, _) => format!("not of Karpenter's: {}", strangers.join(", ")),
    };
    [
        Check::hard(
            "A2",
            "node groups",
            "none",
            account.node_groups.is_empty(),
            names(account.node_groups.iter().map(String::as_str)),
        ),
        Check::hard(
            "A3",
            "Auto Scaling groups of the cluster",
            "none",
            groups.is_empty(),
            names(groups),
        ),
        Check::hard("A4", "instances", "only Karpenter's", strangers.is_empty(), machines),
    ]
}

fn profile(asked: &Asked, account: &Account, name: &str) -> Check {
    let subject = format!("Fargate profile {name}");
    let expected = "ACTIVE, with the asked role";
    let Some(profile) = account.profiles.iter().find(|one| one.name == name) else {
        return Check::hard("A5", subject, expected, false, "there is no such profile");
    };
    let wrong_role = asked
        .execution_role_arn
        .as_ref()
        .filter(|asked| **asked != profile.pod_execution_role_arn)
        .map(|_| format!("; its role is {}", profile.pod_execution_role_arn));
    let mut actual = format!("{}, selects {}", profile.status, selection(profile));
    let passed = profile.status == "ACTIVE" && profile.health.is_empty() && wrong_role.is_none();
    for issue in &profile.health {
        actual.push_str(&format!("; {}: {}", issue.code, issue.message));
    }
    actual.push_str(&wrong_role.unwrap_or_default());
    Check::hard("A5", subject, expected, passed, actual)
}

fn selection(profile: &FargateProfile) -> String {
    names(profile.selectors.iter().map(|one| one.namespace.as_str()))
}

/// A profile that takes a whole namespace of workloads keeps Karpenter from ever seeing its pods.
fn workloads_stay_off_fargate(asked: &Asked, account: &Account) -> Check {
    let mut namespaces = vec!["default"];
    if let Some(workload) = &asked.workload
        && workload.namespace != "default"
    {
        namespaces.push(&workload.namespace);
    }
    let taken: Vec<String> = account
        .profiles
        .iter()
        .flat_map(|profile| profile.selectors.iter().map(move |one| (profile, one)))
        .filter(|(_, selector)| selector.labels.is_empty())
        .flat_map(|(profile, selector)| {
            let taken = namespaces.iter().filter(|one| matches(&selector.namespace, one));
            taken.map(|namespace| format!("{} takes `{namespace}`", profile.name))
        })
        .collect();
    let list = namespaces.join(", ");
    let actual = if taken.is_empty() { format!("none takes {list}") } else { taken.join(", ") };
    let expected = format!("none takes {list}");
    Check::hard("A5", "profiles and workloads", expected, taken.is_empty(), actual)
}

/// `*` is any text, `?` any letter.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = letters.as_str();
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| text.get(at..).is_some_and(|text| matches(rest, text)))
        }
        Some(letter) => {
            let mut others = text.chars();
            others.next().is_some_and(|other| letter == '?' || letter == other)
                && matches(letters.as_str(), others.as_str())
        }
    }
}

fn auto_mode(account: &Account) -> Check {
    let on = account.cluster.as_ref().is_some_and(|cluster| cluster.auto_mode);
    Check::hard("A6", "Auto Mode", "off", !on, if on { "on" } else { "off" })
}

fn identity(account: &Account) -> Vec<Check> {
    let issuer = account.cluster.as_ref().and_then(|cluster| cluster.oidc_issuer.as_deref());
    let there = account.has_oidc_provider;
    let actual = match (issuer, there) {
        (None, _) => "the cluster has no issuer",
        (Some(_), true) => "known to IAM",
        (Some(_), false) => "IAM does not know the cluster's issuer",
    };
    let mut checks = vec![Check::hard("A7", "OIDC provider", "known to IAM", there, actual)];
    checks.extend(account.roles.iter().map(|(arn, exists)| {
        let actual = if *exists { "exists" } else { "there is no such role" };
        Check::hard("A7", format!("role {}", last(arn)), "exists", *exists, actual)
    }));
    checks
}

fn interruptions(account: &Account) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some((name, arn)) = &account.queue {
        let actual = if arn.is_some() { "exists" } else { "there is no such queue" };
        checks.push(Check::hard("A7", format!("queue {name}"), "exists", arn.is_some(), actual));
    }
    if account.rules.is_empty() {
        return checks;
    }
    let queue = account.queue.as_ref().and_then(|(_, arn)| arn.as_ref());
    let silent: Vec<&str> = account
        .rules
        .iter()
        .filter(|(_, targets)| {
            let Some(targets) = targets else { return true };
            targets.is_empty() || queue.is_some_and(|queue| !targets.contains(queue))
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let count = account.rules.len();
    let actual = if silent.is_empty() {
        format!("{count} of {count} reach the queue")
    } else {
        format!("these do not reach the queue: {}", silent.join(", "))
    };
    let passed = silent.is_empty();
    checks.push(Check::hard("A7", "interruption rules", "all reach the queue", passed, actual));
    checks
}

fn access(asked: &Asked, account: &Account, inside: &Inside) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut check = |subject: &str, role: &str, kind: &str| {
        let entry = account.access.get(role).and_then(Option::as_deref);
        let in_table = inside
            .aws_auth
            .as_ref()
            .is_some_and(|table| text(table, "/data/mapRoles").contains(role));
        let passed = entry.map_or(in_table, |found| found == kind);
        let actual = match entry {
            Some(found) => found,
            None if in_table => "by aws-auth",
            None => "it may not join the cluster",
        };
        let subject = format!("{subject} {}", last(role));
        checks.push(Check::hard("A8", subject, format!("access as {kind}"), passed, actual));
    };
    if let Some(role) = &account.node_role_arn {
        check("node role", role, "EC2_LINUX");
    }
    for role in execution_roles(asked, account) {
        check("pod execution role", &role, "FARGATE_LINUX");
    }
    checks
}

/// The role that was asked for; those of the profiles when none was.
pub(super) fn execution_roles(asked: &Asked, account: &Account) -> Vec<String> {
    if let Some(role) = &asked.execution_role_arn {
        return vec![role.clone()];
    }
    let mut roles: Vec<String> = account
        .profiles
        .iter()
        .filter(|profile| asked.profiles.contains(&profile.name))
        .map(|profile| profile.pod_execution_role_arn.clone())
        .collect();
    roles.sort();
    roles.dedup();
    roles
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
