//! `SimulatePrincipalPolicy`: what the policies of a user or a role say of an action.
//!
//! The scenario's user may do everything here, so that is what is answered. A role is judged by the
//! documents that somebody wrote: those of policies that AWS manages are stand-ins, and a role that
//! has one cannot be judged.

use serde_json::{Map, Value, json};

use super::{POLICIES, Policy, ROLES, Role, check_document, missing, page};
use crate::aws::{Answer, Call, Input, Refusal};
use crate::scenario;
use crate::store::Transaction;

/// The one policy of AWS whose document is known: it allows everything.
const EVERYTHING: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
/// Parameters that would change the answer.
const NOT_SIMULATED: [&str; 6] = [
    "PermissionsBoundaryPolicyInputList",
    "PolicyExclusionList",
    "ResourcePolicy",
    "ResourceOwner",
    "CallerArn",
    "ResourceHandlingOption",
];

/// A statement, and the policy that it stands in.
struct Statement {
    policy: String,
    /// What sort of policy that is.
    kind: &'static str,
    body: Value,
}

/// Values of context keys that the caller supposes.
type Context = Map<String, Value>;

pub(super) fn principal_policy(call: &mut Call<'_, '_>) -> Answer {
    let (input, transaction) = (call.input, &*call.transaction);
    if let Some(name) = NOT_SIMULATED.iter().find(|name| !input.value(name).is_null()) {
        return Err(Refusal::not_simulated(&format!("{name} of SimulatePrincipalPolicy")));
    }
    let mut statements = of_principal(transaction, input.required("PolicySourceArn")?)?;
    for (number, document) in (1..).zip(input.texts("PolicyInputList")) {
        check_document(document).map_err(|refusal| invalid(refusal.message))?;
        statements.extend(of_document(&format!("PolicyInputList.{number}"), "none", document));
    }
    let context = context(input);
    let resources = match input.texts("ResourceArns") {
        none if none.is_empty() => vec!["*"],
        some => some,
    };
    let mut results = Vec::new();
    for action in input.texts("ActionNames") {
        if !action.split_once(':').is_some_and(|(one, other)| !one.is_empty() && !other.is_empty())
        {
            return Err(invalid(format!("Invalid Action Name: {action}")));
        }
        for resource in &resources {
            results.push(evaluate(&statements, action, resource, &context)?);
        }
    }
    page(input, "EvaluationResults", results)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidInput", message)
}

fn context(input: &Input) -> Context {
    let named = input.list("ContextEntries").iter().filter_map(|entry| {
        let name = entry["ContextKeyName"].as_str()?.to_lowercase();
        Some((name, entry["ContextKeyValues"].clone()))
    });
    named.collect()
}

fn of_principal(transaction: &Transaction<'_>, arn: &str) -> Result<Vec<Statement>, Refusal> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "iam", "", account, what] = parts[..] else {
        return Err(invalid(format!("Invalid Entity Arn: {arn}")));
    };
    let name = what.rsplit('/').next().unwrap_or_default();
    let absent = || missing(&format!("The entity with arn {arn} cannot be found."));
    if what.starts_with("user/") {
        let known = scenario::identity_in(transaction);
        let is_known = known.is_some_and(|one| one.user == name && one.account == account);
        return if is_known { Ok(everything("user")) } else { Err(absent()) };
    }
    let role: Option<Role> = transaction.get_as(ROLES, name).filter(|role: &Role| role.arn == arn);
    let role = role.ok_or_else(absent)?;
    if role.boundary.is_some() {
        return Err(Refusal::not_simulated("a permissions boundary in SimulatePrincipalPolicy"));
    }
    let mut statements = Vec::new();
    for (name, document) in &role.inline {
        statements.extend(of_document(name, "role", document));
    }
    for arn in &role.attached {
        let policy: Policy = transaction.get_as(POLICIES, arn).ok_or_else(absent)?;
        match policy.versions.get(&policy.default) {
            _ if arn == EVERYTHING => statements.extend(everything("aws-managed")),
            Some(document) if !arn.contains(":aws:policy/") => {
                statements.extend(of_document(&policy.name, "user-managed", document));
            }
            _ => {
                let what = format!("the document of {arn}, by which this role cannot be judged");
                return Err(Refusal::not_simulated(&what));
            }
        }
    }
    Ok(statements)
}

