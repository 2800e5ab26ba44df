//! What must hold of every table, and how it is shown.

use windrow_core::{
    Callee, CalleeChange, Caller, CallerChange, Channel, ChannelChange, Child, ChildChange, Half, HalfChange,
    Life, LifeChange, Scope, ScopeChange, Task, TaskChange,
};

/// One table as plain numbers; a state is its place in the list of states.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    states: Vec<String>,
    changes: Vec<String>,
    rows: Vec<(usize, usize, usize)>,
    next: Vec<Vec<Option<usize>>>,
    potential: Vec<u8>,
}

macro_rules! tables {
    ($($name:ident: $state:ty, $change:ty;)+) => {
        $(pub(crate) fn $name() -> Table {
            let place = |state: &$state| <$state>::ALL.iter().position(|s| s == state).unwrap();
            let change_place = |by: &$change| <$change>::ALL.iter().position(|c| c == by).unwrap();
            Table {
                name: stringify!($name),
                states: <$state>::ALL.iter().map(|state| format!("{state:?}")).collect(),
                changes: <$change>::ALL.iter().map(|change| format!("{change:?}")).collect(),
                rows: <$state>::TABLE
                    .iter()
                    .map(|(from, by, to)| (place(from), change_place(by), place(to)))
                    .collect(),
                next: <$state>::ALL
                    .iter()
                    .map(|state| {
                        <$change>::ALL.iter().map(|by| state.next(*by).as_ref().map(place)).collect()
                    })
                    .collect(),
                potential: <$state>::ALL.iter().map(|state| state.potential()).collect(),
            }
        })+

        /// Every table.
        pub(crate) fn all() -> Vec<Table> {
            vec![$($name()),+]
        }
    };
}

tables! {
    child: Child, ChildChange;
    channel: Channel, ChannelChange;
    scope: Scope, ScopeChange;
    task: Task, TaskChange;
    life: Life, LifeChange;
    caller: Caller, CallerChange;
    callee: Callee, CalleeChange;
    half: Half, HalfChange;
}

impl Table {
    /// Lists every state with every change, whether there is a row for it or not.
    pub(crate) fn listing(&self) -> String {
        let width = self.changes.iter().map(String::len).max().unwrap_or(0);
        let mut text = String::new();
        for (state, name) in self.states.iter().enumerate() {
            text += &format!("{name} (potential {})\n", self.potential[state]);
            for (change, by) in self.changes.iter().enumerate() {
                let to = self.next[state][change].map_or("-", |to| &self.states[to]);
                text += &format!("  {by:width$} => {to}\n");
            }
        }
        text
    }

    /// Draws the table; changes with the same two ends share an arrow.
    pub(crate) fn mermaid(&self) -> String {
        let mut text = format!("```mermaid\nstateDiagram-v2\n    [*] --> {}\n", self.states[0]);
        for (from, name) in self.states.iter().enumerate() {
            for (to, target) in self.states.iter().enumerate() {
                let by: Vec<_> = self
                    .rows
                    .iter()
                    .filter(|row| row.0 == from && row.2 == to)
                    .map(|row| self.changes[row.1].as_str())
                    .collect();
                if !by.is_empty() {
                    text += &format!("    {name} --> {target}: {}\n", by.join(", "));
                }
            }
        }
        text + &format!("    {} --> [*]\n```\n", self.states.last().unwrap())
    }

    /// Marks what can be reached from a state, forwards or backwards.
    fn reach(&self, from: usize, backwards: bool) -> Vec<bool> {
        let mut reached = vec![false; self.states.len()];
        reached[from] = true;
        for _ in 0..self.states.len() {
            for &(a, _, b) in &self.rows {
                let (a, b) = if backwards { (b, a) } else { (a, b) };
                reached[b] |= reached[a];
            }
        }
        reached
    }

    fn check_graph(&self) {
        let last = self.states.len() - 1;
        for (state, name) in self.states.iter().enumerate() {
            assert!(self.reach(0, false)[state], "{}: {name} is not reachable from the first", self.name);
            assert!(self.reach(last, true)[state], "{}: {name} cannot reach the last", self.name);
        }
        for &(from, by, to) in &self.rows {
            let row =
                format!("{}: {} + {} => {}", self.name, self.states[from], self.changes[by], self.states[to]);
            assert_ne!(from, last, "{row} leaves the last state");
            assert_eq!(self.next[from][by], Some(to), "{row} is not what next() gives");
            assert!(from == to || self.potential[to] < self.potential[from], "{row} does not lower");
            assert!(from == to || !self.reach(to, false)[from], "{row} is part of a cycle");
        }
        assert_eq!(self.potential[last], 0);
    }

    fn count_rows(&self) {
        let nexts = self.next.iter().flatten().flatten().count();
        assert_eq!(nexts, self.rows.len(), "{}: a row is given twice, or next() has one more", self.name);
    }
}

#[test]
fn every_table_goes_down_to_its_last_state() {
    for table in all() {
        table.check_graph();
        table.count_rows();
    }
}

#[test]
fn a_change_that_moves_nothing_is_no_change() {
    for table in all() {
        for (by, name) in table.changes.iter().enumerate() {
            let used = table.rows.iter().any(|row| row.1 == by);
            assert!(used, "{}: no row for {name}", table.name);
        }
    }
}
