//! What bounds the resumes of a task besides its target: its budget, and the search that it is a part of.

use super::StoreError;
use crate::core::TaskId;
use crate::core::spending::Budget;
use crate::core::task::Wanted;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

pub(super) const READ: &str = "
    SELECT t.budget, s.budget AS search_budget,
           CASE WHEN t.budget IS NOT NULL THEN
               (SELECT coalesce(sum(r.requested), 0) FROM resumes AS r
                 WHERE r.task_id = t.task_id AND r.state IN ('intended', 'accepted', 'lost'))
           END AS requested,
           CASE WHEN s.budget IS NOT NULL THEN
               (SELECT coalesce(sum(c.desired), 0) FROM creates AS c
                 WHERE c.search = s.search AND c.id > coalesce(p.begun_after, 0)
                   AND c.state IN ('intended', 'accepted', 'lost'))
             + (SELECT coalesce(sum(r.requested), 0) FROM tasks AS part
                  JOIN resumes AS r ON r.task_id = part.task_id
                 WHERE part.search = s.search AND r.state IN ('intended', 'accepted', 'lost'))
           END AS search_requested,
           EXISTS (SELECT 1 FROM tasks AS later WHERE later.search = t.search AND later.part > t.part)
           OR EXISTS (SELECT 1 FROM creates AS c
                       WHERE c.search = t.search AND c.id > coalesce(p.begun_after, 0) AND c.part > t.part
                         AND (c.state = 'intended'
                              OR (c.state = 'accepted'
                                  AND EXISTS (SELECT 1 FROM tasks AS made
                                               WHERE made.task_id = c.task_id AND made.search = t.search)))) AS is_superseded
      FROM tasks AS t
      LEFT JOIN searches AS s ON s.search = t.search
      LEFT JOIN search_progress AS p ON p.search = t.search
     WHERE t.task_id = ?";

/// Reads the budget of a task, the tighter one if its search has one too, and whether its search goes on with a later part.
/// Resumes and creates that were sent, or may have been, count towards a budget, however long ago.
///
/// # Errors
///
/// What SQLite says.
pub async fn read(
    connection: &mut SqliteConnection,
    id: &TaskId,
    wanted: &mut Wanted,
) -> Result<(), StoreError> {
    let row = sqlx::query(READ)
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(());
    };
    let budget = |is_of_search, most, requested| -> Result<Option<Budget>, StoreError> {
        let most: Option<i64> = row.try_get(most)?;
        let requested: Option<i64> = row.try_get(requested)?;
        Ok(most.zip(requested).map(|(most, requested)| Budget {
            is_of_search,
            most,
            requested,
        }))
    };
    let of_task = budget(false, "budget", "requested")?;
    let of_search = budget(true, "search_budget", "search_requested")?;
    let both = of_task.into_iter().chain(of_search);
    wanted.budget = both.min_by_key(Budget::left);
    wanted.is_superseded = row.try_get("is_superseded")?;
    Ok(())
}
