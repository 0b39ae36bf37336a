-- Visits of a person to a domain: a view 30 minutes or more after the one before begins a new one. A visit of one view
-- is a bounce. Both count in the hour the visit began.
with step as (
  select domain_id, person_id, timestamp,
    coalesce(timestamp - lag(timestamp) over views >= 1800000, true) as begins,
    coalesce(lead(timestamp) over views - timestamp >= 1800000, true) as ends
  from fact
  window views as (partition by domain_id, person_id order by timestamp)
)
select domain_id, cast(floor(timestamp / 3600000) as integer) as hour, count(*) as visits,
  count(*) filter (where ends) as bounces
from step
where begins
group by all
order by domain_id, hour;
