//! A case as the checker reads it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cases::Case;

/// Pods, daemonsets, pools and machines.
pub(super) struct CaseWorld {
    pub(super) pods: BTreeMap<String, Pod>,
    pub(super) daemons: Vec<Pod>,
    pub(super) pools: Vec<Pool>,
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) zones: Vec<String>,
}

/// What of a pod counts.
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) cpu: i64,
    pub(super) memory: i64,
    pub(super) host_ports: Vec<i64>,
    pub(super) spec: Value,
}

/// A machine of the table, in millicores and bytes; its offers are capacity type, zone and price
/// in 10⁻⁵ $.
pub(super) struct Machine {
    arch: String,
    pub(super) cpu: i64,
    pub(super) memory: i64,
    pub(super) pods: i64,
    pub(super) offers: Vec<(String, String, u64)>,
}

/// What of a pool counts.
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) taint: Option<(String, String, String)>,
    labels: BTreeMap<String, String>,
    requirements: Vec<Value>,
    pub(super) capacity_types: Vec<String>,
    pub(super) cpu_limit: Option<i64>,
    pub(super) memory_limit: Option<i64>,
    pub(super) least_types: Option<usize>,
}

impl CaseWorld {
    pub(super) fn read(case: &Case) -> Result<Self, String> {
        let pods = items(&case.pods)?;
        let daemons = case.daemonsets.as_deref().map_or(Ok(Vec::new()), items)?;
        let pools = case.node_pools.iter().map(|text| {
            serde_json::from_str::<Value>(text)
                .map_err(|error| error.to_string())
                .and_then(|one| pool(&one))
        });
        let mut pools: Vec<Pool> = pools.collect::<Result<_, String>>()?;
        if pools.is_empty() {
            pools.push(pool(&serde_json::json!({"metadata": {"name": "default"}, "spec": {"template": {"spec": {
                "requirements": [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]}]
            }}}}))?);
        }
        let machines = machines(&case.instance_types)?;
        let mut zones: Vec<String> = machines
            .values()
            .flat_map(|machine| machine.offers.iter().map(|(_, zone, _)| zone.clone()))
            .collect();
        zones.sort();
        zones.dedup();
        Ok(Self {
            pods: pods
                .iter()
                .map(|one| pod(one, "").map(|pod| (pod.name.clone(), pod)))
                .collect::<Result<_, _>>()?,
            daemons: daemons
                .iter()
                .map(|one| pod(one, "/spec/template"))
                .collect::<Result<_, _>>()?,
            pools,
            machines,
            zones,
        })
    }

    /// The labels of a node.
    pub(super) fn labels(
        name: &str,
        machine: &Machine,
        zone: &str,
        pool: &Pool,
    ) -> BTreeMap<String, String> {
        let (family, size) = name.split_once('.').unwrap_or((name, ""));
        let category: String = family.chars().take_while(char::is_ascii_lowercase).collect();
        let mut labels = pool.labels.clone();
        for (key, value) in [
            ("node.kubernetes.io/instance-type", name),
            ("kubernetes.io/arch", &machine.arch),
            ("kubernetes.io/os", "linux"),
            ("topology.kubernetes.io/zone", zone),
            ("karpenter.sh/nodepool", &pool.name),
            ("karpenter.k8s.aws/instance-family", family),
            ("karpenter.k8s.aws/instance-size", size),
            ("karpenter.k8s.aws/instance-category", &category),
        ] {
            labels.insert(key.to_owned(), value.to_owned());
        }
        let met = |one: &Value| one["key"] == "karpenter.sh/capacity-type" || passes(one, &labels);
        if !pool.requirements.iter().all(met) {
            // A node that its own pool does not allow: no pod may run on it.
            labels.clear();
        }
        labels
    }
}

impl Pod {
    /// Whether a node with these labels meets its selector and its required node affinity.
    pub(super) fn accepts(&self, labels: &BTreeMap<String, String>) -> bool {
        let selected = self.spec["nodeSelector"].as_object().is_none_or(|selector| {
            selector
                .iter()
                .all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
        });
        let terms = self.spec.pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
        let term_passes =
            |term: &Value| list(&term["matchExpressions"]).iter().all(|one| passes(one, labels));
        !labels.is_empty()
            && selected
            && terms.is_none_or(|terms| list(terms).iter().any(term_passes))
    }

    /// The same for a zone alone.
    pub(super) fn accepts_zone(&self, zone: &str) -> bool {
        let key = "topology.kubernetes.io/zone";
        let labels = BTreeMap::from([(key.to_owned(), zone.to_owned())]);
        let terms = self.spec.pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
        let term_passes = |term: &Value| {
            list(&term["matchExpressions"])
                .iter()
                .all(|one| one["key"] != key || passes(one, &labels))
        };
        terms.is_none_or(|terms| list(terms).iter().any(term_passes))
    }

