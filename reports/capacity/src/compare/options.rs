//! The options file of a comparison: what neither manifests nor a cluster say.
//!
//! ```yaml
//! fargate:
//!   sidecar_for:                 # DaemonSets that run as a sidecar in each workload pod on Fargate
//!     logs: {}                   # with the DaemonSet's own requests; a list of names does as well
//!     agent: {cpu: 50m, memory: 64Mi}
//! nodes:
//!   largest_vcpus: 16            # or any
//!   least_nodes: 2
//!   zones: 2                     # only types that are offered in so many
//!   most_pods: 110               # or what the network interfaces allow, if that is less
//!   root_volume_gib: 20
//!   images: amd64                # or both: for which processors images are, where pods do not say
//!   node_group: m6i              # family of the managed node group, or one type of it
//! workloads:                     # by name, or namespace/name outside of the default namespace
//!   web: {mean_replicas: 6.5, usage: {cpu: 120m, memory: 300Mi}}
//!   jobs/report: {duration: 15m} # of a run; a CronJob runs by its schedule
//!   once: {duration: 2h, runs_per_month: 4}
//!   seldom: {hours: 200}         # of a month, each of its pods
//! savings_plan:                  # discounts in per cent of on-demand; else those of the price book
//!   one_year: {ec2: 28, fargate: 20}
//!   three_years: {ec2: 48, fargate: 45}
//! ```
//!
//! Every key may be left out; one that is not known is refused, and the closest is named.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::shape::NodeShape;
use super::workload::Images;
use crate::manifest::{documents, seconds};
use crate::money::MONTH_HOURS;
use crate::pod_resources::Resources;
use crate::prices::{PlanTerm, UserPlan};
use crate::quantity::Quantity;

/// What a file of options says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Daemonsets that become a sidecar on Fargate, and what the sidecar asks for; none means what the
    /// daemonset does.
    pub sidecars: BTreeMap<String, Option<Resources>>,
    /// Which nodes.
    pub shape: ShapeOptions,
    /// For which processors images are.
    pub images: Option<Images>,
    /// A family of instance types, or one type.
    pub node_group: Option<String>,
    /// What is known about workloads, by name.
    pub workloads: BTreeMap<String, WorkloadOptions>,
    /// Discounts of Savings Plans.
    pub plans: BTreeMap<PlanTerm, UserPlan>,
}

/// What the file says about the shape of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShapeOptions {
    /// The largest node: some number, or any.
    pub vcpus_at_most: Option<Option<u32>>,
    /// Fewest nodes.
    pub nodes_at_least: Option<u32>,
    /// In how many zones a type must be offered.
    pub zones_at_least: Option<u32>,
    /// Most pods of a node.
    pub pods_at_most: Option<u32>,
    /// The root volume in GiB.
    pub root_volume_gib: Option<i64>,
}

impl ShapeOptions {
    /// A shape with what the file says in it.
    pub fn on(self, shape: NodeShape) -> NodeShape {
        NodeShape {
            vcpus_at_most: self.vcpus_at_most.unwrap_or(shape.vcpus_at_most),
            nodes_at_least: self.nodes_at_least.unwrap_or(shape.nodes_at_least),
            zones_at_least: self.zones_at_least.unwrap_or(shape.zones_at_least),
            pods_at_most: self.pods_at_most.or(shape.pods_at_most),
            root_volume_gib: self.root_volume_gib.or(shape.root_volume_gib),
        }
    }
}

/// What the file says about a workload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkloadOptions {
    /// For how many hours of a month each of its pods runs.
    pub hours: Option<i64>,
    /// How long a run takes, in seconds.
    pub duration: Option<i64>,
    /// How many runs a month has; a `CronJob` has its schedule instead.
    pub runs_per_month: Option<i64>,
    /// How many pods an autoscaler runs on average, in thousandths.
    pub mean_replicas_thousandths: Option<i64>,
    /// What a pod of it really uses.
    pub usage: Option<Resources>,
}