fn everything(kind: &'static str) -> Vec<Statement> {
    let body = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    vec![Statement { policy: "AdministratorAccess".to_owned(), kind, body }]
}

fn of_document(policy: &str, kind: &'static str, document: &str) -> Vec<Statement> {
    // A document is checked when it comes in.
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let statements = many(&document["Statement"]).into_iter();
    statements
        .map(|body| Statement { policy: policy.to_owned(), kind, body: body.clone() })
        .collect()
}

/// The items of a list, or one that stands alone.
pub(super) fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn evaluate(statements: &[Statement], action: &str, resource: &str, context: &Context) -> Answer {
    let (mut matched, mut absent): (Vec<&Statement>, Vec<String>) = (Vec::new(), Vec::new());
    for statement in statements {
        let body = &statement.body;
        let is_meant =
            is_named(body, "Action", "NotAction", |pattern| {
                is_like(&pattern.to_lowercase(), &action.to_lowercase())
            }) && is_named(body, "Resource", "NotResource", |pattern| is_like(pattern, resource));
        if is_meant && is_met(&body["Condition"], context, &mut absent)? {
            matched.push(statement);
        }
    }
    let has = |effect: &str| matched.iter().any(|one| one.body["Effect"] == effect);
    let (decision, effect) = match (has("Deny"), has("Allow")) {
        (true, _) => ("explicitDeny", "Deny"),
        (false, true) => ("allowed", "Allow"),
        (false, false) => ("implicitDeny", ""),
    };
    let deciding = matched.iter().filter(|one| one.body["Effect"] == effect);
    let deciding: Vec<Value> = deciding
        .map(|one| json!({"SourcePolicyId": one.policy, "SourcePolicyType": one.kind}))
        .collect();
    absent.sort();
    absent.dedup();
    Ok(json!({
        "EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision,
        "MatchedStatements": deciding, "MissingContextValues": absent,
    }))
}

/// Whether a statement names something, by a list of what it means or of what it does not.
fn is_named(body: &Value, by: &str, by_not: &str, fits: impl Fn(&str) -> bool) -> bool {
    let any = |value: &Value| many(value).into_iter().filter_map(Value::as_str).any(&fits);
    if body[by_not].is_null() { any(&body[by]) } else { !any(&body[by_not]) }
}

/// `*` stands for any text, `?` for one character.
pub(super) fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last star was, and how far it reached.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(one) if *one == '?' || *one == text[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((place, reached)) = star else { return false };
                star = Some((place, reached + 1));
                at = place + 1;
                from = reached + 1;
            }
        }
    }
    pattern[at..].iter().all(|one| *one == '*')
}

/// Whether all conditions are met; keys of which the caller supposes nothing are added.
pub(super) fn is_met(
    conditions: &Value,
    context: &Context,
    absent: &mut Vec<String>,
) -> Result<bool, Refusal> {
    let mut all = true;
    for (operator, keys) in conditions.as_object().into_iter().flatten() {
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            let given = context.get(&key.to_lowercase());
            if given.is_none() {
                absent.push(key.clone());
            }
            all &= holds(operator, wanted, given)?;
        }
    }
    Ok(all)
}

