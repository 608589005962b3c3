//! What goes wrong with a store is named, loses what it must and no more, and doubles nothing.

use super::{at, cluster, codes, files, look, node, pod, told, window, written};
use crate::observed::Window;
use crate::samples::names;
use crate::samples::read::{Opened, Reader};
use crate::samples::{KEPT_DAYS, Look, Store, StoreError};

fn day() -> Window {
    Window::day("2026-10-01".parse().unwrap())
}

fn three() -> [Look; 3] {
    let (a, b) = (pod("a", 100, "x"), pod("b", 200, "x"));
    [
        look("2026-10-01T10:00:00Z", std::slice::from_ref(&a), &[node("1")]),
        look("2026-10-01T10:05:00Z", &[a.clone(), b], &[node("1")]),
        look("2026-10-01T10:10:00Z", &[a], &[node("1")]),
    ]
}

#[test]
fn a_file_that_is_cut_off_loses_its_tail_for_good_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), &three());
    let path = files(folder.path())[0].1.clone();
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 3]).unwrap();
    let read = store.observed(None, day()).unwrap();
    assert_eq!(codes(&read), ["store_cut_off", "sample_hole", "sample_hole"]);
    assert_eq!(
        read.findings[0].message,
        "the file is cut off, and read up to there: its last line is not whole"
    );
    assert_eq!(read.findings[0].subject, path.display().to_string());
    let expected = [
        "a 100m 2026-10-01T10:00:00Z..2026-10-01T10:05:00Z x2 there",
        "b 200m 2026-10-01T10:05:00Z..2026-10-01T10:05:00Z x1 there",
    ];
    assert_eq!(told(&read), expected);

    // The next writer takes the tail away, says so in the file, and carries on.
    let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
    writer.append(&look("2026-10-01T10:15:00Z", &[pod("a", 100, "x")], &[])).unwrap();
    let read = store.observed(None, day()).unwrap();
    assert_eq!(codes(&read), ["store_cut_off", "sample_hole", "sample_hole"]);
    assert_eq!(
        told(&read),
        [
            "a 100m 2026-10-01T10:00:00Z..2026-10-01T10:15:00Z x3 there",
            "b 200m 2026-10-01T10:05:00Z..2026-10-01T10:05:00Z x1 ended 2026-10-01T10:15:00Z",
        ]
    );
}

#[test]
fn an_archive_that_breaks_off_is_read_up_to_there_and_the_next_day_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut looks = three().to_vec();
    looks.push(look("2026-10-02T00:00:00Z", &[pod("a", 100, "x")], &[node("1")]));
    let store = written(folder.path(), &looks);
    let path = files(folder.path())[0].1.clone();
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let both = window("2026-10-01T00:00:00Z", "2026-10-03T00:00:00Z");
        let read = store.observed(None, both).unwrap();
        assert!(codes(&read).contains(&"store_cut_off"), "cut at {cut}: {:?}", read.findings);
        assert!(read.pods.iter().any(|pod| pod.uid == "a"), "cut at {cut}");
    }
}

#[test]
fn a_damaged_line_ends_the_reading_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), &three());
    let path = files(folder.path())[0].1.clone();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"uid\":\"b\"", "\"uid\":\"b")).unwrap();
    let read = store.observed(None, day()).unwrap();
    assert!(codes(&read).contains(&"store_damaged"));
    assert_eq!(told(&read), ["a 100m 2026-10-01T10:00:00Z..2026-10-01T10:00:00Z x1 there"]);

    // Nothing is added to it, and nothing taken away; the day goes on in a further file.
    let damaged = std::fs::read_to_string(&path).unwrap();
    let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
    writer.append(&look("2026-10-01T10:15:00Z", &[pod("a", 100, "x")], &[])).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
    assert_eq!(files(folder.path())[0].0, "2026-10-01.2.jsonl");
    let read = store.observed(None, day()).unwrap();
    assert!(codes(&read).contains(&"store_damaged"));
    assert_eq!(told(&read), ["a 100m 2026-10-01T10:00:00Z..2026-10-01T10:15:00Z x2 there"]);
}

#[test]
fn a_day_that_is_compressed_while_somebody_reads_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), &three());
    let listed = names::parts(files(folder.path())[0].1.parent().unwrap()).unwrap();
    let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
    writer.append(&look("2026-10-02T10:00:00Z", &[], &[])).unwrap();
    assert_eq!(files(folder.path())[0].0, "2026-10-01.jsonl.gz");
    let Opened::Records(mut reader) = Reader::open(&listed[0]).unwrap() else {
        panic!("nothing was read")
    };
    let mut looks = 0;
    while reader.next().unwrap().is_some() {
        looks += 1;
    }
    assert_eq!((looks, reader.findings.len()), (3, 0));
}

#[test]
fn a_newer_version_is_refused_by_name_unharmed() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), &three());
    let path = files(folder.path())[0].1.clone();
    let newer =
        std::fs::read_to_string(&path).unwrap().replacen("\"version\":1", "\"version\":9", 1);
    std::fs::write(&path, &newer).unwrap();
    let said = format!(
        "`{}` is of version 9, this program reads version 1; use the program that wrote it, nothing was changed",
        path.display()
    );
    assert_eq!(store.observed(None, day()).unwrap_err().to_string(), said);
    assert_eq!(store.writer(&cluster(), KEPT_DAYS).unwrap_err().to_string(), said);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn files_of_something_else_or_of_another_day_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), &three());
    let path = files(folder.path())[0].1.clone();
    let copy = path.with_file_name("2026-10-02.jsonl");
    std::fs::copy(&path, &copy).unwrap();
    let read =
        store.observed(None, window("2026-10-01T00:00:00Z", "2026-10-03T00:00:00Z")).unwrap();
    assert_eq!(read.clusters[0].looks, 3);
    assert!(read.findings.iter().any(|one| one.code == "store_damaged"
        && one.message.contains("it is of 2026-10-01, whatever its name says")));
    std::fs::write(&copy, "{\"kind\": \"Inventory\", \"version\": 1}\n").unwrap();
    assert!(matches!(store.observed(None, day()), Err(StoreError::Foreign { .. })));
    std::fs::write(&copy, "").unwrap();
    assert_eq!(store.observed(None, day()).unwrap().clusters[0].looks, 3);
    // Somebody else's files are left alone.
    std::fs::write(path.with_file_name("notes.txt"), "hello").unwrap();
    assert_eq!(store.observed(None, day()).unwrap().clusters[0].looks, 3);
}

