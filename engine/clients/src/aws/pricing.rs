//! The Price List: the products of a service and what they cost, as AWS itself publishes it. Read only.
//!
//! A product comes as a JSON text with its terms, of a shape that no model describes; it is handed on
//! as it is, and whoever prices something reads it. The Price List of all regions is served from a
//! few of them only, so where it is asked does not depend on the region that is asked about.

use aws_sdk_pricing::types::{Filter, FilterType};

use super::call::Calls;
use crate::error::{Class, Error, Said};

/// Products per page: as many as the service gives.
const PAGE: i32 = 100;

/// Calls the Price List.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_pricing::Client,
    calls: Calls,
    endpoint: Option<String>,
}

impl Client {
    pub(super) fn new(
        sdk: aws_sdk_pricing::Client,
        calls: Calls,
        endpoint: Option<String>,
    ) -> Self {
        Self { sdk, calls, endpoint }
    }

    /// Who is asked instead of AWS, whether the settings, the environment or a profile say so.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// All products of a service whose attributes have exactly these values, each as its JSON text.
    pub async fn products(
        &self,
        service_code: &str,
        attributes: &[(&str, &str)],
    ) -> Result<Vec<String>, Error> {
        const OPERATION: &str = "GetProducts";
        let filter = |(field, value): &(&str, &str)| {
            Filter::builder().r#type(FilterType::TermMatch).field(*field).value(*value).build()
        };
        let filters = attributes
            .iter()
            .map(filter)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.calls.unbuilt(OPERATION, &error))?;
        let mut products = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .read(OPERATION, || {
                    self.sdk
                        .get_products()
                        .service_code(service_code)
                        .set_filters(Some(filters.clone()))
                        .format_version("aws_v1")
                        .max_results(PAGE)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            products.extend(page.price_list.unwrap_or_default());
            match page.next_token {
                Some(next) if next.is_empty() => return Ok(products),
                // A token that is given again would be followed for ever.
                Some(next) if token.as_deref() == Some(&next) => {
                    let what = "the answer names the page that was asked for as its next one";
                    return Err(self.calls.error(OPERATION, Said::unsent(Class::Unreadable, what)));
                }
                Some(next) => token = Some(next),
                None => return Ok(products),
            }
        }
    }
}
