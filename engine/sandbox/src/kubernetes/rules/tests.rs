//! Rules as texts: what they say, what they refuse, and what they may not do.

use serde_json::{Value, json};

use super::{definition_problems, problems};

/// What a schema with one rule says of a value, and of a change.
fn judged(rule: Value, value: Value, before: Option<Value>) -> Vec<String> {
    let schema = json!({"type": "object", "properties": {"spec": {
        "type": "object",
        "properties": {
            "size": {"type": "integer"}, "name": {"type": "string"}, "share": {"type": "number"},
            "took": {"type": "string", "format": "duration"},
            "namespace": {"type": "string"}, "max-size": {"type": "integer"},
            "any": {"x-kubernetes-int-or-string": true},
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            "parts": {"type": "array", "items": {"type": "string"}},
            "rows": {"type": "array", "items": {"type": "object", "properties": {
                "key": {"type": "string"}, "values": {"type": "array", "items": {"type": "string"}}}}},
        },
        "x-kubernetes-validations": [rule],
    }}});
    texts(&schema, value, before)
}

fn texts(schema: &Value, value: Value, before: Option<Value>) -> Vec<String> {
    let mut found = Vec::new();
    let whole = |spec: Value| json!({"apiVersion": "v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": spec});
    problems(&whole(value), before.map(whole).as_ref(), schema, &mut found);
    found.into_iter().map(|(field, message, _)| format!("{field}: {message}")).collect()
}

fn holds(rule: &str, value: Value) -> bool {
    let said = judged(json!({"rule": rule}), value, None);
    assert!(
        said.is_empty() || said == [format!("spec: Invalid value: failed rule: {rule}")],
        "{said:?}"
    );
    said.is_empty()
}

#[test]
fn rules_are_judged_by_the_language_and_its_extensions() {
    let value = || {
        json!({
            "size": 3, "name": "karpenter.sh/x", "share": 1, "namespace": "a", "max-size": 4, "any": "5%",
            "took": "1h30m", "gone": null, "tags": {"a": "b", "c-d": "e"}, "parts": ["cpu", "10Gi"],
            "rows": [{"key": "a", "values": ["1"]}, {"key": "b", "values": []}],
        })
    };
    for (yes, no) in [
        ("self.size >= 3", "self.size > 3"),
        ("self.share == 1.0", "self.share < 1.0"),
        ("self.parts.all(x, x in ['cpu', '10Gi'])", "self.parts.all(x, x in ['cpu'])"),
        ("self.parts.exists(x, x == 'cpu')", "self.parts.exists_one(x, x != '')"),
        ("has(self.tags) && 'a' in self.tags", "has(self.gone) || 'b' in self.tags"),
        (
            "self.tags.all(k, k != '' && self.tags[k] != '')",
            "self.tags.exists(k, self.tags[k] == 'a')",
        ),
        (
            "self.rows.all(r, r.key == 'a' ? int(r.values[0]) >= 1 : true)",
            "self.rows.all(r, r.values.size() == 1)",
        ),
        (
            "size(self.rows) == 2 && self.rows.map(r, r.key) == ['a', 'b']",
            "self.rows.filter(r, r.key == 'a').size() == 2",
        ),
        ("self.name.find('^([^/]+)').endsWith('karpenter.sh')", "self.name.find('[0-9]') == 'x'"),
        (
            "self.name.findAll('[a-z]+') == ['karpenter', 'sh', 'x']",
            "self.name.findAll('[0-9]') != []",
        ),
        ("self.name.matches('^karp') && self.name.startsWith('k')", "self.name.matches('^arp')"),
        (
            "self.__namespace__ == 'a' && self.max__dash__size == 4",
            "self.max__dash__size < self.size",
        ),
        ("type(self.any) == string && self.any.contains('%')", "type(self.any) == int"),
        ("self.took == duration('90m')", "self.took > duration('2h')"),
        (
            "quantity(self.parts[1]).isGreaterThan(quantity('9Gi'))",
            "quantity('1').compareTo(quantity('1000m')) != 0",
        ),
        ("isQuantity('10Gi') && quantity('1') == quantity('1000m')", "isQuantity('ten')"),
        (
            "isURL('https://a.example/b') && isIP('::1') && isCIDR('10.0.0.0/8')",
            "isURL('a b') || isIP('1.2.3') || isCIDR('10.0.0.0/33')",
        ),
        ("self.name.split('/')[1].upperAscii() == 'X'", "self.name.lowerAscii() != self.name"),
        ("self.?gone.orValue(7) == 7", "self.?size.hasValue() == false"),
    ] {
        assert!(holds(yes, value()), "{yes}");
        assert!(!holds(no, value()), "{no}");
    }
}

