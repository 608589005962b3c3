//! The fields of a comparison.

use crate::answer::schema::Shape::{self, Flag, Integer, List, Maybe, Number, Object, Text, Word};
use crate::answer::schema::{COVERAGE, DOLLARS, NAMES, field};

const REASONED: Shape = List(&Object(&[field("name", Text, "what"), field("reason", Text, "why")]));
const ANSWER: Shape = Word(&["cheaper", "dearer", "within_uncertainty", "cannot_say"]);

const PACKED: Shape = Maybe(&Object(&[
    field("usd_per_month", DOLLARS, "the side's total"),
    field("nodes", Integer, "nodes at most at a time"),
    field("utilisation_percent", Maybe(&Number), "how much of them pods ask for"),
]));

const SYSTEM: Shape = Object(&[
    field(
        "usd_per_month",
        DOLLARS,
        "pods on Fargate, standing nodes, or the fee of Auto Mode; null where its pods share the workloads' nodes",
    ),
    field("runs", NAMES, "what the cluster runs for itself"),
    field("replaced", NAMES, "what others run for themselves and this does not"),
    field("replaced_usd_per_month", DOLLARS, "what that would cost on Fargate"),
    field("note", Text, "how it is to be read"),
]);

const SIDE: Shape = Object(&[
    field("side", Text, "its name"),
    field("title", Text, "its name for people"),
    field(
        "usd_per_month",
        DOLLARS,
        "its total; null when it cannot run a pod or a line has no price",
    ),
    field("usd_per_month_low", DOLLARS, "of spot, where it is cheapest"),
    field("usd_per_month_high", DOLLARS, "of spot, where it is dearest"),
    field("nodes", Integer, "nodes at most at a time"),
    field(
        "utilisation_percent",
        Maybe(&Number),
        "how much of them pods ask for: CPU or memory, whichever is more",
    ),
    field(
        "fullness_percent",
        Maybe(&Number),
        "how full the nodes are that come and go with pods, in the measure of a break-even: pods of those that each would hold, full of such",
    ),
    field("cold", PACKED, "with the nodes of one cold batch, where Karpenter makes them"),
    field(
        "settled",
        PACKED,
        "with the nodes that are left when pods arrive in batches and consolidation came to its end",
    ),
    field("system", SYSTEM, "the system layer"),
    field(
        "lines",
        List(&Object(&[
            field("kind", Text, "what kind of thing"),
            field("what", Text, "what is billed"),
            field("count", Integer, "how many"),
            field("hours", Number, "for how many hours of the month"),
            field("usd_each", DOLLARS, "the price of one per hour, of a volume per month"),
            field("usd_per_month", DOLLARS, "what it comes to"),
            field("reason", Maybe(&Text), "why there is no figure"),
        ])),
        "lines, which add up to the total",
    ),
    field("not_held", REASONED, "pods it cannot run"),
    field("notes", NAMES, "what else is to be known"),
]);

const END: Shape = Object(&[
    field("setting", Text, "what is set"),
    field("difference_usd", Number, "the difference then"),
]);

const VERDICT: Shape = Object(&[
    field("side", Text, "on which side"),
    field("answer", ANSWER, "against NodeLess"),
    field("difference_usd", DOLLARS, "its total less NodeLess's"),
    field("difference_percent", Maybe(&Number), "in per cent of NodeLess's"),
    field("uncertainty_usd", DOLLARS, "the largest step towards zero that one lever takes"),
    field("uncertainty_percent", Maybe(&Number), "in per cent of NodeLess's"),
    field(
        "tornado",
        List(&Object(&[
            field("lever", Text, "what may be otherwise"),
            field("base", Text, "what was billed"),
            field("low", END, "where the difference is least"),
            field("high", END, "where it is most"),
            field("break_even", Maybe(&Text), "where it is nothing"),
            field("turns", Flag, "whether it has another sign at an end"),
        ])),
        "each lever by itself, the widest first",
    ),
    field(
        "by_node_shape",
        List(&Object(&[
            field("node_shape", Text, "the shape"),
            field("answer", ANSWER, "the answer, by all levers but the shape and autoscalers"),
            field("difference_usd", DOLLARS, "the difference"),
        ])),
        "the answer for each shape of nodes",
    ),
    field("reason", Maybe(&Text), "why nothing can be said"),
]);

