//! The companies that a task found, one page at a time.

use super::observation::Observation;

/// The longest text of one field that is kept, in bytes.
pub const FIELD_MAX: usize = 64 * 1024;

/// A page of the results of one task, as far as it could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultsPage {
    /// What the page shows of the task itself.
    pub seen: Observation,
    /// The readable rows, in the order of the page.
    pub rows: Vec<ResultRow>,
    /// The number of rows in the answer, including those that are left out.
    pub len: usize,
    /// The number of rows that have the id of an earlier row of the page. They are not among `rows`.
    pub repeated: usize,
    /// Why some rows are left out: they have no usable id, or belong to another task.
    pub left_out: Option<String>,
}

/// One company that a task found: a row of the table `results`.
///
/// A field that is missing, or of another type than documented, is `None`; a value of another type is kept in `extra`. Texts are
/// at most [`FIELD_MAX`] bytes long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultRow {
    /// `id`: the result's id, unique within its task. 1 to 200 bytes.
    pub result_id: String,
    /// `company_name`.
    pub company_name: Option<String>,
    /// `company_website`: a URL or a domain, as the service wrote it.
    pub company_website: Option<String>,
    /// The registrable domain of `company_website`, by [`registrable`](super::domain::registrable).
    pub domain: Option<String>,
    /// `company_description`.
    pub company_description: Option<String>,
    /// `company_full_description`.
    pub company_full_description: Option<String>,
    /// `relevance`: the order of the results, highest first. Finite.
    pub relevance: Option<f64>,
    /// `source`: the data source that it was found in.
    pub source: Option<String>,
    /// `founding_year`.
    pub founding_year: Option<i64>,
    /// `employee_count`: a range such as `1-10`.
    pub employee_count: Option<String>,
    /// `hq_country`.
    pub hq_country: Option<String>,
    /// `hq_state_province`.
    pub hq_state_province: Option<String>,
    /// `hq_city`.
    pub hq_city: Option<String>,
    /// `company_profile_id`.
    pub company_profile_id: Option<String>,
    /// `scores`: a JSON object with a value for each criterion's key, sorted by key. A number that is no 64-bit integer is the
    /// nearest double; a value with a number beyond a double's range is left out.
    pub scores: Option<String>,
    /// `created_at`, as the service wrote it.
    pub created_at: Option<String>,
    /// A JSON object of the fields that this version does not know, and of those of an undocumented type.
    pub extra: Option<String>,
}