fn holds(operator: &str, wanted: &Value, given: Option<&Value>) -> Result<bool, Refusal> {
    let (quantifier, rest) = match operator.split_once(':') {
        Some((quantifier, rest)) => (Some(quantifier), rest),
        None => (None, operator),
    };
    let (test, if_exists) = match rest.strip_suffix("IfExists") {
        Some(test) => (test, true),
        None => (rest, false),
    };
    let wanted: Vec<String> = many(wanted).into_iter().map(text).collect();
    if wanted.iter().any(|one| one.contains("${")) {
        return Err(Refusal::not_simulated("a policy variable in SimulatePrincipalPolicy"));
    }
    let given: Option<Vec<String>> =
        given.map(|values| many(values).into_iter().map(text).collect());
    if test == "Null" {
        return Ok(wanted.iter().any(|one| (one == "true") == given.is_none()));
    }
    let (is_not, one): (bool, fn(&str, &str) -> bool) = match test {
        "StringEquals" | "Bool" => (false, |wanted, given| wanted == given),
        "StringNotEquals" => (true, |wanted, given| wanted == given),
        "StringEqualsIgnoreCase" => (false, str::eq_ignore_ascii_case),
        "StringNotEqualsIgnoreCase" => (true, str::eq_ignore_ascii_case),
        "StringLike" | "ArnLike" | "ArnEquals" => (false, is_like),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (true, is_like),
        _ => {
            let what = format!("the condition operator {operator} in SimulatePrincipalPolicy");
            return Err(Refusal::not_simulated(&what));
        }
    };
    let Some(given) = given else {
        return Ok(if_exists || is_not || quantifier == Some("ForAllValues"));
    };
    let fits = |given: &String| wanted.iter().any(|wanted| one(wanted, given)) != is_not;
    Ok(match quantifier {
        Some("ForAllValues") => given.iter().all(fits),
        _ => given.iter().any(fits),
    })
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"Statement": [
        {"Effect": "Allow", "Action": "ec2:Run*", "Resource": "arn:aws:ec2:*:*:instance/i-?"},
        {"Effect": "Allow", "Action": "ec2:Stop*", "Resource": "*",
            "Condition": {"StringLike": {"aws:ResourceTag/team": ["a*", "b"]}}},
        {"Effect": "Deny", "NotAction": "ec2:*", "Resource": "*"}]}"#;

    fn decided(action: &str, resource: &str, context: Value) -> Value {
        let Value::Object(context) = context else { panic!("a map") };
        evaluate(&of_document("p", "role", DOCUMENT), action, resource, &context).unwrap()
    }

    #[test]
    fn the_documents_decide() {
        let one = "arn:aws:ec2:eu-west-1:1:instance/i-1";
        let decision = |action: &str, resource: &str, context: Value| {
            decided(action, resource, context)["EvalDecision"].as_str().unwrap().to_owned()
        };
        assert_eq!(decision("EC2:RunInstances", one, json!({})), "allowed");
        assert_eq!(decision("ec2:RunInstances", "*", json!({})), "implicitDeny");
        assert_eq!(decision("ec2:RunInstances", &format!("{one}2"), json!({})), "implicitDeny");
        assert_eq!(decision("iam:GetRole", "*", json!({})), "explicitDeny");
        let absent = decided("ec2:StopInstances", "*", json!({}));
        assert_eq!(absent["EvalDecision"], "implicitDeny");
        assert_eq!(absent["MissingContextValues"], json!(["aws:ResourceTag/team"]));
        for (team, wanted) in [("abc", "allowed"), ("b", "allowed"), ("bc", "implicitDeny")] {
            let context = json!({"aws:resourcetag/team": [team]});
            assert_eq!(decision("ec2:StopInstances", "*", context), wanted, "{team}");
        }
    }

    #[test]
    fn conditions_with_and_without_values() {
        let holds = |operator: &str, wanted: Value, given: Option<Value>| {
            super::holds(operator, &wanted, given.as_ref()).unwrap()
        };
        assert!(holds("Null", json!("true"), None));
        assert!(!holds("Null", json!("true"), Some(json!(["a"]))));
        assert!(holds("StringEqualsIfExists", json!("a"), None));
        assert!(holds("StringNotEquals", json!("a"), None));
        assert!(holds("StringNotEquals", json!(["a", "b"]), Some(json!(["c"]))));
        assert!(!holds("StringNotEquals", json!(["a", "b"]), Some(json!(["b"]))));
        assert!(holds("ForAllValues:StringEquals", json!(["a", "b"]), Some(json!(["a", "b"]))));
        assert!(!holds("ForAllValues:StringEquals", json!(["a"]), Some(json!(["a", "b"]))));
        assert!(holds("ForAnyValue:StringLike", json!(["a*"]), Some(json!(["x", "ab"]))));
        assert!(holds("Bool", json!(true), Some(json!(["true"]))));
        assert!(super::holds("IpAddress", &json!("10.0.0.0/8"), None).is_err());
        assert!(super::holds("StringEquals", &json!("${aws:username}"), None).is_err());
    }
}
