//! Rows that are read often, each as one JSON array: sqlx copies and frees every value of a row by itself, and a wide
//! row of many looks is the most that is read.

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

            /// A row from the array.
            pub(super) fn read(text: &str) -> Result<Self, $crate::store::StoreError> {
                // Strict tables hold what the schema says, but for text that is none and numbers out of all bounds.
                serde_json::from_str(text)
                    .map_err(|error| $crate::store::StoreError::Value(error.to_string()))
            }
        }
    };
}

pub(super) use array;
