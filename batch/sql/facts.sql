-- Hands every counted pageview to the fact collector, which keeps dictionaries by hash: swa_take_known takes the rows
-- whose hashes it knows, swa_take_new the others, with their texts. DuckDB keeps texts of up to 12 bytes within the
-- vector itself: a visitor id in four such pieces is read without a native call. Other texts go as bytes, which are what
-- they are (batch/columns.ts).
select count(*), count(
  swa_take_new(
    url_hash, encode(url), visitor_hash, encode(visitor), agent_hash, encode(user_agent), timestamp,
    substr(visitor, 1, 12), substr(visitor, 13, 12), substr(visitor, 25, 12), substr(visitor, 37, 12)
  )
)
from (
  select
    url, visitor, user_agent, timestamp,
    hash(url) as url_hash, hash(visitor) as visitor_hash, hash(user_agent) as agent_hash,
    swa_take_known(url_hash, visitor_hash, agent_hash, timestamp) as taken
  from counted
)
where not taken;
