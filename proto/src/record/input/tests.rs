use super::*;

fn read(input: &str) -> String {
    from_input(input).unwrap_or_else(|fault| panic!("{input:?}: {fault}")).target.to_string()
}

fn notice(input: &str) -> String {
    from_input(input).unwrap().notices.join("; ")
}

fn code(input: &str) -> &'static str {
    from_input(input).expect_err(input).code()
}

#[test]
fn a_host_name_becomes_a_domain() {
    for (input, want) in [
        ("news.example", "domain:news.example"),
        ("  NEWS.Example\t", "domain:news.example"),
        ("domain:NEWS.example", "domain:news.example"),
        ("a_b.news.com", "domain:a_b.news.com"),
        ("-x.news.com", "domain:-x.news.com"),
        ("bücher.example", "domain:xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "domain:xn--bcher-kva.example"),
        ("ｎｅｗｓ。example", "domain:news.example"),
        ("desayuno-étnico.info", "domain:xn--desayuno-tnico-jkb.info"),
        ("xyz.onion", "domain:xyz.onion"),
    ] {
        assert_eq!(read(input), want, "{input}");
    }
}

#[test]
fn a_host_names_last_dot_is_dropped_with_a_notice() {
    assert_eq!(read("news.example."), "domain:news.example");
    assert!(notice("news.example.").contains("dot at the end"));
    assert_eq!(read("https://news.example./a"), "url:https://news.example/a");
}

#[test]
fn an_address_becomes_a_url_as_the_url_standard_reads_it() {
    for (input, want) in [
        ("https://x.example/", "url:https://x.example/"),
        ("https://x.example", "url:https://x.example/"),
        ("HTTP://News.Example:80/a/./b/../c?d#e", "url:http://news.example/a/c?d"),
        ("https://u:p@news.example:8443/", "url:https://news.example:8443/"),
        ("url:https://news.example/%c3%a9%zz", "url:https://news.example/%C3%A9%zz"),
        ("https://news.example/é?ü='", "url:https://news.example/%C3%A9?%C3%BC=%27"),
        ("https://news.example/{^}|[]\\x", "url:https://news.example/%7B%5E%7D|[]/x"),
        ("https://news.example/a%2e%2E/%2e/b", "url:https://news.example/a%2E%2E/b"),
        ("https://bücher.example/", "url:https://xn--bcher-kva.example/"),
        ("http://0x7f.1/", "url:http://127.0.0.1/"),
        ("http://[2001:DB8:0:0::1]:8080/", "url:http://[2001:db8::1]:8080/"),
        ("http://[::ffff:1.2.3.4]/", "url:http://[::ffff:102:304]/"),
        ("https://gov.uk/x", "url:https://gov.uk/x"),
        ("https://news.example/?u=http://other.example/", "url:https://news.example/?u=http://other.example/"),
        ("https://news.example?", "url:https://news.example/?"),
    ] {
        assert_eq!(read(input), want, "{input}");
    }
    assert!(notice("https://u:p@news.example/").contains("user name"));
    assert!(notice("https://news.example/#a").contains("fragment"));
    assert!(notice("https://bücher.example/").contains("xn--bcher-kva.example"));
}

#[test]
fn what_is_canonical_already_comes_back_without_a_notice() {
    for text in [
        "domain:news.example",
        "url:https://news.example/a?b=%C3%A9",
        "url:https://[2001:db8::1]:8443/",
        "ip:192.0.2.0/24",
        "ip:2001:db8::1",
        "account:telegram/a%20%25%C3%A9",
        "channel:youtube/UCx",
        "app:google-play/org.x",
        "file:sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "image:pdq:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    ] {
        assert_eq!(from_input(text).unwrap(), Understood { target: text.parse().unwrap(), notices: vec![] });
    }
}

#[test]
fn addresses_made_harmless_are_understood_and_told() {
    for (input, want) in [
        ("hxxps://news[.]example/a", "url:https://news.example/a"),
        ("hXXp[://]news(.)example/", "url:http://news.example/"),
        ("HXXPS[:]//news.example/", "url:https://news.example/"),
        ("news[dot]example", "domain:news.example"),
        ("192[.]0[.]2[.]1", "ip:192.0.2.1"),
        ("http://[::1]/", "url:http://[::1]/"),
        ("hxxp.example", "domain:hxxp.example"),
    ] {
        assert_eq!(read(input), want, "{input}");
    }
    assert_eq!(notice("hxxps://news[.]example/a"), "read as https://news.example/a");
    assert_eq!(notice("hxxp.example"), "");
}

#[test]
fn ip_addresses_and_networks_are_read() {
    for (input, want) in [
        ("192.0.2.1", "ip:192.0.2.1"),
        ("192.0.2.0/24", "ip:192.0.2.0/24"),
        ("192.0.2.1/32", "ip:192.0.2.1"),
        ("2001:DB8:0::1", "ip:2001:db8::1"),
        ("[2001:db8::1]", "ip:2001:db8::1"),
        ("2001:db8::/32", "ip:2001:db8::/32"),
        ("ip:::ffff:1.2.3.4", "ip:::ffff:102:304"),
    ] {
        assert_eq!(read(input), want, "{input}");
    }
    for (input, want) in [
        ("1.2.3.256", "ip-address"),
        ("1.2.3", "ip-address"),
        ("01.2.3.4", "ip-address"),
        ("ip:x", "ip-address"),
        ("[x:1]", "ip-address"),
        ("[::g]", "ip-address"),
        ("192.0.2.0/33", "ip-prefix"),
        ("ip:192.0.2.0/a", "ip-prefix"),
        ("192.0.2.1/24", "ip-host-bits"),
        ("0.0.0.0/0", "ip-too-broad"),
        ("2001::/15", "ip-too-broad"),
        ("192.0.2.1/a", "path-without-scheme"),
        ("192.0.2.1/", "path-without-scheme"),
        ("http://1.2.3.256/", "ip-address"),
    ] {
        assert_eq!(code(input), want, "{input}");
    }
    assert!(notice("10.0.0.1").contains("public internet"));
    assert!(from_input("192.0.2.1/24").unwrap_err().to_string().ends_with("192.0.2.0/24"));
}

#[test]
fn accounts_channels_apps_and_hashes_are_brought_into_form() {
    for (input, want) in [
        ("account:Telegram/@Xyz", "account:telegram/Xyz"),
        ("account:x/é", "account:x/%C3%A9"),
        ("account:x/100%", "account:x/100%25"),
        ("account:x/%41%c3", "account:x/%2541%C3"),
        ("channel:YouTube/UCx", "channel:youtube/UCx"),
    ] {
        assert_eq!(read(input), want, "{input}");
    }
    let hash = "AB".repeat(32);
    assert_eq!(read(&format!("file:SHA256:{hash}")), format!("file:sha256:{}", hash.to_lowercase()));
    assert_eq!(code("account:telegram"), "bad-handle");
    assert_eq!(code("account:tele gram/x"), "space");
    assert_eq!(code("account:telegram/"), "bad-handle");
    assert_eq!(code("file:sha256:abc"), "bad-hash");
    assert_eq!(code("image:md5:abc"), "bad-hash");
}

#[test]
fn public_suffixes_are_refused_if_icann_and_noticed_if_private() {
    for input in ["co.uk", "com", "COM.", "domain:co.uk", "xn--p1ai", "рф", "foo.ck"] {
        assert_eq!(code(input), "public-suffix", "{input}");
    }
    assert_eq!(read("ddns.net"), "domain:ddns.net");
    assert!(notice("ddns.net").contains("none of them"));
    assert_eq!(notice("x.ddns.net"), "");
    assert_eq!(code("localhost"), "single-label");
}

#[test]
fn each_fault_has_its_name() {
    let label = "a".repeat(300);
    let long = format!("{}example", "abcdefgh.".repeat(28));
    for (input, want) in [
        ("", "empty"),
        (" \t\r\n", "empty"),
        ("a\0b.example", "control-character"),
        ("a\tb.example", "control-character"),
        ("a\u{85}b.example", "control-character"),
        ("a\u{202e}b.example", "bidi-control"),
        ("a\u{200f}b.example", "bidi-control"),
        ("a\u{200b}b.example", "invisible-character"),
        ("\u{feff}b.example", "invisible-character"),
        ("a\u{ad}b.example", "invisible-character"),
        ("b\u{fffd}cher.example", "not-utf8"),
        ("news example.com", "space"),
        ("news\u{a0}x.com", "space"),
        ("https://news.example/a b", "space"),
        (&format!("https://news.example/{}", "a".repeat(9_000)), "too-long"),
        (&long, "too-long"),
        (&format!("{label}.example"), "label-too-long"),
        (&format!("{}.example", "é".repeat(300)), "label-too-long"),
        (&format!("http://{label}.example/"), "label-too-long"),
        (".", "empty-label"),
        ("a..example", "empty-label"),
        (".a.example", "empty-label"),
        ("https://a..example/", "empty-label"),
        ("https://localhost/", "single-label"),
        ("news,example.com", "bad-host"),
        ("a%41.example", "bad-host"),
        ("domain:a.example/b", "bad-host"),
        ("xn--a.example", "not-ascii-after-idna"),
        ("http://xn--a.example/", "not-ascii-after-idna"),
        ("a\u{2260}\u{338}\u{e000}.example", "not-ascii-after-idna"),
        ("-news.com", "label-form"),
        ("news-.co.uk", "label-form"),
        ("ne_ws.com", "label-form"),
        ("https://a.ne_ws.com/", "label-form"),
        ("someone@news.example", "email"),
        ("mailto:someone@news.example", "email"),
        ("*.news.example", "wildcard"),
        ("https://*.news.example/", "wildcard"),
        ("news.example/a/b", "path-without-scheme"),
        ("news.example/", "path-without-scheme"),
        ("news.example/@x", "path-without-scheme"),
        ("news.example?x", "path-without-scheme"),
        ("//news.example/a", "path-without-scheme"),
        ("news.example/?u=http://x.example/", "path-without-scheme"),
        ("news.example:8080", "port-without-scheme"),
        ("ftp://news.example/", "unsupported-scheme"),
        ("file:///etc/passwd", "unsupported-scheme"),
        ("javascript:alert(1)", "unsupported-scheme"),
        ("http:news.example", "bad-url"),
        ("https:/news.example", "bad-url"),
        ("http://", "bad-url"),
        ("http://news.example:99999/", "bad-url"),
        ("http://news.example:0/", "bad-url"),
        ("url:news.example", "bad-url"),
    ] {
        assert_eq!(code(input), want, "{input:?}");
    }
    assert!(from_input("news.example/a/b").unwrap_err().to_string().contains("http:// or https://"));
}

#[test]
fn idna_is_read_as_the_url_standard_has_it_also_at_its_edges() {
    for (input, want) in [
        // Not as IDNA 2003, which made another name of it.
        ("faß.de", "domain:xn--fa-hia.de"),
        ("ΣΊΣΥΦΟΣ.gr", "domain:xn--kxa6akbbkh.gr"),
        ("İstanbul.com", "domain:xn--istanbul-o0e.com"),
        ("e\u{301}tat.fr", "domain:xn--tat-9la.fr"),
        ("état.fr", "domain:xn--tat-9la.fr"),
        ("ｘｎ－－ｂｃｈｅｒ－ｋｖａ.example", "domain:xn--bcher-kva.example"),
        ("a．b。c｡example", "domain:a.b.c.example"),
        ("💩.la", "domain:xn--ls8h.la"),
        ("ab--cd.com", "domain:ab--cd.com"),
        ("نامه\u{200c}ای.com", "domain:xn--mgba3gch31f060k.com"),
    ] {
        assert_eq!(read(input), want, "{input}");
        assert_eq!(read(&format!("https://{input}/")), want.replace("domain:", "url:https://") + "/", "{input}");
    }
    let octets = |label: String| format!("{label}.example");
    for input in [
        // Joiners where no script joins, a mark without a letter, two directions, punycode of nothing or of what it should
        // not say, signs that end a host, and a label that is too long only as punycode.
        "a\u{200d}b.example",
        "a\u{200c}b.example",
        "\u{301}a.example",
        "אa.example",
        "٠١٢.مثال.example",
        "a／b@c.example",
        "xn--.example",
        "xn--a-.example",
        "xn--80.example",
        "XN--ZZZZZZZZZZZZ.example",
        "xn--bcher-kva\u{fc}.example",
        "a\u{378}.example",
        &octets("ü".repeat(63)),
    ] {
        let typed = from_input(input);
        assert!(typed.is_err(), "{input:?} is taken for {typed:?}");
        let url = from_input(&format!("https://{input}/"));
        assert!(url.as_ref().is_err() || !url.as_ref().unwrap().target.as_str().contains("xn--"), "{input:?}: {url:?}");
    }
}

#[test]
fn what_is_very_long_is_refused_at_once_and_by_name() {
    for input in [
        format!("https://news.example/{}", "a".repeat(100_000)),
        format!("https://news.example/?{}", "%41".repeat(40_000)),
        format!("https://{}news.example/", "a.".repeat(50_000)),
        "a.".repeat(50_000),
        "[.]".repeat(40_000),
        format!("account:telegram/{}", "é".repeat(60_000)),
        format!("ip:{}", "1".repeat(100_000)),
    ] {
        assert_eq!(code(&input), "too-long");
    }
    // Short as it is typed, and long once it is written out.
    assert_eq!(code(&format!("https://news.example/{}", "é".repeat(4_000))), "too-long");
}

proptest::proptest! {
    #[test]
    fn whatever_is_understood_is_canonical_and_stays_as_it_is(input in "\\PC{0,40}|(https?://)?[a-zA-Z0-9.:/%?#@é\\[\\]^_-]{1,40}") {
        if let Ok(understood) = from_input(&input) {
            let again = from_input(understood.target.as_str());
            proptest::prop_assert_eq!(again.map(|again| again.target), Ok(understood.target));
        }
    }
}
