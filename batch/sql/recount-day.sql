-- The facts of sampled pages on one day: urls are all spellings of these pages as text literals, from and to the day in
-- milliseconds, so that DuckDB can skip what holds none of them.
select url, cast(floor(timestamp / 3600000) as bigint) as hour, user_agent, visitor
from counted
where url in ({urls}) and timestamp >= {from} and timestamp < {to}
