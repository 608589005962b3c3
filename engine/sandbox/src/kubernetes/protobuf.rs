//! Bodies in Kubernetes' own wire form: `k8s\0`, then a `runtime.Unknown` around the object.
//!
//! `kubectl create`, `kubectl auth`, leader election and Helm's release Secrets send nothing else,
//! and do not try JSON after a refusal. Decoded by the messages of `generated.proto` (a table in
//! `data`) into the JSON that the same Go struct would be written as: protobuf holds empty values
//! for whatever is not a pointer, JSON leaves those out where the struct says so.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

const TABLE: &str = include_str!("../../data/kubernetes_protobuf.txt");
const MAGIC: &[u8] = b"k8s\0";
/// Deeper than any kind is; a body that goes on is no object.
const DEEPEST: usize = 48;

/// A field of a message.
struct Field {
    /// Its name in JSON; `-` when the message in it is written into the one around it.
    name: &'static str,
    kind: &'static str,
    form: Form,
    /// Whether an empty value is written.
    keeps_zero: bool,
}

#[derive(PartialEq, Eq)]
enum Form {
    One,
    List,
    Map,
}

static MESSAGES: LazyLock<BTreeMap<&'static str, BTreeMap<u64, Field>>> = LazyLock::new(|| {
    let mut messages: BTreeMap<&str, BTreeMap<u64, Field>> = BTreeMap::new();
    let mut current = "";
    for line in TABLE.lines().skip(1) {
        if let Some(name) = line.strip_prefix("> ") {
            current = name;
            messages.entry(name).or_default();
            continue;
        }
        let mut cells = line.split(' ');
        let mut next = || cells.next().unwrap_or_default();
        let (number, name, kind) = (next(), next(), next());
        let bare = kind.trim_end_matches('!');
        let (kind_name, form) = if let Some(inner) = bare.strip_suffix("[]") {
            (inner, Form::List)
        } else if let Some(inner) = bare.strip_suffix("{}") {
            (inner, Form::Map)
        } else {
            (bare, Form::One)
        };
        if let Ok(number) = number.parse() {
            let field = Field { name, kind: kind_name, form, keeps_zero: kind.ends_with('!') };
            messages.entry(current).or_default().insert(number, field);
        }
    }
    messages
});

/// Whether a body is in this form.
pub(super) fn is(content_type: &str) -> bool {
    content_type.starts_with("application/vnd.kubernetes.protobuf")
}

/// The object in a body, as JSON.
pub(super) fn decode(body: &[u8]) -> Result<Value, String> {
    let unknown = body.strip_prefix(MAGIC).ok_or(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
    )?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for part in Parts(unknown) {
        match part? {
            (1, Wire::Bytes(meta)) => {
                for part in Parts(meta) {
                    match part? {
                        (1, Wire::Bytes(bytes)) => api_version = text(bytes)?,
                        (2, Wire::Bytes(bytes)) => kind = text(bytes)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let name = message_of(&api_version, &kind)
        .ok_or_else(|| format!("no kind \"{kind}\" is registered for version \"{api_version}\""))?;
    let mut object = message(name, raw, 0)?;
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    Ok(object)
}

/// The message of a kind. Options are registered with every version, under one message.
fn message_of(api_version: &str, kind: &str) -> Option<&'static str> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let package = match group {
        "rbac.authorization.k8s.io" => "rbac",
        "flowcontrol.apiserver.k8s.io" => "flowcontrol",
        group => group.split('.').next().unwrap_or(group),
    };
    let own = format!("{package}.{version}.{kind}");
    let general = format!("meta.{kind}");
    [own, general]
        .iter()
        .find_map(|name| MESSAGES.get_key_value(name.as_str()).map(|(key, _)| *key))
}

/// What a field holds on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in the order of the wire.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(u64, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = part(&mut self.0);
        if part.is_err() {
            self.0 = &[];
        }
        Some(part)
    }
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<(u64, Wire<'a>), String> {
    let tag = varint(rest)?;
    let wire = match tag & 7 {
        0 => Wire::Number(varint(rest)?),
        1 => Wire::Number(fixed::<8>(rest).map(u64::from_le_bytes)?),
        5 => Wire::Number(fixed::<4>(rest).map(u32::from_le_bytes)?.into()),
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| cut())?;
            let (bytes, after) = rest.split_at_checked(length).ok_or_else(cut)?;
            *rest = after;
            Wire::Bytes(bytes)
        }
        other => return Err(format!("proto: illegal wireType {other}")),
    };
    Ok((tag >> 3, wire))
}

fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, after) = rest.split_first().ok_or_else(cut)?;
        *rest = after;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("proto: integer overflow".to_owned())
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (bytes, after) = rest.split_first_chunk::<N>().ok_or_else(cut)?;
    *rest = after;
    Ok(*bytes)
}

