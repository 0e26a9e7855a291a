-- Rows of each row group of the Parquet file $path, in order.
SELECT any_value(row_group_num_rows) FROM parquet_metadata($path) GROUP BY row_group_id ORDER BY row_group_id
