//! The price lists of the state folder, and the price book with them.
//!
//! Lists of AWS, of the sandbox and of whoever stands at `AWS_ENDPOINT_URL` lie in folders of their
//! own, and each says inside from where it is. A question is answered with the lists of its own source
//! only, so no simulated price gets into an answer about a real account.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use runbook_capacity::prices::{ListSource, PriceBook, PriceList};

use crate::environment::Environment;
use crate::state::{StateFolder, write_whole};
use crate::target::On;
use crate::trouble::Trouble;

/// Where the lists before the present one are, in its folder.
const EARLIER: &str = "earlier";

/// The lists of one source.
#[derive(Debug, Clone)]
pub(crate) struct PriceLists {
    source: ListSource,
    folder: PathBuf,
    /// As a person would type it.
    shown: String,
}

impl PriceLists {
    /// Those that answer questions about a target.
    pub(crate) fn on(on: On, state: &StateFolder, environment: &Environment) -> Self {
        let source = match (on, endpoint(environment)) {
            (On::Sandbox, _) => ListSource::Sandbox,
            (On::Aws, Some(url)) => ListSource::Endpoint(url.to_owned()),
            (On::Aws, None) => ListSource::Aws,
        };
        Self::of(source, state)
    }

    /// Those of a source.
    pub(crate) fn of(source: ListSource, state: &StateFolder) -> Self {
        let inner = match &source {
            ListSource::Aws => "prices".to_owned(),
            ListSource::Sandbox => "prices/sandbox".to_owned(),
            ListSource::Endpoint(url) => {
                let hash = blake3::hash(url.as_bytes()).to_hex();
                format!("prices/at-{}", &hash[..16])
            }
        };
        let shown = format!("{}/{inner}", state.shown);
        Self { source, folder: state.path.join(inner), shown }
    }

    /// Whose they are.
    pub(crate) fn source(&self) -> &ListSource {
        &self.source
    }

    /// The list of a region, if one was asked for.
    pub(crate) fn list(&self, region: &str) -> Result<Option<PriceList>, String> {
        self.read(region, &format!("{region}.json"))
    }

    /// The lists of a region before the present one, in order of their days.
    fn earlier(&self, region: &str) -> Result<Vec<PriceList>, String> {
        let mut lists = Vec::new();
        for file in names(&self.folder.join(EARLIER), &format!("{}/{EARLIER}", self.shown))? {
            let day = file.strip_prefix(region).and_then(|rest| rest.strip_prefix('.'));
            if day.is_some_and(|day| day.parse::<Date>().is_ok()) {
                lists.extend(self.read(region, &format!("{EARLIER}/{file}.json"))?);
            }
        }
        lists.sort_by_key(|list| list.fetched);
        Ok(lists)
    }

    /// The price book as it was on a day; none when that is the present one.
    pub(crate) fn book_on(&self, day: Date) -> Result<Option<PriceBook>, String> {
        let mut book = Cow::Borrowed(PriceBook::embedded());
        let mut is_other = false;
        for region in self.regions()? {
            let present = self.list(&region)?;
            let mut known = self.earlier(&region)?;
            known.extend(present.clone());
            known.retain(|list| list.fetched <= day);
            let then = known.last();
            is_other |= match (then, &present) {
                (Some(then), Some(present)) => !then.has_prices_of(present),
                (None, present) => present.is_some(),
                (Some(_), None) => true,
            };
            if let Some(then) = then {
                book = Cow::Owned(book.refreshed(then));
            }
        }
        Ok(is_other.then(|| book.into_owned()))
    }

    fn read(&self, region: &str, file: &str) -> Result<Option<PriceList>, String> {
        let path = self.folder.join(file);
        let name = format!("`{}/{file}`", self.shown);
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("failed to read {name}: {error}")),
        };
        let on = if self.source == ListSource::Sandbox { "" } else { " --on aws" };
        let way_out = |why: String| {
            format!(
                "{why}; remove it, and `runbook prices refresh{on} --region {region}` asks again"
            )
        };
        let list = PriceList::read(&name, &text).map_err(|error| way_out(error.to_string()))?;
        if list.region != region || list.source != self.source {
            return Err(way_out(format!(
                "{name} is not what its place says: it is of {}, {}",
                list.region, list.source
            )));
        }
        Ok(Some(list))
    }

    /// Stores a list; its path as a person would type it. The one before stays among the earlier ones, by
    /// the day on which it was asked for; one with the same prices as the earlier one before it adds nothing.
    pub(crate) fn store(&self, list: &PriceList, state: &StateFolder) -> Result<String, Trouble> {
        state.create()?;
        let earlier = self.folder.join(EARLIER);
        std::fs::create_dir_all(&earlier).map_err(|error| {
            Trouble::failed(format!("failed to create `{}`: {error}", earlier.display()))
        })?;
        if let Some(old) = self.list(&list.region).map_err(Trouble::usage)? {
            let known = self.earlier(&list.region).map_err(Trouble::usage)?;
            let is_known = known.last().is_some_and(|newest| newest.has_prices_of(&old));
            if old.fetched < list.fetched && !is_known {
                let file = format!("{}.{}.json", old.region, old.fetched);
                write_whole(&earlier.join(file), old.text().as_bytes())?;
            }
        }
        let file = format!("{}.json", list.region);
        write_whole(&self.folder.join(&file), list.text().as_bytes())?;
        Ok(format!("{}/{file}", self.shown))
    }

    /// The price book for questions about a region, or about every region.
    pub(crate) fn book(&self, region: Option<&str>) -> Result<Cow<'static, PriceBook>, String> {
        let regions = match region {
            Some(region) => vec![region.to_owned()],
            None => self.regions()?,
        };
        let mut book = Cow::Borrowed(PriceBook::embedded());
        for region in regions {
            if let Some(list) = self.list(&region)? {
                book = Cow::Owned(book.refreshed(&list));
            }
        }
        Ok(book)
    }

    /// The regions that have a list, by name; none when nothing was ever asked for.
    fn regions(&self) -> Result<Vec<String>, String> {
        names(&self.folder, &self.shown)
    }
}

/// The names of the JSON files of a folder, without their ending, in order; none where it is not there.
fn names(folder: &Path, shown: &str) -> Result<Vec<String>, String> {
    let failed = |error: std::io::Error| format!("failed to list `{shown}`: {error}");
    let files = match std::fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for file in files {
        let name = file.map_err(failed)?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
        names.extend(name.map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Why a list cannot be asked of an address that a profile names.
pub(crate) fn unknown_endpoint(source: &ListSource, endpoint: Option<&str>) -> Option<String> {
    let url = endpoint.filter(|_| *source == ListSource::Aws)?;
    Some(format!("the profile asks {url}, and questions would not know whose list to use"))
}

/// Where every service is asked instead of AWS.
fn endpoint(environment: &Environment) -> Option<&str> {
    environment.get("AWS_ENDPOINT_URL")
}