/// Reads the file; every problem is reported with the path of its key.
pub fn read_options(source_name: &str, text: &str) -> Result<Options, Vec<String>> {
    let documents = documents(source_name, text).map_err(|problem| vec![problem.to_string()])?;
    let mut reader = Reader { source_name, problems: Vec::new() };
    let options = match documents.as_slice() {
        [] => Options::default(),
        [Value::Object(fields)] => reader.options(fields),
        _ => {
            let problem = format!("{source_name}: options are one document with keys");
            return Err(vec![problem]);
        }
    };
    if reader.problems.is_empty() { Ok(options) } else { Err(reader.problems) }
}

struct Reader<'a> {
    source_name: &'a str,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn refuse(&mut self, path: &str, why: &str) {
        self.problems.push(format!("{}: `{path}`: {why}", self.source_name));
    }

    /// Names every key that means nothing.
    fn known(&mut self, at: &str, fields: &Map<String, Value>, known: &[&str]) {
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let path = join(at, key);
            let why = match suggest(key, known.iter().copied()) {
                Some(close) => format!("there is no such key; did you mean `{close}`?"),
                None => format!("there is no such key (known: {})", known.join(", ")),
            };
            self.refuse(&path, &why);
        }
    }

    /// A part that has keys itself.
    fn part<'v>(
        &mut self,
        at: &str,
        fields: &'v Map<String, Value>,
        key: &str,
    ) -> Option<&'v Map<String, Value>> {
        match fields.get(key)? {
            Value::Object(part) => Some(part),
            other => {
                self.refuse(&join(at, key), &format!("`{other}` has no keys"));
                None
            }
        }
    }

    /// A value that is read from its text.
    fn value<T>(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = match fields.get(key)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            other => {
                self.refuse(&join(at, key), &format!("`{other}` is neither text nor a number"));
                return None;
            }
        };
        read(&text).map_err(|why| self.refuse(&join(at, key), &why)).ok()
    }

    fn options(&mut self, fields: &Map<String, Value>) -> Options {
        self.known("", fields, &["fargate", "nodes", "workloads", "savings_plan"]);
        let mut options = Options::default();
        if let Some(part) = self.part("", fields, "fargate") {
            self.known("fargate", part, &["sidecar_for"]);
            options.sidecars = self.sidecars(part);
        }
        if let Some(part) = self.part("", fields, "nodes") {
            self.nodes(part, &mut options);
        }
        if let Some(part) = self.part("", fields, "workloads") {
            for name in part.keys() {
                if let Some(fields) = self.part("workloads", part, name) {
                    let workload = self.workload(&join("workloads", name), fields);
                    options.workloads.insert(name.clone(), workload);
                }
            }
        }
        if let Some(part) = self.part("", fields, "savings_plan") {
            self.known("savings_plan", part, &["one_year", "three_years"]);
            for term in PlanTerm::ALL {
                if let Some(fields) = self.part("savings_plan", part, term.name()) {
                    let at = join("savings_plan", term.name());
                    options.plans.extend(self.plan(&at, fields).map(|plan| (term, plan)));
                }
            }
        }
        options
    }

    fn sidecars(&mut self, part: &Map<String, Value>) -> BTreeMap<String, Option<Resources>> {
        const AT: &str = "fargate.sidecar_for";
        let mut sidecars = BTreeMap::new();
        match part.get("sidecar_for") {
            None => {}
            Some(Value::Array(names)) => {
                for name in names {
                    match name.as_str() {
                        Some(name) => {
                            sidecars.insert(name.to_owned(), None);
                        }
                        None => self.refuse(AT, &format!("`{name}` is no name of a DaemonSet")),
                    }
                }
            }
            Some(Value::Object(named)) => {
                for name in named.keys() {
                    if let Some(fields) = self.part(AT, named, name) {
                        let asked = self.resources(&join(AT, name), fields);
                        sidecars.insert(name.clone(), Some(asked).filter(|one| !one.is_empty()));
                    }
                }
            }
            Some(other) => {
                self.refuse(
                    AT,
                    &format!("`{other}` is neither a list of names nor names with requests"),
                );
            }
        }
        sidecars
    }

    fn nodes(&mut self, part: &Map<String, Value>, options: &mut Options) {
        const AT: &str = "nodes";
        let known = [
            "largest_vcpus",
            "least_nodes",
            "zones",
            "most_pods",
            "root_volume_gib",
            "images",
            "node_group",
        ];
        self.known(AT, part, &known);
        options.shape = ShapeOptions {
            vcpus_at_most: self.value(AT, part, "largest_vcpus", |text| match text {
                "any" => Ok(None),
                number => number_from(2, u32::MAX)(number).map(Some),
            }),
            nodes_at_least: self.value(AT, part, "least_nodes", number_from(1, 1000)),
            zones_at_least: self.value(AT, part, "zones", number_from(1, 6)),
            pods_at_most: self.value(AT, part, "most_pods", number_from(4, 1000)),
            root_volume_gib: self
                .value(AT, part, "root_volume_gib", number_from(1, 16_384))
                .map(i64::from),
        };
        options.images = self.value(AT, part, "images", |text| match text {
            "amd64" => Ok(Images::Amd64),
            "both" => Ok(Images::Both),
            other => Err(format!("`{other}` is neither amd64 nor both")),
        });
        options.node_group = self.value(AT, part, "node_group", |text| {
            let is_known = crate::catalogue::catalogue()
                .iter()
                .any(|one| one.family() == text || one.name == text);
            if is_known {
                Ok(text.to_owned())
            } else {
                Err(format!("`{text}` is neither a family of instance types nor a type"))
            }
        });
    }

    fn workload(&mut self, at: &str, fields: &Map<String, Value>) -> WorkloadOptions {
        let known = ["hours", "duration", "runs_per_month", "mean_replicas", "usage"];
        self.known(at, fields, &known);
        let most_hours = u32::try_from(MONTH_HOURS).unwrap_or(u32::MAX);
        let usage = self.part(at, fields, "usage").cloned();
        WorkloadOptions {
            hours: self.value(at, fields, "hours", number_from(1, most_hours)).map(i64::from),
            duration: self.value(at, fields, "duration", |text| {
                seconds(text)
                    .filter(|seconds| *seconds > 0)
                    .ok_or_else(|| format!("`{text}` is no duration such as 15m or 1h30m"))
            }),
            runs_per_month: self
                .value(at, fields, "runs_per_month", number_from(1, 1_000_000))
                .map(i64::from),
            mean_replicas_thousandths: self.value(at, fields, "mean_replicas", |text| {
                Quantity::parse_amount(text).map(Quantity::millis).map_err(|why| why.to_string())
            }),
            usage: usage
                .map(|fields| self.resources(&join(at, "usage"), &fields))
                .filter(|usage| !usage.is_empty()),
        }
    }

    fn resources(&mut self, at: &str, fields: &Map<String, Value>) -> Resources {
        self.known(at, fields, &["cpu", "memory"]);
        let mut resources = Resources::default();
        for name in ["cpu", "memory"] {
            let read = |text: &str| Quantity::parse_amount(text).map_err(|why| why.to_string());
            if let Some(amount) = self.value(at, fields, name, read) {
                resources.set(name, amount);
            }
        }
        resources
    }

    fn plan(&mut self, at: &str, fields: &Map<String, Value>) -> Option<UserPlan> {
        self.known(at, fields, &["ec2", "fargate"]);
        let mut percent = |key: &str| {
            if !fields.contains_key(key) {
                self.refuse(&join(at, key), "it is missing; both discounts are needed");
            }
            self.value(at, fields, key, |text| {
                let thousandths = Quantity::parse_amount(text)
                    .map(Quantity::millis)
                    .map_err(|why| why.to_string())?;
                if thousandths < 100_000 {
                    Ok(thousandths / 10)
                } else {
                    Err(format!("`{text}` is not from 0 to below 100 per cent"))
                }
            })
        };
        let (ec2, fargate) = (percent("ec2"), percent("fargate"));
        Some(UserPlan { ec2_ten_thousandths: ec2?, fargate_ten_thousandths: fargate? })
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn number_from(least: u32, most: u32) -> impl Fn(&str) -> Result<u32, String> {
    move |text| {
        text.parse::<u32>()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("`{text}` is no whole number from {least} to {most}"))
    }
}

