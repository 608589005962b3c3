//! Random data with known, unknown and secret leaves, and random expressions over it.

use std::collections::BTreeMap;

use runbook_core::value::{Secret, Type, Value};

use crate::dice::Dice;

/// Data of which some leaves are unknown or secret. Those have two values each: what is computed
/// without reading them must be the same for both.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    Known(Value),
    Unknown(Box<Data>, Box<Data>),
    Secret(Box<Data>, Box<Data>),
    List(Vec<Data>),
    Map(BTreeMap<String, Data>),
}

impl Data {
    /// As the evaluator gets it, secrets with their value number `which`.
    pub(crate) fn marked(&self, which: usize) -> Value {
        match self {
            Self::Known(value) => value.clone(),
            Self::Unknown(..) => Value::Unknown(Type::Any.into()),
            Self::Secret(..) => Value::Secret(Secret::new(self.plain(0, which))),
            Self::List(items) => Value::list(items.iter().map(|item| item.marked(which))),
            Self::Map(entries) => {
                Value::map(entries.iter().map(|(key, one)| (key.clone(), one.marked(which))))
            }
        }
    }

    /// Everything known: unknown leaves with their value number `unknown`, secrets likewise.
    pub(crate) fn plain(&self, unknown: usize, secret: usize) -> Value {
        match self {
            Self::Known(value) => value.clone(),
            Self::Unknown(first, second) => {
                if unknown == 0 { first } else { second }.plain(unknown, secret)
            }
            Self::Secret(first, second) => {
                if secret == 0 { first } else { second }.plain(unknown, secret)
            }
            Self::List(items) => Value::list(items.iter().map(|item| item.plain(unknown, secret))),
            Self::Map(entries) => Value::map(
                entries.iter().map(|(key, one)| (key.clone(), one.plain(unknown, secret))),
            ),
        }
    }
}

/// What an expression is made to be; minijinja has no types, so this only makes sense likely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Whole,
    Text,
    Flag,
    Numbers,
    Texts,
    Record,
    Records,
}

const KINDS: [Kind; 7] =
    [Kind::Whole, Kind::Text, Kind::Flag, Kind::Numbers, Kind::Texts, Kind::Record, Kind::Records];

/// Names of the outputs that expressions read, with what they hold.
pub(crate) const OUTPUTS: [(&str, Kind); 9] = [
    ("a", Kind::Whole),
    ("b", Kind::Whole),
    ("s", Kind::Text),
    ("t", Kind::Text),
    ("c", Kind::Flag),
    ("ns", Kind::Numbers),
    ("ts", Kind::Texts),
    ("m", Kind::Record),
    ("ms", Kind::Records),
];

