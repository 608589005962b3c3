//! A list of prices that was asked for: what the Price List says about one region, kept as a file.
//!
//! Each price has its day and its usage type. A list of the sandbox and one of AWS are never taken for
//! each other: from where a list is stands in it, and in the source of every price of it. Reading is
//! strict, for a half-read list would price things wrongly without a word.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Currency, PriceBook, Provenance, Quote, Service};
use crate::money::{Price, Unit};

/// The format that is written, and the newest that is read.
const FORMAT: u64 = 1;

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ListSource {
    /// AWS's own Price List.
    Aws,
    /// That of the sandbox: made of the prices inside this program.
    Sandbox,
    /// Whoever is at this address.
    Endpoint(String),
}

impl fmt::Display for ListSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws => formatter.write_str("AWS Price List"),
            Self::Sandbox => formatter.write_str("Price List of the sandbox"),
            Self::Endpoint(url) => write!(formatter, "Price List at {url}"),
        }
    }
}

impl From<String> for ListSource {
    fn from(text: String) -> Self {
        match text.as_str() {
            "aws" => Self::Aws,
            "sandbox" => Self::Sandbox,
            _ => Self::Endpoint(text),
        }
    }
}

impl From<ListSource> for String {
    fn from(source: ListSource) -> Self {
        match source {
            ListSource::Aws => "aws".to_owned(),
            ListSource::Sandbox => "sandbox".to_owned(),
            ListSource::Endpoint(url) => url,
        }
    }
}

/// One price of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPrice {
    /// The price.
    pub price: Price,
    /// The day it was current.
    pub as_of: Date,
    /// The day it was published.
    pub published: Date,
    /// What a bill calls it, such as `APN2-BoxUsage:m7g.large`.
    pub usage_type: String,
}

/// What was answered about a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceList {
    /// The region.
    pub region: String,
    /// Who answered.
    pub source: ListSource,
    /// The day of the last question.
    pub fetched: Date,
    /// On-demand prices, by instance type.
    pub on_demand: BTreeMap<String, ListedPrice>,
    /// Prices of services.
    pub services: BTreeMap<Service, ListedPrice>,
    /// What was answered in a way that leaves its price open, and why. It has no price.
    pub unpriced: BTreeMap<String, String>,
}

/// A list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceListError {
    /// It is cut off, or not of this form.
    #[error("{name} is damaged: {why}")]
    Damaged {
        /// Which.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is of a later version of this program.
    #[error("{name} has format {found}; this program reads formats up to {FORMAT}")]
    Newer {
        /// Which.
        name: String,
        /// Its format.
        found: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    usd: String,
    as_of: Date,
    published: Date,
    usage_type: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "it is looked at before the rest is read")]
    kind: String,
    #[expect(dead_code, reason = "it is looked at before the rest is read")]
    format: u64,
    region: String,
    source: ListSource,
    #[expect(dead_code, reason = "reading it refuses any other")]
    currency: Currency,
    fetched: Date,
    on_demand: BTreeMap<String, Row>,
    services: BTreeMap<String, Row>,
    unpriced: BTreeMap<String, String>,
}

impl PriceList {
    /// An empty list.
    pub fn new(region: &str, source: ListSource, fetched: Date) -> Self {
        Self {
            region: region.to_owned(),
            source,
            fetched,
            on_demand: BTreeMap::new(),
            services: BTreeMap::new(),
            unpriced: BTreeMap::new(),
        }
    }

    /// As it is stored: one price per line.
    pub fn text(&self) -> String {
        let on_demand = self.on_demand.iter().map(|(name, listed)| (name.as_str(), listed.row()));
        let services = self.services.iter().map(|(one, listed)| (one.name(), listed.row()));
        let unpriced = self.unpriced.iter().map(|(name, why)| (name.as_str(), Value::from(&**why)));
        let head = [
            ("kind", Value::from("PriceList")),
            ("format", Value::from(FORMAT)),
            ("region", Value::from(&*self.region)),
            ("source", Value::from(String::from(self.source.clone()))),
            ("currency", Value::from(Currency::default().code())),
            ("fetched", Value::from(self.fetched.to_string())),
        ];
        let head = head.map(|(name, value)| format!("  \"{name}\": {value}"));
        let sections = [
            section("on_demand", on_demand),
            section("services", services),
            section("unpriced", unpriced),
        ];
        format!("{{\n{},\n{}\n}}\n", head.join(",\n"), sections.join(",\n"))
    }

