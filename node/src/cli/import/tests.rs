use std::io::Write;

use entente_proto::wire::Category;
use entente_proto::wire::record::Body;

use super::source::{open, read};
use super::*;
use crate::cli::submit::tests::Keeper;

#[tokio::test]
async fn lines_become_batches_in_order_each_with_an_id_of_its_own() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut text = String::from("# head\n\n");
    (0..1_000).for_each(|i| text.push_str(&format!("t{i}.example\n")));
    text.push_str("bad\u{7}.example\n");
    file.write_all(text.as_bytes()).unwrap();

    let opened = open(file.path().to_str().unwrap(), None).unwrap();
    assert_eq!(opened.size, Some(text.len() as u64));
    let read_bytes = opened.read_bytes();
    let defaults = Fields { categories: vec![Category::Incites], ..Fields::default() };
    let (mut batches, summary) = read(opened, defaults, 300, 2);
    let (mut numbers, mut ids, mut sizes) = (Vec::new(), std::collections::BTreeSet::new(), Vec::new());
    while let Some(batch) = batches.recv().await {
        let batch = batch.unwrap();
        sizes.push(batch.len());
        for (place, line) in batch {
            let number = place.number;
            numbers.push(number);
            match line {
                Ok(submission) => {
                    assert!(submission.skip_known);
                    let record = submission.record.unwrap();
                    assert!(matches!(&record.body, Some(Body::Refer(refer)) if refer.categories == [1]));
                    assert!(record.submission.len() == 16 && ids.insert(record.submission));
                }
                Err(fault) => assert_eq!((number, fault.code), (1_003, "control-character")),
            }
        }
    }
    assert_eq!(sizes, [300, 300, 300, 101]);
    assert_eq!(numbers, (3..=1_003).collect::<Vec<_>>());
    assert_eq!(ids.len(), 1_000);
    let skipped = summary.await.unwrap().skipped;
    assert_eq!((skipped.blank, skipped.comments), (1, 1));
    assert_eq!(read_bytes.load(std::sync::atomic::Ordering::Relaxed), text.len() as u64);
}

#[tokio::test]
async fn a_batch_is_bounded_in_bytes_too() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let line = format!("{}.example\n", "x".repeat(60_000));
    (0..100).for_each(|_| file.write_all(line.as_bytes()).unwrap());
    let opened = open(file.path().to_str().unwrap(), None).unwrap();
    let defaults = Fields { categories: vec![Category::Incites], ..Fields::default() };
    let (mut batches, _) = read(opened, defaults, 1_000, 1);
    let mut lines = 0;
    while let Some(batch) = batches.recv().await {
        let batch = batch.unwrap();
        assert!(batch.len() <= 35, "{}", batch.len());
        lines += batch.len();
    }
    assert_eq!(lines, 100);
}

#[tokio::test]
async fn a_line_without_a_category_anywhere_is_named() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"target,category\na.example,incites\nb.example,\n").unwrap();
    let opened = open(file.path().to_str().unwrap(), None).unwrap();
    let (mut batches, _) = read(opened, Fields::default(), 10, 1);
    let batch = batches.recv().await.unwrap().unwrap();
    assert!(batch[0].1.is_ok());
    assert_eq!((batch[1].0.number, batch[1].1.as_ref().unwrap_err().code), (3, "no-category"));
}

#[tokio::test]
async fn a_node_that_is_killed_during_an_import_loses_and_doubles_nothing() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    (0..2_000).for_each(|i| writeln!(file, "t{i}.example").unwrap());
    writeln!(file, "me@mail.example\nt7.example\n\u{7}").unwrap();
    // Every few calls the node enters a batch and dies before it says so, with other calls on their way.
    let keeper = Keeper::start([1, 3, 4, 9, 14, 15, 16, 22]).await;
    let submitter = keeper.submitter(Duration::from_secs(60)).await;

    let opened = open(file.path().to_str().unwrap(), None).unwrap();
    let mut report = Report::new(Some(&file.path().with_extension("faults")), &opened, false).unwrap();
    let defaults = Fields { categories: vec![Category::Incites], ..Fields::default() };
    feed(opened, defaults, 100, &submitter, &mut report).await.unwrap();

    assert_eq!(report.counts(), (2_000, 1, 2));
    assert_eq!(report.duplicates(), 1, "it came before in the file");
    let targets = keeper.targets();
    assert_eq!(targets.len(), 2_000);
    assert!(targets.values().all(|times| *times == 1));
    report.end(&Summary::default(), Duration::from_secs(1), true).unwrap();
    let faults = std::fs::read_to_string(file.path().with_extension("faults")).unwrap();
    std::fs::remove_file(file.path().with_extension("faults")).unwrap();
    let lines: Vec<_> = faults.lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines, ["line 2001 e-mail", "line 2002 duplicate", "line 2003 control-character"]);
}