/// Random data of that kind.
pub(crate) fn data(dice: &mut Dice, kind: Kind, marks: bool) -> Data {
    if marks && dice.percent(12) {
        let one = Box::new(data(dice, kind, false));
        if dice.percent(40) {
            // The type of a secret is no secret.
            return Data::Secret(one, Box::new(data(dice, kind, false)));
        }
        let other = if dice.percent(80) { kind } else { dice.pick(&KINDS) };
        return Data::Unknown(one, Box::new(data(dice, other, false)));
    }
    let list = |dice: &mut Dice, kind: Kind| {
        let count = dice.roll(4);
        Data::List((0..count).map(|_| data(dice, kind, marks)).collect())
    };
    match kind {
        Kind::Whole => Data::Known(Value::Integer(dice.pick(&[-2, 0, 1, 2, 3, 7]))),
        Kind::Text => {
            Data::Known(Value::from(dice.pick(&["", "a", "b", "aB c", "1", "a-b", "[1,2]", "é"])))
        }
        Kind::Flag => match dice.roll(8) {
            0 => Data::Known(Value::Null),
            1 => Data::Known(Value::Number(1.5)),
            _ => Data::Known(Value::Boolean(dice.percent(50))),
        },
        Kind::Numbers => list(dice, Kind::Whole),
        Kind::Texts => list(dice, Kind::Text),
        Kind::Record => {
            let mut entries = BTreeMap::new();
            for (name, kind) in [("x", Kind::Whole), ("y", Kind::Text), ("z", Kind::Numbers)] {
                if dice.percent(80) {
                    entries.insert(name.to_owned(), data(dice, kind, marks));
                }
            }
            if dice.percent(40) {
                entries.insert("w".to_owned(), data(dice, Kind::Record, marks));
            }
            Data::Map(entries)
        }
        Kind::Records => list(dice, Kind::Record),
    }
}

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    /// A constant, as it is written.
    Constant(String),
    /// An output and a path in it.
    Path(Vec<String>),
    Not(Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    /// Condition, then, otherwise.
    If(Box<[Expression; 3]>),
    /// Operand, name, arguments (a keyword stands in the name's place of the argument's text).
    Filter(Box<Expression>, &'static str, Vec<Expression>),
    Test(Box<Expression>, &'static str),
    List(Vec<Expression>),
    Dictionary(Vec<(&'static str, Expression)>),
    Item(Box<Expression>, Box<Expression>),
    Slice(Box<Expression>, &'static str),
    Call(&'static str, Vec<Expression>),
}

impl Expression {
    /// As it is written in a runbook; `root` stands before the outputs' names.
    pub(crate) fn text(&self, root: &str) -> String {
        let joined =
            |all: &[Self]| all.iter().map(|one| one.text(root)).collect::<Vec<_>>().join(", ");
        match self {
            Self::Constant(text) => text.clone(),
            Self::Path(segments) => {
                let mut text = root.to_owned();
                for segment in segments {
                    if segment.parse::<i64>().is_ok() {
                        text.push_str(&format!("[{segment}]"));
                    } else {
                        text.push_str(&format!(".{segment}"));
                    }
                }
                text
            }
            Self::Not(inner) => format!("(not {})", inner.text(root)),
            Self::Binary(word, left, right) => {
                format!("({} {word} {})", left.text(root), right.text(root))
            }
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                format!(
                    "({} if {} else {})",
                    then.text(root),
                    condition.text(root),
                    otherwise.text(root)
                )
            }
            Self::Filter(operand, name, arguments) if arguments.is_empty() => {
                format!("({} | {name})", operand.text(root))
            }
            Self::Filter(operand, name, arguments) => {
                format!("({} | {name}({}))", operand.text(root), joined(arguments))
            }
            Self::Test(operand, test) => format!("({} is {test})", operand.text(root)),
            Self::List(items) => format!("[{}]", joined(items)),
            Self::Dictionary(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("'{key}': {}", value.text(root)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            Self::Item(operand, index) => format!("({})[{}]", operand.text(root), index.text(root)),
            Self::Slice(operand, range) => format!("({})[{range}]", operand.text(root)),
            Self::Call(name, arguments) => format!("{name}({})", joined(arguments)),
        }
    }
}

fn constant(text: impl Into<String>) -> Expression {
    Expression::Constant(text.into())
}

fn filter(operand: Expression, name: &'static str, arguments: Vec<Expression>) -> Expression {
    Expression::Filter(Box::new(operand), name, arguments)
}

fn binary(word: &'static str, left: Expression, right: Expression) -> Expression {
    Expression::Binary(word, Box::new(left), Box::new(right))
}

/// A random expression, likely of that kind.
pub(crate) fn expression(dice: &mut Dice, kind: Kind, depth: usize) -> Expression {
    if depth == 0 || dice.percent(15) {
        return leaf(dice, kind);
    }
    let kind = if dice.percent(6) { dice.pick(&KINDS) } else { kind };
    let less = depth - 1;
    if dice.percent(14) {
        let any = dice.pick(&KINDS);
        return match dice.roll(4) {
            0 => binary(
                dice.pick(&["and", "or"]),
                expression(dice, any, less),
                expression(dice, kind, less),
            ),
            1 => filter(
                expression(dice, kind, less),
                dice.pick(&["default", "d"]),
                vec![expression(dice, kind, less)],
            ),
            _ => Expression::If(Box::new([
                expression(dice, Kind::Flag, less),
                expression(dice, kind, less),
                expression(dice, kind, less),
            ])),
        };
    }
    match kind {
        Kind::Whole => whole(dice, less),
        Kind::Text => text(dice, less),
        Kind::Flag => flag(dice, less),
        Kind::Numbers | Kind::Texts => list(dice, kind, less),
        Kind::Record => record(dice, less),
        Kind::Records => records(dice, less),
    }
}

fn leaf(dice: &mut Dice, kind: Kind) -> Expression {
    if dice.percent(30) {
        return constant(match kind {
            Kind::Whole => dice.pick(&["0", "1", "2", "-1"]),
            Kind::Text => dice.pick(&["'a'", "''", "'b'", "'-'"]),
            Kind::Flag => dice.pick(&["true", "false", "none"]),
            Kind::Numbers => dice.pick(&["[]", "[1, 2]", "[3, 0, 3]"]),
            Kind::Texts => dice.pick(&["[]", "['a', 'b']"]),
            Kind::Record => dice.pick(&["{}", "{'x': 1}", "{'y': 'a', 'w': {'x': 2}}"]),
            Kind::Records => "[{'x': 1}, {'x': 2}]",
        });
    }
    let mut segments = vec![dice.pick(&OUTPUTS).0.to_owned()];
    let fitting: Vec<&str> =
        OUTPUTS.iter().filter(|(_, one)| *one == kind).map(|(name, _)| *name).collect();
    if dice.percent(85) {
        segments = vec![(dice.pick(&fitting)).to_owned()];
    }
    if dice.percent(30) {
        let inside: &[&[&str]] = match kind {
            Kind::Whole => {
                &[&["ns", "0"], &["ns", "-1"], &["m", "x"], &["ms", "0", "x"], &["m", "z", "1"]]
            }
            Kind::Text => &[&["ts", "0"], &["m", "y"], &["ms", "1", "y"]],
            Kind::Numbers => &[&["m", "z"], &["ms", "0", "z"]],
            Kind::Record => &[&["ms", "0"], &["ms", "-1"], &["m", "w"]],
            _ => &[&["m", "absent"]],
        };
        segments = dice.pick(inside).iter().map(|one| (*one).to_owned()).collect();
    }
    Expression::Path(segments)
}

fn whole(dice: &mut Dice, less: usize) -> Expression {
    let any = dice.pick(&KINDS);
    match dice.roll(9) {
        0..=2 => {
            let word = dice.pick(&["+", "-", "*", "//", "%", "/", "**"]);
            binary(word, expression(dice, Kind::Whole, less), expression(dice, Kind::Whole, less))
        }
        3 => filter(expression(dice, any, less), dice.pick(&["length", "count"]), vec![]),
        4 => filter(
            expression(dice, Kind::Numbers, less),
            dice.pick(&["sum", "min", "max", "first", "last"]),
            vec![],
        ),
        5 => filter(
            expression(dice, Kind::Whole, less),
            dice.pick(&["abs", "int", "float", "round"]),
            vec![],
        ),
        6 => filter(expression(dice, Kind::Text, less), "int", vec![]),
        7 => Expression::Item(
            Box::new(expression(dice, Kind::Numbers, less)),
            Box::new(expression(dice, Kind::Whole, less)),
        ),
        _ => Expression::Item(
            Box::new(expression(dice, Kind::Record, less)),
            Box::new(constant("'x'")),
        ),
    }
}

fn text(dice: &mut Dice, less: usize) -> Expression {
    let any = dice.pick(&KINDS);
    match dice.roll(8) {
        0..=2 => binary("~", expression(dice, any, less), expression(dice, Kind::Text, less)),
        3 => filter(
            expression(dice, Kind::Text, less),
            dice.pick(&["upper", "lower", "title", "capitalize", "trim", "reverse"]),
            vec![],
        ),
        4 => filter(
            expression(dice, Kind::Text, less),
            "replace",
            vec![constant("'a'"), expression(dice, Kind::Text, less)],
        ),
        5 => {
            let kind = dice.pick(&[Kind::Texts, Kind::Numbers]);
            filter(expression(dice, kind, less), "join", vec![expression(dice, Kind::Text, less)])
        }
        6 => filter(expression(dice, any, less), dice.pick(&["to_json", "to_yaml"]), vec![]),
        _ => filter(
            expression(dice, Kind::Texts, less),
            dice.pick(&["first", "last", "min", "max"]),
            vec![],
        ),
    }
}

fn flag(dice: &mut Dice, less: usize) -> Expression {
    let kind = dice.pick(&KINDS);
    match dice.roll(8) {
        0..=2 => {
            let word = dice.pick(&["==", "!=", "<", "<=", ">", ">="]);
            let other = if dice.percent(85) { kind } else { Kind::Text };
            binary(word, expression(dice, kind, less), expression(dice, other, less))
        }
        3 => {
            let word = dice.pick(&["in", "not in"]);
            binary(word, expression(dice, Kind::Whole, less), expression(dice, Kind::Numbers, less))
        }
        4 => {
            let container = dice.pick(&[Kind::Text, Kind::Texts, Kind::Record]);
            binary("in", expression(dice, Kind::Text, less), expression(dice, container, less))
        }
        5 => Expression::Not(Box::new(expression(dice, kind, less))),
        6 => filter(expression(dice, kind, less), "bool", vec![]),
        _ => {
            let test = dice.pick(&[
                "defined",
                "undefined",
                "none",
                "true",
                "false",
                "boolean",
                "integer",
                "float",
                "number",
                "string",
                "sequence",
                "mapping",
                "iterable",
                "odd",
                "even",
                "divisibleby(2)",
                "startingwith('a')",
                "endingwith('b')",
                "in([1, 'a'])",
                "not none",
                "not defined",
            ]);
            Expression::Test(Box::new(expression(dice, kind, less)), test)
        }
    }
}

fn list(dice: &mut Dice, kind: Kind, less: usize) -> Expression {
    let item = if kind == Kind::Numbers { Kind::Whole } else { Kind::Text };
    match dice.roll(10) {
        0 | 1 => {
            let count = dice.roll(3);
            Expression::List((0..count).map(|_| expression(dice, item, less)).collect())
        }
        2 => filter(
            expression(dice, kind, less),
            dice.pick(&[
                "sort",
                "unique",
                "list",
                "reverse",
                "batch(2)",
                "slice(2)",
                "sort(reverse=true)",
            ]),
            vec![],
        ),
        3 => filter(
            expression(dice, kind, less),
            dice.pick(&["select", "reject"]),
            vec![constant(dice.pick(&["'odd'", "'string'", "'defined'", "'in', [1, 'a']"]))],
        ),
        4 => filter(
            expression(dice, Kind::Records, less),
            "map",
            vec![constant(if kind == Kind::Numbers { "attribute='x'" } else { "attribute='y'" })],
        ),
        5 => filter(
            expression(dice, Kind::Texts, less),
            "map",
            vec![constant(dice.pick(&["'upper'", "'length'", "'default', 'a'"]))],
        ),
        6 => Expression::Slice(
            Box::new(expression(dice, kind, less)),
            dice.pick(&["0:1", "1:", ":-1", "::2"]),
        ),
        7 if kind == Kind::Numbers => {
            Expression::Call("range", vec![expression(dice, Kind::Whole, less)])
        }
        7 => filter(
            expression(dice, Kind::Text, less),
            dice.pick(&["list", "lines", "split('-')"]),
            vec![],
        ),
        8 => filter(expression(dice, kind, less), "zip", vec![expression(dice, kind, less)]),
        _ => binary("+", expression(dice, kind, less), expression(dice, kind, less)),
    }
}

fn record(dice: &mut Dice, less: usize) -> Expression {
    match dice.roll(6) {
        0 | 1 => {
            let mut entries = vec![("x", expression(dice, Kind::Whole, less))];
            if dice.percent(60) {
                entries.push(("y", expression(dice, Kind::Text, less)));
            }
            Expression::Dictionary(entries)
        }
        2 | 3 => filter(
            expression(dice, Kind::Record, less),
            "merge",
            vec![expression(dice, Kind::Record, less)],
        ),
        4 => filter(
            filter(expression(dice, Kind::Record, less), "to_json", vec![]),
            dice.pick(&["parse_json", "parse_yaml"]),
            vec![],
        ),
        _ => filter(expression(dice, Kind::Records, less), dice.pick(&["first", "last"]), vec![]),
    }
}

fn records(dice: &mut Dice, less: usize) -> Expression {
    match dice.roll(6) {
        0 => {
            let count = dice.roll(3);
            Expression::List((0..count).map(|_| expression(dice, Kind::Record, less)).collect())
        }
        1 => filter(
            expression(dice, Kind::Records, less),
            dice.pick(&["selectattr", "rejectattr"]),
            vec![constant(dice.pick(&["'x'", "'x', 'odd'", "'y', 'eq', 'a'"]))],
        ),
        2 => filter(expression(dice, Kind::Records, less), "groupby", vec![constant("'x'")]),
        3 => filter(expression(dice, Kind::Records, less), "sort", vec![constant("attribute='x'")]),
        4 => {
            filter(expression(dice, Kind::Record, less), dice.pick(&["items", "dictsort"]), vec![])
        }
        _ => filter(
            expression(dice, Kind::Records, less),
            dice.pick(&["list", "reverse", "unique"]),
            vec![],
        ),
    }
}
