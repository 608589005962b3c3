//! `RB03xx`: what is given to a runbook from outside.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: "RB0301",
        title: "an unknown input was given",
        why: "The runbook declares no input of this name. The message says where the value came from: `-i`, an inputs file, the environment.",
        what_to_do: "Use a declared name; the closest one is suggested.",
        example: "runbook plan nodeless.yaml -i clustr=myeks      # RB0301\nrunbook plan nodeless.yaml -i cluster=myeks     # right",
    },
    Entry {
        code: "RB0302",
        title: "an input is missing",
        why: "The input has no default, so a run cannot begin without it. The place of its declaration is shown.",
        what_to_do: "Give it with `-i NAME=VALUE`, or in an inputs file.",
        example: "runbook plan nodeless.yaml -i region=eu-west-1",
    },
    Entry {
        code: "RB0303",
        title: "a given input is not YAML",
        why: "What is not meant for an input of type text is read as YAML: `3`, `true`, `[a, b]`. This text cannot be read so.",
        what_to_do: "Close brackets and quotes, and quote the whole for the shell.",
        example: "-i zones=[a,b           # RB0303\n-i 'zones=[a, b]'       # right",
    },
    Entry {
        code: "RB0304",
        title: "a given input is not what its declaration allows",
        why: "The value has another type, is not one of `enum`, does not match `pattern`, or lies outside of `min` and `max`.",
        what_to_do: "Give a value that the declaration allows; its place is shown.",
        example: "-i replicas=two         # RB0304: is text, expected integer\n-i replicas=2           # right",
    },
];
