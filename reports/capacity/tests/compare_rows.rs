//! Each workload by itself: with the user's pools and images, its sidecars, in one measure of full;
//! and what an answer says besides.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use runbook_capacity::answer::compare::{COMPARE, CompareOptions, Comparison, WorkloadRow};
use runbook_capacity::answer::{PriceAge, schema, written};
use runbook_capacity::compare::options::read_options;
use runbook_capacity::compare::workload::{Images, Workloads};
use runbook_capacity::manifest::{NodePool, read_node_pools, read_pods};
use runbook_capacity::prices::PriceBook;
use runbook_capacity::region::Region;

fn answered(text: &str, options: &str, change: impl FnOnce(&mut CompareOptions)) -> Comparison {
    let name = if text.starts_with("name,") { "pods.csv" } else { "pods.yaml" };
    let file = read_options("options.yaml", options).expect("options");
    let workloads = Workloads::with(read_pods(name, text).expect("pods"), &file).expect("names");
    let mut asked = CompareOptions::new(Region::ApNortheast2).with(file);
    change(&mut asked);
    let age = PriceAge { most_days: 90, today: "2026-11-26".parse().expect("a day") };
    let comparison = Comparison::new(&workloads, &asked, PriceBook::embedded(), age, Vec::new());
    let text = written::json(&comparison).expect("JSON");
    let value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(schema::mismatches(&value, COMPARE), Vec::<String>::new());
    comparison
}

fn plain(text: &str, options: &str) -> Comparison {
    answered(text, options, |_| ())
}

fn row<'a>(comparison: &'a Comparison, name: &str) -> &'a WorkloadRow {
    comparison.workloads.iter().find(|row| row.workload == name).expect("a row")
}

fn side_notes<'a>(comparison: &'a Comparison, side: &str) -> &'a [String] {
    &comparison.sides.iter().find(|one| one.side == side).expect("a side").notes
}

fn pool(requirements: &str, more: &str) -> Vec<NodePool> {
    let text = format!(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: mine}}\nspec: {{template: {{spec: {{{more} nodeClassRef: {{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}}, requirements: [{requirements}]}}}}}}\n"
    );
    read_node_pools("pool.yaml", &text).expect("a pool")
}

const WEB: &str = "name,cpu,memory,replicas\nweb,500m,1Gi,24\n";

#[test]
fn a_break_even_has_the_pools_and_the_images_of_the_columns() {
    let open = row(&plain(WEB, ""), "web").break_even_type;
    assert_eq!(open, Some("c5a.4xlarge"));
    let of = |name: &str| {
        format!("{{key: karpenter.k8s.aws/instance-family, operator: In, values: [{name}]}}")
    };
    // A family that is dearer, and a burstable one that the shape alone would leave out.
    for family in ["m6i", "t3"] {
        let found = answered(WEB, "", |asked| asked.node_pools = pool(&of(family), ""));
        let row = row(&found, "web");
        let of_family = format!("{family}.");
        assert!(row.break_even_type.is_some_and(|one| one.starts_with(&of_family)), "{row:?}");
        let nodes = found.sides[0].lines.iter().filter(|line| line.kind == "node");
        assert!(nodes.into_iter().all(|line| line.what.starts_with(&of_family)));
    }
    let both = answered(WEB, "", |asked| asked.images = Some(Images::Both));
    let on_arm = row(&both, "web");
    assert!(on_arm.break_even_type.is_some_and(|one| one.contains("g.")), "{on_arm:?}");
    assert!(on_arm.break_even_percent < row(&plain(WEB, ""), "web").break_even_percent);
    // Images are for both, but the pod says otherwise.
    let amd64 = "kind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {nodeSelector: {kubernetes.io/arch: amd64}, containers: [{name: c, resources: {requests: {cpu: 500m, memory: 1Gi}}}]}}}\n";
    let bound = answered(amd64, "", |asked| asked.images = Some(Images::Both));
    assert_eq!(row(&bound, "web").break_even_type, open);
    // A pool that the pod does not tolerate holds it neither in a column nor in a row.
    let tainted = "taints: [{key: team, value: other, effect: NoSchedule}],";
    let kept_out = answered(WEB, "", |asked| asked.node_pools = pool(&of("m6i"), tainted));
    let row = row(&kept_out, "web");
    assert_eq!((row.break_even_percent, row.node_usd_per_month_full), (None, None));
    assert_eq!(kept_out.sides[0].not_held.len(), 24);
}

