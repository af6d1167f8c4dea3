//! Golden values. Whoever has to change them changes the fold: that needs a new version of it.

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The example at the head of the module.
#[test]
fn the_example_of_the_documentation_is_true() {
    let mut world = World::new(&["FR", "BE"]);
    world.add("BE", entry(1_700_000_000_000, refer("domain:news.example")), true);
    assert_eq!(
        hex(&world.logs[&unit("BE")][0].payload),
        "0a10111111111111111111111111111111111218\
         0a13646f6d61696e3a6e6577732e6578616d706c65120101"
    );
    let row = world.row("domain:news.example").unwrap();
    assert_eq!(
        hex(&row.encode_to_vec()),
        "0a13646f6d61696e3a6e6577732e6578616d706c65100322120a040a02424510\
         80d095ffbc311a03120101"
    );
    assert_eq!(row_hash(&row).to_string(), "d1be69f21d853af85b18f61192afe3f6d7664780e955fd7e4439354664d99e96");
    let frontier = Frontier {
        charter: Hash([1; 32]),
        logs: [(unit("BE"), (Size::new(1).unwrap(), Hash([2; 32]))), (unit("FR"), (Size::ZERO, Hash::EMPTY_ROOT))]
            .into(),
    };
    assert_eq!(frontier.digest().to_string(), "2cc8c4b0c8cdfcf83ab858ccc62337abebf63b2f0d25fa4087672a07c15f590f");
    assert_eq!(
        world.fold.digest(&frontier, &world.logs).unwrap().to_string(),
        "c0b9dbd61aab5408f3fc6f98cbaf13d308539039dc20b18ccda3c89de10cb513"
    );
}

/// A row with every field.
#[test]
fn a_full_row_has_its_golden_hash() {
    const A: &str = "url:https://news.example/a";
    let mut world = World::new(&["BE", "FR", "NL"]);
    world.say("BE", refer(A));
    world.say("FR", refer(A));
    world.say("NL", object("BE/0"));
    world.say("NL", hold(A));
    world.say("FR", support("BE/0"));
    world.say("FR", dispatch("BE/0"));
    world.say("BE", outcome("FR/2"));
    world.say("BE", observe(A, 999));
    world.say("BE", link(A, "ip:192.0.2.1"));
    let row = world.row(A).unwrap();
    assert_eq!(
        hex(&row.encode_to_vec()),
        "0a1a75726c3a68747470733a2f2f6e6577732e6578616d706c652f6110011a120a060a024245100210e8071a05100120e707\
         220e0a040a02424510e8071a03120101220e0a040a02465210e8071a031201012a0d0a060a024e4c100110e8071a0032150a\
         060a024652100110e8071a080a040a024245100132150a040a024e4c10e8071a0a0a040a024245100218023a130a060a0246\
         52100210e8071a060a040a02424542170a060a024245100110e8071a0a0a060a024652100210014a390a060a024245100310\
         e8071a2c0a1a75726c3a68747470733a2f2f6e6577732e6578616d706c652f61120c69703a3139322e302e322e311801"
    );
    assert_eq!(row_hash(&row).to_string(), "69530b80d0c99b2b068feb0289b6b44a0a552ab3b52523fd20c637404d229cd0");
    assert_eq!(world.digest().to_string(), "0e57d30f4874d0c28379979dcb59002e4946151322c1ab9820d14f1c23abd7c7");
}
