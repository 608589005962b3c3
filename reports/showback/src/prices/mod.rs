//! Asking the Price List about a region, and reading the answers into a list of ours.
//!
//! All is asked before anything is used, so a page that fails leaves what was known as it is. A price
//! is taken only where one thing has one price above zero in dollars: two prices for one thing leave
//! it open, and it has none; a zero or another currency is no price, and what was known stays.

mod changes;
mod item;
mod product;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use runbook_capacity::money::{Price, Unit};
use runbook_capacity::prices::{ListSource, ListedPrice, PriceList, Service};
use runbook_clients::Error;
use runbook_clients::aws::pricing::Client;

pub use changes::{Change, Changes, Missing};
use item::Item;
pub(crate) use item::{PREFIXES, UNNAMED_REGION};
use product::{Listing, NoPrice, one_of};

/// What is asked: a service, the attribute that names the region, and what else its products have.
type Question = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const QUESTIONS: [Question; 8] = [
    (
        "AmazonEC2",
        "regionCode",
        &[
            ("operatingSystem", "Linux"),
            ("tenancy", "Shared"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
            ("marketoption", "OnDemand"),
        ],
    ),
    ("AmazonEC2", "regionCode", &[("volumeApiName", "gp3")]),
    ("AmazonEC2", "regionCode", &[("volumeApiName", "gp2")]),
    ("AmazonEC2", "regionCode", &[("productFamily", "NAT Gateway")]),
    ("AmazonEKS", "regionCode", &[]),
    ("AmazonECS", "regionCode", &[]),
    ("AmazonVPC", "regionCode", &[]),
    ("AWSDataTransfer", "fromRegionCode", &[("transferType", "IntraRegion")]),
];

/// The services whose prices are asked for.
pub fn asked_services() -> impl Iterator<Item = Service> {
    Service::all().filter(|service| *service != Service::CostExplorerRequest)
}

/// Something that was answered and is no price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// An instance type, a service, or where it was found.
    pub item: String,
    /// Why.
    pub reason: String,
}

/// What was answered about a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The prices, and what is left open.
    pub list: PriceList,
    /// What is no price, so that what was known stays.
    pub refused: Vec<Refused>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
#[error("failed to ask for the prices of `{service}` in {region}")]
pub struct AskError {
    /// The service that was asked about.
    pub service: &'static str,
    /// The region.
    pub region: String,
    /// Why.
    pub source: Error,
}

/// Asks for everything that has a price in a region.
pub async fn ask(
    client: &Client,
    region: &str,
    source: ListSource,
    today: Date,
) -> Result<Answered, AskError> {
    let mut texts = Vec::new();
    for (service, region_attribute, others) in QUESTIONS {
        let mut attributes = vec![(region_attribute, region)];
        attributes.extend_from_slice(others);
        let products = client.products(service, &attributes).await;
        texts.extend(products.map_err(|source| AskError {
            service,
            region: region.to_owned(),
            source,
        })?);
    }
    Ok(read(&texts, region, source, today))
}

/// A list that takes the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// What was answered.
    pub answered: Answered,
    /// The same with what the list before had and nobody answered.
    pub list: PriceList,
}

/// Why the list before stays.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Asking failed.
    #[error(transparent)]
    Asking(#[from] AskError),
    /// Nothing was answered.
    #[error("the {from} has no price in {region}; is it the name of a region?")]
    Nothing {
        /// Who was asked.
        from: ListSource,
        /// About which region.
        region: String,
    },
}

impl RefreshError {
    /// Whether the caller is not allowed to ask.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Asking(error) if error.source.is_denied())
    }
}

/// Asks for a region's prices. What was not answered keeps the price and the day of the list before.
pub async fn refreshed(
    client: &Client,
    region: &str,
    source: ListSource,
    today: Date,
    old: Option<PriceList>,
) -> Result<Refreshed, RefreshError> {
    let answered = ask(client, region, source, today).await?;
    let mut list = answered.list.clone();
    if list.on_demand.is_empty() && list.services.is_empty() {
        return Err(RefreshError::Nothing { from: list.source, region: list.region });
    }
    if let Some(old) = old {
        list.keep(old);
    }
    Ok(Refreshed { answered, list })
}

