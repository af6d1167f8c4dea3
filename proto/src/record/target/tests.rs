use super::*;

fn fault(text: &str) -> GrammarFault {
    text.parse::<Target>().expect_err(text)
}

#[test]
fn canonical_targets_of_every_type_are_taken_as_they_are() {
    let label = "a".repeat(63);
    let name_253 = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    let good = [
        "domain:news.example",
        "domain:a_b.-x-.xn--bcher-kva.example",
        "domain:1.2.3.0xg",
        "domain:0.example",
        &format!("domain:{name_253}"),
        "url:http://news.example/",
        "url:https://news.example:8443/a//b/%C3%A9?x=[1]&y={2}^|`\\",
        "url:https://news.example/?",
        "url:http://news.example:443/100%/%zz/a.b/...",
        "url:https://192.0.2.1/",
        "url:https://[2001:db8::1]:1/",
        "ip:192.0.2.1",
        "ip:192.0.2.0/24",
        "ip:128.0.0.0/1",
        "ip:192.0.2.2/31",
        "ip:2001:db8::/32",
        "ip:::",
        "ip:::1",
        "ip:1::",
        "ip:::ffff:102:304",
        "ip:1:0:2::3",
        "ip:1:0:2:3:4:5:6:7",
        "ip:8000::/1",
        "account:telegram/xyz",
        "account:mastodon.example/a@b/c",
        "account:x/%20%25%C3%A9",
        "channel:youtube/UC_xyz-1",
        "app:google-play/org.news.app",
        &format!("file:sha256:{}", "0123456789abcdef".repeat(4)),
        &format!("image:pdq:{}", "f".repeat(64)),
    ];
    for text in good {
        let target: Target = text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(target.as_str(), text);
        let (kind, value) = target.parts();
        let word = TargetType::ALL.iter().find(|(own, _)| *own == kind).unwrap().1;
        assert_eq!(format!("{word}:{value}"), text);
    }
}

#[test]
fn each_rule_of_the_grammar_has_its_refusal() {
    use GrammarFault::*;
    let label = "a".repeat(63);
    let cases = [
        (format!("url:https://news.example/{}", "a".repeat(8_192)), TooLong),
        ("domain:news example".into(), NotAscii),
        ("domain:néws.example".into(), NotAscii),
        ("url:https://news.example/\n".into(), NotAscii),
        ("news.example".into(), NoType),
        ("Domain:news.example".into(), NoType),
        ("".into(), NoType),
        ("domain:".into(), EmptyLabel),
        ("domain:a..example".into(), EmptyLabel),
        ("domain:.a.example".into(), EmptyLabel),
        ("domain:a.example.".into(), EmptyLabel),
        ("domain:A.example".into(), NameByte),
        ("domain:*.example".into(), NameByte),
        ("domain:a.example/".into(), NameByte),
        (format!("domain:{label}a.example"), LabelTooLong),
        (format!("domain:{label}.{label}.{label}.{}", "a".repeat(62)), NameTooLong),
        ("domain:localhost".into(), SingleLabel),
        ("domain:1.2.3.4".into(), NumericName),
        ("domain:a.0x1f".into(), NumericName),
        ("domain:a.0x".into(), NumericName),
        ("url:ftp://a.example/".into(), Scheme),
        ("url:HTTP://a.example/".into(), Scheme),
        ("url:https:/a.example/".into(), Scheme),
        ("url:https://a.example".into(), NoPath),
        ("url:https://a.example?b".into(), NoPath),
        ("url:https:///a".into(), EmptyLabel),
        ("url:https://u@a.example/".into(), NameByte),
        ("url:https://u:p@a.example/".into(), Port),
        ("url:https://localhost/".into(), SingleLabel),
        ("url:https://A.example/".into(), NameByte),
        ("url:https://1.2.3/".into(), Address),
        ("url:https://1.2.3.04/".into(), Address),
        ("url:https://[::0]/".into(), Address),
        ("url:https://[1.2.3.4]/".into(), Address),
        ("url:https://a.example:443/".into(), Port),
        ("url:http://a.example:80/".into(), Port),
        ("url:http://a.example:/".into(), Port),
        ("url:http://a.example:0/".into(), Port),
        ("url:http://a.example:08/".into(), Port),
        ("url:http://a.example:65536/".into(), Port),
        ("url:https://a.example/#".into(), PathByte),
        ("url:https://a.example/^".into(), PathByte),
        ("url:https://a.example/\\".into(), PathByte),
        ("url:https://a.example/{".into(), PathByte),
        ("url:https://a.example/`".into(), PathByte),
        ("url:https://a.example/.".into(), DotSegment),
        ("url:https://a.example/a/../b".into(), DotSegment),
        ("url:https://a.example/.%2E/b".into(), DotSegment),
        ("url:https://a.example/%2E".into(), DotSegment),
        ("url:https://a.example/?a#".into(), QueryByte),
        ("url:https://a.example/?'".into(), QueryByte),
        ("url:https://a.example/?<".into(), QueryByte),
        ("url:https://a.example/%c3".into(), PercentCase),
        ("url:https://a.example/%%aB".into(), PercentCase),
        ("url:https://a.example/?%fF".into(), PercentCase),
        ("ip:1.2.3".into(), Address),
        ("ip:01.2.3.4".into(), Address),
        ("ip:2001:DB8::1".into(), Address),
        ("ip:2001:0db8::1".into(), Address),
        ("ip:::ffff:1.2.3.4".into(), Address),
        ("ip:1:0::2:3:4:5:6".into(), Address),
        ("ip:1::0:0:2:3".into(), Address),
        ("ip:1::2:0:0:0:3".into(), Address),
        ("ip:[::1]".into(), Address),
        ("ip:fe80::1%1".into(), Address),
        ("ip:192.0.2.0/0".into(), PrefixLength),
        ("ip:192.0.2.0/32".into(), PrefixLength),
        ("ip:192.0.2.0/024".into(), PrefixLength),
        ("ip:192.0.2.0/".into(), PrefixLength),
        ("ip:2001:db8::/128".into(), PrefixLength),
        ("ip:192.0.2.1/24".into(), HostBits),
        ("ip:2001:db8::1/127".into(), HostBits),
        ("account:telegram".into(), Platform),
        ("account:Telegram/x".into(), Platform),
        ("account:/x".into(), Platform),
        ("account:.x/x".into(), Platform),
        (format!("account:{}/x", "a".repeat(65)), Platform),
        ("account:telegram/".into(), Handle),
        ("account:telegram/@x".into(), Handle),
        (format!("channel:x/{}", "a".repeat(1_025)), Handle),
        ("account:x/%41".into(), HandlePercent),
        ("account:x/%2".into(), HandlePercent),
        ("account:x/%c3".into(), HandlePercent),
        ("account:x/%".into(), HandlePercent),
        ("file:sha256:00".into(), HashForm),
        (format!("file:sha256:{}", "A".repeat(64)), HashForm),
        (format!("file:md5:{}", "a".repeat(64)), HashForm),
        (format!("image:sha256:{}", "a".repeat(64)), HashForm),
    ];
    for (text, want) in cases {
        assert_eq!(fault(&text), want, "{text}");
    }
}

