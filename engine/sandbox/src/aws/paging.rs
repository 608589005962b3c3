//! Pages of lists: a token says after which item the next page begins, so that what is added or
//! removed between two pages neither repeats nor skips anything else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Input, Refusal};

/// How a service speaks of pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paging {
    pub(crate) token: &'static str,
    pub(crate) limit: &'static str,
    /// Items of a page at most, and when nothing is asked for.
    pub(crate) most: usize,
    /// The fewest that can be asked for.
    pub(crate) least: usize,
    /// The code for a token that is not ours.
    pub(crate) bad_token: &'static str,
}

/// One page of items that come sorted by key; the token of the next, if there is one.
pub(crate) fn page(
    paging: Paging,
    input: &Input,
    items: Vec<(String, Value)>,
) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let bad =
        || Refusal::bad(paging.bad_token, format!("The specified {} is invalid", paging.token));
    let after = match input.text(paging.token) {
        None => None,
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
            Some(String::from_utf8(bytes).map_err(|_| bad())?)
        }
    };
    let asked = input.count(paging.limit)?.unwrap_or(paging.most);
    if !(paging.least..=paging.most).contains(&asked) {
        return Err(Refusal::invalid(format!(
            "Value ( {asked} ) for parameter {} is invalid. Expecting a value from {} to {}.",
            paging.limit, paging.least, paging.most
        )));
    }
    let most = asked.min(input.page_limit.unwrap_or(paging.most)).clamp(1, paging.most);
    let mut rest = items
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
        .peekable();
    let mut page = Vec::new();
    let mut last = String::new();
    while page.len() < most
        && let Some((key, value)) = rest.next()
    {
        page.push(value);
        last = key;
    }
    let next = rest.peek().map(|_| URL_SAFE_NO_PAD.encode(last));
    Ok((page, next))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAGING: Paging = Paging { token: "t", limit: "n", most: 100, least: 1, bad_token: "Bad" };

    #[test]
    fn pages_join_to_the_whole() {
        let items: Vec<(String, Value)> =
            (0..7).map(|number| (format!("k{number}"), json!(number))).collect();
        let mut seen = Vec::new();
        let mut token = Value::Null;
        loop {
            let input = Input::from_json(json!({"t": token, "n": 3}));
            let (values, next) = page(PAGING, &input, items.clone()).unwrap();
            seen.push(values.len());
            let Some(next) = next else { break };
            token = json!(next);
        }
        assert_eq!(seen, [3, 3, 1]);
        let input = Input::from_json(json!({"t": "%"}));
        assert_eq!(page(PAGING, &input, items).unwrap_err().message, "The specified t is invalid");
    }
}
