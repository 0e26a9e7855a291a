-- Every value of the Parquet file $path once: fails where it cannot be read.
SELECT count(*), bit_xor(hash(f)) FROM read_parquet($path) AS f
