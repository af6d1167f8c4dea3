use super::*;
use crate::list::{LIKENESS, Way};

fn found(world: &World, text: &str) -> Option<(String, Status, Way)> {
    let found = world.fold.check(&target(text), LIKENESS, |_| true)?;
    Some((found.target.to_string(), found.status, found.way))
}

fn hit(text: &str, status: Status, way: Way) -> Option<(String, Status, Way)> {
    Some((text.to_owned(), status, way))
}

fn with_prefix(text: &str) -> Body {
    Body::Refer(wire::Refer { target: text.into(), categories: vec![1], prefix: true, ..Default::default() })
}

#[test]
fn the_target_itself_goes_before_what_is_above_and_a_hold_before_everything() {
    let mut world = World::new(&["BE", "FR"]);
    world.say("BE", refer("domain:a.example"));
    assert_eq!(found(&world, "domain:x.y.a.example"), hit("domain:a.example", Status::Listed, Way::Above));
    world.say("BE", refer("domain:y.a.example"));
    assert_eq!(found(&world, "domain:x.y.a.example"), hit("domain:y.a.example", Status::Listed, Way::Above));
    world.say("BE", refer("url:https://x.y.a.example/1"));
    let url = "url:https://x.y.a.example/1";
    assert_eq!(found(&world, url), hit(url, Status::Listed, Way::Itself));
    world.say("FR", hold("domain:a.example"));
    assert_eq!(found(&world, url), hit("domain:a.example", Status::Held, Way::Above));
    assert_eq!(found(&world, "domain:example.example"), None);
    // What is cleared above covers nothing any more; of itself it is told.
    world.say("FR", withdraw(0));
    world.say("BE", withdraw(0));
    world.say("BE", withdraw(1));
    assert_eq!(found(&world, "domain:x.y.a.example"), None);
    assert_eq!(found(&world, "domain:a.example"), hit("domain:a.example", Status::Cleared, Way::Itself));
}

#[test]
fn the_longest_prefix_that_a_standing_referral_means_covers_what_continues_it() {
    let mut world = World::new(&["BE", "FR"]);
    let short = "url:https://h.example/a";
    let long = "url:https://h.example/ab/";
    world.say("BE", with_prefix(short));
    world.say("FR", with_prefix(long));
    world.say("BE", refer("url:https://h.example/ab/c"));
    world.say("BE", with_prefix("url:https://h.example/aa"));
    assert_eq!(found(&world, "url:https://h.example/ab/cd"), hit(long, Status::Listed, Way::Prefix));
    assert_eq!(found(&world, "url:https://h.example/ab"), hit(short, Status::Listed, Way::Prefix));
    assert_eq!(found(&world, "url:https://h.example/b"), None);
    assert_eq!(found(&world, "url:http://h.example/ab/c"), None);
    // FR takes the longer one back, and refers it without what continues it.
    world.say("FR", withdraw(0));
    world.say("FR", refer(long));
    assert_eq!(found(&world, "url:https://h.example/ab/cd"), hit(short, Status::Listed, Way::Prefix));
    world.say("BE", erase(0));
    assert_eq!(found(&world, "url:https://h.example/ab/cd"), None);
    // Once more, after the row was gone.
    world.say("BE", with_prefix(short));
    assert_eq!(found(&world, "url:https://h.example/ab/cd"), hit(short, Status::Listed, Way::Prefix));
}

#[test]
fn addresses_are_found_by_their_networks() {
    let mut world = World::new(&["BE"]);
    assert_eq!(found(&world, "ip:192.0.2.7"), None);
    world.say("BE", refer("ip:192.0.2.0/24"));
    let network = || hit("ip:192.0.2.0/24", Status::Listed, Way::Above);
    assert_eq!(found(&world, "ip:192.0.2.7"), network());
    assert_eq!(found(&world, "ip:192.0.2.128/25"), network());
    assert_eq!(found(&world, "url:http://192.0.2.7:8080/x"), network());
    assert_eq!(found(&world, "ip:192.0.3.7"), None);
    world.say("BE", erase(0));
    assert_eq!(found(&world, "ip:192.0.2.7"), None);
}

#[test]
fn images_are_found_by_likeness_the_nearest_first() {
    let image = |bits: u32| {
        let digits: String = (0..64)
            .map(|digit| format!("{:x}", (0..4).filter(|bit| digit * 4 + bit < bits).fold(0, |n, _| n * 2 + 1)))
            .collect();
        format!("image:pdq:{digits}")
    };
    let mut world = World::new(&["BE", "FR"]);
    world.say("BE", refer(&image(0)));
    world.say("BE", refer(&image(50)));
    assert_eq!(found(&world, &image(0)), hit(&image(0), Status::Listed, Way::Itself));
    assert_eq!(found(&world, &image(20)), hit(&image(0), Status::Listed, Way::Like(20)));
    assert_eq!(found(&world, &image(31)), hit(&image(50), Status::Listed, Way::Like(19)));
    assert_eq!(found(&world, &image(81)), hit(&image(50), Status::Listed, Way::Like(31)));
    assert_eq!(found(&world, &image(82)), None);
    // A hold further off goes before.
    world.say("FR", hold(&image(1)));
    assert_eq!(found(&world, &image(20)), hit(&image(1), Status::Held, Way::Like(19)));
    world.say("FR", hold(&image(49)));
    world.say("BE", erase(1));
    assert_eq!(found(&world, &image(78)), hit(&image(49), Status::Held, Way::Like(29)));
}

#[test]
fn what_is_not_to_be_shown_is_passed_over() {
    let mut world = World::new(&["BE"]);
    world.say("BE", refer("domain:a.example"));
    world.say("BE", refer("domain:b.a.example"));
    let asked = target("domain:c.b.a.example");
    let hidden = |hidden: &'static str| move |target: &Target| target.as_str() != hidden;
    let found = |hide| world.fold.check(&asked, LIKENESS, hidden(hide)).map(|found| found.target.to_string());
    assert_eq!(found("none").as_deref(), Some("domain:b.a.example"));
    assert_eq!(found("domain:b.a.example").as_deref(), Some("domain:a.example"));
}