#[test]
fn a_broken_rule_is_said_as_its_author_wants_it() {
    let said = |rule: Value| judged(rule, json!({"size": 3}), None);
    assert_eq!(
        said(json!({"rule": "self.size < 2", "message": " too large "})),
        ["spec: Invalid value: too large"]
    );
    let made = json!({"rule": "self.size < 2", "message": "no", "messageExpression": "'size is ' + string(self.size)"});
    assert_eq!(said(made), ["spec: Invalid value: size is 3"]);
    let unmade =
        json!({"rule": "self.size < 2", "message": "no", "messageExpression": "self.name"});
    assert_eq!(said(unmade), ["spec: Invalid value: no"]);
    let elsewhere = json!({"rule": "self.size < 2", "message": "no", "fieldPath": ".size", "reason": "FieldValueForbidden"});
    assert_eq!(said(elsewhere), ["spec.size: Forbidden: no"]);
    let wanted = json!({"rule": "has(self.name)", "message": "name it", "fieldPath": ".name", "reason": "FieldValueRequired"});
    assert_eq!(said(wanted), ["spec.name: Required value: name it"]);
    let plain = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "name": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x'"}]},
        "tags": {"type": "object", "additionalProperties": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x'"}]}},
        "parts": {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x'"}]}},
    }}}});
    assert_eq!(
        texts(&plain, json!({"name": "x", "tags": {"a": "x"}, "parts": ["y", "x"]}), None),
        [
            "spec.name: Invalid value: \"x\": failed rule: self != 'x'",
            "spec.parts[1]: Invalid value: \"x\": failed rule: self != 'x'",
            "spec.tags[a]: Invalid value: \"x\": failed rule: self != 'x'",
        ]
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_fails_by_its_error() {
    let said = |rule: &str| {
        judged(
            json!({"rule": rule, "message": "m"}),
            json!({"size": 3, "any": "x", "parts": []}),
            None,
        )
    };
    assert_eq!(
        said("self.name == 'x'"),
        ["spec: Invalid value: \"object\": no such key: name evaluating rule: m"]
    );
    assert_eq!(
        said("int(self.any) == 1"),
        [
            "spec: Invalid value: \"object\": type conversion error from 'string' to 'int' evaluating rule: m"
        ]
    );
    assert_eq!(
        said("self.size / 0 == 1"),
        ["spec: Invalid value: \"object\": division by zero evaluating rule: m"]
    );
    assert_eq!(
        said("self.parts[0] == ''"),
        ["spec: Invalid value: \"object\": index out of bounds: 0 evaluating rule: m"]
    );
    assert_eq!(
        said("self.any > 3"),
        [
            "spec: Invalid value: \"object\": 'no such overload': call arguments did not match a supported operator, function or macro signature for rule: m"
        ]
    );
    assert_eq!(
        said("self.size + 1"),
        ["spec: Invalid value: \"object\": must evaluate to a bool evaluating rule: m"]
    );
}

#[test]
fn transitions_are_judged_where_there_was_a_value() {
    let fixed = || json!({"rule": "self.size == oldSelf.size", "message": "fixed"});
    assert_eq!(judged(fixed(), json!({"size": 3}), None), [""; 0]);
    assert_eq!(judged(fixed(), json!({"size": 3}), Some(json!({"size": 3}))), [""; 0]);
    assert_eq!(
        judged(fixed(), json!({"size": 3}), Some(json!({"size": 2}))),
        ["spec: Invalid value: fixed"]
    );
    let grows = || json!({"rule": "!oldSelf.hasValue() || oldSelf.value().size <= self.size", "optionalOldSelf": true});
    assert_eq!(judged(grows(), json!({"size": 3}), None), [""; 0]);
    assert_eq!(judged(grows(), json!({"size": 3}), Some(json!({"size": 4}))).len(), 1);
    // What was invalid before and is as it was is let be.
    let small = || json!({"rule": "self.size < 2"});
    assert_eq!(judged(small(), json!({"size": 3}), Some(json!({"size": 3}))), [""; 0]);
    assert_eq!(judged(small(), json!({"size": 4}), Some(json!({"size": 3}))).len(), 1);

    let keyed = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"rows": {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"],
        "items": {"type": "object", "properties": {"key": {"type": "string"}, "size": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.size == oldSelf.size", "message": "fixed"}]},
    }}}}});
    let rows = |rows: &[(&str, i64)]| {
        let rows: Vec<Value> =
            rows.iter().map(|(key, size)| json!({"key": key, "size": size})).collect();
        json!({"rows": rows})
    };
    let before = || Some(rows(&[("a", 1), ("b", 2)]));
    assert_eq!(texts(&keyed, rows(&[("b", 2), ("c", 9), ("a", 1)]), before()), [""; 0]);
    assert_eq!(texts(&keyed, rows(&[("b", 3)]), before()), ["spec.rows[0]: Invalid value: fixed"]);
}

