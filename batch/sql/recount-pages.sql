-- Independent recount of sampled pages, straight from the facts: what each hour must hold. {urls} is the list of all
-- spellings of these pages, as text literals, so that DuckDB can skip what holds none of them.
select
  url,
  cast(floor(timestamp / 3600000) as integer) as hour,
  user_agent,
  coalesce(mapping.person, visitor) as person
from counted
left join mapping on mapping.id = visitor
where url in ({urls});
