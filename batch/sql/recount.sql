-- Independent recount of sampled pages directly from the facts, by bucket. 'days' is the union of statements of recount-day.sql.
select encode(url), cast(floor(timestamp / {bucketMs}) as bigint) as bucket, encode(user_agent), encode(visitor), file, cast(row as integer),
  encode(import_id), timestamp
from ({days})
order by bucket;
