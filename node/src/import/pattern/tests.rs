use super::*;

fn targets(pattern: &str) -> Vec<String> {
    named(pattern).unwrap().targets
}

#[test]
fn each_kind_is_read_from_its_comparison() {
    assert_eq!(targets("[url:value = 'https://a.example/x?y=\\'z\\\\']"), ["url:https://a.example/x?y='z\\"]);
    assert_eq!(targets(" [ domain-name:value='a.example' ] "), ["domain:a.example"]);
    assert_eq!(targets("[ipv4-addr:value = '192.0.2.0/24']"), ["ip:192.0.2.0/24"]);
    assert_eq!(targets("[ipv6-addr:value ISSUBSET '2001:db8::/32']"), ["ip:2001:db8::/32"]);
    for path in ["file:hashes.'SHA-256'", "file:hashes.SHA256", "file:hashes.'sha-256'"] {
        assert_eq!(targets(&format!("[{path} = 'ab']")), ["file:sha256:ab"]);
    }
    assert_eq!(targets("[url:value IN ('http://a.example/', 'http://b.example/')]").len(), 2);
    assert_eq!(targets("[url:value = 'hxxp://a.example/']"), ["hxxp://a.example/"]);
}

#[test]
fn each_side_of_an_or_is_named() {
    let both = ["domain:a.example", "domain:b.example"];
    assert_eq!(targets("[domain-name:value = 'a.example' OR domain-name:value = 'b.example']"), both);
    assert_eq!(targets("[domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']"), both);
    assert_eq!(targets("([domain-name:value = 'a.example'] OR ([(domain-name:value = 'b.example')]))"), both);
    let named = named("[domain-name:value = 'a.example' OR file:hashes.MD5 = 'x' OR url:value LIKE '%b%']").unwrap();
    assert_eq!((named.targets.len(), named.unread.len()), (1, 2));
}

#[test]
fn of_an_and_the_narrowest_is_named() {
    assert_eq!(targets("[domain-name:value = 'a.example' AND ipv4-addr:value = '192.0.2.1']"), ["domain:a.example"]);
    assert_eq!(targets("[ipv4-addr:value = '192.0.2.1'] AND [url:value = 'http://a.example/']").len(), 1);
    assert_eq!(targets("[file:name = 'x' AND file:hashes.'SHA-256' = 'ab' AND file:size = 12]"), ["file:sha256:ab"]);
    // AND binds more tightly than OR.
    assert_eq!(
        targets(
            "[domain-name:value = 'a.example' OR ipv4-addr:value = '192.0.2.1' AND url:value = 'http://b.example/']"
        ),
        ["domain:a.example", "url:http://b.example/"]
    );
    assert_eq!(
        targets(
            "[(domain-name:value = 'a.example' OR url:value = 'http://b.example/') AND ipv4-addr:value = '192.0.2.1']"
        )
        .len(),
        2
    );
    assert_eq!(
        targets("[domain-name:value = 'a.example' AND domain-name:resolves_to_refs[*].value = '192.0.2.1']"),
        ["domain:a.example"]
    );
}

#[test]
fn what_says_more_than_this_thing_names_nothing() {
    for pattern in [
        "[domain-name:value != 'a.example']",
        "[domain-name:value NOT = 'a.example']",
        "[domain-name:value LIKE '%.example']",
        "[url:value MATCHES '^http']",
        "[domain-name:value ISSUBSET 'a.example']",
        "[domain-name:value = 'a.example' AND url:value NOT LIKE '%x%']",
        "[domain-name:value = 'a.example'] FOLLOWEDBY [url:value = 'http://b.example/']",
        "[domain-name:value = 'a.example'] REPEATS 5 TIMES",
        "[domain-name:value = 'a.example'] WITHIN 30 SECONDS",
        "[EXISTS url:value]",
        "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']",
        "[network-traffic:dst_port = 443]",
    ] {
        assert_eq!(named(pattern).unwrap_err().code, "pattern", "{pattern}");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    for pattern in [
        "",
        "a.example",
        "[",
        "[]",
        "[url:value]",
        "[url:value =]",
        "[url:value = 'x]",
        "[url:value = 'x'",
        "[url:value = 'x' AND]",
        "[url:value = 'x']]",
        "[url:value IN ('x']",
        "[url = 'x']",
        "[url:value[ = 'x']",
    ] {
        assert_eq!(named(pattern).unwrap_err().code, "pattern", "{pattern}");
    }
    for deep in ["(".repeat(100_000), format!("[{}", "(".repeat(100_000))] {
        assert!(named(&deep).unwrap_err().reason.contains("deep"));
    }
}