/// The closest of some names, when one is close.
pub fn suggest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(wrong.len()) / 3)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::{Bytes, Millicores};

    #[test]
    fn a_whole_file_is_read() {
        let text = "
fargate:
  sidecar_for: {logs: {}, agent: {cpu: 50m, memory: 64Mi}}
nodes: {largest_vcpus: any, least_nodes: 3, zones: 1, most_pods: 58, root_volume_gib: 50, images: both, node_group: m7i.large}
workloads:
  web: {mean_replicas: 6.5, usage: {cpu: 120m}}
  jobs/report: {duration: 15m}
  once: {duration: 2h, runs_per_month: 4}
  seldom: {hours: 200}
savings_plan: {one_year: {ec2: 28, fargate: 20.5}}
";
        let options = read_options("o.yaml", text).expect("options");
        assert_eq!(options.sidecars["logs"], None);
        let agent = Resources::of(Millicores(50), Bytes::mebibytes(64));
        assert_eq!(options.sidecars["agent"], Some(agent));
        let shape = options.shape.on(NodeShape::REALISTIC);
        assert_eq!(
            (shape.vcpus_at_most, shape.nodes_at_least, shape.zones_at_least, shape.pods_at_most),
            (None, 3, 1, Some(58))
        );
        assert_eq!(shape.root_volume_gib, Some(50));
        assert_eq!(
            (options.images, options.node_group.as_deref()),
            (Some(Images::Both), Some("m7i.large"))
        );
        assert_eq!(options.workloads["web"].mean_replicas_thousandths, Some(6500));
        assert_eq!(options.workloads["jobs/report"].duration, Some(900));
        assert_eq!(options.workloads["once"].runs_per_month, Some(4));
        assert_eq!(options.workloads["seldom"].hours, Some(200));
        assert_eq!(options.plans[&PlanTerm::OneYear].fargate_ten_thousandths, 2050);
        let listed = read_options("o.yaml", "fargate: {sidecar_for: [logs]}").expect("options");
        assert_eq!(listed.sidecars.keys().collect::<Vec<_>>(), ["logs"]);
        assert_eq!(read_options("o.yaml", "# nothing\n"), Ok(Options::default()));
    }

    #[test]
    fn every_mistake_is_named_with_its_path() {
        let text = "
fargate: {sidecars_for: [logs]}
nodes: {largest_vcpus: 1, zone: 2, node_group: x99, images: arm64}
workloads: {web: {hours: 800, usage: {memory: -1Gi}, colour: red}, job: 3}
savings_plan: {one_year: {ec2: 100}}
";
        let problems = read_options("o.yaml", text).expect_err("problems");
        assert_eq!(
            problems,
            [
                "o.yaml: `fargate.sidecars_for`: there is no such key; did you mean `sidecar_for`?",
                "o.yaml: `nodes.zone`: there is no such key; did you mean `zones`?",
                "o.yaml: `nodes.largest_vcpus`: `1` is no whole number from 2 to 4294967295",
                "o.yaml: `nodes.images`: `arm64` is neither amd64 nor both",
                "o.yaml: `nodes.node_group`: `x99` is neither a family of instance types nor a type",
                "o.yaml: `workloads.job`: `3` has no keys",
                "o.yaml: `workloads.web.colour`: there is no such key (known: hours, duration, runs_per_month, mean_replicas, usage)",
                "o.yaml: `workloads.web.hours`: `800` is no whole number from 1 to 730",
                "o.yaml: `workloads.web.usage.memory`: `-1Gi` is negative",
                "o.yaml: `savings_plan.one_year.ec2`: `100` is not from 0 to below 100 per cent",
                "o.yaml: `savings_plan.one_year.fargate`: it is missing; both discounts are needed",
            ]
        );
        let cut = read_options("o.yaml", "fargate: {sidecar_for: [logs").expect_err("problems");
        assert!(cut[0].starts_with("o.yaml: not YAML"), "{cut:?}");
    }
}
