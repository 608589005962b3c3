//! The currency of a price book. There is one: a sum of two currencies is none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// US dollars, in which AWS lists prices outside of China.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(());

/// A currency that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "prices are in `{0}`; only USD is understood, for prices of two currencies cannot be added up"
)]
pub struct OtherCurrency(String);

impl Currency {
    /// Reads its code.
    pub fn parse(code: &str) -> Result<Self, OtherCurrency> {
        if code == "USD" { Ok(Self(())) } else { Err(OtherCurrency(code.to_owned())) }
    }

    /// Its code.
    pub const fn code(self) -> &'static str {
        "USD"
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl TryFrom<String> for Currency {
    type Error = OtherCurrency;

    fn try_from(code: String) -> Result<Self, OtherCurrency> {
        Self::parse(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::prices::PriceBook;

    #[test]
    fn a_book_of_another_currency_is_refused() {
        let text = serde_json::to_string(PriceBook::embedded()).expect("JSON");
        assert_eq!(
            serde_json::from_str::<PriceBook>(&text).expect("a book"),
            *PriceBook::embedded()
        );
        let yuan = text.replacen("\"currency\":\"USD\"", "\"currency\":\"CNY\"", 1);
        assert_ne!(yuan, text);
        let error = serde_json::from_str::<PriceBook>(&yuan).expect_err("refused").to_string();
        assert!(error.contains("prices are in `CNY`; only USD is understood"), "{error}");
    }
}
