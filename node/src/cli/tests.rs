use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("entente").chain(line.split(' ')))
}

#[test]
fn the_command_line_is_consistent_and_every_verb_has_an_example() {
    let command = Cli::command();
    command.clone().debug_assert();
    for verb in command.get_subcommands() {
        assert!(verb.get_about().is_some(), "{} says what it does", verb.get_name());
        let example = verb.get_after_help().is_some_and(|help| help.to_string().contains("entente "));
        assert!(example, "{} has an example", verb.get_name());
    }
}

#[test]
fn the_calls_of_the_design_are_understood() {
    for line in [
        "status --json --home be",
        "refer https://bad.example/x --category incites --home be --wait certified",
        "refer a.example b.example --category incites,threatens --category instructs --source a --accuracy 1 --tlp amber+strict",
        "refer --from - --handling H1,H2 --review-by 2026-12-31 --prefix --basis removal-order --timeout 5",
        "withdraw BE/17 --reason wrong",
        "erase BE/17 BE/18 --reason court-order --wait certified",
        "erase --from - --reason retention --json",
        "scrub --timeout 600",
        "hold a.example --until 2026-12-31T18:00:00Z --contact desk",
        "object FR/9 --ground outside-scope",
        "support FR/9 --text seen",
        "list --status held --status listed --unit BE --limit 5 --after domain:a.example",
        "show BE/17",
        "check a.example b.example",
        "check -",
        "watch --pending",
        "receipt BE/17 --out f.receipt",
        "audit fork BE --out be.fork",
        "audit fork verify be.fork --charter 1.note --charter 2.note --json",
        "receipt BE/17 --format html --json",
        "receipt verify f.receipt g.html --charter charter.note --newer h.receipt --newer i.receipt --node --home be",
        "import links.txt --category incites --format csv --batch 1000 --report faults --retry-for 0 --as duty",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn wrong_calls_are_refused_before_anything_happens() {
    for line in [
        "frobnicate",
        "refer",
        "refer a.example --category nonsense",
        "refer a.example --category incites --accuracy 5",
        "refer a.example --category incites --review-by tomorrow",
        "refer --from f --category incites --submission 67e55044-10b1-426f-9247-bb680e5fe0c8",
        "withdraw BE/17",
        "erase BE/17",
        "erase BE/17 --reason because",
        "erase BE/17 --reason mistake --text words",
        "object FR/9",
        "hold",
        "check",
        "list --limit 0",
        "import f --batch 1001",
        "status --timeout 0",
        "receipt",
        "receipt BE/17 --format pdf",
        "receipt verify --charter charter.note",
    ] {
        let error = parse(line).expect_err(line);
        assert!(error.use_stderr(), "{line}");
    }
}

#[test]
fn a_referral_without_a_category_is_a_usage_error_with_the_words_there_are() {
    let cli = parse("refer a.example --home /nonexistent").unwrap();
    let error = dispatch(cli).unwrap_err();
    assert!(error.code() == 2 && error.to_string().contains("solicits-join"), "{error}");
}

#[test]
fn without_a_home_directory_there_is_nobody_to_ask() {
    let global = Global { home: None, officer: None, purpose: None, json: false };
    assert!(matches!(global.home(), Err(CliError::Usage(words)) if words.contains("ENTENTE_HOME")));
}