#[test]
fn a_hole_is_no_coverage() {
    let folder = tempfile::tempdir().unwrap();
    let a = pod("a", 100, "x");
    let moments = ["10:00:00", "10:05:00", "10:17:30", "10:30:01", "10:35:00"];
    let looks =
        moments.map(|time| look(&format!("2026-10-01T{time}Z"), std::slice::from_ref(&a), &[]));
    let store = written(folder.path(), &looks);
    let read = store.observed(None, day()).unwrap();
    assert_eq!(
        read.clusters[0].covered,
        [
            window("2026-10-01T10:00:00Z", "2026-10-01T10:17:30Z"),
            window("2026-10-01T10:30:01Z", "2026-10-01T10:35:00Z"),
        ]
    );
    assert_eq!(read.clusters[0].resolution_seconds, 750);
    let holes: Vec<&str> = read.findings.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        holes,
        [
            "nobody looked for 48300 seconds, 2026-10-01T10:35:00Z to 2026-10-02T00:00:00Z",
            "nobody looked for 36000 seconds, 2026-10-01T00:00:00Z to 2026-10-01T10:00:00Z",
            "nobody looked for 751 seconds, 2026-10-01T10:17:30Z to 2026-10-01T10:30:01Z",
        ]
    );
    // What a watch did not see is a hole, however short.
    let folder = tempfile::tempdir().unwrap();
    let mut looks = three();
    looks[1].is_after_gap = true;
    let store = written(folder.path(), &looks);
    assert_eq!(
        store.observed(None, day()).unwrap().clusters[0].covered,
        [window("2026-10-01T10:05:00Z", "2026-10-01T10:10:00Z")]
    );
}

#[test]
fn a_clock_that_runs_backwards_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, c) = (pod("a", 100, "x"), pod("b", 200, "x"), pod("c", 300, "x"));
    let looks = [
        look("2026-10-01T10:00:00Z", &[a.clone(), b.clone()], &[]),
        look("2026-10-01T10:10:00Z", &[a.clone(), b], &[]),
        look("2026-10-01T10:05:00Z", &[a.clone(), c.clone()], &[]),
        look("2026-10-01T10:15:00Z", &[a, c], &[]),
    ];
    let store = written(folder.path(), &looks);
    let read = store.observed(None, day()).unwrap();
    assert_eq!(codes(&read), ["clock_backwards", "sample_hole", "sample_hole"]);
    assert_eq!(
        read.findings[0].message,
        "the clock went from 2026-10-01T10:10:00Z back to 2026-10-01T10:05:00Z; each look counts for the moment it states"
    );
    assert_eq!(read.clusters[0].looks, 4);
    assert_eq!(
        told(&read),
        [
            "a 100m 2026-10-01T10:00:00Z..2026-10-01T10:15:00Z x4 there",
            "b 200m 2026-10-01T10:00:00Z..2026-10-01T10:00:00Z x1 ended 2026-10-01T10:05:00Z part",
            "b 200m 2026-10-01T10:10:00Z..2026-10-01T10:10:00Z x1 ended 2026-10-01T10:15:00Z part",
            "c 300m 2026-10-01T10:05:00Z..2026-10-01T10:05:00Z x1 ended 2026-10-01T10:10:00Z part",
            "c 300m 2026-10-01T10:15:00Z..2026-10-01T10:15:00Z x1 there part",
        ]
    );
    assert_eq!(read.clusters[0].covered, [window("2026-10-01T10:00:00Z", "2026-10-01T10:15:00Z")]);
}

#[test]
fn a_look_that_failed_is_a_word_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
    // Nothing to add it to yet.
    writer.failed(at("2026-10-01T09:55:00Z"), "throttled").unwrap();
    let [first, second, _] = three();
    writer.append(&first).unwrap();
    writer.failed(at("2026-10-01T10:02:00Z"), "throttled").unwrap();
    writer.append(&second).unwrap();
    let read = store.observed(None, day()).unwrap();
    assert_eq!(read.clusters[0].looks, 2);
    assert_eq!(read.findings[0].code, "look_failed");
    assert_eq!(read.findings[0].message, "a look at 2026-10-01T10:02:00Z failed: throttled");
}

#[test]
fn a_day_is_imported_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
    let first = "2026-10-01".parse().unwrap();
    assert_eq!(writer.import_day(first, three().into_iter()).unwrap(), 3);
    assert_eq!(files(folder.path())[0].0, "2026-10-01.jsonl.gz");
    assert_eq!(store.observed(None, day()).unwrap().clusters[0].looks, 3);
    assert_eq!(
        writer.import_day(first, three().into_iter()).unwrap_err().to_string(),
        "there are samples of 2026-10-01 of `111122223333/ap-northeast-2/myeks` already, so the day was not imported"
    );
    let empty = writer.import_day("2026-10-02".parse().unwrap(), std::iter::empty());
    assert!(matches!(empty, Err(StoreError::System { .. })));
    assert_eq!(files(folder.path()).len(), 1);
}
