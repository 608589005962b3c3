//! The tables themselves.

use super::{Holds, Key, Shape, Support};

const fn key(name: &'static str, holds: Holds, text: &'static str) -> Key {
    Key { name, holds, required: false, support: Support::Here, text }
}

const fn required(name: &'static str, holds: Holds, text: &'static str) -> Key {
    Key { name, holds, required: true, support: Support::Here, text }
}

const fn later(name: &'static str, text: &'static str) -> Key {
    Key { name, holds: Holds::Any, required: false, support: Support::NotYet, text }
}

/// A runbook file.
pub const RUNBOOK: Shape = &[
    required("apiVersion", Holds::Text, "The version of the language: `runbook/v1`."),
    required("name", Holds::Text, "The runbook's name; part of the owner of what it makes."),
    key("description", Holds::Text, "What it does, for a person."),
    key("requires", Holds::Map, "The version of the program: `{runbook: \">=0.1\"}`."),
    key("inputs", Holds::Map, "Typed values given to a run."),
    key("connections", Holds::Map, "Which account, region and cluster the tasks talk to."),
    required("tasks", Holds::List, "What is to be done; order comes from references."),
    key("outputs", Holds::Map, "Values that a run or a calling runbook gets."),
    key("schedule", Holds::List, "When it runs by itself: `runbook serve` carries it out."),
    later("concurrency", "One run at a time."),
    later("targets", "Several accounts or clusters."),
    later("rollout", "In which waves the targets are done."),
    later("moved", "Tasks that were renamed."),
    later("removed", "Tasks that were removed."),
    later("handlers", "What happens on success, failure and pause."),
];

/// A task or a call.
pub const TASK: Shape = &[
    required("id", Holds::Text, "Unique in its file: `[a-z][a-z0-9_]*`."),
    required(
        "uses",
        Holds::Text,
        "A module (`eks.cluster`) or a runbook beside this one (`./fargate.yaml`).",
    ),
    key("with", Holds::Map, "Arguments of the module, or inputs of the runbook."),
    key(
        "needs",
        Holds::Texts,
        "Tasks that must have succeeded, beyond those that are referred to.",
    ),
    key("after", Holds::Texts, "Tasks that must have ended, however."),
    key("when", Holds::Expression, "Whether it runs at all."),
    key(
        "for_each",
        Holds::Any,
        "A list of texts or a map: once per key, with `each.key` and `each.value`.",
    ),
    key("max_parallel", Holds::Count, "At most so many instances at once."),
    key("connection", Holds::Text, "The connection it uses, when not the one of its kind."),
    key("connections", Holds::Map, "For a call: which of ours stand behind its names."),
    key("retry", Holds::Map, "Repeating failed attempts."),
    key("timeout", Holds::Duration, "Deadline of an attempt, waiting included."),
    key("until", Holds::Expression, "On `wait` and `shell`: done when this is true."),
    key("poll", Holds::Map, "How often and how long `until` is tried."),
    key("locks", Holds::List, "Names that only one task may hold at a time."),
    key("preconditions", Holds::List, "Checked before it is applied."),
    key("postconditions", Holds::List, "Checked after it converged; sees `self.outputs`."),
    key("adopt", Holds::Boolean, "Whether an unmarked object of that name may become ours."),
    later("lifecycle", "Protection of what it makes."),
    later("matrix", "Sugar over `for_each`."),
    later("on_failure_of", "Runs when one of these failed."),
    later("on_error", "What a failure does to the run."),
    later("block", "A group of tasks."),
    later("rescue", "Tasks that run when a group failed."),
    later("always", "Tasks that run in any case."),
    later("undo", "How it is undone."),
    later("concurrency", "One run at a time."),
];

/// A declared input.
pub const INPUT: Shape = &[
    required(
        "type",
        Holds::Text,
        "`string`, `integer`, `number`, `boolean`, `duration`, `bytes`, `list`, `map`, `object`.",
    ),
    key("items", Holds::Map, "The type of a list's items."),
    key("values", Holds::Map, "The type of a map's values."),
    key("fields", Holds::Map, "The types of an object's fields."),
    key("default", Holds::Any, "What it is when it is not given; without it, it must be given."),
    key("nullable", Holds::Boolean, "Whether it may be null."),
    key("enum", Holds::List, "The values it may have."),
    key("pattern", Holds::Text, "A regular expression that the text matches."),
    key("min", Holds::Number, "The least number, or the shortest text or list."),
    key("max", Holds::Number, "The greatest number, or the longest text or list."),
    key("sensitive", Holds::Boolean, "Whether it is secret."),
    key(
        "identity",
        Holds::Boolean,
        "Whether it names the instance: what is made is owned by `<runbook>/<value>`.",
    ),
    key("description", Holds::Text, "What it is, for a person."),
];

/// `retry`.
pub const RETRY: Shape = &[
    key("max_attempts", Holds::Count, "Attempts, not retries."),
    key("delay", Holds::Duration, "Before the second attempt."),
    key("backoff", Holds::Number, "Factor from one delay to the next."),
    key("max_delay", Holds::Duration, "Upper bound of a delay."),
    key("jitter", Holds::Number, "Part of a delay that is spread, from 0 to 1."),
    key("when", Holds::Expression, "Only failures for which this is true; sees `error`."),
];

/// `poll`.
pub const POLL: Shape = &[
    key("interval", Holds::Duration, "Between two looks."),
    key("timeout", Holds::Duration, "Until it gives up."),
];

/// A precondition or a postcondition.
pub const CHECK: Shape = &[
    required("that", Holds::Expression, "What must be true."),
    required("message", Holds::Text, "What to say when it is not."),
];

/// An entry of `schedule`.
pub const SCHEDULE: Shape = &[
    required(
        "cron",
        Holds::Text,
        "Minute, hour, day of month, month, day of week: `15 6 * * 1-5`.",
    ),
    required("timezone", Holds::Text, "In whose clock, by its IANA name: `Asia/Seoul`."),
    key("mode", Holds::OneOf(&["plan", "apply"]), "Look what would change, or apply it."),
    key("dst", Holds::Map, "What becomes of times that daylight saving removes or doubles."),
    key(
        "overlap",
        Holds::OneOf(&["skip", "buffer_one", "buffer_all", "cancel_other", "allow_all"]),
        "What becomes of a slot that is due while an earlier one is at work.",
    ),
    key("catch_up", Holds::Map, "Which missed slots are run."),
    key("jitter", Holds::Duration, "A slot starts at most so much later, always the same."),
    key("pause_after_failures", Holds::Count, "After so many in a row, slots are skipped."),
    key("inputs", Holds::Map, "Inputs given to each run."),
];

/// `dst`.
pub const DST: Shape = &[
    key(
        "gap",
        Holds::OneOf(&["run_after", "skip", "run_before"]),
        "A time that does not exist: 02:30 runs at 03:30, not at all, or at 01:30.",
    ),
    key(
        "fold",
        Holds::OneOf(&["first", "second", "both"]),
        "A time that comes twice: which one runs.",
    ),
];

/// `catch_up`.
pub const CATCH_UP: Shape = &[
    key("window", Holds::Duration, "Older ones are never run."),
    key("policy", Holds::OneOf(&["last", "all", "none"]), "Which of them are run."),
    key("max", Holds::Count, "At most so many are caught up, and at most so many wait."),
];