    /// Reads what [`Self::text`] wrote; `name` is for the error.
    pub fn read(name: &str, text: &str) -> Result<Self, PriceListError> {
        let damaged = |why: String| PriceListError::Damaged { name: name.to_owned(), why };
        let whole: Value =
            serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        if whole["kind"] != "PriceList" {
            return Err(damaged("it is not a price list".to_owned()));
        }
        match whole["format"].as_u64() {
            None => return Err(damaged("it has no format".to_owned())),
            Some(found) if found > FORMAT => {
                return Err(PriceListError::Newer { name: name.to_owned(), found });
            }
            Some(_) => {}
        }
        let file: File =
            serde_json::from_value(whole).map_err(|error| damaged(error.to_string()))?;
        let mut list = Self::new(&file.region, file.source, file.fetched);
        list.unpriced = file.unpriced;
        for (item, row) in file.on_demand {
            let listed = row.listed(Unit::Hour).map_err(|why| damaged(format!("{item}: {why}")))?;
            list.on_demand.insert(item, listed);
        }
        for (item, row) in file.services {
            let (service, unit) = Service::parse(&item)
                .ok_or_else(|| damaged(format!("`{item}` is not a service")))?;
            let listed = row.listed(unit).map_err(|why| damaged(format!("{item}: {why}")))?;
            list.services.insert(service, listed);
        }
        Ok(list)
    }

    /// Keeps the prices of an older list that this one does not answer, with their older days.
    pub fn keep(&mut self, older: Self) {
        for (name, listed) in older.on_demand {
            if !self.unpriced.contains_key(&name) {
                self.on_demand.entry(name).or_insert(listed);
            }
        }
        for (service, listed) in older.services {
            if !self.unpriced.contains_key(service.name()) {
                self.services.entry(service).or_insert(listed);
            }
        }
    }

    /// Whether both price everything alike, whenever they were asked for.
    pub fn has_prices_of(&self, other: &Self) -> bool {
        fn alike<K: Ord>(one: &BTreeMap<K, ListedPrice>, other: &BTreeMap<K, ListedPrice>) -> bool {
            let prices = |all: &BTreeMap<K, ListedPrice>| -> Vec<Price> {
                all.values().map(|listed| listed.price).collect()
            };
            one.keys().eq(other.keys()) && prices(one) == prices(other)
        }
        self.region == other.region
            && alike(&self.on_demand, &other.on_demand)
            && alike(&self.services, &other.services)
            && self.unpriced.keys().eq(other.unpriced.keys())
    }

    fn quote(&self, listed: &ListedPrice) -> Quote {
        let source =
            format!("{}, {}, published {}", self.source, listed.usage_type, listed.published);
        Quote {
            price: listed.price,
            provenance: Arc::new(Provenance { as_of: listed.as_of, source }),
        }
    }
}

fn section<'a>(name: &str, rows: impl Iterator<Item = (&'a str, Value)>) -> String {
    let rows: Vec<String> =
        rows.map(|(item, row)| format!("    {}: {row}", Value::from(item))).collect();
    if rows.is_empty() {
        return format!("  \"{name}\": {{}}");
    }
    format!("  \"{name}\": {{\n{}\n  }}", rows.join(",\n"))
}

impl ListedPrice {
    fn row(&self) -> Value {
        let row = Row {
            usd: self.price.to_string(),
            as_of: self.as_of,
            published: self.published,
            usage_type: self.usage_type.clone(),
        };
        serde_json::to_value(row).unwrap_or_default()
    }
}

impl Row {
    fn listed(self, unit: Unit) -> Result<ListedPrice, String> {
        let price = Price::parse(&self.usd, unit).map_err(|error| error.to_string())?;
        let Self { as_of, published, usage_type, .. } = self;
        Ok(ListedPrice { price, as_of, published, usage_type })
    }
}

