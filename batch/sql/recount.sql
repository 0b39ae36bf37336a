-- Independent recount of sampled pages, straight from the facts: what each bucket must hold. The days are statements of
-- recount-day.sql, united.
select encode(url), cast(floor(timestamp / {bucketMs}) as bigint) as bucket, encode(user_agent), encode(visitor), file, cast(row as integer),
  encode(import_id), timestamp
from ({days})
order by bucket;
