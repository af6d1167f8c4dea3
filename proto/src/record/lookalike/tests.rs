use crate::record::{LOOKALIKE, from_input};

/// The notices about look-alikes of what a person typed.
fn pointed_out(input: &str) -> Vec<String> {
    let notices = from_input(input).unwrap_or_else(|fault| panic!("{input:?}: {fault}")).notices;
    notices.into_iter().filter(|notice| notice.contains(LOOKALIKE)).collect()
}

#[test]
fn a_name_all_in_letters_that_look_latin_is_pointed_out() {
    for (input, script, like) in [
        ("аррӏе.com", "Cyrillic", "apple"),
        ("xn--80ak6aa92e.com", "Cyrillic", "apple"),
        ("https://аррӏе.com/login", "Cyrillic", "apple"),
        ("https://id.еріс.com:8443/", "Cyrillic", "epic"),
        ("url:http://xn--80ak6aa92e.com/", "Cyrillic", "apple"),
        ("ɑpple.com", "Latin", "apple"),
        ("ορο.com", "Greek", "opo"),
    ] {
        let notices = pointed_out(input);
        let [notice] = notices.as_slice() else { panic!("{input}: {notices:?}") };
        assert!(notice.contains(&format!("is written in {script} letters and looks like {like:?}")), "{notice}");
    }
}

#[test]
fn a_name_that_mixes_scripts_is_pointed_out_with_what_it_looks_like() {
    let told = |input: &str| pointed_out(input).join("; ");
    assert_eq!(
        told("pаypal.com"),
        "the name \"pаypal\" (xn--pypal-4ve) mixes Latin and Cyrillic letters and looks like \"paypal\": make sure that it is the one that is meant"
    );
    for (input, words) in [
        ("www.xn--pypal-4ve.com", "mixes Latin and Cyrillic letters and looks like \"paypal\""),
        ("https://gοοgle.example/", "mixes Latin and Greek letters and looks like \"google\""),
        // A sign that looks as if the host ended there.
        ("bank.example⁄login.evil.example", "has a sign in it, '⁄', that looks like the end of a host name"),
        // It cannot be read as ASCII, and is mixed all the same.
        ("newsж.example", "mixes Latin and Cyrillic letters"),
        ("βета.example", "mixes Greek and Cyrillic letters"),
    ] {
        assert!(told(input).contains(words), "{input}: {}", told(input));
    }
}

#[test]
fn ordinary_names_of_many_languages_are_not_pointed_out() {
    for name in [
        "bücher.example",
        "straße.de",
        "müller-lüdenscheidt.de",
        "desayuno-étnico.info",
        "smørrebrød.dk",
        "æble.dk",
        "kız.com.tr",
        "ışık.com",
        "łódź.pl",
        "việtnam.vn",
        "日本語.jp",
        "東京タワー.jp",
        "ニュースtv.example",
        "ーカフェー.example",
        "ノートpc.jp",
        "中文网.cn",
        "한국어news.kr",
        "ελλάδα.gr",
        "ειδήσεις.example",
        "νέα.gr",
        "новости.рф",
        "хор.рф",
        "россия24.example",
        "президент.рф",
        "العربية.net",
        "اه.com",
        "أخبار.مصر",
        "חדשות.co.il",
        "סוס.example",
        "ไทยรัฐ.example",
        "हिन्दी.भारत",
        "news.example",
        "xn--bcher-kva.example",
    ] {
        assert_eq!(pointed_out(name), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_look_alike_is_a_notice_and_changes_no_target() {
    let understood = from_input("аррӏе.com").unwrap();
    assert_eq!(understood.target.as_str(), "domain:xn--80ak6aa92e.com");
    assert_eq!(understood.target, "domain:xn--80ak6aa92e.com".parse().unwrap());
}