const WORKLOAD: Shape = Object(&[
    field("workload", Text, "its name"),
    field("kind", Text, "its kind; Row is one of a table"),
    field("pods", Integer, "how many pods"),
    field("hours", Number, "for how many hours each, on average"),
    field(
        "replicas",
        Maybe(&Object(&[
            field("min", Integer, "pods at least"),
            field("mean", Number, "pods on average, as on the bills"),
            field("max", Integer, "pods at most"),
            field("how", Text, "where the average is from"),
        ])),
        "how an autoscaler scales it",
    ),
    field("fargate_size", Maybe(&Text), "what Fargate bills for each"),
    field("fargate_usd_per_month", DOLLARS, "what all of them cost there"),
    field(
        "karpenter_usd_per_month",
        DOLLARS,
        "what they cost on nodes of the shape that are as full as NodeLess's",
    ),
    field("node_usd_per_month_full", DOLLARS, "what they cost on nodes full of them"),
    field("free_cpu_m", Maybe(&Integer), "CPU of the size that nobody asks for"),
    field("free_memory_mib", Maybe(&Integer), "memory of the size that nobody asks for"),
    field(
        "cliffs",
        List(&Object(&[
            field("resource", Word(&["cpu", "memory"]), "which request"),
            field("above", Text, "a request above this is billed as the next size"),
            field("to", Text, "that size"),
            field("adds_usd_per_month", Number, "what all pods cost more then"),
            field("adds_percent", Number, "in per cent of what they cost"),
        ])),
        "what asking for more costs",
    ),
    field(
        "break_even_percent",
        Maybe(&Number),
        "how full a node must be to be cheaper: pods of those that it would hold",
    ),
    field("break_even_type", Maybe(&Text), "the type of that node"),
    field("cheaper", Maybe(&Word(&["fargate", "nodes"])), "as full as NodeLess's nodes are"),
    field("reason", Maybe(&Text), "why there are no figures"),
]);

const CURVE: Shape = Object(&[
    field(
        "points",
        List(&Object(&[
            field("utilisation_percent", Integer, "how full nodes are"),
            field("karpenter_usd_per_month", Number, "what the workloads cost on them"),
            field("fargate_usd_per_month", Number, "what they cost on Fargate"),
        ])),
        "from emptier to fuller nodes",
    ),
    field("break_even_percent", Maybe(&Number), "where both cost the same"),
    field("used_percent", Maybe(&Number), "how full NodeLess's nodes are, as `fullness_percent`"),
    field("note", Text, "what it is about"),
]);

/// Of `report compare`.
pub const COMPARE: Shape = Object(&[
    field("source", Text, "where the workloads are from"),
    field("is_sandbox", Flag, "whether they run in the sandbox, where nothing is real"),
    field("region", Text, "the region"),
    field("currency", Text, "the currency of every figure"),
    field("money", Text, "what the figures are: tax, discounts, days of the prices"),
    field("headline", Text, "the verdict in a sentence"),
    field("hours_per_month", Integer, "hours of the month"),
    field("workload_count", Integer, "workloads on the bills"),
    field("pod_count", Integer, "their pods"),
    field("node_shape", Text, "which nodes, in words"),
    field(
        "shape",
        Object(&[
            field("vcpus_at_most", Maybe(&Integer), "the largest node; null means any"),
            field("nodes_at_least", Integer, "fewest nodes"),
            field("zones_at_least", Integer, "in how many zones a type must be offered"),
            field("pods_at_most", Maybe(&Integer), "most pods of a node, if its interfaces allow"),
            field("root_volume_gib", Maybe(&Integer), "the root volume"),
            field("node_pools", NAMES, "Karpenter's pools"),
        ]),
        "which nodes",
    ),
    field("sides", List(&SIDE), "the bills; the first is what the others are held against"),
    field("verdicts", List(&VERDICT), "a verdict on each other side"),
    field("workloads", List(&WORKLOAD), "each workload"),
    field("curve", Maybe(&CURVE), "what they cost as nodes get fuller, beside Fargate"),
    field(
        "moves",
        List(&Object(&[
            field("workload", Text, "the workload"),
            field("by", Word(&["step", "usage"]), "the next size down, or by what is really used"),
            field("from", Text, "what is billed for each pod"),
            field("to", Text, "what would be"),
            field("cpu_at_most_m", Integer, "what a pod may ask for then"),
            field("memory_at_most_mib", Integer, "what a pod may ask for then"),
            field("saves_usd_per_month", Number, "what that saves for all of them"),
        ])),
        "the ten dearest steps of Fargate's sizes",
    ),
    field("unpriced", REASONED, "workloads on no bill"),
    field("held_by_no_side", NAMES, "pods that no side can run"),
    field("same_on_every_side", NAMES, "what is on no bill"),
    field("not_priced", NAMES, "what matters and has no price"),
    field("not_simulated", NAMES, "what is not simulated"),
    field("prices", COVERAGE, "how far prices reach"),
    field("notes", NAMES, "what else is to be known"),
]);
