//! Rows of figures, each with its floor and its goal.

use std::process::ExitCode;

use serde_json::json;

/// How a figure is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Nanoseconds, shown as microseconds.
    Nanos,
    /// Milliseconds.
    Millis,
    /// A bare number.
    Count,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) what: &'a str,
    pub(crate) unit: Unit,
    pub(crate) ours: f64,
    /// What it is divided by: then the goal is one for the ratio.
    pub(crate) floor: Option<f64>,
    /// The most that it may be. A row without a goal is there to be read.
    pub(crate) goal: Option<f64>,
}

/// The table, printed as it grows.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    missed: usize,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        if !json {
            println!("{:<52} {:>13} {:>13} {:>7} {:>7}  goal", "what", "windrow", "floor", "ratio", "goal");
        }
        Self { json, missed: 0 }
    }

    pub(crate) fn row(&mut self, row: &Row<'_>) {
        let ratio = row.floor.map(|floor| row.ours / floor);
        let met = row.goal.map(|goal| ratio.unwrap_or(row.ours) <= goal);
        self.missed += usize::from(met == Some(false));
        if self.json {
            println!(
                "{}",
                json!({
                    "what": row.what, "unit": row.unit.name(), "ours": row.ours, "floor": row.floor,
                    "ratio": ratio, "goal": row.goal, "met": met,
                })
            );
            return;
        }
        let show = |number: Option<f64>| number.map_or(String::new(), |number| format!("{number:.2}"));
        println!(
            "{:<52} {:>13} {:>13} {:>7} {:>7}  {}",
            row.what,
            row.unit.show(Some(row.ours)),
            row.unit.show(row.floor),
            show(ratio),
            show(row.goal),
            met.map_or("", |met| if met { "met" } else { "MISSED" }),
        );
    }

    /// Says how many goals were missed, and fails if any was.
    pub(crate) fn end(self) -> ExitCode {
        if !self.json {
            println!("{} goals missed", self.missed);
        }
        if self.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Nanos => "ns",
            Self::Millis => "ms",
            Self::Count => "",
        }
    }

    fn show(self, number: Option<f64>) -> String {
        let Some(number) = number else { return String::new() };
        match self {
            Self::Nanos => format!("{:.1} µs", number / 1e3),
            Self::Millis => format!("{number:.2} ms"),
            Self::Count => format!("{number:.0}"),
        }
    }
}
