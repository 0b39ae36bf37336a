-- How many rows of a file of the master dataset lie below an offset: they are its first, as rows lie in order of offsets.
select cast(count(*) as integer) from read_parquet({path}, hive_partitioning = false) where "offset" < {end}