fn refused(rule: Value) -> Vec<String> {
    let schema = json!({"type": "object", "properties": {"spec": {
        "type": "object", "properties": {"size": {"type": "integer"}, "list": {"type": "array", "items": {"type": "integer"}}},
        "x-kubernetes-validations": [rule],
    }}});
    let definition =
        json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}});
    definition_problems(&definition)
        .into_iter()
        .map(|(field, message, _)| format!("{field}: {message}"))
        .collect()
}

const RULE: &str = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].";

#[test]
fn a_definition_with_a_rule_that_cannot_be_judged_is_refused_by_name() {
    assert_eq!(refused(json!({"rule": "self.size < 2"})), [""; 0]);
    for zone in ["UTC", "Etc/UTC", "+00:00"] {
        let rule = format!("timestamp('2026-01-01T00:00:00Z').getHours('{zone}') == 0");
        assert_eq!(refused(json!({"rule": rule})), [""; 0]);
    }
    let said = refused(json!({"rule": "self.size < 2 && ip('::1').family() == 6", "message": "m"}));
    let shown = "{\"Rule\":\"self.size \\u003c 2 \\u0026\\u0026 ip('::1').family() == 6\",\"Message\":\"m\",\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}";
    assert!(
        said[0].starts_with(&format!(
            "{RULE}rule: Invalid value: {shown}: compilation failed: ERROR: <input>:1:"
        )),
        "{said:?}"
    );
    for (rule, why) in [
        ("self.size <", "compilation failed: ERROR: <input>:1:"),
        ("size < 2", "undeclared reference to 'size'"),
        ("self.sise < 2", "ERROR: <input>:1:5: undefined field 'sise'\n | self.sise < 2\n | ....^"),
        (
            "self.size < foo('::1').family()",
            "ERROR: <input>:1:16: undeclared reference to 'foo' (in container '')\n | self.size < foo('::1').family()\n | ...............^",
        ),
        ("self.size + 1", "cel expression must evaluate to a bool"),
        ("self.list.sum() < 2", "undeclared reference to 'sum'"),
        ("sets.contains(self.list, [1])", "undeclared reference to 'sets.contains'"),
        ("[self.size]", "must evaluate to a bool"),
        (
            "timestamp('2026-01-01T00:00:00Z').getHours('Asia/Seoul') == 9",
            "<input>:1:44: the sandbox knows UTC and offsets such as '+09:00', no zone 'Asia/Seoul'",
        ),
    ] {
        let said = refused(json!({"rule": rule}));
        assert!(said.len() == 1 && said[0].contains(why), "{rule}: {said:?}");
    }
    let said = refused(json!({"rule": "self.size < 2", "messageExpression": "nothing"}));
    assert!(said[0].contains("messageExpression compilation failed: ERROR: <input>:1:1: undeclared reference to 'nothing'"), "{said:?}");
    assert_eq!(
        refused(json!({"rule": " "})),
        [format!("{RULE}rule: Required value: rule is not specified")]
    );
    let said = refused(json!({"rule": "self.size < 2", "messageExpression": "self.size"}));
    assert!(said[0].ends_with(": messageExpression must evaluate to a string"), "{said:?}");
    let said = refused(json!({"rule": "self.size < 2", "fieldPath": ".sise"}));
    assert_eq!(said, [format!("{RULE}fieldPath: Invalid value: \".sise\": must be a valid path")]);
    let said = refused(json!({"rule": "self.size < 2", "optionalOldSelf": true}));
    assert_eq!(
        said,
        [format!(
            "{RULE}optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"
        )]
    );
    let items = json!({"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}});
    let found = definition_problems(
        &json!({"spec": {"versions": [{"schema": {"openAPIV3Schema": {"properties": {"list": items}}}}]}}),
    );
    assert!(
        found.len() == 1
            && found[0].1.contains("oldSelf cannot be used on the uncorrelatable portion"),
        "{found:?}"
    );
}

#[test]
fn a_definition_with_more_rules_than_anybody_writes_is_refused() {
    let of = |count: usize| {
        let rules: Vec<Value> =
            (0..count).map(|number| json!({"rule": format!("self.size != {number}")})).collect();
        let schema = json!({"properties": {"spec": {"x-kubernetes-validations": rules}}});
        let definition = json!({"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}});
        definition_problems(&definition)
    };
    assert_eq!(of(1000), []);
    let found = of(1001);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, "Forbidden: the sandbox takes at most 1000 validation rules");
}

#[test]
fn a_rule_can_neither_overflow_the_stack_nor_run_without_end() {
    let deep = |open: &str, middle: &str, close: &str, times: usize| {
        format!("{}{middle}{}", open.repeat(times), close.repeat(times))
    };
    for rule in [
        deep("(", "true", ")", 2000),
        deep("!", "true", "", 8000),
        deep("-", "1", "", 8000),
        deep("[", "", "]", 2000),
        deep("true ? true : ", "true", "", 500),
        deep("1 + ", "1", "", 2000) + " == 1",
        deep("self", "", ".a", 2000),
        deep("", "self", "[0]", 2000),
        format!("self.size == {}", "1".repeat(9000)),
    ] {
        // Refused, or so flat to the parser that it can be judged; either is an answer.
        let refused = refused(json!({"rule": rule.clone()}));
        if refused.is_empty() {
            judged(json!({"rule": rule}), json!({"size": 3}), None);
        }
    }
    // As deep as is taken.
    for rule in [
        deep("true ? true : ", "true", "", 90),
        deep("1 + ", "1", "", 190) + " == 191",
        deep("!(", "false", ")", 60) + " || true",
    ] {
        assert_eq!(judged(json!({"rule": rule}), json!({"size": 3}), None), [""; 0], "{rule}");
    }
    let parts: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let value = || json!({"parts": parts, "name": "x".repeat(50)});
    let beyond = [
        "spec: Invalid value: \"object\": validation failed due to running out of cost budget, no further validation rules will be run",
    ];
    let long: Vec<String> = (0..1000).map(|number| number.to_string().repeat(1000)).collect();
    let rule = json!({"rule": "self.parts.all(x, self.parts == self.parts)", "message": "m"});
    assert_eq!(judged(rule, json!({"parts": long}), None), beyond);
    for rule in [
        "self.parts.all(a, self.parts.all(b, self.parts.all(c, a != '' || b != '' || c != '')))"
            .to_owned(),
        format!("[self.name]{}.size() == 1", ".map(x, x + x)".repeat(30)),
        format!("self.name{} == ''", ".replace('x', self.name)".repeat(6)),
        format!("self.name{} == ''", ".replace('x', 'xxxxxxxx')".repeat(12)),
        format!(
            "['a', 'b']{}.size() == 1",
            ".map(x, ['%s%s'.format([x, x]), x].join(x))".repeat(12)
        ),
    ] {
        assert_eq!(judged(json!({"rule": rule, "message": "m"}), value(), None), beyond, "{rule}");
    }
}