#[test]
fn how_full_nodes_are_is_in_the_measure_of_the_break_even() {
    // Three pods of 4 vCPU fill a node of 16, whatever is left of it: full is full.
    let text = "name,cpu,memory,replicas\nlarge,4,16Gi,60\n";
    let of = "{key: node.kubernetes.io/instance-type, operator: In, values: [m5a.4xlarge]}";
    let found = answered(text, "", |asked| asked.node_pools = pool(of, ""));
    let nodeless = &found.sides[0];
    assert_eq!(nodeless.nodes, 20);
    assert_eq!(nodeless.fullness_percent, Some(100.0));
    assert!(nodeless.utilisation_percent.is_some_and(|asked| asked < 90.0), "{nodeless:?}");
    let large = row(&found, "large");
    // Break-even is 104 %: not even full nodes are cheaper, and what they cost says the same.
    assert!(large.break_even_percent.is_some_and(|even| even > 100.0));
    assert_eq!(large.cheaper, Some("fargate"));
    assert!(large.karpenter_usd_per_month > large.fargate_usd_per_month);
    let nodes: f64 = nodeless
        .lines
        .iter()
        .filter(|line| ["node", "root_volume"].contains(&line.kind))
        .filter_map(|line| line.usd_per_month)
        .sum();
    let said = large.karpenter_usd_per_month.expect("dollars");
    assert!((nodes - said).abs() < 0.01, "the nodes cost {nodes}, the row says {said}");
    assert_eq!(found.curve.expect("a curve").used_percent, Some(100.0));
}

const WITH_AGENT: &str = "
kind: Deployment
metadata: {name: web}
spec: {replicas: 4, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 900m, memory: 1500Mi}}}]}}}
---
kind: DaemonSet
metadata: {name: agent}
spec: {template: {spec: {HOST containers: [{name: c, resources: {requests: {cpu: 300m, memory: 256Mi}}}]}}}
";

#[test]
fn a_smaller_size_has_room_for_the_sidecars() {
    let text = WITH_AGENT.replace("HOST", "");
    let options =
        "fargate: {sidecar_for: [agent]}\nworkloads: {web: {usage: {cpu: 200m, memory: 400Mi}}}";
    let found = plain(&text, options);
    let moved = &found.moves[0];
    // 200m and 460Mi by use, 300m and 256Mi of the sidecar, 256Mi of Fargate's own: 500m, 972Mi.
    assert_eq!(
        (moved.by, moved.from.as_str(), moved.to.as_str()),
        ("usage", "2vCPU 4GB", "0.5vCPU 1GB")
    );
    assert_eq!((moved.cpu_at_most_m, moved.memory_at_most_mib), (200, 512));
    let alone = plain(&text, "workloads: {web: {usage: {cpu: 200m, memory: 400Mi}}}");
    assert_eq!(alone.moves[0].to, "0.25vCPU 1GB");
}

#[test]
fn a_daemonset_that_fargate_refuses_is_named_and_is_no_sidecar() {
    for (host, why) in [
        ("hostNetwork: true,", "it uses hostNetwork"),
        ("HOSTPORT", "it takes hostPort 8125"),
        ("PRIVILEGED", "a container is privileged"),
    ] {
        let text = match host {
            "HOSTPORT" => WITH_AGENT
                .replace("{name: c, resources: {requests: {cpu: 300m", "{name: c, ports: [{containerPort: 8125, hostPort: 8125}], resources: {requests: {cpu: 300m")
                .replace("HOST ", ""),
            "PRIVILEGED" => WITH_AGENT
                .replace("{name: c, resources: {requests: {cpu: 300m", "{name: c, securityContext: {privileged: true}, resources: {requests: {cpu: 300m")
                .replace("HOST ", ""),
            plain => WITH_AGENT.replace("HOST", plain),
        };
        let found = plain(&text, "fargate: {sidecar_for: [agent]}");
        let fargate = found.sides.iter().find(|one| one.side == "fargate").expect("a side");
        assert!(fargate.lines.iter().all(|line| line.kind != "sidecar"), "{host}");
        let note = format!(
            "`agent` does not run here and is on no bill: Fargate cannot run it as a sidecar either: {why}"
        );
        assert_eq!(side_notes(&found, "fargate"), std::slice::from_ref(&note));
        assert_eq!(row(&found, "web").fargate_size.as_deref(), Some("1vCPU 2GB"));
        // Notes of a side are in every form.
        let cell = note.replace('`', "\\`");
        assert!(found.markdown().contains(&format!("\n- {cell}\n")), "{}", found.markdown());
    }
}

