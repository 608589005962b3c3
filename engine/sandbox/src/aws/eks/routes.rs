//! Paths of the REST interface.

use http::Method;

use crate::aws::protocol::segments;

/// The operation at a path, with its labels in order.
pub(in crate::aws) fn route(method: &Method, path: &str) -> Option<(&'static str, Vec<String>)> {
    let parts = segments(path);
    let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let labels = |indices: &[usize]| indices.iter().filter_map(|index| parts.get(*index).cloned()).collect::<Vec<_>>();
    Some(match (method.as_str(), texts.as_slice()) {
        ("POST", ["clusters"]) => ("CreateCluster", vec![]),
        ("GET", ["clusters"]) => ("ListClusters", vec![]),
        ("GET", ["clusters", _]) => ("DescribeCluster", labels(&[1])),
        ("DELETE", ["clusters", _]) => ("DeleteCluster", labels(&[1])),
        ("POST", ["clusters", _, "update-config"]) => ("UpdateClusterConfig", labels(&[1])),
        ("POST", ["clusters", _, "updates"]) => ("UpdateClusterVersion", labels(&[1])),
        ("GET", ["clusters", _, "updates"]) => ("ListUpdates", labels(&[1])),
        ("GET", ["clusters", _, "updates", _]) => ("DescribeUpdate", labels(&[1, 3])),
        ("GET", ["cluster-versions"]) => ("DescribeClusterVersions", vec![]),
        ("GET", ["clusters", _, "node-groups"]) => ("ListNodegroups", labels(&[1])),
        ("GET", ["clusters", _, "node-groups", _]) => ("DescribeNodegroup", labels(&[1, 3])),
        ("POST", ["clusters", _, "fargate-profiles"]) => ("CreateFargateProfile", labels(&[1])),
        ("GET", ["clusters", _, "fargate-profiles"]) => ("ListFargateProfiles", labels(&[1])),
        ("GET", ["clusters", _, "fargate-profiles", _]) => ("DescribeFargateProfile", labels(&[1, 3])),
        ("DELETE", ["clusters", _, "fargate-profiles", _]) => ("DeleteFargateProfile", labels(&[1, 3])),
        ("POST", ["clusters", _, "addons"]) => ("CreateAddon", labels(&[1])),
        ("GET", ["clusters", _, "addons"]) => ("ListAddons", labels(&[1])),
        ("GET", ["clusters", _, "addons", _]) => ("DescribeAddon", labels(&[1, 3])),
        ("DELETE", ["clusters", _, "addons", _]) => ("DeleteAddon", labels(&[1, 3])),
        ("POST", ["clusters", _, "addons", _, "update"]) => ("UpdateAddon", labels(&[1, 3])),
        ("GET", ["addons", "supported-versions"]) => ("DescribeAddonVersions", vec![]),
        ("GET", ["addons", "configuration-schemas"]) => ("DescribeAddonConfiguration", vec![]),
        ("POST", ["clusters", _, "access-entries"]) => ("CreateAccessEntry", labels(&[1])),
        ("GET", ["clusters", _, "access-entries"]) => ("ListAccessEntries", labels(&[1])),
        ("GET", ["clusters", _, "access-entries", _]) => ("DescribeAccessEntry", labels(&[1, 3])),
        ("POST", ["clusters", _, "access-entries", _]) => ("UpdateAccessEntry", labels(&[1, 3])),
        ("DELETE", ["clusters", _, "access-entries", _]) => ("DeleteAccessEntry", labels(&[1, 3])),
        ("POST", ["clusters", _, "access-entries", _, "access-policies"]) => ("AssociateAccessPolicy", labels(&[1, 3])),
        ("GET", ["clusters", _, "access-entries", _, "access-policies"]) => ("ListAssociatedAccessPolicies", labels(&[1, 3])),
        ("DELETE", ["clusters", _, "access-entries", _, "access-policies", _]) => ("DisassociateAccessPolicy", labels(&[1, 3, 5])),
        ("POST", ["tags", _]) => ("TagResource", labels(&[1])),
        ("GET", ["tags", _]) => ("ListTagsForResource", labels(&[1])),
        ("DELETE", ["tags", _]) => ("UntagResource", labels(&[1])),
        _ => return None,
    })
}
