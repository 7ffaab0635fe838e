//! The printed table.

/// The goal of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn text(self, unit: &str) -> String {
        match self {
            Goal::AtLeast(bound) => format!("≥ {bound}{unit}"),
            Goal::AtMost(bound) => format!("≤ {bound}{unit}"),
        }
    }

    fn reached(self, value: f64) -> bool {
        match self {
            Goal::AtLeast(bound) => value >= bound,
            Goal::AtMost(bound) => value <= bound,
        }
    }
}

struct Row {
    figure: String,
    value: String,
    goal: String,
    reached: &'static str,
    note: String,
}

/// Figures with their goals.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    fn row(&mut self, figure: &str, value: String, goal: String, reached: &'static str, note: &str) {
        self.0.push(Row { figure: figure.to_owned(), value, goal, reached, note: note.to_owned() });
    }

    /// A figure without a goal of its own.
    pub(crate) fn figure(&mut self, figure: &str, value: String, note: &str) {
        self.row(figure, value, String::new(), "", note);
    }

    /// A figure with its goal.
    pub(crate) fn goal(&mut self, figure: &str, value: f64, unit: &str, goal: Goal, note: &str) {
        let reached = if goal.reached(value) { "yes" } else { "no" };
        self.row(figure, format!("{value:.2}{unit}"), goal.text(unit), reached, note);
    }

    /// One figure divided by another.
    pub(crate) fn ratio(&mut self, figure: &str, value: f64, goal: Goal, note: &str) {
        self.goal(figure, value, "", goal, note);
    }

    /// A time.
    pub(crate) fn milliseconds(&mut self, figure: &str, value: f64, goal: Goal, note: &str) {
        self.goal(figure, value, " ms", goal, note);
    }

    /// A figure that cannot be measured.
    pub(crate) fn missing(&mut self, figure: &str, goal: Goal, why: &str) {
        self.row(figure, "-".to_owned(), goal.text(""), "no", why);
    }

    /// A part that failed.
    pub(crate) fn failed(&mut self, part: &str, error: &anyhow::Error) {
        self.row(part, "-".to_owned(), String::new(), "no", &format!("failed: {error:#}"));
    }

    /// The whole table as text.
    pub(crate) fn text(&self) -> String {
        let head = ["figure", "value", "goal", "reached", "note"].map(str::to_owned);
        let rows = self.0.iter().map(|row| {
            [row.figure.clone(), row.value.clone(), row.goal.clone(), row.reached.to_owned(), row.note.clone()]
        });
        let rows: Vec<[String; 5]> = std::iter::once(head).chain(rows).collect();
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |row: &[String; 5]| {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