impl PriceBook {
    /// The book with the prices of a list in place of its own; what the list leaves open has none.
    #[must_use]
    pub fn refreshed(&self, list: &PriceList) -> Self {
        let mut book = self.clone();
        for (name, listed) in &list.on_demand {
            book.set_on_demand(&list.region, name, list.quote(listed));
        }
        for (service, listed) in &list.services {
            book.set_service(&list.region, *service, list.quote(listed));
        }
        for (item, why) in &list.unpriced {
            book.unprice(&list.region, item, format!("{}: {why}", list.source));
        }
        book
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Date {
        text.parse().expect("a day")
    }

    fn listed(usd: &str, unit: Unit, usage_type: &str) -> ListedPrice {
        ListedPrice {
            price: Price::parse(usd, unit).expect("a price"),
            as_of: day("2026-11-26"),
            published: day("2026-11-20"),
            usage_type: usage_type.to_owned(),
        }
    }

    fn list() -> PriceList {
        let mut list =
            PriceList::new("ap-northeast-2", ListSource::Aws, "2026-11-26".parse().expect("a day"));
        let m7g = listed("0.1003", Unit::Hour, "APN2-BoxUsage:m7g.large");
        list.on_demand.insert("m7g.large".to_owned(), m7g);
        let gp3 = listed("0.0912", Unit::Month, "APN2-EBS:VolumeUsage.gp3");
        list.services.insert(Service::EbsGp3, gp3);
        list.unpriced.insert("eks_control_plane".to_owned(), "2 different prices".to_owned());
        list
    }

    const TEXT: &str = r#"{
  "kind": "PriceList",
  "format": 1,
  "region": "ap-northeast-2",
  "source": "aws",
  "currency": "USD",
  "fetched": "2026-11-26",
  "on_demand": {
    "m7g.large": {"usd":"0.1003","as_of":"2026-11-26","published":"2026-11-20","usage_type":"APN2-BoxUsage:m7g.large"}
  },
  "services": {
    "ebs_gp3": {"usd":"0.0912","as_of":"2026-11-26","published":"2026-11-20","usage_type":"APN2-EBS:VolumeUsage.gp3"}
  },
  "unpriced": {
    "eks_control_plane": "2 different prices"
  }
}
"#;

    #[test]
    fn a_list_is_stored_and_read() {
        let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(value(&list().text()), value(TEXT));
        assert_eq!(list().text().lines().count(), TEXT.lines().count());
        assert_eq!(PriceList::read("x.json", TEXT), Ok(list()));
    }

    #[test]
    fn lists_are_alike_by_their_prices_alone() {
        let mut later = list();
        later.fetched = day("2026-12-01");
        if let Some(listed) = later.on_demand.get_mut("m7g.large") {
            listed.published = day("2026-11-30");
        }
        assert!(list().has_prices_of(&later) && later.has_prices_of(&list()));
        later.on_demand.insert("c7g.large".to_owned(), listed("0.1", Unit::Hour, "c7g"));
        assert!(!list().has_prices_of(&later) && !later.has_prices_of(&list()));
        let mut dearer = list();
        dearer.on_demand.insert("m7g.large".to_owned(), listed("0.2", Unit::Hour, "m7g"));
        assert!(!list().has_prices_of(&dearer));
        let mut open = list();
        open.unpriced.clear();
        assert!(!list().has_prices_of(&open));
    }

