//! Prices as they are used: each one asked of the book once, its day and source kept, its absence listed.

use std::collections::{BTreeMap, BTreeSet};

use runbook_capacity::money::{Price, Unpriced};
use runbook_capacity::prices::{PriceBook, Provenance, Quote, Service};

use super::showback::PriceBasis;
use crate::observed::CapacityType;

/// How an instance is bought, as far as its price depends on it.
pub(super) type Bought<'a> = (&'a str, &'a str, CapacityType);

pub(super) struct Priced<'b> {
    book: &'b PriceBook,
    instances: BTreeMap<(String, String, CapacityType), Result<Price, Unpriced>>,
    fees: BTreeMap<(String, String), Result<Price, Unpriced>>,
    services: BTreeMap<(String, Service), Result<Price, Unpriced>>,
    sources: BTreeSet<String>,
    basis: PriceBasis,
    /// What has no price, by what it is.
    pub(super) unpriced: BTreeMap<String, Unpriced>,
}

impl<'b> Priced<'b> {
    pub(super) fn new(book: &'b PriceBook) -> Self {
        Self {
            book,
            instances: BTreeMap::new(),
            fees: BTreeMap::new(),
            services: BTreeMap::new(),
            sources: BTreeSet::new(),
            basis: PriceBasis { oldest: None, newest: None, sources: Vec::new(), has_spot: false },
            unpriced: BTreeMap::new(),
        }
    }

    /// An instance by the hour: spot at the median that was seen, everything else on-demand.
    pub(super) fn instance(&mut self, bought: Bought<'_>) -> Result<Price, Unpriced> {
        let (region, instance_type, capacity_type) = bought;
        let key = (region.to_owned(), instance_type.to_owned(), capacity_type);
        if let Some(known) = self.instances.get(&key) {
            return known.clone();
        }
        let price = if capacity_type == CapacityType::Spot {
            self.book.spot(region, instance_type).map(|quote| {
                self.basis.has_spot = true;
                self.used(&quote.provenance);
                quote.median
            })
        } else {
            self.book.on_demand(region, instance_type).cloned().map(|quote| self.quoted(&quote))
        };
        self.instances.insert(key, price.clone());
        price
    }

    /// What Auto Mode adds to an instance, by the hour.
    pub(super) fn auto_mode_fee(
        &mut self,
        region: &str,
        instance_type: &str,
    ) -> Result<Price, Unpriced> {
        let key = (region.to_owned(), instance_type.to_owned());
        if let Some(known) = self.fees.get(&key) {
            return known.clone();
        }
        let quote = self.book.auto_mode_fee(region, instance_type);
        let price = quote.map(|quote| self.quoted(&quote));
        self.fees.insert(key, price.clone());
        price
    }

    /// A service.
    pub(super) fn service(&mut self, region: &str, service: Service) -> Result<Price, Unpriced> {
        let key = (region.to_owned(), service);
        if let Some(known) = self.services.get(&key) {
            return known.clone();
        }
        let quote = self.book.service(region, service).cloned();
        let price = quote.map(|quote| self.quoted(&quote));
        self.services.insert(key, price.clone());
        price
    }

    /// Lists what has no price.
    pub(super) fn list(&mut self, what: String, why: Unpriced) {
        self.unpriced.entry(what).or_insert(why);
    }

    /// What the prices stand on.
    pub(super) fn basis(&self) -> PriceBasis {
        PriceBasis { sources: self.sources.iter().cloned().collect(), ..self.basis.clone() }
    }

    fn quoted(&mut self, quote: &Quote) -> Price {
        self.used(&quote.provenance);
        quote.price
    }

    fn used(&mut self, provenance: &Provenance) {
        let day = provenance.as_of;
        self.basis.oldest = Some(self.basis.oldest.map_or(day, |oldest| oldest.min(day)));
        self.basis.newest = Some(self.basis.newest.map_or(day, |newest| newest.max(day)));
        if !self.sources.contains(&provenance.source) {
            self.sources.insert(provenance.source.clone());
        }
    }
}
