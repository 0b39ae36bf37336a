-- The facts of sampled pages on one day, from one file of the master dataset: parts are the beginnings of all URLs that mean these
-- pages, as text literals, from and to the day in milliseconds, so that DuckDB can skip what holds none of them.
select {file} as file, file_row_number as row, url, timestamp, user_agent, visitor
from read_parquet({path}, hive_partitioning = false, file_row_number = true)
where regexp_extract(url, '^[^?#]*') in ({parts}) and timestamp >= {from} and timestamp < {to} and "offset" < {end}
