use std::io::{BufReader, Cursor};

use entente_proto::wire::{Basis, Category, Source, Tlp};

use super::*;

fn read_as(bytes: impl Into<Vec<u8>>, format: Option<Format>) -> (Vec<Line>, Reader<'static>) {
    // A tiny buffer, so that every line goes over a boundary.
    let mut reader = Reader::new(BufReader::with_capacity(7, Cursor::new(bytes.into())), format).unwrap();
    let lines = reader.by_ref().map(Result::unwrap).collect();
    (lines, reader)
}

fn read(bytes: impl Into<Vec<u8>>) -> Vec<Line> {
    read_as(bytes, None).0
}

fn targets(lines: &[Line]) -> Vec<(u64, &str)> {
    lines.iter().filter_map(|line| line.content.as_ref().ok().map(|item| (line.number, item.target.as_str()))).collect()
}

fn faults(lines: &[Line]) -> Vec<(u64, &'static str)> {
    lines.iter().filter_map(|line| line.content.as_ref().err().map(|fault| (line.number, fault.code))).collect()
}

#[test]
fn plain_lines_pass_through_as_they_are_typed() {
    let long = format!("{}.example", "a".repeat(300));
    let text = format!(
        "news.example\n\n  https://x.example/a b  \r\n# a comment\n/etc/passwd\nme@mail.example\n{long}\nco.uk"
    );
    let (lines, reader) = read_as(text, None);
    assert_eq!(reader.format(), Format::Lines);
    assert_eq!(
        targets(&lines),
        [
            (1, "news.example"),
            (3, "https://x.example/a b"),
            (5, "/etc/passwd"),
            (6, "me@mail.example"),
            (7, long.as_str()),
            (8, "co.uk")
        ]
    );
    assert_eq!(faults(&lines), []);
    assert_eq!(reader.skipped(), Skipped { blank: 1, comments: 1, others: 0 });
}

#[test]
fn dirty_lines_are_named_and_the_rest_goes_on() {
    let mut bytes = b"a.example\nb\x07.example\nc\0.example\nd\x7f.example\n".to_vec();
    bytes.extend(b"caf\xe9.example\n"); // Latin-1
    bytes.extend("h\u{fffd}.example\n".bytes());
    bytes.extend(vec![b'x'; 1 << 20]); // a line of 1 MiB
    bytes.extend(b"\nz.example\r\n\r\n");
    let lines = read(bytes);
    assert_eq!(targets(&lines), [(1, "a.example"), (8, "z.example")]);
    assert_eq!(
        faults(&lines),
        [
            (2, "control-character"),
            (3, "control-character"),
            (4, "control-character"),
            (5, "not-utf8"),
            (6, "not-text"),
            (7, "line-too-long")
        ]
    );
    let reason = |at: usize| lines[at].content.as_ref().unwrap_err().reason.clone();
    assert!(reason(1).contains("U+0007") && reason(4).contains("e9") && reason(4).contains("column 4"));
    assert!(reason(6).contains("1048576"), "{}", reason(6));
}

#[test]
fn a_line_may_be_as_long_as_the_bound_and_no_longer() {
    for end in ["\n", "\r\n", ""] {
        for (length, taken) in [(LINE_BYTES_MAX, true), (LINE_BYTES_MAX + 1, false)] {
            let lines = read(format!("{}{end}", "x".repeat(length)));
            assert_eq!(lines.len(), 1);
            assert_eq!(lines[0].content.is_ok(), taken, "{length} {end:?}");
        }
    }
}

#[test]
fn byte_order_marks_are_understood() {
    assert_eq!(targets(&read(b"\xef\xbb\xbfa.example\n")), [(1, "a.example")]);
    let text = "a.example\r\nbücher.example\n😀.example";
    let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    for bytes in [little, big] {
        assert_eq!(targets(&read(bytes)), [(1, "a.example"), (2, "bücher.example"), (3, "😀.example")]);
    }
}

#[test]
fn utf_16_is_decoded_across_chunks_and_its_breaks_are_named() {
    let text = format!("{}\n{}", "😀".repeat(3_000), "x.example");
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(read(bytes)[0].content.as_ref().unwrap().target, "😀".repeat(3_000));
    // Half a surrogate pair, and half a unit at the end.
    let broken = [0xff, 0xfe, b'a', 0, 0x3d, 0xd8, b'\n', 0, b'b', 0, b'c'];
    assert_eq!(faults(&read(broken)), [(1, "not-text"), (2, "not-text")]);
}

#[test]
fn utf_16_without_a_mark_is_named() {
    let bytes: Vec<u8> = "a.example\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lines = read(bytes);
    assert_eq!(lines[0].content.as_ref().unwrap_err().code, "control-character");
    assert!(lines[0].content.as_ref().unwrap_err().reason.contains("UTF-16"));
}

