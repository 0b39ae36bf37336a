-- The facts of sampled pages on one day, from one file of the master dataset. 'parts' are all spellings of these pages (the part
-- before ? or #) as text literals; 'from' and 'to' are the day in milliseconds, so that DuckDB can skip row groups. Files of
-- earlier versions have no import ids.
select {file} as file, file_row_number as row, url, timestamp, user_agent, visitor, import_id
from (
  select null::varchar as import_id where false
  union all by name
  from read_parquet({path}, hive_partitioning = false, file_row_number = true)
)
where regexp_extract(url, '^[^?#]*') in ({parts}) and timestamp >= {from} and timestamp < {to} and "offset" < {end}
