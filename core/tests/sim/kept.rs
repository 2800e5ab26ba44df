//! A find that is written down: it is the same run when it is read, and what can't be read is told by name.

use std::path::Path;
use std::time::Duration;

use windrow_core::Defect;
use windrow_core::sim::{
    Choices, Conduct, Find, Hang, Promise, Scenario, Script, Slip, Source, Trace, Verb, roam, run,
};

use super::defects::TRIALS;

/// Every hang's find, as the exhaustive search has it.
fn finds() -> impl Iterator<Item = Find> {
    TRIALS.iter().filter_map(|trial| {
        let found = trial.finds().next()?;
        let scenario = (Hang::named(trial.defect.name())?.scenario)().defect(trial.defect);
        Some(Find::new(scenario, (found.report.violation.clone()?, found.report.trace.clone())))
    })
}

#[test]
fn a_find_is_the_same_run_when_it_is_read_again() {
    let mut count = 0;
    for find in finds() {
        let text = serde_json::to_string(&find).unwrap();
        let read: Find = serde_json::from_str(&text).unwrap();
        assert_eq!((&read.scenario, &read.violation), (&find.scenario, &find.violation));
        let bytes = postcard::to_allocvec(&find).unwrap();
        for read in [read, postcard::from_bytes(&bytes).unwrap()] {
            let (then, now) = (find.replay(), read.replay());
            assert_eq!((now.hash, now.violation), (then.hash, Some(find.violation.clone())), "{text}");
        }
        count += 1;
    }
    assert_eq!(count, Defect::ALL.len());
}

/// Also of the largest worlds, with conducts that were drawn and scripts of their own.
#[test]
fn every_world_that_is_drawn_can_be_written_down() {
    for seed in 0..200 {
        let (scenario, report) = roam(seed);
        let text = serde_json::to_string(&(&scenario, &report.trace)).unwrap();
        let (read, trace): (Scenario, Trace) = serde_json::from_str(&text).unwrap();
        assert_eq!(read, scenario);
        let again = run(&read, Choices::replay(trace));
        assert_eq!((again.hash, again.made), (report.hash, report.made), "seed {seed}");
    }
}

/// What an earlier build has kept: people read it, so names stand in it; and a later build reads it, or says what it does not know.
#[test]
fn what_was_kept_once_is_read_and_shown() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/find-1.json");
    let script = [Verb::Work, Verb::Write(200), Verb::OnCancel, Verb::Fail];
    let scenario = Scenario {
        slip: Some(Slip::Uncollected),
        signal_at: Some(Duration::from_millis(700)),
        ..Scenario::tree(2, 1).menu(&[Conduct::ExitHard]).script(1, &script).with(2, Conduct::SlowCancel)
    };
    let mut trace = Trace::default();
    *trace.stream_mut(Source::Latency) = vec![0, 1, 0];
    let report = run(&scenario, Choices::replay(trace.clone()));
    let find = Find::new(scenario, (report.violation.expect("a slip is seen"), trace));
    let text = format!("{}\n", serde_json::to_string(&find).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "UPDATE=1 writes it anew, if that is meant");
    for name in
        ["\"exit-hard\"", "{\"own\":[\"work\",{\"write\":200}", "\"slow-cancel\"", "{\"latency\":[0,1]}"]
    {
        assert!(text.contains(name), "{name}: {text}");
    }
    let read: Find = serde_json::from_str(&text).unwrap();
    assert_eq!(read.replay().violation, Some(find.violation));
}

#[test]
fn what_can_not_be_read_is_told_by_name() {
    let find = finds().next().expect("one");
    let text = serde_json::to_string(&find).unwrap();
    let defect = find.scenario.defects.iter().next().expect("its rule is out").name();
    for (from, to, told) in [
        (defect, "no-such-hang", "there is no hang `no-such-hang`"),
        ("\"serve\"", "\"swerve\"", "unknown variant `swerve`"),
        ("\"parents\"", "\"elders\"", "unknown field `elders`"),
        ("\"scenario\"", "\"world\"", "unknown field `world`"),
    ] {
        let spoilt = text.replacen(from, to, 1);
        assert_ne!(spoilt, text, "{from} stands in {text}");
        let error = serde_json::from_str::<Find>(&spoilt).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let long = serde_json::to_string(&[Verb::Work; Script::LONGEST + 1]).unwrap();
    let error = serde_json::from_str::<Script>(&long).unwrap_err().to_string();
    assert!(error.contains("no more than 8 verbs"), "{error}");
    let mishears = Scenario { slip: Some(Slip::Mishears(Vec::clear)), ..Scenario::tree(1, 1) };
    assert!(serde_json::to_string(&mishears).is_err(), "a function can't be written down");
}

/// A later build may ask more of a world than was known when it was kept.
#[test]
fn what_is_not_written_is_as_ever() {
    let read: Scenario = serde_json::from_str(r#"{"parents":[0,0],"levels":1,"hurry":true}"#).unwrap();
    assert_eq!(read, Scenario { hurry: true, ..Scenario::tree(2, 1) });
    let read: Scenario = serde_json::from_str(r#"{"defects":["reap-race","ack-deadline-zero"]}"#).unwrap();
    assert!(read.defects.iter().eq([Defect::AckDeadlineZero, Defect::ReapRace]));
}

/// Whoever writes a file may write what can't be: that is told, and no run of it panics.
#[test]
fn a_world_that_can_not_be_is_told_when_it_runs() {
    let find = finds().next().expect("one");
    for scenario in [
        Scenario { parents: vec![0, 7, 1], ..find.scenario.clone() },
        Scenario { levels: 255, ..find.scenario.clone() },
        find.scenario.clone().with(77, Conduct::Fail),
    ] {
        let find = Find::new(scenario, (find.violation.clone(), find.trace.clone()));
        let read: Find = serde_json::from_str(&serde_json::to_string(&find).unwrap()).unwrap();
        assert_eq!(read.replay().violation.map(|told| told.promise), Some(Promise::BadScenario));
    }
    let empty = Scenario { menu: Vec::new(), ..Scenario::tree(2, 1) };
    assert!(run(&empty, Choices::seed(3)).is_clean());
    let mut trace = Trace::default();
    Source::ALL.iter().for_each(|source| *trace.stream_mut(*source) = vec![u32::MAX; 64]);
    let wild = Find::new(Scenario::tree(2, 2).wild(), (find.violation.clone(), trace));
    assert!(wild.replay().is_clean(), "what is beyond the last way is the last way");
}