/// Reads products, whatever was asked for: those that are not looked for are passed over.
pub fn read(texts: &[String], region: &str, source: ListSource, today: Date) -> Answered {
    let mut reading = Reading::default();
    for text in texts {
        match Listing::read(text) {
            Ok(listing) => reading.take(&listing, region),
            Err(error) => reading.refused.push(Refused {
                item: "a product".to_owned(),
                reason: format!("it cannot be read: {error}"),
            }),
        }
    }
    reading.done(PriceList::new(region, source, today))
}

/// The prices of one thing.
#[derive(Default)]
struct Found {
    prices: BTreeSet<Price>,
    /// The usage type and the day of the last one that had a price.
    from: Option<(String, Date)>,
    /// Why one of them had none.
    why: Option<NoPrice>,
}

#[derive(Default)]
struct Reading {
    found: BTreeMap<Item, Found>,
    refused: Vec<Refused>,
}

impl Reading {
    fn take(&mut self, listing: &Listing, region: &str) {
        let Some(item) = Item::of(listing, region) else { return };
        let (units, unit) = item.units();
        let found = self.found.entry(item).or_default();
        match listing.price(units, unit) {
            Ok(price) => {
                found.prices.insert(price);
                let from = (listing.usage_type().to_owned(), listing.published());
                found.from = found.from.take().max(Some(from));
            }
            // That it is open counts for more than that another product has none.
            Err(why @ NoPrice::Several(..)) => found.why = Some(why),
            Err(why) => drop(found.why.get_or_insert(why)),
        }
    }

    fn done(mut self, mut list: PriceList) -> Answered {
        let mut on_top = None;
        for (item, found) in std::mem::take(&mut self.found) {
            let listed = match found.listed(&list) {
                Ok(listed) => listed,
                Err(why @ NoPrice::Several(..)) => {
                    list.unpriced.insert(item.name().to_owned(), why.to_string());
                    continue;
                }
                Err(why) => {
                    let item = item.name().to_owned();
                    self.refused.push(Refused { item, reason: why.to_string() });
                    continue;
                }
            };
            match item {
                Item::Instance(name) => drop(list.on_demand.insert(name, listed)),
                Item::Service(service) => drop(list.services.insert(service, listed)),
                Item::ExtendedSupport => on_top = Some(listed),
            }
        }
        // The list has what comes on top; our figure is the whole fee.
        if let (Some(on_top), Some(standard)) =
            (on_top, list.services.get(&Service::EksControlPlane))
        {
            let whole =
                on_top.price.ten_billionths().saturating_add(standard.price.ten_billionths());
            let usage_type = format!("{} and {}", standard.usage_type, on_top.usage_type);
            let whole = ListedPrice { price: Price::new(whole, Unit::Hour), usage_type, ..on_top };
            list.services.insert(Service::EksControlPlaneExtendedSupport, whole);
        }
        Answered { list, refused: self.refused }
    }
}

impl Found {
    fn listed(self, list: &PriceList) -> Result<ListedPrice, NoPrice> {
        if let Some(NoPrice::Several(..)) = &self.why {
            return Err(self.why.unwrap_or(NoPrice::None));
        }
        let price = one_of(&self.prices).unwrap_or(Err(self.why.unwrap_or(NoPrice::None)))?;
        let (usage_type, published) = self.from.ok_or(NoPrice::None)?;
        // AWS answers for today. The sandbox has known figures of some day, which asking for them
        // does not make newer.
        let is_simulated = list.source == ListSource::Sandbox;
        let as_of = if is_simulated { published } else { list.fetched };
        Ok(ListedPrice { price, as_of, published, usage_type })
    }
}
