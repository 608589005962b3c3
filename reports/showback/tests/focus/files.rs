//! Files as tables of text.

use std::collections::BTreeMap;
use std::path::Path;

use runbook_showback::focus::Export;

/// A CSV by column name.
pub(crate) fn table(bytes: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().unwrap().clone();
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            header.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect()
        })
        .collect()
}

/// Any FOCUS file: its header and its rows.
pub(crate) fn lines(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut rows = Export::open(path).unwrap().rows().unwrap();
    let header = rows.header().to_vec();
    let mut all = Vec::new();
    while let Some((_, cells)) = rows.read().unwrap() {
        all.push((0..header.len()).map(|at| cells.get(at).to_owned()).collect());
    }
    (header, all)
}
