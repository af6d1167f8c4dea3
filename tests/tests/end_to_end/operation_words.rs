//! What an officer is told who takes a step of an operation that is likely a mistake, or cannot be taken: why, and what to do.

use entente_tests::network::Network;

use crate::PROGRAM;
use crate::desk::code;
use crate::operation::{refused, show, step, target, until_shown};
use crate::operation_slips::{begun, noted};

#[test]
fn who_reports_is_told_what_speaks_against_having_acted_and_the_report_counts() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL"]);
    let (be, fr, nl) = (network.node("BE"), network.node("FR"), network.node("NL"));
    let id = begun(&network);
    step(be, &["assign", &id, "BE", "files.example"]);
    step(be, &["freeze", &id]);
    step(be, &["ready", &id]);
    step(be, &["go", &id]);
    let hold = nl.call(&["hold", "files.example", "--wait", "certified"]).ended(0).document()["id"].clone();
    let hold = hold.as_str().unwrap();
    until_shown(fr, &id, "the late hold", |page| {
        page["phase"] == "go" && target(page, "domain:files.example")["against"][0]["id"] == hold
    });
    let first = step(fr, &["executed", &id, "files.example"]);
    assert!(noted(&first, &format!("LATE: held by NL ({hold})")), "{first}");
    assert!(noted(&first, "the lead assigned it to BE, not to this unit"), "{first}");
    assert!(!noted(&first, "reported on it before"), "{first}");
    let again = step(fr, &["executed", &id, "files.example", "--result", "failed"]);
    assert!(noted(&again, &format!("reported on it before, {}:", first["id"].as_str().unwrap())), "{again}");
    let quiet = step(be, &["executed", &id, "https://news.example/a"]);
    assert_eq!(quiet["notices"].as_array().unwrap().len(), 0, "{quiet}");

    let off = step(be, &["abort", &id, "--reason", "a leak"])["id"].as_str().unwrap().to_owned();
    until_shown(fr, &id, "that it is called off", |page| page["phase"] == "aborted");
    let late = step(fr, &["executed", &id, "https://news.example/a"]);
    assert!(noted(&late, &format!("THE OPERATION WAS CALLED OFF ({off}: a leak)")), "{late}");
    let page = show(fr, &id);
    assert_eq!(target(&page, "url:https://news.example/a")["executed"].as_array().unwrap().len(), 2, "{page}");
}

#[test]
fn an_operation_is_closed_only_after_its_go_and_who_closes_it_is_told_what_is_open() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    let id = begun(&network);
    for _ in ["open", "frozen"] {
        let closed = be.call(&["operation", "close", &id]).ended(1);
        closed.says(&["has not said go", &format!("entente operation abort {id}")]);
        assert_eq!(code(&closed.document()), "not-gone");
        let _ = be.call(&["operation", "freeze", &id, "--wait", "certified"]);
    }
    assert_eq!(show(be, &id)["phase"], "frozen");
    step(be, &["ready", &id]);
    step(be, &["go", &id]);
    step(be, &["executed", &id, "files.example"]);
    let closed = step(be, &["close", &id]);
    assert!(noted(&closed, "1 target is still open"), "{closed}");
    // What was called off may be closed at any time.
    let id = step(be, &["new", "--title", "Two", "files.example"])["id"].as_str().unwrap().to_owned();
    step(be, &["abort", &id]);
    let closed = step(be, &["close", &id]);
    assert_eq!(closed["notices"].as_array().unwrap().len(), 0, "{closed}");
}

#[test]
fn where_a_unit_that_must_be_ready_declined_the_ways_out_are_told() {
    let network = Network::running(PROGRAM, &["BE", "FR", "NL"]);
    let (be, fr, nl) = (network.node("BE"), network.node("FR"), network.node("NL"));
    let _ = be.refer("files.example", "certified");
    let new = step(be, &["new", "--title", "Amaq", "--invite", "FR", "files.example"]);
    let id = new["id"].as_str().unwrap().to_owned();
    until_shown(fr, &id, "the operation", |_| true);
    assert_eq!(refused(fr, &["go", &id]), "not-lead");
    step(fr, &["decline", &id]);
    until_shown(be, &id, "that FR declined", |page| page["units"][1]["part"] == "declined");
    let assigned = step(be, &["assign", &id, "FR", "files.example"]);
    assert!(noted(&assigned, "FR has declined"), "{assigned}");
    step(be, &["freeze", &id]);
    step(be, &["ready", &id]);
    let none = be.call(&["operation", "go", &id]).ended(1);
    let invite = format!("entente operation invite {id} UNIT");
    none.says(&["2 units must be ready, 1 are. Declined: FR", &invite, &format!("entente operation abort {id}")]);
    assert_eq!(code(&none.document()), "no-quorum");
    // It is a way out.
    step(be, &["invite", &id, "NL"]);
    until_shown(nl, &id, "that NL is invited", |page| page["units"][2]["part"] == "invited");
    step(nl, &["join", &id]);
    step(nl, &["ready", &id]);
    until_shown(be, &id, "that NL is ready", |page| page["units"][2]["ready"].is_string());
    step(be, &["go", &id]);
    until_shown(fr, &id, "the go", |page| page["phase"] == "go");
    let joined = step(fr, &["join", &id]);
    assert!(noted(&joined, "the lead has said go already"), "{joined}");
}

#[test]
fn where_everything_is_left_out_it_is_told_why_and_how_to_act_nevertheless() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let (be, fr) = (network.node("BE"), network.node("FR"));
    let referral = be.refer("files.example", "certified")["id"].as_str().unwrap().to_owned();
    let id = step(be, &["new", "--title", "Amaq", "files.example"])["id"].as_str().unwrap().to_owned();
    step(be, &["freeze", &id]);
    step(be, &["ready", &id]);
    network.until_agreed(&["BE", "FR"]);
    let objection = fr.call(&["object", &referral, "--ground", "other", "--wait", "certified"]).ended(0).document();
    let objection = objection["id"].as_str().unwrap();
    until_shown(be, &id, "the objection", |page| page["targets"][0]["against"][0]["id"] == objection);
    let none = be.call(&["operation", "go", &id]).ended(1);
    none.says(&["nothing to act on", &format!("objected to by FR ({objection})"), &format!("--override {objection}")]);
    assert_eq!(code(&none.document()), "nothing");
    step(be, &["go", &id, "--override", objection]);
}

#[test]
fn who_holds_a_page_is_told_that_the_rest_of_the_site_is_not_held() {
    let network = Network::running(PROGRAM, &["BE", "FR"]);
    let be = network.node("BE");
    let hold = |target: &str| be.call(&["hold", target, "--wait", "certified"]).ended(0).document();
    let page = hold("https://www.news.example/a");
    assert!(noted(&page, "`entente hold www.news.example` protects the whole site"), "{page}");
    let site = hold("files.example");
    assert_eq!(site["notices"].as_array().unwrap().len(), 0, "{site}");
    // Where the site is held there is nothing to tell.
    let page = hold("https://files.example/a");
    assert_eq!(page["notices"].as_array().unwrap().len(), 0, "{page}");
}
