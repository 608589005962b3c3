//! What rules may call: CEL's own functions, the strings extension, and those of Kubernetes'
//! extensions that are implemented here. A rule that calls another is refused by its name.

use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelInt, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::Regex;
use runbook_capacity::quantity::Quantity;

/// Functions, called alone or on a value.
const KNOWN: &[&str] = &[
    // of the language
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
    // of optional values
    "hasValue",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "value",
    // of texts
    "charAt",
    "format",
    "indexOf",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "replace",
    "reverse",
    "split",
    "strings.quote",
    "substring",
    "trim",
    "upperAscii",
    // of Kubernetes
    "compareTo",
    "find",
    "findAll",
    "isCIDR",
    "isGreaterThan",
    "isIP",
    "isLessThan",
    "isQuantity",
    "isURL",
    "quantity",
];

/// Names of types, which are values too.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Whether a function can be called.
pub(super) fn knows(name: &str) -> bool {
    // Operators are called `_+_`, `!_`, `@in` and the like.
    !name.starts_with(|first: char| first.is_ascii_alphabetic()) || KNOWN.contains(&name)
}

/// Whether a name is that of a type.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

/// The environment of all rules; the error is a function declared twice.
pub(super) fn environment() -> Result<&'static Arc<Env>, &'static DeclarationError> {
    static ENVIRONMENT: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| {
        let mut environment = Env::stdlib();
        environment.add_extension(cel::extensions::strings)?;
        environment.add_extension(kubernetes)?;
        Ok(Arc::new(environment))
    });
    ENVIRONMENT.as_ref()
}

fn kubernetes(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString>)?;
    env.add_member_overload(
        "findAll",
        "string.findAll(string)",
        STRING_TYPE,
        vec![STRING_TYPE],
        find_all,
    )?;
    cel::add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    cel::add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    cel::add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    cel::add_overload!(env, fn is_quantity: (CelString) -> CelBool)?;
    cel::add_overload!(env, fn quantity: (CelString) -> Result<Amount>)?;
    cel::add_member_overload!(env, fn is_greater_than: (Amount, Amount) -> CelBool)?;
    cel::add_member_overload!(env, fn is_less_than: (Amount, Amount) -> CelBool)?;
    cel::add_member_overload!(env, fn compare_to: (Amount, Amount) -> CelInt)?;
    Ok(())
}

fn pattern(function: &str, text: &str) -> Result<Regex, ExecutionError> {
    Regex::new(text).map_err(|error| ExecutionError::function_error(function, error))
}

fn find(
    this: &CelString<'_>,
    wanted: &CelString<'_>,
) -> Result<CelString<'static>, ExecutionError> {
    let found = pattern("find", wanted.inner())?.find(this.inner()).map(|one| one.as_str());
    Ok(CelString::from(found.unwrap_or_default().to_owned()))
}

fn find_all<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = |index: usize| {
        arguments
            .get(index)
            .and_then(|one| one.downcast_ref::<CelString>())
            .map(|one| one.inner().to_owned())
            .ok_or_else(ExecutionError::missing_argument_or_target)
    };
    let (text, wanted) = (text(0)?, pattern("findAll", &text(1)?)?);
    let found: Vec<cel::Value> =
        wanted.find_iter(&text).map(|one| one.as_str().to_owned().into()).collect();
    let found: Box<dyn Val> = cel::Value::List(Arc::new(found)).try_into()?;
    Ok(CowVal::Owned(found))
}

/// As Go's `url.ParseRequestURI` has it: with a scheme, or an absolute path.
fn is_url(text: &CelString<'_>) -> CelBool {
    let text = text.inner();
    CelBool::from(text.starts_with('/') || url::Url::parse(text).is_ok())
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    CelBool::from(text.inner().parse::<std::net::IpAddr>().is_ok())
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    let parsed = text.inner().split_once('/').and_then(|(address, length)| {
        Some((address.parse::<std::net::IpAddr>().ok()?, length.parse::<u8>().ok()?))
    });
    let fits =
        parsed.is_some_and(|(address, length)| length <= if address.is_ipv4() { 32 } else { 128 });
    CelBool::from(fits)
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    CelBool::from(Quantity::parse(text.inner()).is_ok())
}

fn quantity(text: &CelString<'_>) -> Result<Amount, ExecutionError> {
    let parsed = Quantity::parse(text.inner());
    parsed.map(Amount).map_err(|error| ExecutionError::function_error("quantity", error))
}

fn is_greater_than(one: &Amount, other: &Amount) -> CelBool {
    CelBool::from(one.0 > other.0)
}

fn is_less_than(one: &Amount, other: &Amount) -> CelBool {
    CelBool::from(one.0 < other.0)
}

fn compare_to(one: &Amount, other: &Amount) -> CelInt {
    CelInt::from(one.0.cmp(&other.0) as i64)
}

static AMOUNT: Type = Type::new_unspecified_type("kubernetes.Quantity");

/// A quantity as a value of the language.
#[derive(Debug, Clone, Copy)]
struct Amount(Quantity);

impl Val for Amount {
    fn get_type(&self) -> &Type {
        &AMOUNT
    }

    fn cel_type() -> &'static Type {
        &AMOUNT
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| other.0 == self.0)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for Amount {}
