use prost::Message as _;

use super::*;

fn entry(payload: &'static [u8]) -> Entry {
    Entry::compose(2, 1_524_640_000_000, [7; 16], Bytes::from_static(payload)).unwrap()
}

#[test]
fn a_header_has_one_form() {
    let leaf = entry(b"payload").leaf().to_vec();
    assert!(EntryHeader::parse(&leaf).is_ok());

    let mut with_unknown_field = leaf.clone();
    with_unknown_field.extend([0x28, 0x01]);
    let mut long_varint = vec![0x08, 0x82, 0x00];
    long_varint.extend(&leaf[2..]);
    let mut twice = vec![0x08, 0x03];
    twice.extend(&leaf);
    let mut default_written_out = leaf.clone();
    default_written_out.splice(2..2, [0x10, 0x00]);
    for bad in [with_unknown_field, long_varint, twice, default_written_out] {
        assert_eq!(EntryHeader::parse(&bad), Err(EntryError::LeafNotCanonical));
    }
}

/// A leaf is read in place where that is possible, and must not be taken then where the other way would refuse it.
#[test]
fn a_header_read_in_place_is_the_one_that_its_bytes_encode() {
    let numbers = [1, 2, 0x7f, 0x80, 0x3fff, 0x4000, 65_535, 65_536, u64::from(u32::MAX), u64::from(u32::MAX) + 1];
    let large = [1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX];
    for kind in numbers {
        for time_ms in numbers.into_iter().chain(large) {
            for payload_size in numbers {
                let (Ok(kind), Ok(payload_size)) = (kind.try_into(), payload_size.try_into()) else { continue };
                let header = EntryHeader { kind, time_ms, payload_size, commitment: Hash::of(b"any") };
                let read = in_place(&header.to_leaf());
                let taken = payload_size <= 65_536 && time_ms < 1 << 63;
                assert_eq!(read, taken.then_some(header));
                assert_eq!(EntryHeader::parse(&header.to_leaf()).is_ok(), payload_size <= 65_536);
            }
        }
    }
    let leaf = entry(b"payload").leaf().to_vec();
    for bit in 0..leaf.len() * 8 {
        let mut other = leaf.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        if let Some(header) = in_place(&other) {
            assert_eq!(header.to_leaf(), other, "bit {bit}");
        }
    }
    for cut in 0..leaf.len() {
        assert_eq!(in_place(&leaf[..cut]), None);
    }
    for (from, to) in [(0, vec![0x08, 0x82, 0x00]), (0, vec![0x08, 0x00]), (2, vec![0x10, 0x00])] {
        let mut other = leaf.clone();
        other.splice(from..from + 2, to);
        assert_eq!(in_place(&other), None);
    }
}

#[test]
fn a_header_keeps_its_limits() {
    let header = *entry(b"payload").header();
    let parse = |header: EntryHeader| EntryHeader::parse(&header.to_leaf());
    assert_eq!(parse(header), Ok(header));
    assert_eq!(parse(EntryHeader { kind: 0, ..header }), Err(EntryError::NoKind));
    assert_eq!(
        parse(EntryHeader { payload_size: 65_537, ..header }),
        Err(EntryError::PayloadLength { found: 0, header: 65_537 })
    );
    assert_eq!(EntryHeader::parse(&[]), Err(EntryError::LeafLength(0)));
    assert_eq!(EntryHeader::parse(&[0; 65]), Err(EntryError::LeafLength(65)));
    let short = wire::EntryHeader { kind: 1, time_ms: 1, payload_size: 1, commitment: vec![1; 31] }.encode_to_vec();
    assert_eq!(EntryHeader::parse(&short), Err(EntryError::CommitmentLength(31)));
}

#[test]
fn the_largest_header_fits_into_64_bytes() {
    let header = EntryHeader { kind: u32::MAX, time_ms: u64::MAX, payload_size: 65_536, commitment: Hash([0xff; 32]) };
    assert!(EntryHeader::parse(&header.to_leaf()).is_ok());
}

#[test]
fn a_body_must_be_what_the_leaf_commits_to() {
    let entry = entry(b"payload");
    let body = entry.body().unwrap().clone();
    let leaf = || entry.leaf().clone();
    assert_eq!(Entry::new(leaf(), Some(body.clone())).as_ref(), Ok(&entry));
    let other = Body { payload: Bytes::from_static(b"pay1oad"), ..body.clone() };
    assert_eq!(Entry::new(leaf(), Some(other)), Err(EntryError::Commitment));
    let other = Body { opening: [8; 16], ..body.clone() };
    assert_eq!(entry.without_body().with_body(other), Err(EntryError::Commitment));
    let longer = Body { payload: Bytes::from_static(b"payload1"), ..body };
    assert_eq!(Entry::new(leaf(), Some(longer)), Err(EntryError::PayloadLength { found: 8, header: 7 }));
}

#[test]
fn a_run_comes_back_and_every_cut_of_it_is_a_fault_or_whole_entries() {
    let entries = [entry(b"a"), entry(b"bb").without_body(), entry(b"ccc")];
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for entry in &entries {
        encode(entry, &mut bytes);
        ends.push(bytes.len());
        assert_eq!(bytes.len() - ends[ends.len() - 2], encoded_len(entry));
    }
    let whole: Result<Vec<_>, _> = Run::new(Bytes::from(bytes.clone())).collect();
    assert_eq!(whole.unwrap(), entries);
    for cut in 0..bytes.len() {
        let read: Vec<_> = Run::new(Bytes::copy_from_slice(&bytes[..cut])).collect();
        let good = ends.iter().filter(|end| **end != 0 && **end <= cut).count();
        assert_eq!(read.iter().filter(|r| r.is_ok()).count(), good);
        assert_eq!(read.len() - good, usize::from(!ends.contains(&cut)), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_run_is_noticed_or_strips_nothing_unseen() {
    let entry = entry(b"some payload");
    let mut bytes = Vec::new();
    encode(&entry, &mut bytes);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let read: Result<Vec<_>, _> = Run::new(Bytes::from(flipped)).collect();
        if let Ok(read) = read {
            // A flip in the header's kind or time leaves an entry that is sound by itself: the tree refuses its leaf.
            assert!(read.iter().all(|r| r.leaf_hash() != entry.leaf_hash()));
        }
    }
}
