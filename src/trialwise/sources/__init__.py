"""From the outside world to records: files of JSON, CSV and Parquet, as text with its place. Knows no database."""
