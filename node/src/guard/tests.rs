use std::fs;

use super::*;

fn list(kind: &str, entries: &[&str], attributes: &[&str]) -> String {
    serde_json::json!({ "name": format!("{kind} list"), "version": 1, "description": "", "type": kind, "list": entries,
        "matching_attributes": attributes })
    .to_string()
}

fn hit(text: &str, target: &str) -> Option<(String, bool)> {
    let list = GuardList::parse(text.as_bytes()).unwrap();
    list.hit(&list::Probe::of(&target.parse().unwrap())).map(|hit| (hit.entry, hit.page))
}

fn entry(text: &str, page: bool) -> Option<(String, bool)> {
    Some((text.to_owned(), page))
}

#[test]
fn a_hostname_list_hits_the_name_and_all_below_it() {
    let list = list("hostname", &["Wikipedia.org", ".news.example"], &["domain", "hostname", "url"]);
    for target in ["domain:wikipedia.org", "domain:en.wikipedia.org", "url:https://en.wikipedia.org/"] {
        assert_eq!(hit(&list, target), entry("wikipedia.org", false), "{target}");
    }
    assert_eq!(hit(&list, "url:https://en.wikipedia.org:8443/wiki/X?y"), entry("wikipedia.org", true));
    assert_eq!(hit(&list, "domain:news.example"), entry("news.example", false));
    assert_eq!(hit(&list, "domain:notwikipedia.org"), None);
    // A domain covers what is below it; an address does not.
    let below = self::list("hostname", &["hospital.city.example"], &[]);
    assert_eq!(hit(&below, "domain:city.example"), entry("hospital.city.example", false));
    assert_eq!(hit(&below, "url:https://city.example/"), None);
    assert_eq!(hit(&below, "domain:city2.example"), None);
    assert_eq!(hit(&list, "domain:other.org"), None);
}

#[test]
fn a_string_list_hits_the_very_value_and_with_a_dot_before_it_what_is_below() {
    let list = list("string", &["google.com", ".google.be", "https://a.example/x"], &[]);
    assert_eq!(hit(&list, "domain:google.com"), entry("google.com", false));
    assert_eq!(hit(&list, "url:https://google.com/"), entry("google.com", false));
    assert_eq!(hit(&list, "domain:www.google.com"), None);
    assert_eq!(hit(&list, "domain:www.google.be"), entry(".google.be", false));
    assert_eq!(hit(&list, "domain:google.be"), entry(".google.be", false));
    assert_eq!(hit(&list, "url:https://a.example/x"), entry("https://a.example/x", false));
    assert_eq!(hit(&list, "url:https://a.example/xy"), None);
}

#[test]
fn a_substring_list_hits_what_contains_the_entry() {
    let list = list("substring", &["/robots.txt", "Archive."], &["url"]);
    assert_eq!(hit(&list, "url:https://a.example/robots.txt"), entry("/robots.txt", false));
    assert_eq!(hit(&list, "url:https://archive.example/details/x"), entry("archive.", true));
    assert_eq!(hit(&list, "domain:archive.example"), None);
}

#[test]
fn a_cidr_list_hits_addresses_also_as_hosts() {
    let list = list("cidr", &["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"], &["ip-dst"]);
    assert_eq!(hit(&list, "ip:192.0.2.9"), entry("192.0.2.0/24", false));
    assert_eq!(hit(&list, "ip:2001:db8::1"), entry("2001:db8::/32", false));
    assert_eq!(hit(&list, "url:http://198.51.100.7/x"), entry("198.51.100.7/32", true));
    assert_eq!(hit(&list, "url:http://[2001:db8::1]:81/"), entry("2001:db8::/32", false));
    assert_eq!(hit(&list, "ip:198.51.100.8"), None);
    assert_eq!(hit(&list, "ip:198.51.100.0/24"), entry("198.51.100.7/32", false));
}

#[test]
fn a_regex_list_hits_where_the_expression_is_found() {
    let list = list("regex", &["/^(www\\.)?gov\\.example$/i", "court"], &[]);
    assert_eq!(hit(&list, "domain:gov.example"), entry("^(www\\.)?gov\\.example$", false));
    assert_eq!(hit(&list, "domain:high-court.example"), entry("court", false));
    assert_eq!(hit(&list, "domain:gov.example.example"), None);
}

#[test]
fn the_matching_attributes_say_what_a_list_is_held_against() {
    let only_domains = list("hostname", &["a.example"], &["domain"]);
    assert_eq!(hit(&only_domains, "url:https://a.example/"), None);
    assert_eq!(hit(&only_domains, "domain:a.example"), entry("a.example", false));
    let hash = "ab".repeat(32);
    let files = list("string", &[&hash], &["sha256"]);
    assert_eq!(hit(&files, &format!("file:sha256:{hash}")), entry(&hash, false));
}

#[test]
fn what_is_no_list_is_refused_with_its_fault() {
    let fault = |text: &str| GuardList::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(fault("[]").contains("MISP"));
    assert!(fault(&list("prefix", &[], &[])).contains("\"prefix\""));
    assert!(fault(&list("cidr", &["192.0.2.0/33"], &[])).contains("192.0.2.0/33"));
    assert!(fault(&list("regex", &["("], &[])).contains("unclosed"));
    assert!(fault(&list("regex", &["//"], &[])).contains("empty"));
    assert!(fault(&list("regex", &["(a{1000}){1000}"], &[])).contains("size"));
}

#[test]
fn lists_are_read_again_when_they_change_and_a_broken_one_keeps_what_it_said() {
    let home = tempfile::tempdir().unwrap();
    let guard = Guard::new(home.path().join("guard"));
    let target = "domain:a.example".parse().unwrap();
    assert_eq!((guard.lists().hits(&target), guard.lists().faults().count()), (vec![], 0));

    let path = home.path().join("guard/one.json");
    fs::create_dir(home.path().join("guard")).unwrap();
    fs::write(home.path().join("guard/README"), "not a list").unwrap();
    fs::write(&path, list("hostname", &["a.example"], &[])).unwrap();
    let expected = vec![Hit { list: "hostname list".into(), entry: "a.example".into(), page: false }];
    assert_eq!(guard.lists().hits(&target), expected);

    fs::write(&path, "{ broken").unwrap();
    let lists = guard.lists();
    assert_eq!(lists.hits(&target), expected);
    let faults: Vec<_> = lists.faults().collect();
    assert!(faults.len() == 1 && faults[0].contains("one.json") && faults[0].contains("stays in force"), "{faults:?}");

    fs::write(&path, list("hostname", &["b.example", "c.example"], &[])).unwrap();
    let lists = guard.lists();
    assert_eq!((lists.hits(&target), lists.faults().count()), (vec![], 0));
    fs::write(home.path().join("guard/two.json"), "{}").unwrap();
    assert!(guard.lists().faults().next().unwrap().contains("guards nothing"));
    fs::remove_file(home.path().join("guard/two.json")).unwrap();
    // As MISP's repository keeps them.
    for name in ["google", "wikimedia"] {
        fs::create_dir(home.path().join("guard").join(name)).unwrap();
        fs::write(home.path().join("guard").join(name).join("list.json"), "{}").unwrap();
    }
    let lists = guard.lists();
    let told: Vec<&str> = lists.faults().filter(|fault| fault.contains("guard/google and 1 more like it")).collect();
    assert_eq!((told.len(), lists.in_force().count()), (1, 1), "{:?}", lists.faults().collect::<Vec<_>>());
    fs::remove_dir_all(home.path().join("guard")).unwrap();
    assert_eq!(guard.lists().faults().count(), 0);
}