#[test]
fn csv_is_told_by_its_header_and_read_by_its_columns() {
    let text = "\u{feff}# from a partner\nType,URL,Category,Description,TLP,source,accuracy,review-by,Handling\r\n\
                url,https://a.example/x,\"incites, solicits-join\",\"line one\r\nline \"\"two\"\"\",TLP:AMBER+STRICT,a,2,2026-12-31,H1 H0\r\n\
                url,https://b.example/\r\n\r\n\
                url,https://c.example/,nonsense\r\n\
                url,,incites\r\n\
                url,https://d.example/a,b,c,d,e,f,g,h,i,j\r\n";
    let (lines, reader) = read_as(text, None);
    assert_eq!(reader.format(), Format::Csv);
    assert_eq!(reader.notices(), ["the column \"Type\" is not read"]);
    assert_eq!(targets(&lines), [(3, "https://a.example/x"), (5, "https://b.example/")]);
    assert_eq!(faults(&lines), [(7, "bad-field"), (8, "no-target"), (9, "columns")]);
    let fields = &lines[0].content.as_ref().unwrap().fields;
    assert_eq!(fields.categories, [Category::Incites, Category::SolicitsJoin]);
    assert_eq!(fields.description.as_deref(), Some("line one\nline \"two\""));
    assert_eq!((fields.tlp, fields.source, fields.accuracy), (Some(Tlp::AmberStrict), Some(Source::A), Some(2)));
    assert_eq!((fields.review_by_ms, fields.handling.as_slice()), (Some(1_798_675_200_000), [1, 0].as_slice()));
}

#[test]
fn other_separators_and_a_single_column_are_csv_too() {
    for text in ["domain;provider\na.example;x\n", "provider\tvalue\nx\ta.example\n", "Domain\na.example\n"] {
        let (lines, reader) = read_as(text, None);
        assert_eq!((reader.format(), targets(&lines)), (Format::Csv, vec![(2, "a.example")]), "{text}");
    }
    // The surest name counts, wherever it stands.
    assert_eq!(targets(&read("value,target\nno,a.example\n")), [(2, "a.example")]);
}

#[test]
fn an_unclosed_quote_costs_one_line_only() {
    let mut text = "target,provider\na.example,x\nb.example,\"oops\n".to_owned();
    for i in 0..20_000 {
        text.push_str(&format!("c{i}.example,y\n"));
    }
    let lines = read(text);
    assert_eq!(faults(&lines), [(3, "unclosed-quote")]);
    assert_eq!(targets(&lines).len(), 20_001);
    assert_eq!(lines.last().unwrap().number, 20_003);
}

#[test]
fn a_quote_inside_a_value_opens_nothing() {
    assert_eq!(
        targets(&read("target,provider\na.example,5\" disk\nb.example,y\n")),
        [(2, "a.example"), (3, "b.example")]
    );
}

#[test]
fn json_lines_are_told_by_their_brace() {
    let text = r#"{"target":"a.example","categories":["incites","instructs"],"accuracy":1,"prefix":true,"basis":null,"seen":{"by":"x"}}

{"value":"no","url":"https://b.example/","category":"threatens"}
{"target":"c.example",}
{"target":"\u0000d.example"}
{"provider":"x"}
{"target":"e.example","tlp":["red"]}
[1]
"#;
    let (lines, reader) = read_as(text, None);
    assert_eq!(reader.format(), Format::JsonLines);
    assert_eq!(targets(&lines), [(1, "a.example"), (3, "https://b.example/")]);
    assert_eq!(
        faults(&lines),
        [(4, "json"), (5, "control-character"), (6, "no-target"), (7, "bad-field"), (8, "json")]
    );
    let fields = &lines[0].content.as_ref().unwrap().fields;
    assert_eq!((fields.categories.len(), fields.accuracy, fields.prefix), (2, Some(1), Some(true)));
}

#[test]
fn a_file_that_is_as_a_whole_something_else_is_refused() {
    let new = |text: &'static str, format| Reader::new(text.as_bytes(), format).err();
    assert!(matches!(new("[\n{\"target\":\"a.example\"}\n]", None), Some(ImportError::JsonDocument)));
    assert!(matches!(new("{\n\"name\": \"of something\"", None), Some(ImportError::JsonDocument)));
    assert!(matches!(new("a,b\n1,2\n", Some(Format::Csv)), Some(ImportError::NoTargetColumn)));
    assert!(matches!(new("", Some(Format::Csv)), Some(ImportError::NoTargetColumn)));
    assert!(new("", None).is_none(), "an empty file is a file of no lines");
}

#[test]
fn a_packed_file_is_refused_by_name_and_never_unpacked() {
    let mut tar = vec![b'a'; 257];
    tar.extend(b"ustar\x0000");
    let packed: [(&[u8], &str); 7] = [
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "gzip"),
        (b"PK\x03\x04\x14\0", "zip"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd"),
        (b"7z\xbc\xaf\x27\x1c\0", "7-Zip"),
        (&tar, "tar"),
    ];
    for (bytes, name) in packed {
        for format in [None, Some(Format::Lines), Some(Format::Csv), Some(Format::Stix)] {
            let piped = Reader::new(bytes, format).err().map(|fault| fault.to_string());
            let of_file = Reader::of_file(Cursor::new(bytes.to_vec()), format).err().map(|fault| fault.to_string());
            assert!(piped.as_ref().is_some_and(|words| words.contains(name)), "{name} {format:?}: {piped:?}");
            assert_eq!(piped, of_file);
        }
    }
    assert_eq!(targets(&read("BZ.example\nPK.example\n")), [(1, "BZ.example"), (2, "PK.example")]);
}

