//! Gauges: the number of open conflicts, and the time that the oldest has waited. Counting costs
//! reads, so an environment counts only every few minutes.

use std::cell::Cell;
use std::time::{Duration, Instant};

use shared::conflicts::{State, Table, TableError};
use shared::lambda::clock::now_millis;
use shared::lambda::metrics::{self, Metric, Unit};

/// Minimum interval between two counts of one environment.
const EVERY: Duration = Duration::from_mins(5);
/// Counting stops once it reaches this number, so a larger value of a gauge is a lower bound.
const MOST: u64 = 10_000;
/// The states of conflicts that have not ended, or not well.
const OPEN: [State; 6] = [
    State::Pending,
    State::InProgress,
    State::Confirming,
    State::Planned,
    State::NeedsReview,
    State::Failed,
];

/// The gauges, with the time at which they were last written.
#[derive(Default)]
pub struct Gauges(Cell<Option<Instant>>);

impl Gauges {
    /// Counts and writes the gauges, unless that was done recently.
    pub async fn emit(&self, table: &Table) -> Result<(), TableError> {
        if self.0.get().is_some_and(|last| last.elapsed() < EVERY) {
            return Ok(());
        }
        self.0.set(Some(Instant::now()));
        for state in OPEN {
            let count = table.count_up_to(state, MOST).await?;
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // A line for each, because a dimension has one value in a line.
            metrics::emit(
                &[Metric::count("Open", count).by("state", state.as_str())],
                &[],
            );
        }
        let now = now_millis();
        let waited = table
            .oldest_due(now)
            .await?
            .map_or(0, |due| now.saturating_sub(due));
        let oldest = Metric {
            name: "OldestDueSeconds",
            unit: Unit::Seconds,
            value: Duration::from_millis(waited).as_secs_f64(),
            by: None,
        };
        metrics::emit(&[oldest], &[]);
        Ok(())
    }
}