    #[test]
    fn what_is_damaged_or_newer_is_refused_by_name() {
        let refused =
            |text: &str| PriceList::read("x.json", text).expect_err("refused").to_string();
        for end in (0..TEXT.len() - 2).step_by(7) {
            assert!(refused(&TEXT[..end]).starts_with("x.json is damaged: "), "{end}");
        }
        let with = |old: &str, new: &str| {
            let text = TEXT.replacen(old, new, 1);
            assert_ne!(text, TEXT);
            refused(&text)
        };
        assert_eq!(
            with("\"format\": 1", "\"format\": 2"),
            "x.json has format 2; this program reads formats up to 1"
        );
        assert_eq!(with("PriceList", "Inventory"), "x.json is damaged: it is not a price list");
        assert_eq!(
            with("0.1003", "0.0"),
            "x.json is damaged: m7g.large: `0.0` is not a price in dollars: a price of zero says that it is not known; leave it out"
        );
        assert!(with("USD", "CNY").contains("prices are in `CNY`; only USD is understood"));
        assert_eq!(with("ebs_gp3", "ebs_gp9"), "x.json is damaged: `ebs_gp9` is not a service");
        assert!(with("\"as_of\"", "\"of\"").contains("unknown field `of`"));
    }

    #[test]
    fn a_book_takes_the_list_and_keeps_the_rest() {
        let embedded = PriceBook::embedded();
        let mut dearer = list();
        dearer.on_demand.get_mut("m7g.large").expect("listed").price =
            Price::parse("0.2", Unit::Hour).expect("a price");
        let book = embedded.refreshed(&dearer);
        let quote = book.on_demand("ap-northeast-2", "m7g.large").expect("a price");
        assert_eq!(quote.price.to_string(), "0.2");
        assert_eq!(quote.provenance.as_of, day("2026-11-26"));
        assert_eq!(
            quote.provenance.source,
            "AWS Price List, APN2-BoxUsage:m7g.large, published 2026-11-20"
        );
        for (region, name) in [("ap-northeast-2", "m6i.large"), ("us-east-1", "m7g.large")] {
            assert_eq!(book.on_demand(region, name), embedded.on_demand(region, name));
        }
        // What is left open has no price, not that of every region either.
        assert_eq!(
            book.service("ap-northeast-2", Service::EksControlPlane).unwrap_err().reason,
            "AWS Price List: 2 different prices"
        );
        assert!(book.service("us-east-1", Service::EksControlPlane).is_ok());
        // The next list knows again.
        let mut next = list();
        next.unpriced.clear();
        next.services.insert(Service::EksControlPlane, listed("0.1", Unit::Hour, "APN2-x"));
        assert!(book.refreshed(&next).service("ap-northeast-2", Service::EksControlPlane).is_ok());
    }

    #[test]
    fn lists_of_others_say_so() {
        let mut other = list();
        for (source, word, prefix) in [
            (ListSource::Sandbox, "sandbox", "Price List of the sandbox, "),
            (
                ListSource::Endpoint("http://127.0.0.1:5000".to_owned()),
                "http://127.0.0.1:5000",
                "Price List at http://127.0.0.1:5000, ",
            ),
        ] {
            other.source = source;
            assert!(other.text().contains(&format!("\"source\": \"{word}\"")), "{}", other.text());
            assert_eq!(PriceList::read("x", &other.text()), Ok(other.clone()));
            let book = PriceBook::embedded().refreshed(&other);
            let quote = book.on_demand("ap-northeast-2", "m7g.large").expect("a price");
            assert!(quote.provenance.source.starts_with(prefix), "{quote:?}");
        }
    }

    #[test]
    fn what_is_not_answered_again_keeps_its_day() {
        let mut newer = PriceList::new("ap-northeast-2", ListSource::Aws, day("2026-12-24"));
        newer.unpriced.insert("ebs_gp3".to_owned(), "open".to_owned());
        newer.keep(list());
        assert_eq!(newer.on_demand, list().on_demand);
        assert!(newer.services.is_empty());
    }

    proptest! {
        #[test]
        fn every_list_survives_its_file(prices in prop::collection::btree_map("[a-z0-9.\"\\\\-]{1,12}", 1_i64..i64::MAX, 0..20), why in ".*") {
            let mut list = PriceList::new("eu-west-1", ListSource::Sandbox, day("2026-11-26"));
            for (name, units) in prices {
                let price = Price::new(units, Unit::Hour);
                list.on_demand.insert(name, ListedPrice { price, ..listed("1", Unit::Hour, "EU-x") });
            }
            list.unpriced.insert("x".to_owned(), why);
            prop_assert_eq!(PriceList::read("x", &list.text()), Ok(list));
        }
    }
}