#[test]
fn each_format_is_told_by_its_content() {
    let format = |text: &'static str| Reader::new(text.as_bytes(), None).unwrap().format();
    for (text, meant) in [
        ("{\"type\":\"bundle\",\"objects\":[]}", Format::Stix),
        (" \n{\"objects\": [", Format::Stix),
        ("{\"value\":\"a\",\"id\":\"url--11111111-1111-4111-8111-111111111111\",\"type\":\"url\"}", Format::Stix),
        ("[{\"id\":\"indicator--11111111-1111-4111-8111-111111111111\"}]", Format::Stix),
        ("{\"Event\":{}}", Format::Misp),
        ("{\"response\":[]}", Format::Misp),
        ("[{\"Event\":", Format::Misp),
        ("\u{feff}{\"info\":\"x\",\"Attribute\":[]}", Format::Misp),
        ("{\"id\":\"7\",\"orgc_id\":\"1\"}", Format::Misp),
        ("{\"target\":\"a.example\",\"objects\":[]}", Format::JsonLines),
        ("{\"type\":\"url\",\"value\":\"https://a.example/\"}", Format::JsonLines),
        ("target,category\n", Format::Csv),
        ("a.example\n", Format::Lines),
        ("# {\"Event\":{}}\n", Format::Lines),
    ] {
        assert_eq!(format(text), meant, "{text}");
    }
}

#[test]
fn cells_are_armoured_and_come_back() {
    for value in ["=1+1", "+1", "-x", "@a", "\tx", "'=x", "''-", " x", "x ", "'", "'x", "", "x\ny", "' '"] {
        let text = format!("target,description\r\na.example,\"{}\"\r\n", csv::armour(value));
        let lines = read(text);
        let read = lines[0].content.as_ref();
        if value.contains('\t') {
            // No text of a record has one.
            assert_eq!(read.unwrap_err().code, "control-character");
            continue;
        }
        assert_eq!(read.unwrap().fields.description.as_deref().unwrap_or_default(), value, "{value:?}");
        assert!(!csv::armour(value).starts_with(['=', '+', '-', '@', '\t', '\r']), "{value:?}");
    }
    // What a person typed is trimmed, and an apostrophe before a word is one.
    let lines = read("target,description\na.example,  'tis  \n");
    assert_eq!(lines[0].content.as_ref().unwrap().fields.description.as_deref(), Some("'tis"));
}

#[test]
fn evidence_is_read_from_json_and_from_a_cell() {
    let hash = "ab".repeat(32);
    let json = format!(
        "{{\"target\":\"a.example\",\"evidence\":[{{\"sha256\":\"{hash}\",\"size\":7,\"captured_at\":\"2018-04-25\"}}]}}"
    );
    let cell = format!("target,evidence\na.example,\"[{{\"\"sha256\"\":\"\"{hash}\"\"}}]\"\n");
    let one = read(json)[0].content.clone().unwrap().fields.evidence;
    assert_eq!((one[0].sha256.as_slice(), one[0].size, one[0].captured_at_ms), (&[0xab; 32][..], 7, 1_524_614_400_000));
    assert_eq!(read(cell)[0].content.as_ref().unwrap().fields.evidence[0].sha256, one[0].sha256);
    for bad in ["[{}]", "[{\"sha256\":\"ab\"}]", "{}", "7"] {
        let lines = read(format!("{{\"target\":\"a.example\",\"evidence\":{bad}}}"));
        assert_eq!(lines[0].content.as_ref().unwrap_err().code, "bad-field", "{bad}");
    }
}

#[test]
fn the_format_can_be_said() {
    let (lines, reader) = read_as("url\n", Some(Format::Lines));
    assert_eq!((reader.format(), targets(&lines)), (Format::Lines, vec![(1, "url")]));
}

#[test]
fn a_line_s_own_words_come_before_the_defaults() {
    let defaults = Fields {
        categories: vec![Category::Threatens, Category::Incites, Category::Threatens],
        provider: Some("default".to_owned()),
        handling: vec![3, 1],
        ..Fields::default()
    };
    let own = Fields { provider: Some("own".to_owned()), tlp: Some(Tlp::Red), ..Fields::default() };
    let refer = own.refer("a.example".to_owned(), &defaults);
    assert_eq!(refer.categories, [1, 5], "ascending, each once");
    assert_eq!((refer.provider.as_str(), refer.basis), ("own", Basis::Referral as i32));
    let handling = refer.handling.unwrap();
    assert_eq!((handling.tlp, handling.europol), (Tlp::Red as i32, vec![1, 3]));
    assert!(Fields::default().refer("b.example".to_owned(), &Fields::default()).handling.is_none());
}
