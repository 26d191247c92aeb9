//! Lists conflicts for an operator.

use shared::conflicts::{Table, TableError};

use crate::event::List;
use crate::report::{Listed, Report};

/// The conflicts in a state, the most recently changed first.
pub async fn list(table: &Table, list: &List) -> Result<Report, TableError> {
    let (conflicts, _) = table.in_state(list.state, list.limit, None).await?;
    let report = Report {
        conflicts: conflicts.iter().map(Listed::to_operator).collect(),
        ..Report::default()
    };
    Ok(report)
}
