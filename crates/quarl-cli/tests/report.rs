//! `quarl report`: one self-contained HTML file.

mod common;

use std::fs;

use common::{directory, fail, quarl, read, succeed};
use tempfile::TempDir;

const STEPS: [&str; 4] = ["--steps", "400", "--set", "evaluation.every_steps=100"];

fn compare(here: &TempDir, out: &str) {
    let arguments =
        ["compare", "dqn", "double", "--envs", "CartPole-v1,Acrobot-v1", "--runs", "3", "--quiet", "--out", out];
    succeed(here, &[&arguments[..], &["--normalize", "threshold"], &STEPS].concat());
}

/// The values of an attribute in a page.
fn attribute<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.split(&format!(" {name}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Checks that a page needs nothing but itself, and that its ids are unique.
fn check(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html><!-- quarl report -->") && page.ends_with("</html>"), "{}", &page[..99]);
    assert!(page.len() < 5_000_000);
    let links = attribute(page, "href").into_iter().chain(attribute(page, "src"));
    for link in links {
        assert!(link.starts_with('#') || link.starts_with("data:image/gif;base64,"), "{link}");
    }
    assert!(!page.contains("@import") && !page.contains("fetch(") && !page.contains("XMLHttpRequest"));
    let mut ids = attribute(page, "id");
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    for link in attribute(page, "href").iter().filter(|link| link.starts_with('#')) {
        assert!(ids.contains(&&link[1..]), "{link}");
    }
}

#[test]
fn a_report_shows_a_run_an_experiment_and_a_comparison_in_one_file() {
    let here = directory();
    succeed(&here, &[&["train", "CartPole-v1", "--preset", "dqn", "--out", "run", "--quiet"][..], &STEPS].concat());
    succeed(&here, &["experiment", "--episodes", "4", "--runs", "3", "--out", "exp", "--quiet"]);
    compare(&here, "cmp");
    let said = succeed(&here, &["report", "run", "exp", "cmp", "--title", "A <b>bold</b> title & more"]);
    assert!(said.starts_with("report: report.html ("), "{said}");
    let page = read(&here, "report.html");
    check(&page);
    assert!(page.contains("A &lt;b&gt;bold&lt;/b&gt; title &amp; more") && !page.contains("<b>bold</b>"));
    for text in [
        "quarl train --config run/config.toml --out NEW",
        "quarl experiment --config exp/config.toml --runs 3 --out NEW",
        "quarl compare dqn double --envs CartPole-v1,Acrobot-v1 --runs 3",
        "Normalised scores over 2 environments",
        "Acrobot-v1: greedy returns at the end of each run",
        "Probability of improvement over the first configuration",
        "Sample efficiency",
        "Performance profiles",
        "agent.target",
        "\"double\"",
        "The median run",
        "quarl 0.1.0",
        std::env::consts::ARCH,
    ] {
        assert!(page.contains(text) || page.contains(&text.replace('"', "&quot;")), "{text}");
    }
    assert_eq!(page.matches("data:image/gif").count(), 1 + 1 + 4);
    // A second report replaces the first, and only a report is replaced.
    succeed(&here, &["report", "run", "--no-recordings"]);
    assert!(!read(&here, "report.html").contains("data:image/gif"));
    fs::write(here.path().join("mine.html"), "<!DOCTYPE html><p>mine").unwrap();
    let message = fail(&here, &["report", "run", "--out", "mine.html"], 2);
    assert!(message.contains("not a report") && read(&here, "mine.html").contains("mine"), "{message}");
}

#[test]
fn a_report_shows_a_study_with_its_trials_and_what_the_best_one_changes() {
    let here = directory();
    let space = "[space]\n\"optimizer.lr\" = { low = 1e-4, high = 1e-2, log = true }\n\"agent.n_step\" = { low = 2, high = 3 }\n";
    fs::write(here.path().join("space.toml"), space).unwrap();
    let arguments = "tune CartPole-v0 --preset textbook --episodes 100 --space space.toml --set network.hidden=[8] --trials 10 --pruner \
                     none --score-episodes 2 --confirm 3 --out study --quiet";
    succeed(&here, &arguments.split(' ').collect::<Vec<_>>());
    succeed(&here, &["report", "study"]);
    let page = read(&here, "report.html");
    check(&page);
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "study/summary.json")).unwrap();
    let best = format!("trial {} scores {:.3}", summary["best"]["trial"], summary["best"]["score"].as_f64().unwrap());
    for text in [
        "10 complete, 0 pruned, 0 failed, 0 missing",
        &best,
        "over 3 runs",
        "quarl train --config study/best.toml --out NEW",
        "quarl tune CartPole-v0 --preset textbook --episodes 100 --space space.toml",
        "Parameters of the complete trials",
        "Importance of the parameters",
        "the best trial",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("<figure").count(), 3);
    let rows = page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    assert_eq!(rows.matches("<tr>").count(), 10);
    // A study that is still running, and one whose summary is damaged.
    fs::write(here.path().join("study/summary.json"), "{\"env\": 1").unwrap();
    assert!(fail(&here, &["report", "study"], 1).contains("the summary is damaged"));
    fs::remove_file(here.path().join("study/summary.json")).unwrap();
    assert!(fail(&here, &["report", "study"], 1).contains("a study without results"));
}

#[test]
fn a_report_names_what_it_cannot_show() {
    let here = directory();
    fs::create_dir(here.path().join("foreign")).unwrap();
    fs::write(here.path().join("foreign/notes.txt"), "").unwrap();
    for (path, text) in [("absent", "no such file or directory"), ("foreign", "no run")] {
        let message = fail(&here, &["report", path], 1);
        assert!(message.contains(path) && message.contains(text), "{message}");
    }
    compare(&here, "cmp");
    fs::write(here.path().join("cmp/comparison.json"), "{\"environments\": []").unwrap();
    let message = fail(&here, &["report", "cmp"], 1);
    assert!(message.contains("comparison.json") && message.contains("damaged"), "{message}");
    let message = fail(&here, &["report", "cmp", "--out", "foreign"], 2);
    assert!(message.contains("directory"), "{message}");
}

#[test]
fn an_unfinished_run_and_a_failed_run_are_reported_as_such() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "5", "--out", "run", "--quiet"]);
    fs::remove_file(here.path().join("run/summary.json")).unwrap();
    fs::remove_file(here.path().join("run/model.safetensors")).unwrap();
    succeed(&here, &["report", "run"]);
    let page = read(&here, "report.html");
    check(&page);
    assert!(page.contains("unfinished or interrupted") && !page.contains("data:image/gif"));
    // A learning rate this large ends in numbers that are not finite.
    let failing =
        ["experiment", "--episodes", "30", "--runs", "2", "--set", "optimizer.lr=1e30", "--out", "exp", "--quiet"];
    quarl(&here, &failing).assert().code(1);
    succeed(&here, &["report", "exp"]);
    let page = read(&here, "report.html");
    assert!(page.contains("Failed runs") && page.contains("seed 0: "), "the reasons are listed");
}