    /// Whether it tolerates the taint of a pool.
    pub(super) fn tolerates(&self, taint: Option<&(String, String, String)>) -> bool {
        let Some((key, value, effect)) = taint else { return true };
        list(&self.spec["tolerations"]).iter().any(|one| {
            let field = |name: &str| one[name].as_str().unwrap_or_default();
            (field("effect").is_empty() || field("effect") == effect)
                && (field("key").is_empty() || field("key") == key)
                && (field("operator") == "Exists" || field("value") == value)
        })
    }
}

fn passes(requirement: &Value, labels: &BTreeMap<String, String>) -> bool {
    let value = requirement["key"].as_str().and_then(|key| labels.get(key));
    let listed =
        list(&requirement["values"]).iter().any(|one| one.as_str() == value.map(String::as_str));
    match requirement["operator"].as_str() {
        Some("In") => listed,
        Some("NotIn") => !listed,
        Some("Exists") => value.is_some(),
        _ => false,
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn items(text: &str) -> Result<Vec<Value>, String> {
    let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(list(&root["items"]).to_vec())
}

fn pod(object: &Value, at: &str) -> Result<Pod, String> {
    let spec = object.pointer(&format!("{at}/spec")).ok_or("a pod without spec")?.clone();
    let requests = &spec["containers"][0]["resources"]["requests"];
    let amount = |name: &str| {
        requests[name].as_str().and_then(quantity).ok_or_else(|| format!("no {name} in {object}"))
    };
    let labels = object.pointer(&format!("{at}/metadata/labels")).and_then(Value::as_object);
    Ok(Pod {
        name: object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        labels: labels
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        cpu: amount("cpu")?,
        memory: amount("memory")?,
        host_ports: list(&spec["containers"][0]["ports"])
            .iter()
            .filter_map(|port| port["hostPort"].as_i64())
            .collect(),
        spec,
    })
}

/// `250m` in thousandths, `128Mi` and `3Gi` in bytes, `40` as cores in thousandths: what the cases
/// write.
fn quantity(text: &str) -> Option<i64> {
    let scaled = |digits: &str, scale: i64| digits.parse::<i64>().ok().map(|one| one * scale);
    if let Some(digits) = text.strip_suffix("Mi") {
        return scaled(digits, 1 << 20);
    }
    if let Some(digits) = text.strip_suffix("Gi") {
        return scaled(digits, 1 << 30);
    }
    text.strip_suffix('m').map_or_else(|| scaled(text, 1000), |digits| scaled(digits, 1))
}

fn pool(object: &Value) -> Result<Pool, String> {
    let template = &object["spec"]["template"];
    let requirements = list(&template["spec"]["requirements"]).to_vec();
    let of_key = |key: &str| requirements.iter().find(|one| one["key"] == key);
    let texts = |value: &Value| -> Vec<String> {
        list(value).iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let field = |taint: &Value, name: &str| taint[name].as_str().unwrap_or_default().to_owned();
    Ok(Pool {
        name: object["metadata"]["name"].as_str().ok_or("a pool without a name")?.to_owned(),
        taint: list(&template["spec"]["taints"])
            .first()
            .map(|one| (field(one, "key"), field(one, "value"), field(one, "effect"))),
        labels: template["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        capacity_types: of_key("karpenter.sh/capacity-type").map_or_else(
            || vec!["on-demand".to_owned(), "spot".to_owned()],
            |one| texts(&one["values"]),
        ),
        least_types: of_key("node.kubernetes.io/instance-type")
            .and_then(|one| one["minValues"].as_u64())
            .and_then(|least| usize::try_from(least).ok()),
        requirements,
        cpu_limit: object["spec"]["limits"]["cpu"].as_str().and_then(quantity),
        memory_limit: object["spec"]["limits"]["memory"].as_str().and_then(quantity),
    })
}

fn machines(text: &str) -> Result<BTreeMap<String, Machine>, String> {
    let mut machines: BTreeMap<String, Machine> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let [name, arch, cpu, memory, pods, price, zones, capacity] =
            line.split(',').collect::<Vec<_>>()[..]
        else {
            return Err(format!("a row of another width: {line}"));
        };
        let number = |text: &str| text.parse::<i64>().map_err(|_| format!("no number: {line}"));
        let price: f64 = price.parse().map_err(|_| format!("no price: {line}"))?;
        let price = crate::records::in_hundred_thousandths(price);
        let (cpu, memory, pods) = (number(cpu)?, number(memory)? << 20, number(pods)?);
        let machine = machines.entry(name.to_owned()).or_insert_with(|| Machine {
            arch: arch.to_owned(),
            cpu,
            memory,
            pods,
            offers: Vec::new(),
        });
        for zone in zones.split(';') {
            machine.offers.push((capacity.to_owned(), zone.to_owned(), price));
        }
    }
    Ok(machines)
}