fn above(text: &str) -> Vec<String> {
    parents(&text.parse().unwrap()).map(|target| target.to_string()).collect()
}

#[test]
fn names_inherit_from_the_names_above_them_down_to_the_registrable_one() {
    assert_eq!(above("url:https://a.news.example/x"), ["domain:a.news.example", "domain:news.example"]);
    assert_eq!(above("domain:a.news.example"), ["domain:news.example"]);
    assert_eq!(above("domain:a.b.news.co.uk"), ["domain:b.news.co.uk", "domain:news.co.uk"]);
    assert!(above("domain:news.example").is_empty());
    assert!(above("domain:news.co.uk").is_empty());
}

#[test]
fn nothing_inherits_across_a_public_suffix_but_a_listed_suffix_is_found_for_itself() {
    assert_eq!(above("url:http://ddns.net/a"), ["domain:ddns.net"]);
    assert_eq!(above("url:http://x.evil.ddns.net:81/a"), ["domain:x.evil.ddns.net", "domain:evil.ddns.net"]);
    assert!(above("domain:evil.ddns.net").is_empty());
    assert!(above("domain:ddns.net").is_empty());
    assert_eq!(above("url:http://co.uk/"), ["domain:co.uk"]);
}

#[test]
fn addresses_inherit_from_the_networks_around_them() {
    let v4 = above("url:https://192.0.2.255:8443/x");
    assert_eq!(&v4[..3], ["ip:192.0.2.255", "ip:192.0.2.254/31", "ip:192.0.2.252/30"]);
    assert_eq!(v4.last().unwrap(), "ip:192.0.0.0/8");
    let v6 = above("url:https://[2001:db8::1]/x");
    assert_eq!(&v6[..2], ["ip:2001:db8::1", "ip:2001:db8::/127"]);
    assert_eq!(v6.last().unwrap(), "ip:2001::/16");
    assert_eq!(above("ip:10.0.0.0/9"), ["ip:10.0.0.0/8"]);
    assert!(above("ip:10.0.0.0/8").is_empty());
    for text in v4.iter().chain(&v6) {
        assert!(text.parse::<Target>().is_ok(), "{text}");
    }
}

#[test]
fn accounts_and_hashes_have_nothing_above_them() {
    assert!(above("account:telegram/x").is_empty());
    assert!(above(&format!("file:sha256:{}", "0".repeat(64))).is_empty());
}
