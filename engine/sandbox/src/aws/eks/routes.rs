//! Paths of the REST interface.

use http::Method;
use percent_encoding::percent_decode_str;

/// Names and decoded values of the labels in a path.
pub(in crate::aws) type Labels = Vec<(&'static str, String)>;

/// The operation at a path, with its labels in order.
pub(in crate::aws) fn find(method: &Method, path: &str) -> Option<(&'static str, Labels)> {
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let labels = |names: &[(usize, &'static str)]| -> Labels {
        names.iter().filter_map(|(index, name)| Some((*name, parts.get(*index)?.clone()))).collect()
    };
    Some(match (method.as_str(), texts.as_slice()) {
        ("POST", ["clusters"]) => ("CreateCluster", vec![]),
        ("GET", ["clusters"]) => ("ListClusters", vec![]),
        ("GET", ["clusters", _]) => ("DescribeCluster", labels(&[(1, "clusterName")])),
        ("DELETE", ["clusters", _]) => ("DeleteCluster", labels(&[(1, "clusterName")])),
        ("POST", ["clusters", _, "update-config"]) => {
            ("UpdateClusterConfig", labels(&[(1, "clusterName")]))
        }
        ("POST", ["clusters", _, "updates"]) => {
            ("UpdateClusterVersion", labels(&[(1, "clusterName")]))
        }
        ("GET", ["clusters", _, "updates"]) => ("ListUpdates", labels(&[(1, "clusterName")])),
        ("GET", ["clusters", _, "updates", _]) => {
            ("DescribeUpdate", labels(&[(1, "clusterName"), (3, "updateId")]))
        }
        ("GET", ["cluster-versions"]) => ("DescribeClusterVersions", vec![]),
        ("GET", ["clusters", _, "node-groups"]) => {
            ("ListNodegroups", labels(&[(1, "clusterName")]))
        }
        ("GET", ["clusters", _, "node-groups", _]) => {
            ("DescribeNodegroup", labels(&[(1, "clusterName"), (3, "nodegroupName")]))
        }
        ("POST", ["clusters", _, "fargate-profiles"]) => {
            ("CreateFargateProfile", labels(&[(1, "clusterName")]))
        }
        ("GET", ["clusters", _, "fargate-profiles"]) => {
            ("ListFargateProfiles", labels(&[(1, "clusterName")]))
        }
        ("GET", ["clusters", _, "fargate-profiles", _]) => {
            ("DescribeFargateProfile", labels(&[(1, "clusterName"), (3, "fargateProfileName")]))
        }
        ("DELETE", ["clusters", _, "fargate-profiles", _]) => {
            ("DeleteFargateProfile", labels(&[(1, "clusterName"), (3, "fargateProfileName")]))
        }
        ("POST", ["clusters", _, "addons"]) => ("CreateAddon", labels(&[(1, "clusterName")])),
        ("GET", ["clusters", _, "addons"]) => ("ListAddons", labels(&[(1, "clusterName")])),
        ("GET", ["clusters", _, "addons", _]) => {
            ("DescribeAddon", labels(&[(1, "clusterName"), (3, "addonName")]))
        }
        ("DELETE", ["clusters", _, "addons", _]) => {
            ("DeleteAddon", labels(&[(1, "clusterName"), (3, "addonName")]))
        }
        ("POST", ["clusters", _, "addons", _, "update"]) => {
            ("UpdateAddon", labels(&[(1, "clusterName"), (3, "addonName")]))
        }
        ("GET", ["addons", "supported-versions"]) => ("DescribeAddonVersions", vec![]),
        ("GET", ["addons", "configuration-schemas"]) => ("DescribeAddonConfiguration", vec![]),
        ("POST", ["clusters", _, "access-entries"]) => {
            ("CreateAccessEntry", labels(&[(1, "clusterName")]))
        }
        ("GET", ["clusters", _, "access-entries"]) => {
            ("ListAccessEntries", labels(&[(1, "clusterName")]))
        }
        ("GET", ["clusters", _, "access-entries", _]) => {
            ("DescribeAccessEntry", labels(&[(1, "clusterName"), (3, "principalArn")]))
        }
        ("POST", ["clusters", _, "access-entries", _]) => {
            ("UpdateAccessEntry", labels(&[(1, "clusterName"), (3, "principalArn")]))
        }
        ("DELETE", ["clusters", _, "access-entries", _]) => {
            ("DeleteAccessEntry", labels(&[(1, "clusterName"), (3, "principalArn")]))
        }
        ("POST", ["clusters", _, "access-entries", _, "access-policies"]) => {
            ("AssociateAccessPolicy", labels(&[(1, "clusterName"), (3, "principalArn")]))
        }
        ("GET", ["clusters", _, "access-entries", _, "access-policies"]) => {
            ("ListAssociatedAccessPolicies", labels(&[(1, "clusterName"), (3, "principalArn")]))
        }
        ("DELETE", ["clusters", _, "access-entries", _, "access-policies", _]) => (
            "DisassociateAccessPolicy",
            labels(&[(1, "clusterName"), (3, "principalArn"), (5, "policyArn")]),
        ),
        ("POST", ["clusters", _, "pod-identity-associations"]) => {
            ("CreatePodIdentityAssociation", labels(&[(1, "clusterName")]))
        }
        ("GET", ["clusters", _, "pod-identity-associations"]) => {
            ("ListPodIdentityAssociations", labels(&[(1, "clusterName")]))
        }
        (method, ["clusters", _, "pod-identity-associations", _]) => {
            let name = match method {
                "GET" => "DescribePodIdentityAssociation",
                "POST" => "UpdatePodIdentityAssociation",
                "DELETE" => "DeletePodIdentityAssociation",
                _ => return None,
            };
            (name, labels(&[(1, "clusterName"), (3, "associationId")]))
        }
        ("POST", ["clusters", _, "insights"]) => ("ListInsights", labels(&[(1, "clusterName")])),
        ("GET", ["clusters", _, "insights", _]) => {
            ("DescribeInsight", labels(&[(1, "clusterName"), (3, "id")]))
        }
        ("POST", ["tags", _]) => ("TagResource", labels(&[(1, "resourceArn")])),
        ("GET", ["tags", _]) => ("ListTagsForResource", labels(&[(1, "resourceArn")])),
        ("DELETE", ["tags", _]) => ("UntagResource", labels(&[(1, "resourceArn")])),
        _ => return None,
    })
}
