//! JSON Lines: an object for each company, with all that is kept of it.

use super::Format;
use super::scores::{Scores, compact};
use crate::store::companies::{Company, Rest};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::Write;

/// Writes a line for each company.
pub struct Jsonl<'a> {
    out: &'a mut dyn Write,
    /// Whether the scores are written in full; otherwise only the grades.
    explain: bool,
}

impl<'a> Jsonl<'a> {
    /// Returns a writer to `out`.
    pub fn new(out: &'a mut dyn Write, explain: bool) -> Self {
        Self { out, explain }
    }
}

impl Format for Jsonl<'_> {
    fn write(&mut self, company: &Company) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.out, &Line::of(company, self.explain))?;
        Ok(writeln!(self.out)?)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(self.out.flush()?)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    domain: Option<&'a str>,
    company_name: Option<&'a str>,
    company_website: Option<&'a str>,
    company_description: Option<&'a str>,
    company_full_description: Option<&'a str>,
    relevance: Option<f64>,
    hq_country: Option<&'a str>,
    hq_state_province: Option<&'a str>,
    hq_city: Option<&'a str>,
    employee_count: Option<&'a str>,
    founding_year: Option<i64>,
    source: Option<&'a str>,
    company_profile_id: Option<&'a str>,
    task_id: &'a str,
    result_id: &'a str,
    created_at: Option<&'a str>,
    first_seen_at: &'a str,
    seen_at: Option<&'a str>,
    scores: Json<'a>,
    extra: Json<'a>,
}

/// A JSON value of the service.
#[derive(Serialize)]
#[serde(untagged)]
enum Json<'a> {
    Grades(BTreeMap<String, Box<RawValue>>),
    Whole(Box<RawValue>),
    /// What was put into the table by hand and is no JSON.
    Text(&'a str),
    Null,
}

impl<'a> Json<'a> {
    /// A document may contain line breaks; a line may not.
    fn whole(json: Option<&'a str>) -> Self {
        match json.map(|json| (json, RawValue::from_string(compact(json)))) {
            None => Self::Null,
            Some((_, Ok(json))) => Self::Whole(json),
            Some((text, Err(_))) => Self::Text(text),
        }
    }

    fn grades(json: Option<&'a str>) -> Self {
        let Some(scores) = json.and_then(Scores::parse) else {
            return Self::whole(json);
        };
        let grades = scores.iter().map(|(key, score)| {
            let grade = RawValue::from_string(compact(score.grade_json().get()));
            // White space is all that the value has lost.
            (key.to_owned(), grade.unwrap_or_default())
        });
        Self::Grades(grades.collect())
    }
}

impl<'a> Line<'a> {
    fn of(company: &'a Company, explain: bool) -> Self {
        let Rest {
            company_full_description,
            company_profile_id,
            created_at,
            seen_at,
            extra,
        } = &company.rest;
        let scores = company.scores.as_deref();
        Self {
            domain: company.domain.as_deref(),
            company_name: company.company_name.as_deref(),
            company_website: company.company_website.as_deref(),
            company_description: company.company_description.as_deref(),
            company_full_description: company_full_description.as_deref(),
            relevance: company.relevance,
            hq_country: company.hq_country.as_deref(),
            hq_state_province: company.hq_state_province.as_deref(),
            hq_city: company.hq_city.as_deref(),
            employee_count: company.employee_count.as_deref(),
            founding_year: company.founding_year,
            source: company.source.as_deref(),
            company_profile_id: company_profile_id.as_deref(),
            task_id: &company.task_id,
            result_id: &company.result_id,
            created_at: created_at.as_deref(),
            first_seen_at: &company.first_seen_at,
            seen_at: seen_at.as_deref(),
            scores: if explain {
                Json::whole(scores)
            } else {
                Json::grades(scores)
            },
            extra: Json::whole(extra.as_deref()),
        }
    }
}
