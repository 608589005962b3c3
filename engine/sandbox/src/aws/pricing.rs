//! The Price List: products made of the prices inside this program, in the real shape.
//!
//! A product comes as a JSON text. What the real list holds beside the price that somebody looks for
//! is here too (other tenancies and operating systems, unused reservations, reserved terms, tiers that
//! are free, a second currency): whoever filters too little reads a wrong price here as there.

mod offers;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Answer, Call, Input, Operation, Refusal, read};
pub(crate) use offers::prefix;
use offers::{Offer, SERVICES, offers};

/// Products of a page at most, and when nothing is asked for.
const PAGE: usize = 100;
/// How long a token is good for, in seconds.
const TOKEN_SECONDS: i64 = 3600;
const FORMAT: &str = "aws_v1";

pub(super) const OPERATIONS: &[Operation] = &[
    read("DescribeServices", "ServiceCode", describe),
    read("GetProducts", "ServiceCode", products),
];

fn describe(call: &mut Call<'_, '_>) -> Answer {
    format_version(call.input)?;
    let named = call.input.text("ServiceCode");
    if let Some(code) = named {
        known(code)?;
    }
    let size = size(call.input)?;
    let now = call.real_now.as_second();
    let question = digest(&json!(["services", named]).to_string());
    let after = Token::of(call.input, &question, now)?;
    // They stand in the order of their codes.
    let found: Vec<_> = SERVICES
        .iter()
        .filter(|(code, _)| named.is_none_or(|named| named == *code))
        .filter(|(code, _)| after.as_ref().is_none_or(|after| *code > after.as_str()))
        .collect();
    let is_last = found.len() <= size;
    let page = &found[..found.len().min(size)];
    let next = page.last().filter(|_| !is_last).map(|(code, _)| Token::write(code, &question, now));
    let services: Vec<Value> = page
        .iter()
        .map(|(code, attributes)| json!({"ServiceCode": code, "AttributeNames": attributes}))
        .collect();
    Ok(json!({"Services": services, "FormatVersion": FORMAT, "NextToken": next}))
}

/// Items of a page.
fn size(input: &Input) -> Result<usize, Refusal> {
    let size = match input.count("MaxResults") {
        Ok(None) => PAGE,
        Ok(Some(size @ 1..=PAGE)) => size,
        _ => return Err(invalid("MaxResults must be between 1 and 100")),
    };
    Ok(size.min(input.page_limit.unwrap_or(PAGE)))
}

fn products(call: &mut Call<'_, '_>) -> Answer {
    let input = call.input;
    format_version(input)?;
    let code = input.text("ServiceCode").filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| invalid("ServiceCode must not be empty"))?;
    known(code)?;
    let filters =
        input.list("Filters").iter().map(Filter::of).collect::<Result<Vec<_>, Refusal>>()?;
    let size = size(input)?;
    let now = call.real_now.as_second();
    let question = digest(&json!([code, input.value("Filters")]).to_string());
    let after = Token::of(input, &question, now)?;
    let region = filters.iter().find_map(Filter::region);
    let mut found: Vec<(String, Offer)> = offers(code, region)
        .filter(|offer| filters.iter().all(|filter| filter.takes(offer)))
        .map(|offer| (offer.sku(), offer))
        .filter(|(sku, _)| after.as_ref().is_none_or(|after| sku > after))
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let is_last = found.len() <= size;
    found.truncate(size);
    let next = found.last().filter(|_| !is_last).map(|(sku, _)| Token::write(sku, &question, now));
    let page: Vec<Value> =
        found.iter().map(|(sku, offer)| json!(offer.product(sku).to_string())).collect();
    Ok(json!({"FormatVersion": FORMAT, "PriceList": page, "NextToken": next}))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("InvalidParameterException", message)
}

fn format_version(input: &Input) -> Result<(), Refusal> {
    match input.text("FormatVersion") {
        None | Some(FORMAT) => Ok(()),
        Some(other) => Err(invalid(format!("Format Version '{other}' is not supported"))),
    }
}

fn known(code: &str) -> Result<(), Refusal> {
    if SERVICES.iter().any(|(known, _)| *known == code) {
        return Ok(());
    }
    Err(Refusal::bad("NotFoundException", format!("Service '{code}' was not found")))
}

fn digest(text: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(text.as_bytes()));
    digits.truncate(16);
    digits
}

/// What a page goes on from: made for one question, and good for a while.
struct Token;

impl Token {
    fn write(sku: &str, question: &str, now: i64) -> String {
        URL_SAFE_NO_PAD.encode(format!("{now} {question} {sku}"))
    }

