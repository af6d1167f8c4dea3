use entente_proto::access::{Part, call, compose};
use entente_proto::entry::encode;
use entente_proto::hash::Hash;
use entente_proto::wire::access::Body;

use super::files::{Entries, Files};
use super::verify::verify_epoch;

fn run_of(count: u64) -> Vec<u8> {
    let mut run = Vec::new();
    for i in 0..count {
        let body =
            call("officer/a".into(), Hash::of(b"k"), "Show", "", [1; 16], vec![Part::Text(format!("d{i}.example"))]);
        encode(&compose(i, [1; 16], Body::Call(body)).unwrap(), &mut run);
    }
    run
}

#[test]
fn entries_are_read_in_any_pieces_and_a_cut_one_is_named() {
    let run = run_of(5);
    assert_eq!(Entries::new(run.as_slice()).filter(Result::is_ok).count(), 5);
    let four = run_of(4).len();
    for end in four + 1..run.len() {
        let mut entries = Entries::new(&run[..end]);
        let read: Vec<_> = entries.by_ref().collect();
        assert_eq!(read.iter().filter(|entry| entry.is_ok()).count(), 4, "{end}");
        assert!(read.last().unwrap().is_err());
        assert_eq!(entries.end(), four as u64);
    }
}

#[test]
fn any_bit_that_flips_in_a_file_is_seen() {
    let place = tempfile::tempdir().unwrap();
    let files = Files::new(place.path());
    std::fs::create_dir_all(files.directory()).unwrap();
    let run = run_of(5);
    std::fs::write(files.entries(1), &run).unwrap();
    let whole = verify_epoch(&files, 1, Vec::new());
    let record = entente_proto::ids::RecordId { unit: "BE".parse().unwrap(), index: 3 };
    let head = || vec![entente_proto::access::Head { record: record.clone(), size: 5, root: whole.root }];
    assert_eq!((verify_epoch(&files, 1, head()).covered, whole.faults), (5, 0));
    for bit in 0..run.len() * 8 {
        let mut other = run.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(files.entries(1), &other).unwrap();
        assert!(verify_epoch(&files, 1, head()).faults > 0, "bit {bit}");
    }
}
