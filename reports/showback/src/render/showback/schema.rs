//! The fields of a showback's JSON.

use runbook_capacity::answer::schema::Shape::{
    self, Flag, Integer, List, Maybe, Number, Object, Text, Word,
};
use runbook_capacity::answer::schema::{NAMES, field};

const WINDOW: Shape = Object(&[
    field("start", Text, "its first moment, UTC"),
    field("end", Text, "the first moment after it; of a rate the same"),
]);

const COST: Shape = Object(&[
    field("cpu", Number, "vCPU of nodes that was asked for or used"),
    field("memory", Number, "memory of nodes, the same way"),
    field("fargate", Number, "vCPU, memory and disk on Fargate"),
    field("node_overhead", Number, "DaemonSets, boot, drain, system reserve, volumes"),
    field("idle", Number, "what nobody asked for"),
    field("shared", Number, "control plane, NAT, load balancers and the like"),
    field("total", Number, "their sum"),
]);

const POD: Shape = Object(&[
    field("cluster", Text, "account, region and name of its cluster"),
    field("namespace", Text, "its namespace"),
    field("name", Text, "its name"),
    field("uid", Text, "its UID"),
    field("controller_kind", Maybe(&Text), "what kind of thing owns it"),
    field("controller", Maybe(&Text), "what owns it"),
    field("owner", Text, "who answers for it, by the rules of owners"),
]);

const ROW: Shape = Object(&[
    field(
        "kind",
        Word(&["owned", "unowned", "idle", "node_overhead", "shared"]),
        "somebody's pods, nobody's, or a cost that is kept apart",
    ),
    field("key", NAMES, "a value for each of `by`; of an absent label the empty text"),
    field("cost", COST, "what it cost"),
    field("by_day", List(&Number), "the same by UTC day, in the order of `days`"),
    field("before", Maybe(&Number), "in the window before; null where that is not known"),
    field("change", Maybe(&Number), "now less then"),
    field("under_other_weight", Number, "its total under `other_weight`"),
    field("pods", Integer, "how many pods it had"),
    field("cpu_core_hours", Number, "vCPU-hours that were asked for or used"),
    field("memory_gib_hours", Number, "GiB-hours, the same way"),
    field(
        "pod_costs",
        List(&Object(&[
            field("pod", POD, "which"),
            field("place", Text, "its node, or its size on Fargate"),
            field("seconds", Integer, "how long it cost"),
            field("lingering_seconds", Integer, "of those, after its containers had ended"),
            field("cost", COST, "what it cost, its shares of what is shared out included"),
        ])),
        "its pods, dearest first; with `beside_pods` they add up to the row, part by part",
    ),
    field("beside_pods", Maybe(&COST), "what the row cost beside its pods"),
]);

const CAUSE: Shape = Word(&["volume", "price", "mix", "new", "gone"]);

const CHANGE: Shape = Object(&[
    field("window", WINDOW, "the window before"),
    field("total_before", Number, "what it cost then"),
    field("of_rows_that_are_gone", Number, "of that, what no row of today had"),
    field("difference", Number, "now less then"),
    field(
        "causes",
        List(&Object(&[field("cause", CAUSE, "why"), field("amount", Number, "how much")])),
        "they add up to the difference",
    ),
    field(
        "largest",
        List(&Object(&[
            field("key", NAMES, "of which row"),
            field("amount", Number, "how much it moved"),
            field("cause", CAUSE, "mainly why"),
        ])),
        "the rows that moved most",
    ),
]);

/// Of `report showback`.
pub const SCHEMA: Shape = Object(&[
    field("format", Word(&["runbook/showback/v1"]), "names this form"),
    field("title", Text, "source, window, estimate or provisional, prices: in one line"),
    field("from", Text, "sandbox, aws, or a file's name"),
    field("basis", Word(&["period", "hourly_rate"]), "money over the window, or one look's rate"),
    field("unit", Word(&["USD", "USD per hour"]), "of every amount here"),
    field("window", WINDOW, "for which time"),
    field("as_of", Text, "when it was made, the world's time"),
    field("is_estimate", Flag, "less than 95 % of node-hours were seen"),
    field("is_provisional", Flag, "the window had not settled"),
    field(
        "clusters",
        List(&Object(&[
            field("account", Maybe(&Text), "its account, where that is known"),
            field("region", Text, "its region"),
            field("name", Text, "its name"),
        ])),
        "the clusters",
    ),
    field("by", NAMES, "the dimensions of a row's key"),
    field("weight", Text, "how a node's price is divided over vCPU and GiB"),
    field("other_weight", Text, "the weight of `under_other_weight`"),
    field("total", COST, "all of it, the sum of the rows"),
    field(
        "classes",
        List(&Object(&[
            field("class", Text, "as a bill would have it"),
            field("title", Text, "for people"),
            field("amount", Number, "how much"),
        ])),
        "the total by class",
    ),
    field(
        "days",
        List(&Object(&[field("day", Text, "UTC day"), field("amount", Number, "how much")])),
        "the total by day",
    ),
    field("rows", List(&ROW), "the rows: dearest first, those kept apart last"),
    field("change", Maybe(&CHANGE), "against the window before"),
    field(
        "budgets",
        List(&Object(&[
            field("owner", Text, "whose"),
            field("budget", Number, "for a month"),
            field("spent", Number, "in the month so far"),
            field("projected", Number, "what the month will come to"),
            field("breach", Maybe(&Text), "the day it will be used up"),
            field("passed_percent", Maybe(&Integer), "the threshold that is passed"),
        ])),
        "budgets",
    ),
    field(
        "coverage",
        Object(&[
            field("node_seconds_seen", Integer, "seconds of nodes that looks saw"),
            field("node_seconds_billed", Integer, "seconds of nodes that cost"),
            field("percent", Maybe(&Number), "the one of the other, rounded down"),
            field("largest_hole", Maybe(&WINDOW), "the longest time in which nobody looked"),
            field("resolution_seconds", Integer, "the longest time between two looks otherwise"),
            field("pods", Integer, "pods in all"),
            field("pods_seen_once", Integer, "pods that one look saw"),
        ]),
        "how much of what cost was seen",
    ),
    field(
        "prices",
        Object(&[
            field("kind", Word(&["list"]), "public prices, no discounts"),
            field("oldest", Maybe(&Text), "day of the oldest price used"),
            field("newest", Maybe(&Text), "day of the newest"),
            field("sources", NAMES, "where they are from"),
            field("has_spot", Flag, "spot was priced at its median"),
        ]),
        "the prices behind the figures",
    ),
    field(
        "unpriced",
        List(&Object(&[field("name", Text, "what"), field("reason", Text, "why")])),
        "what has no price and is in no total",
    ),
    field("unmeasured", List(&POD), "pods with neither request nor usage"),
    field(
        "rules",
        List(&Object(&[
            field("rule", Text, "as it was written, with its place"),
            field("matched", Integer, "how many pods it gave to somebody"),
            field("shadowed", Integer, "how many an earlier rule had"),
        ])),
        "the rules of owners",
    ),
    field(
        "findings",
        List(&Object(&[
            field("severity", Word(&["note", "warning", "loss"]), "how much it matters"),
            field("code", Text, "its name"),
            field("subject", Text, "what it is about"),
            field("message", Text, "what was found, and what to do about it"),
        ])),
        "the rest that a reader has to know",
    ),
]);
