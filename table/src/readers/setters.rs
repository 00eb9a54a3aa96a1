//! The setters that readers of several formats share.

/// Of formats that know their columns: which are read, which rows, and how pieces make partitions.
macro_rules! column_setters {
    ($pieces:literal) => {
        /// Sets the columns to be read, in this order.
        pub fn columns<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Self {
            Self { columns: Some(columns.into_iter().map(Into::into).collect()), ..self }
        }

        /// Sets what rows must meet; where it is null the row goes. It may name columns that are not
        /// among those to be read.
        pub fn filter(self, filter: impl Into<crate::expr::Expr>) -> Self {
            Self { filter: Some(filter.into()), ..self }
        }

        /// Sets the type of a column that folders tell.
        pub fn key_type(mut self, column: &str, data_type: crate::schema::Type) -> Self {
            self.key_types.retain(|(name, _)| name != column);
            self.key_types.push((column.to_owned(), data_type));
            self
        }

        #[doc = concat!("Sets the bytes up to which neighbouring ", $pieces, " make one partition.")]
        pub fn partition_bytes(self, partition_bytes: u64) -> Self {
            Self { partition_bytes, ..self }
        }
    };
}
pub(super) use column_setters;

/// Of formats with a record a line.
macro_rules! line_setters {
    ($($more:literal)?) => {
        /// Sets what to do with a bad record.
        $(#[doc = $more])?
        pub fn on_bad_record(self, on_bad_record: crate::readers::OnBadRecord) -> Self {
            Self { on_bad_record, ..self }
        }

        /// Sets the largest number of rows in a batch.
        pub fn batch_rows(self, batch_rows: usize) -> Self {
            Self { batch_rows, ..self }
        }

        /// Sets the bytes in a split. Rows and their order do not depend on it.
        pub fn split_bytes(self, split_bytes: usize) -> Self {
            Self { split_bytes, ..self }
        }
    };
}
pub(super) use line_setters;

/// Of formats whose types are inferred unless they are told.
macro_rules! type_setters {
    () => {
        /// Sets the columns to be read, with their types.
        pub fn schema(self, schema: crate::schema::Schema) -> Self {
            Self { schema: Some(schema), ..self }
        }

        /// Sets the type of one column.
        pub fn column_type(mut self, column: &str, data_type: crate::schema::Type) -> Self {
            self.column_types.retain(|(name, _)| name != column);
            self.column_types.push((column.to_owned(), data_type));
            self
        }
    };
}
pub(super) use type_setters;
