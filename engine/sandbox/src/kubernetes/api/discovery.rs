//! Discovery: aggregated, and the older form.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::kinds::{self, Kind};
use super::{Answer, Request, Status};
use crate::world::World;

/// `/apis/group`, `/apis/group/version`, `/api/v1`.
pub(super) fn is_group_path(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    matches!(parts.as_slice(), ["api" | "apis", _] | ["apis", _, _])
}

pub(super) fn version(world: &World, cluster: &str) -> Answer {
    let version = world
        .store
        .read(|state| {
            state
                .get("eks/cluster", cluster)
                .and_then(|found| found.value["version"].as_str().map(str::to_owned))
        })
        .unwrap_or_else(|| "1.34".to_owned());
    let minor = version.split('.').nth(1).unwrap_or("34").to_owned();
    Answer::ok(json!({
        "major": "1", "minor": minor, "gitVersion": format!("v{version}.1-eks-sandbox"), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.24", "compiler": "gc", "platform": "linux/amd64",
    }))
}

pub(super) fn answer(
    world: &World,
    cluster: &str,
    path: &str,
    request: &Request,
) -> Option<Answer> {
    let kinds = world
        .rehearse(|transaction| -> Result<Vec<Kind>, std::convert::Infallible> {
            Ok(kinds::all(transaction, cluster))
        })
        .unwrap_or_default();
    let aggregated = request
        .accept
        .split(',')
        .find(|one| one.contains("as=APIGroupDiscoveryList"))
        .map(str::trim);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (parts.as_slice(), aggregated) {
        (["api"], Some(accept)) => Some(aggregate(&kinds, true, accept)),
        (["apis"], Some(accept)) => Some(aggregate(&kinds, false, accept)),
        (["api"], None) => Some(Answer::ok(
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        )),
        (["apis"], None) => {
            let groups: Vec<Value> = groups(&kinds)
                .into_iter()
                .map(|(group, versions)| group_document(&group, &versions))
                .collect();
            Some(Answer::ok(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})))
        }
        (["apis", group], _) => {
            let found = groups(&kinds).remove(*group);
            Some(found.map_or_else(
                || Status::no_path().into(),
                |versions| {
                    let mut document = group_document(group, &versions);
                    document["kind"] = json!("APIGroup");
                    document["apiVersion"] = json!("v1");
                    Answer::ok(document)
                },
            ))
        }
        (["api", version], _) => Some(resources(&kinds, "", version)),
        (["apis", group, version], _) => Some(resources(&kinds, group, version)),
        _ => None,
    }
}

/// Whether anything is served in a version of a group.
pub(super) fn is_served(world: &World, cluster: &str, group: &str, version: &str) -> bool {
    let kinds = world.rehearse(|transaction| -> Result<Vec<Kind>, std::convert::Infallible> {
        Ok(kinds::all(transaction, cluster))
    });
    kinds.unwrap_or_default().iter().any(|kind| kind.group == group && kind.version == version)
}

fn groups(kinds: &[Kind]) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        let versions = groups.entry(kind.group.clone()).or_default();
        if !versions.contains(&kind.version) {
            versions.push(kind.version.clone());
        }
    }
    groups
}

fn group_document(group: &str, versions: &[String]) -> Value {
    let all: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": all, "preferredVersion": all.last()})
}

fn resources(kinds: &[Kind], group: &str, version: &str) -> Answer {
    let mut listed = Vec::new();
    for kind in kinds.iter().filter(|kind| kind.group == group && kind.version == version) {
        listed.push(json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind, "verbs": kind.verbs,
            "shortNames": kind.short_names, "categories": kind.categories,
        }));
        for sub in &kind.subresources {
            listed.push(json!({"name": format!("{}/{sub}", kind.plural), "singularName": "", "namespaced": kind.namespaced, "kind": sub_kind(kind, sub), "verbs": sub_verbs(sub)}));
        }
    }
    if listed.is_empty() {
        return Status::no_path().into();
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Answer::ok(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}),
    )
}

fn sub_kind<'a>(kind: &'a Kind, sub: &str) -> &'a str {
    match sub {
        "scale" => "Scale",
        "eviction" => "Eviction",
        "token" => "TokenRequest",
        _ => &kind.kind,
    }
}

fn sub_verbs(sub: &str) -> &'static [&'static str] {
    match sub {
        "status" | "scale" => &["get", "patch", "update"],
        "log" => &["get"],
        _ => &["create"],
    }
}

fn aggregate(kinds: &[Kind], core: bool, accept: &str) -> Answer {
    let version = if accept.contains("v=v2beta1") { "v2beta1" } else { "v2" };
    let mut items = Vec::new();
    let groups: BTreeMap<String, Vec<String>> =
        if core { [(String::new(), vec!["v1".to_owned()])].into() } else { groups(kinds) };
    for (group, versions) in groups {
        let versions: Vec<Value> = versions
            .iter()
            .map(|version| {
                let resources: Vec<Value> = kinds
                    .iter()
                    .filter(|kind| kind.group == group && kind.version == *version)
                    .map(resource)
                    .collect();
                json!({"version": version, "freshness": "Current", "resources": resources})
            })
            .collect();
        let metadata = if group.is_empty() {
            json!({"creationTimestamp": null})
        } else {
            json!({"name": group, "creationTimestamp": null})
        };
        items.push(json!({"metadata": metadata, "versions": versions}));
    }
    Answer::Json {
        status: 200,
        content_type: format!(
            "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        ),
        body: json!({"kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {}, "items": items}),
        warnings: Vec::new(),
    }
}

fn resource(kind: &Kind) -> Value {
    let own = |name: &str| json!({"group": kind.group, "version": kind.version, "kind": name});
    let subs: Vec<Value> = kind
        .subresources
        .iter()
        .map(|sub| json!({"subresource": sub, "responseKind": own(sub_kind(kind, sub)), "verbs": sub_verbs(sub)}))
        .collect();
    json!({
        "resource": kind.plural, "responseKind": own(&kind.kind), "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular, "verbs": kind.verbs, "shortNames": kind.short_names, "categories": kind.categories, "subresources": subs,
    })
}