#[test]
fn options_that_mean_nothing_for_a_workload_are_refused_by_name() {
    let text = format!(
        "{}
---
kind: CronJob
metadata: {{name: nightly}}
spec: {{schedule: '@daily', jobTemplate: {{spec: {{template: {{spec: {{containers: [{{name: c}}]}}}}}}}}}}
---
kind: HorizontalPodAutoscaler
metadata: {{name: web}}
spec: {{maxReplicas: 3, scaleTargetRef: {{kind: Deployment, name: web}}}}
---
kind: Deployment
metadata: {{name: still}}
spec: {{template: {{spec: {{containers: [{{name: c}}]}}}}}}
",
        WITH_AGENT.replace("HOST", "")
    );
    let options = "workloads:
  web: {hours: 100, duration: 1h}
  agent: {usage: {cpu: 1}, hours: 3}
  nightly: {runs_per_month: 4, hours: 20, duration: 5m}
  still: {duration: 1h, mean_replicas: 2}
";
    let file = read_options("options.yaml", options).expect("options");
    let pods = read_pods("pods.yaml", &text).expect("pods");
    let problems = Workloads::with(pods, &file).expect_err("problems");
    assert_eq!(
        problems,
        [
            "`workloads.web.hours`: a HorizontalPodAutoscaler scales it, and so many pods run all month",
            "`workloads.web.duration`: a HorizontalPodAutoscaler scales it, and so many pods run all month",
            "`workloads.agent.hours`: it is a DaemonSet, which each node runs all month",
            "`workloads.agent.usage`: it is a DaemonSet, whose size is not looked at",
            "`workloads.nightly.duration`: its `hours` are given",
            "`workloads.nightly.runs_per_month`: its `hours` are given",
            "`workloads.still.duration`: it is neither a Job nor a CronJob, and runs all month or as many `hours` as are given",
            "`workloads.still.mean_replicas`: no HorizontalPodAutoscaler scales it",
        ]
    );
}

#[test]
fn the_note_on_savings_plans_has_the_figures_of_these_bills() {
    let note = |comparison: &Comparison| {
        let found = comparison.notes.iter().find(|one| one.starts_with("Savings Plans"));
        found.cloned().expect("a note")
    };
    let given =
        "savings_plan: {one_year: {ec2: 28, fargate: 20.5}, three_years: {ec2: 48, fargate: 45}}";
    assert_eq!(
        note(&plain(WEB, given)),
        "Savings Plans that cover everything take off for 1 year 28 % of the nodes on these bills and 20.5 % of Fargate, as given; for 3 years 48 % of the nodes on these bills and 45 % of Fargate, as given"
    );
    // Of the price list: its own figures, and another family has others.
    let of = |family: &str| {
        let requirement =
            format!("{{key: karpenter.k8s.aws/instance-family, operator: In, values: [{family}]}}");
        let options = format!("nodes: {{node_group: {family}}}");
        note(&answered(WEB, &options, |asked| asked.node_pools = pool(&requirement, "")))
    };
    let (one, other) = (of("m6i"), of("c6a"));
    assert!(one.contains(", rates of 2") && one != other, "{one}\n{other}");
}

#[test]
fn nothing_is_cheaper_on_nodes_that_have_no_price() {
    let port = "kind: Deployment\nmetadata: {name: port}\nspec: {replicas: 2, template: {spec: {containers: [{name: c, ports: [{containerPort: 80, hostPort: 80}], resources: {requests: {cpu: CPU, memory: 1Gi}}}]}}}\n";
    let held = plain(&port.replace("CPU", "1"), "");
    assert_eq!(row(&held, "port").cheaper, Some("nodes"));
    let huge = plain(&port.replace("CPU", "40"), "");
    let row = row(&huge, "port");
    assert_eq!(row.cheaper, None);
    assert_eq!(
        row.reason.as_deref(),
        Some(
            "cannot run on Fargate: it takes hostPort 80; unpriced on nodes: no node ≤ 16 vCPU with a price in `ap-northeast-2` may hold it"
        )
    );
}

#[test]
fn without_workloads_there_is_no_verdict() {
    let nothing = plain("name,cpu,memory,replicas\n", "");
    assert_eq!(nothing.headline, "there is nothing to compare: there are no workloads");
    assert!(nothing.verdicts.is_empty() && !nothing.sides.is_empty());
    let job =
        "kind: Job\nmetadata: {name: once}\nspec: {template: {spec: {containers: [{name: c}]}}}\n";
    let unpriced = plain(job, "");
    assert_eq!(unpriced.headline, "there is nothing to compare: 1 workload is on no bill");
    assert!(unpriced.verdicts.is_empty());
}

#[test]
fn an_answer_says_whether_it_is_of_the_sandbox() {
    assert!(!plain(WEB, "").is_sandbox);
    let found = answered(WEB, "", |asked| {
        "sandbox, by inv.json".clone_into(&mut asked.source);
        asked.is_sandbox = true;
    });
    assert!(found.is_sandbox);
}

#[test]
fn one_pod_is_one_pod() {
    let huge = plain("name,cpu,memory,replicas\nweb,1,1Gi,1\nhuge,300,1Gi,1\n", "");
    let reason = huge.verdicts[0].reason.as_deref().unwrap_or_default();
    assert!(reason.starts_with("NodeLess cannot run 1 pod: `huge`"), "{reason}");
}
