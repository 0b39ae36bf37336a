-- Number of rows of a master dataset file below an offset. They are its first rows, because rows are in offset order.
select cast(count(*) as integer) from read_parquet({path}, hive_partitioning = false) where "offset" < {end}
