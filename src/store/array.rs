//! Rows that are read often, each as one JSON array: sqlx copies and frees every value of a row by itself, and hands every
//! row from thread to thread, and a wide row of many looks is the most that is read.

use super::StoreError;
use serde::de::DeserializeOwned;

/// A struct whose fields are read from a JSON array of as many SQL expressions: each field stands next to its own.
macro_rules! array {
    ($(#[$meta:meta])* struct $name:ident { $first:ident: $kind:ty = $sql:literal, $($field:ident: $type:ty = $expr:literal,)* }) => {
        $(#[$meta])*
        #[derive(serde::Deserialize)]
        pub(super) struct $name {
            $first: $kind,
            $($field: $type,)*
        }

        impl $name {
            /// The array in SQL.
            pub(super) const SQL: &'static str = concat!("json_array(", $sql, $(", ", $expr,)* ")");
        }
    };
}

pub(super) use array;

/// Reads what SQLite made of one row, or of many.
///
/// # Errors
///
/// [`StoreError::Value`] for what growd did not write. Strict tables hold what the schema says, but for numbers out of all
/// bounds, and text that is none: what of that is no UTF-8 is replaced.
pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_str(&String::from_utf8_lossy(json))
        .map_err(|error| StoreError::Value(error.to_string()))
}