    /// After what a request goes on.
    fn of(input: &Input, question: &str, now: i64) -> Result<Option<String>, Refusal> {
        input.text("NextToken").map(|token| Self::read(token, question, now)).transpose()
    }

    fn read(token: &str, question: &str, now: i64) -> Result<String, Refusal> {
        let bad = || Refusal::bad("InvalidNextTokenException", "The pagination token is invalid");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
        let text = String::from_utf8(bytes).map_err(|_| bad())?;
        let mut parts = text.splitn(3, ' ');
        let (Some(made), Some(of), Some(sku)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let made: i64 = made.parse().map_err(|_| bad())?;
        if of != question {
            return Err(bad());
        }
        if now - made > TOKEN_SECONDS {
            return Err(Refusal::bad(
                "ExpiredNextTokenException",
                "The pagination token expired. Try again without a pagination token.",
            ));
        }
        Ok(sku.to_owned())
    }
}

enum Test {
    Is,
    Contains,
    AnyOf,
    NoneOf,
}

struct Filter<'a> {
    field: &'a str,
    value: &'a str,
    test: Test,
}

impl<'a> Filter<'a> {
    fn of(filter: &'a Value) -> Result<Self, Refusal> {
        let part = |name: &str| {
            let text = filter[name].as_str().filter(|text| !text.is_empty());
            text.ok_or_else(|| invalid(format!("{name} of a filter must not be empty")))
        };
        let test = match part("Type")? {
            "TERM_MATCH" | "EQUALS" => Test::Is,
            "CONTAINS" => Test::Contains,
            "ANY_OF" => Test::AnyOf,
            "NONE_OF" => Test::NoneOf,
            other => return Err(invalid(format!("Filter type '{other}' is not supported"))),
        };
        Ok(Self { field: part("Field")?, value: part("Value")?, test })
    }

    /// The region whose products it takes, so that those of others need not be made.
    fn region(&self) -> Option<&'a str> {
        let is_region = matches!(self.field, "regionCode" | "fromRegionCode");
        (is_region && matches!(self.test, Test::Is)).then_some(self.value)
    }

    /// A product without the field is taken by no filter but the one that excludes.
    fn takes(&self, offer: &Offer) -> bool {
        let Some(value) = offer.field(self.field) else { return matches!(self.test, Test::NoneOf) };
        let is_listed = || self.value.split(',').any(|one| one.trim() == value);
        match self.test {
            Test::Is => value == self.value,
            Test::Contains => value.contains(self.value),
            Test::AnyOf => is_listed(),
            Test::NoneOf => !is_listed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_question_and_for_an_hour() {
        let token = Token::write("ABC", "q", 1000);
        assert_eq!(Token::read(&token, "q", 1000 + TOKEN_SECONDS), Ok("ABC".to_owned()));
        let code = |read: Result<String, Refusal>| {
            let super::super::refusal::Code::Own(code) = read.unwrap_err().code else {
                return String::new();
            };
            code
        };
        assert_eq!(code(Token::read(&token, "other", 1000)), "InvalidNextTokenException");
        assert_eq!(code(Token::read("%", "q", 1000)), "InvalidNextTokenException");
        assert_eq!(
            code(Token::read(&token, "q", 1001 + TOKEN_SECONDS)),
            "ExpiredNextTokenException"
        );
    }

    #[test]
    fn filters_take_and_refuse() {
        let offer = offers("AmazonEKS", None).next().expect("an offer");
        let takes = |kind: &str, field: &str, value: &str| {
            let filter = json!({"Type": kind, "Field": field, "Value": value});
            Filter::of(&filter).map(|filter| filter.takes(&offer))
        };
        let region = offer.field("regionCode").expect("a region").to_owned();
        assert_eq!(takes("TERM_MATCH", "regionCode", &region), Ok(true));
        assert_eq!(takes("TERM_MATCH", "regionCode", "sa-east-1"), Ok(false));
        assert_eq!(takes("CONTAINS", "regionCode", &region[..3]), Ok(true));
        assert_eq!(takes("ANY_OF", "regionCode", &format!("sa-east-1, {region}")), Ok(true));
        assert_eq!(takes("NONE_OF", "regionCode", &region), Ok(false));
        assert_eq!(takes("NONE_OF", "tenancy", "Shared"), Ok(true));
        assert_eq!(takes("TERM_MATCH", "serviceCode", "AmazonEKS"), Ok(true));
        assert!(takes("LIKE", "regionCode", "x").is_err());
        assert!(takes("TERM_MATCH", "", "x").is_err());
    }
}
