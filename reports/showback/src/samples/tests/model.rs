//! Any sequence of looks, written, cut anywhere, read back: what a model makes of those that are left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{at, cluster, files, look_at, node, pod, told};
use crate::observed::Window;
use crate::samples::{KEPT_DAYS, Look, Store};

/// Some looks: each so many seconds after the one before, or before it.
fn looks() -> impl Strategy<Value = Vec<Look>> {
    let pods = prop::collection::btree_map(0..6_u8, (1..3_i64, 0..2_u8), 0..5);
    let step = prop_oneof![
        8 => 1..900_i64,
        2 => 900..90_000_i64,
        1 => -40_000..0_i64,
        1 => Just(0_i64),
    ];
    let one = (step, pods, prop::collection::btree_set(0..3_u8, 0..3), prop::bool::weighted(0.05));
    prop::collection::vec(one, 1..14).prop_map(|all| {
        let mut moment = at("2026-10-01T18:00:00Z");
        all.into_iter()
            .map(|(seconds, pods, nodes, is_after_gap)| {
                moment = moment.checked_add(SignedDuration::from_secs(seconds)).unwrap();
                let pods = pods.iter().map(|(uid, (cpu, team))| {
                    pod(&uid.to_string(), *cpu, if *team == 0 { "x" } else { "y" })
                });
                let nodes = nodes.iter().map(|uid| node(&uid.to_string()));
                let look = look_at(moment, pods.collect(), nodes.collect());
                Look { is_after_gap, ..look }
            })
            .collect()
    })
}

/// What is to come of looks: for each pod, each run of looks that saw it the same.
fn modelled(looks: &[Look]) -> Vec<String> {
    let mut sorted: Vec<&Look> = looks.iter().collect();
    sorted.sort_by_key(|look| look.at);
    let uids: BTreeSet<&str> =
        sorted.iter().flat_map(|look| look.pods.iter().map(|pod| pod.uid.as_str())).collect();
    let mut lines = Vec::new();
    for uid in uids {
        let seen: Vec<_> =
            sorted.iter().map(|look| look.pods.iter().find(|pod| pod.uid == uid)).collect();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (index, pod) in seen.iter().enumerate() {
            let Some(pod) = pod else { continue };
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == index && seen[*last] == Some(pod) => *last = index,
                _ => runs.push((index, index)),
            }
        }
        let part = if runs.len() > 1 { " part" } else { "" };
        let mut of_pod: Vec<_> = runs
            .iter()
            .map(|(first, last)| {
                let ended = sorted
                    .get(last + 1)
                    .map_or_else(|| "there".to_owned(), |look| format!("ended {}", look.at));
                let cpu = seen[*first].unwrap().requests.cpu.unwrap().0;
                let seen = Window { start: sorted[*first].at, end: sorted[*last].at };
                let looks = last + 1 - first;
                let line =
                    format!("{uid} {cpu}m {}..{} x{looks} {ended}{part}", seen.start, seen.end);
                (seen, looks, line)
            })
            .collect();
        of_pod.sort();
        lines.extend(of_pod.into_iter().map(|(_, _, line)| line));
    }
    lines
}

/// Seconds of a window in which looks follow each other closely enough.
fn covered(looks: &[Look]) -> i64 {
    let mut sorted: Vec<&Look> = looks.iter().collect();
    sorted.sort_by_key(|look| look.at);
    sorted
        .windows(2)
        .filter(|pair| !pair[1].is_after_gap)
        .map(|pair| pair[1].at.as_second() - pair[0].at.as_second())
        .filter(|apart| *apart <= 750)
        .sum()
}

fn all_time() -> Window {
    Window::new(Timestamp::UNIX_EPOCH, at("2027-01-01T00:00:00Z")).unwrap()
}

