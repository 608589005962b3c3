//! The fields of the answer on two autoscalers.

use crate::answer::schema::Shape::{self, Integer, List, Maybe, Number, Object, Text, Word};
use crate::answer::schema::{COVERAGE, DOLLARS, NAMES, field};

const AUTOSCALER: Shape = Word(&["cluster_autoscaler", "karpenter"]);

const STEP: Shape = Object(&[
    field(
        "step",
        Word(&[
            "pod_pending",
            "scan",
            "group_grows",
            "batch_opens",
            "batch_closes",
            "create_fleet",
            "node_claim",
            "ec2_launch",
            "node_ready",
            "pod_bound",
        ]),
        "what kind of step",
    ),
    field("title", Text, "its name for people"),
    field("t_seconds", Maybe(&Integer), "when; null when it did not come to that"),
    field("after_seconds", Maybe(&Integer), "seconds since the pod began to wait"),
    field("text", Text, "what happened"),
]);

const RUN: Shape = Object(&[
    field("autoscaler", AUTOSCALER, "which"),
    field("title", Text, "its name for people"),
    field(
        "pending_pod_seconds",
        Object(&[
            field("p50", Maybe(&Integer), "what half of the pods do not exceed"),
            field("p95", Maybe(&Integer), "what 95 of 100 pods do not exceed"),
            field("longest", Maybe(&Integer), "the longest"),
            field("total", Integer, "of all pods together"),
        ]),
        "how long each pod waited, all its waiting together",
    ),
    field("node_hours", Number, "hours of nodes: the area under the series"),
    field("billed_node_hours", Number, "the same as billed, a minute at least for each node"),
    field("usd", DOLLARS, "what that costs; null when a node has no price"),
    field("reason", Maybe(&Text), "why there is no figure"),
    field("nodes_launched", Integer, "nodes in all, those of the beginning among them"),
    field("peak_nodes", Integer, "most nodes at a time"),
    field(
        "pods",
        Object(&[
            field("running", Integer, "they run"),
            field("pending", Integer, "they wait"),
            field("removed", Integer, "the trace removed them"),
            field("lost", Integer, "they were evicted, and nothing made them again"),
            field("never_ran", Integer, "of those that wait or were removed, those that never ran"),
        ]),
        "how the pods of the trace ended; running, pending, removed and lost add up to all",
    ),
    field("evictions", Integer, "how often a pod was evicted"),
    field(
        "instance_types",
        List(&Object(&[
            field("instance_type", Text, "the type"),
            field("capacity_type", Text, "how it is bought"),
            field("nodes", Integer, "how many"),
            field("billed_node_hours", Number, "their hours as billed"),
            field("usd_per_hour", DOLLARS, "what an hour costs"),
            field("usd", DOLLARS, "what they cost"),
            field("reason", Maybe(&Text), "why there is no figure"),
        ])),
        "the nodes by type, which add up to the totals",
    ),
    field(
        "series",
        List(&Object(&[
            field("t_seconds", Integer, "from then until the next one"),
            field("nodes", Integer, "nodes that are launched and not terminated"),
            field("ready", Integer, "of them, those that take pods"),
            field("pending", Integer, "pods that wait"),
            field("running", Integer, "pods that run"),
        ])),
        "how many there were; holds from each second to the next, the last until `until_seconds`",
    ),
    field("first_pending_pod", Maybe(&Text), "the first pod that waited"),
    field("steps", List(&STEP), "its way to a node"),
    field(
        "not_held",
        List(&Object(&[field("pod", Text, "the pod"), field("reason", Text, "why")])),
        "pods that never ran because no node of this autoscaler can hold them",
    ),
]);

/// Of `report autoscalers`.
pub const AUTOSCALERS: Shape = Object(&[
    field("title", Text, "what it is: a model"),
    field("region", Text, "the region of the prices"),
    field("money", Text, "what the dollars are"),
    field("source", Text, "where the trace comes from"),
    field("pod_count", Integer, "pods of the trace"),
    field("event_count", Integer, "its events"),
    field("last_event_seconds", Integer, "the second of its last event"),
    field("until_seconds", Integer, "the second at which the clock was stopped"),
    field(
        "parameters",
        List(&Object(&[
            field("of", Word(&["both", "cluster_autoscaler", "karpenter"]), "whose"),
            field("name", Text, "what"),
            field("value", Text, "its value"),
        ])),
        "every parameter",
    ),
    field("runs", List(&RUN), "the Cluster Autoscaler's run, then Karpenter's"),
    field("not_modelled", NAMES, "what is left out"),
    field("prices", COVERAGE, "which types that Karpenter may launch had a price"),
    field("notes", NAMES, "what else is to be known"),
]);
