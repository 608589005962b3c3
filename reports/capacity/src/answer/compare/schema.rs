//! The fields of a comparison.

use crate::answer::schema::Shape::{self, Flag, Integer, List, Maybe, Number, Object, Text, Word};
use crate::answer::schema::{COVERAGE, DOLLARS, NAMES, field};

const REASONED: Shape = List(&Object(&[field("name", Text, "what"), field("reason", Text, "why")]));
const ANSWER: Shape = Word(&["cheaper", "dearer", "within_uncertainty", "cannot_say"]);

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
        "lines",
        List(&Object(&[
            field("kind", Text, "what kind of thing"),
            field("what", Text, "what is billed"),
            field("count", Integer, "how many"),
            field("hours", Integer, "for how many hours of the month"),
            field("usd_each", DOLLARS, "the price of one per hour, of a volume per month"),
            field("usd_per_month", DOLLARS, "what it comes to"),
            field("reason", Maybe(&Text), "why there is no figure"),
        ])),
        "lines, which add up to the total",
    ),
    field("not_held", REASONED, "pods it cannot run"),
    field("notes", NAMES, "what else is to be known"),
]);

const VERDICT: Shape = Object(&[
    field("side", Text, "on which side"),
    field("answer", ANSWER, "against NodeLess"),
    field("difference_usd", DOLLARS, "its total less NodeLess's"),
    field("difference_percent", Maybe(&Number), "in per cent of NodeLess's"),
    field("uncertainty_usd", DOLLARS, "the largest step towards zero that one lever takes"),
    field("uncertainty_percent", Maybe(&Number), "in per cent of NodeLess's"),
    field(
        "levers",
        List(&Object(&[
            field("what", Text, "what is otherwise"),
            field("difference_usd", Number, "the difference then"),
            field("turns", Flag, "whether it has another sign then"),
        ])),
        "what may be otherwise, the largest step first",
    ),
    field(
        "by_node_shape",
        List(&Object(&[
            field("node_shape", Text, "the shape"),
            field("answer", ANSWER, "the answer"),
            field("difference_usd", DOLLARS, "the difference"),
        ])),
        "the answer for each shape of nodes",
    ),
    field("reason", Maybe(&Text), "why nothing can be said"),
]);

/// Of `report compare`.
pub const COMPARE: Shape = Object(&[
    field("region", Text, "the region"),
    field("money", Text, "what the dollars are"),
    field("hours_per_month", Integer, "hours of the month"),
    field("workload_count", Integer, "workloads on the bills"),
    field("pod_count", Integer, "their pods"),
    field("node_shape", Text, "which nodes"),
    field("sides", List(&SIDE), "the bills; the first is what the others are held against"),
    field("verdicts", List(&VERDICT), "a verdict on each other side"),
    field(
        "workloads",
        List(&Object(&[
            field("workload", Text, "its name"),
            field("pods", Integer, "how many pods"),
            field("hours", Integer, "for how many hours each"),
            field("fargate_size", Maybe(&Text), "what Fargate bills for each"),
            field("fargate_usd_per_month", DOLLARS, "what all of them cost there"),
            field("free_cpu_m", Maybe(&Integer), "CPU of the size that nobody asks for"),
            field("free_memory_mib", Maybe(&Integer), "memory of the size that nobody asks for"),
            field("break_even_percent", Maybe(&Number), "how full a node must be to be cheaper"),
            field("break_even_type", Maybe(&Text), "the type of that node"),
            field(
                "cheaper",
                Maybe(&Word(&["fargate", "nodes"])),
                "at the utilisation of NodeLess's nodes",
            ),
            field("reason", Maybe(&Text), "why there are no figures"),
        ])),
        "each workload",
    ),
    field(
        "moves",
        List(&Object(&[
            field("workload", Text, "the workload"),
            field("from", Text, "what is billed for each pod"),
            field("to", Text, "the next cheaper size that is no larger"),
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
