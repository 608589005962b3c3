//! What a unit of something costs: by the price book, by the scenario, less its discount.

use runbook_capacity::money::Unpriced;
use runbook_capacity::prices::{PriceBook, Service};

use super::places::Place;
use super::settings::Billing;

/// A rate, in 10⁻¹⁰ $ per unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// The public on-demand rate.
    pub(crate) list: i64,
    /// What is charged before discounts that have columns of their own.
    pub(crate) unblended: i64,
    /// What is to be paid.
    pub(crate) net: i64,
}

pub(crate) struct Rates<'a> {
    pub(crate) region: &'a str,
    pub(crate) settings: &'a Billing,
}

impl Rates<'_> {
    pub(crate) fn instance(
        &self,
        name: &str,
        is_spot: bool,
        place: &Place,
    ) -> Result<Rate, Unpriced> {
        let book = PriceBook::embedded();
        let planted = self.settings.prices.get(name).map(|price| price.0);
        let list = match planted {
            Some(price) => price,
            None => book.on_demand(self.region, name)?.price.ten_billionths(),
        };
        let paid =
            if is_spot { book.spot(self.region, name)?.median.ten_billionths() } else { list };
        Ok(self.discounted(list, paid, place))
    }

    pub(crate) fn service(&self, service: Service, place: &Place) -> Result<Rate, Unpriced> {
        let planted = self.settings.prices.get(service.name()).map(|price| price.0);
        let list = if let Some(price) = planted {
            price
        } else {
            PriceBook::embedded().service(self.region, service)?.price.ten_billionths()
        };
        Ok(self.discounted(list, list, place))
    }

    fn discounted(&self, list: i64, paid: i64, place: &Place) -> Rate {
        let share = self.settings.discount.get(place.discount).map_or(0, |share| share.0);
        let net = (i128::from(paid) * i128::from(10_000 - share) * 2 + 10_000).div_euclid(20_000);
        let net = i64::try_from(net).unwrap_or(i64::MAX);
        let unblended = if self.settings.net_amortized { paid } else { net };
        Rate { list, unblended, net }
    }
}
