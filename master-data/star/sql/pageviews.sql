-- The pageviews of one master file in numbers, a row for each of its rows and in their order. 0 stands for a text that is
-- not there; a row without a URL is no fact. DuckDB asks for the numbers of a column that lies in the file as a dictionary
-- once for each of its entries. hash() decides nothing: it finds event ids that may occur more than once.
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
