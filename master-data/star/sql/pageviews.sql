-- The pageviews of one master file as numbers, one row for each of its rows, in order. 0 means that the text is
-- missing; a row without a URL is not a fact. For a column that is dictionary-encoded in the file, DuckDB calls a
-- function once per dictionary entry. hash() is only used to find event ids that may occur more than once.
select
  coalesce(swa_urls(url), 0) as url,
  coalesce(swa_visitors(visitor), 0) as visitor,
  coalesce(swa_agents(user_agent), 0) as agent,
  coalesce(swa_referrers(referrer), 0) as referrer,
  case when contains(url, '{tagsMark}') then swa_tags(url) else 0 end as tags,
  case when country is null then 0 else swa_countries(country) end as country,
  case when import_id is null then 0 else swa_imports(import_id) end as import,
  coalesce(timestamp, -1) as timestamp,
  coalesce(hash(event_id), 0) as event
from {source}