/// Later looks of one moment may differ; then the order decides, which no pod can tell.
fn is_plain(looks: &[Look]) -> bool {
    let moments: BTreeSet<Timestamp> = looks.iter().map(|look| look.at).collect();
    moments.len() == looks.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_is_written_is_read(looks in looks()) {
        prop_assume!(is_plain(&looks));
        let folder = tempfile::tempdir().unwrap();
        let store = super::written(folder.path(), &looks);
        let read = store.observed(None, all_time()).unwrap();
        prop_assert_eq!(read.clusters[0].looks, looks.len() as u64);
        prop_assert_eq!(told(&read), modelled(&looks));
        let seconds: i64 = read.clusters[0].covered.iter().map(|one| one.seconds()).sum();
        prop_assert_eq!(seconds, covered(&looks));
    }

    #[test]
    fn a_writer_for_each_look_writes_the_same(looks in looks()) {
        prop_assume!(is_plain(&looks));
        let folder = tempfile::tempdir().unwrap();
        for look in &looks {
            super::written(folder.path(), std::slice::from_ref(look));
        }
        let read = Store::open(folder.path()).unwrap().observed(None, all_time()).unwrap();
        prop_assert_eq!(told(&read), modelled(&looks));
    }

    #[test]
    fn cut_anywhere_the_looks_before_are_read(looks in looks(), cut in any::<prop::sample::Index>()) {
        prop_assume!(is_plain(&looks));
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
        // How long which file was when each look had been written.
        let mut written: Vec<(String, u64)> = Vec::new();
        let mut lengths: BTreeMap<String, u64> = BTreeMap::new();
        for look in &looks {
            writer.append(look).unwrap();
            let now: BTreeMap<String, u64> = files(folder.path())
                .iter()
                .filter(|(_, path)| path.extension().is_some_and(|end| end == "jsonl"))
                .map(|(name, path)| (name.clone(), std::fs::metadata(path).unwrap().len()))
                .collect();
            let (name, length) =
                now.iter().find(|(name, length)| lengths.get(*name) != Some(length)).unwrap();
            written.push((name.clone(), *length));
            lengths = now;
        }
        drop(writer);
        let name = written.last().unwrap().0.clone();
        let path = files(folder.path()).into_iter().find(|(file, _)| *file == name).unwrap().1;
        let text = std::fs::read(&path).unwrap();
        let at = cut.index(text.len() + 1);
        std::fs::write(&path, &text[..at]).unwrap();
        let left: Vec<Look> = looks
            .iter()
            .zip(&written)
            .filter(|(_, (file, length))| *file != name || *length <= at as u64)
            .map(|(look, _)| look.clone())
            .collect();
        match store.observed(None, all_time()) {
            Ok(read) => {
                prop_assert_eq!(told(&read), modelled(&left));
                prop_assert_eq!(read.clusters[0].looks, left.len() as u64);
            }
            // Not even a header is left of the only file.
            Err(error) => prop_assert!(left.is_empty(), "{}", error),
        }
    }

    #[test]
    fn days_read_one_by_one_cover_what_all_of_them_do(looks in looks()) {
        prop_assume!(is_plain(&looks));
        let folder = tempfile::tempdir().unwrap();
        let store = super::written(folder.path(), &looks);
        let whole = Window::new(at("2026-09-20T00:00:00Z"), at("2026-11-01T00:00:00Z")).unwrap();
        let seconds = |window: Window| -> i64 {
            let read = store.observed(None, window).unwrap();
            read.clusters[0].covered.iter().map(|one| one.seconds()).sum()
        };
        let by_day: i64 = whole.days().map(|(_, day)| seconds(day)).sum();
        prop_assert_eq!(by_day, seconds(whole));
    }
}

#[test]
fn a_state_shared_by_many_is_one() {
    let pods = [pod("a", 1, "x"), pod("b", 1, "x")];
    let folder = tempfile::tempdir().unwrap();
    let looks = [look_at(at("2026-10-01T10:00:00Z"), pods.to_vec(), Vec::new())];
    let read = super::written(folder.path(), &looks).observed(None, all_time()).unwrap();
    assert!(Arc::ptr_eq(&read.pods[0].labels, &read.pods[1].labels));
}
