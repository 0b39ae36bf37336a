-- Independent recount of sampled pages, straight from the facts: what each hour of a day must hold. {urls} is the list of
-- all spellings of these pages as text literals, {from} and {to} the day in milliseconds, so that DuckDB can skip what
-- holds none of them.
select url, cast(floor(timestamp / 3600000) as integer) as hour, user_agent, visitor
from counted
where url in ({urls}) and timestamp >= {from} and timestamp < {to};