fn cut() -> String {
    "unexpected EOF".to_owned()
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "proto: invalid UTF-8".to_owned())
}

/// A message as JSON.
fn message(name: &str, bytes: &[u8], depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err("exceeded max depth".to_owned());
    }
    if let Some(special) = special(name, bytes) {
        return special;
    }
    let fields = MESSAGES.get(name).ok_or_else(|| format!("no message \"{name}\""))?;
    let mut object = Map::new();
    for part in Parts(bytes) {
        let (number, wire) = part?;
        let Some(field) = fields.get(&number) else { continue };
        match field.form {
            Form::Map => {
                let Wire::Bytes(entry) = wire else { return Err(cut()) };
                let (key, value) = map_entry(field.kind, entry, depth)?;
                let map = object.entry(field.name).or_insert_with(|| json!({}));
                map[key] = value;
            }
            Form::List => {
                let list = object.entry(field.name).or_insert_with(|| json!([]));
                let value = value(field.kind, &wire, depth)?;
                if let Some(items) = list.as_array_mut() {
                    items.push(value);
                }
            }
            Form::One => {
                let value = value(field.kind, &wire, depth)?;
                match value {
                    Value::Object(inner) if field.name == "-" => object.extend(inner),
                    value if field.keeps_zero && !value.is_null() || !is_zero(&value) => {
                        object.insert(field.name.to_owned(), value);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(Value::Object(object))
}

fn map_entry(kind: &str, entry: &[u8], depth: usize) -> Result<(String, Value), String> {
    let mut key = String::new();
    let mut found = value(kind, &Wire::Bytes(&[]), depth).unwrap_or_default();
    for part in Parts(entry) {
        match part? {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, wire) => found = value(kind, &wire, depth)?,
            _ => {}
        }
    }
    Ok((key, found))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(value) => value.is_empty(),
        Value::Object(value) => value.is_empty(),
    }
}

fn value(kind: &str, wire: &Wire<'_>, depth: usize) -> Result<Value, String> {
    match (kind, wire) {
        ("s", Wire::Bytes(bytes)) => text(bytes).map(Value::String),
        ("b", Wire::Bytes(bytes)) => Ok(json!(STANDARD.encode(bytes))),
        ("?", Wire::Number(number)) => Ok(json!(*number != 0)),
        ("i", Wire::Number(number)) => Ok(json!(number.cast_signed())),
        ("d", Wire::Number(number)) => Ok(json!(f64::from_bits(*number))),
        ("s" | "b" | "?" | "i" | "d", _) => Err(format!("proto: wrong wireType for {kind}")),
        (name, Wire::Bytes(bytes)) => message(name, bytes, depth + 1),
        (name, Wire::Number(_)) => Err(format!("proto: wrong wireType for {name}")),
    }
}

/// Messages that JSON writes otherwise than as an object of their fields.
fn special(name: &str, bytes: &[u8]) -> Option<Result<Value, String>> {
    let read = match name {
        "meta.Time" | "meta.MicroTime" => time,
        "meta.Duration" => duration,
        "meta.FieldsV1" | "runtime.RawExtension" => raw,
        "api.resource.Quantity" => quantity,
        "util.intstr.IntOrString" => int_or_string,
        _ if name.ends_with(".ExtraValue") => values,
        _ => return None,
    };
    let fields: Result<Vec<(u64, Wire<'_>)>, String> = Parts(bytes).collect();
    Some(fields.and_then(|fields| read(name, &fields)))
}

fn number(fields: &[(u64, Wire<'_>)], wanted: u64) -> i64 {
    let found = fields.iter().rev().find_map(|(number, wire)| match wire {
        Wire::Number(value) if *number == wanted => Some(value.cast_signed()),
        _ => None,
    });
    found.unwrap_or_default()
}

fn bytes<'a>(fields: &[(u64, Wire<'a>)], wanted: u64) -> &'a [u8] {
    let found = fields.iter().rev().find_map(|(number, wire)| match wire {
        Wire::Bytes(value) if *number == wanted => Some(*value),
        _ => None,
    });
    found.unwrap_or_default()
}

/// Seconds, and for `MicroTime` the part below, which JSON writes with six places.
fn time(name: &str, fields: &[(u64, Wire<'_>)]) -> Result<Value, String> {
    let (seconds, nanoseconds) = (number(fields, 1), number(fields, 2));
    // The zero time of Go, or none at all: nothing was meant.
    if fields.is_empty() || seconds == -62_135_596_800 {
        return Ok(Value::Null);
    }
    let part = i32::try_from(nanoseconds).map_err(|_| "proto: nanoseconds out of range")?;
    let time = jiff::Timestamp::new(seconds, part).map_err(|error| error.to_string())?;
    let format =
        if name == "meta.MicroTime" { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(json!(time.strftime(format).to_string()))
}

fn duration(_: &str, fields: &[(u64, Wire<'_>)]) -> Result<Value, String> {
    Ok(json!(format!("{}s", number(fields, 1) / 1_000_000_000)))
}

fn raw(_: &str, fields: &[(u64, Wire<'_>)]) -> Result<Value, String> {
    let raw = bytes(fields, 1);
    if raw.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(raw).map_err(|error| error.to_string())
}

fn quantity(_: &str, fields: &[(u64, Wire<'_>)]) -> Result<Value, String> {
    let quantity = text(bytes(fields, 1))?;
    Ok(json!(if quantity.is_empty() { "0".to_owned() } else { quantity }))
}

fn int_or_string(_: &str, fields: &[(u64, Wire<'_>)]) -> Result<Value, String> {
    if number(fields, 1) == 1 {
        return text(bytes(fields, 3)).map(Value::String);
    }
    Ok(json!(number(fields, 2)))
}

fn values(_: &str, fields: &[(u64, Wire<'_>)]) -> Result<Value, String> {
    let texts = fields.iter().filter_map(|(_, wire)| match wire {
        Wire::Bytes(bytes) => Some(text(bytes)),
        Wire::Number(_) => None,
    });
    Ok(json!(texts.collect::<Result<Vec<_>, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies that kubectl 1.32 sent.
    const DEPLOYMENT: &str = "6b3873000a150a07617070732f7631120a4465706c6f796d656e7412ab010a1f0a0377656212001a\
         0022002a003200380042005a0a0a036170701203776562127a0802120c0a0a0a0361707012037765\
         621a600a1c0a0012001a0022002a003200380042005a0a0a036170701203776562124012220a056e\
         67696e7812056e67696e782a0042006a007200800100880100900100a201001a00320042004a0052\
         005800600068008201008a01009a0100c2010022020a00280038001a0c0800100018002000280038\
         001a002200";
    const SECRET: &str = "6b3873000a0c0a0276311206536563726574121d0a110a017312001a0022002a0032003800420012\
         060a01611201621a001a002200";
    const REVIEW: &str = "6b3873000a320a17617574686f72697a6174696f6e2e6b38732e696f2f7631121753656c66537562\
         6a656374416363657373526576696577123c0a100a0012001a0022002a00320038004200121e0a1c\
         0a0764656661756c7412036765741a0022002a04706f647332003a001a08080012001a0020001a00\
         2200";

    fn decoded(text: &str) -> Value {
        decode(&hex::decode(text).unwrap()).unwrap()
    }

    #[test]
    fn what_kubectl_creates_reads_as_the_json_it_would_have_sent() {
        assert_eq!(
            decoded(DEPLOYMENT),
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "labels": {"app": "web"}},
                "spec": {
                    "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
                    },
                },
            })
        );
        assert_eq!(
            decoded(SECRET),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}})
        );
    }

    #[test]
    fn required_fields_stay_though_they_are_empty() {
        let review = decoded(REVIEW);
        assert_eq!(review["status"]["allowed"], false);
        assert_eq!(review["spec"]["resourceAttributes"]["resource"], "pods");
    }

    #[test]
    fn a_body_that_is_cut_anywhere_is_refused_or_shorter_but_never_a_panic() {
        let whole = hex::decode(DEPLOYMENT).unwrap();
        let complete = decode(&whole).unwrap();
        // What comes last says nothing: an encoding and a type of content, both empty.
        for end in 0..whole.len() - 4 {
            assert_ne!(decode(&whole[..end]).ok(), Some(complete.clone()), "cut at {end}");
        }
    }

    #[test]
    fn times_numbers_and_inlined_messages() {
        // coordination.k8s.io/v1 LeaseSpec: holderIdentity "a", renewTime 2026-11-25T00:00:00.5Z.
        let spec = hex::decode("0a0161220c0880ca98d8061080cab5ee01").unwrap();
        let lease = message("coordination.v1.LeaseSpec", &spec, 0).unwrap();
        assert_eq!(lease["holderIdentity"], "a");
        assert_eq!(lease["renewTime"], "2026-11-25T00:00:00.500000Z");
        // A probe's handler is written into the probe: httpGet{path "/", port 80}.
        let probe = hex::decode("0a0b12090a012f1204080010501000").unwrap();
        let probe = message("core.v1.Probe", &probe, 0).unwrap();
        assert_eq!(probe, json!({"httpGet": {"path": "/", "port": 80}}));
    }

    #[test]
    fn a_kind_without_a_message_is_named() {
        let body = [MAGIC, b"\x0a\x0b\x0a\x04x/v1\x12\x03Foo"].concat();
        assert_eq!(
            decode(&body).unwrap_err(),
            "no kind \"Foo\" is registered for version \"x/v1\""
        );
    }
}
