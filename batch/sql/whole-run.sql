-- The whole recomputation in plain SQL over the star: the result that a batch run must have, to read and to compare with (batch/exact.ts).
-- Input tables: the star's facts as pageview and equiv (with exclusions), its groups of pageviews that may be repeats as repeat_group,
-- and the meaning of its numbers as url (page, domain), bot (agents), visitor (id, coupon; no placeholders), excluded (numbers of texts
-- that exclusions match), erased (visitors) and result. {values} maps results to a pageview's value in each dimension; {bucketMs} is the width of a base bucket.
-- Edges, without those of erased ids, and without old ones of ids that are not seen any more. Of edges with the same event id, kind and pair the first counts; for each pair the latest wins.
create temp table seen as select distinct visitor from pageview where timestamp >= {keptFrom} and timestamp < {timeEnd};

create temp table edge as
select least(a.id, b.id) as lo, greatest(a.id, b.id) as hi, kind, timestamp, partition, "offset"
from equiv
join visitor as a on a.visitor = equiv.a
join visitor as b on b.visitor = equiv.b
where kind > 0 and timestamp >= {timeStart} and timestamp < {timeEnd} and a.visitor not in (from erased) and b.visitor not in (from erased)
  and (timestamp >= {keptFrom} or a.visitor in (from seen) or b.visitor in (from seen))
qualify event = 0 or row_number() over (partition by event, kind, lo, hi order by partition, "offset") = 1;

create temp table live_edge as
select lo, hi from edge group by lo, hi having max_by(kind, (timestamp, partition, "offset")) = 1;

-- Exclusions in force: for each rule, the latest fact wins.
create temp table live_exclusion as
select exclusion from equiv where exclusion > 0 and kind > 2 and timestamp >= {timeStart} and timestamp < {timeEnd}
group by exclusion having max_by(kind, (timestamp, partition, "offset")) = 3;

-- Persons: each id is represented by the least id that it reaches over live edges.
create temp table reached as
with recursive component(id, least) using key (id) as (
  select unnest([lo, hi]) as id, id as least from live_edge
  union
  select known.id, min(other.least)
  from recurring.component as known
  join (select lo as id, hi as neighbour from live_edge union all select hi, lo from live_edge) as edge using (id)
  join component as other on other.id = edge.neighbour
  where other.least < known.least group by known.id
)
select id, least, count(*) over (partition by least) as ids from component;

create temp table person as
select visitor, if(ids <= {maxIds}, least, id) as person from visitor join reached using (id);

-- Pageviews that count: with a page, not of a bot or placeholder, not excluded, and the first of each group and page.
create temp table counted as
select page, page_number, domain, tags, referrer, agent, country, coalesce(person.person, visitor.id) as person, timestamp
from pageview
join url using (url) join visitor using (visitor)
anti join bot using (agent)
anti join (from excluded semi join live_exclusion using (exclusion)) as x
  on timestamp >= start and timestamp < stop
  and number = case x.kind when 'visitor' then visitor when 'userAgent' then agent when 'importId' then import else page_number end
left join person using (visitor) left join repeat_group using (file, row) where timestamp >= {keptFrom} and timestamp < {timeEnd}
qualify repeat_group.number is null
  or row_number() over (partition by repeat_group.number, page order by file, row) = 1;

-- Buckets of every subject: pageviews, and people by their coupons.
create temp table cell as
select kind, subject, span, bucket, count(*) as pageviews, list_sort(list(distinct coupon)) as coupons
from (
  select timestamp, coupon, unnest([{kind: 'page', subject: page}, {kind: 'domain', subject: domain}] || {values}, recursive := true)
  from counted join visitor on visitor.id = counted.person
),
lateral (
  select unnest([
    {span: 'base', bucket: timestamp // {bucketMs}},
    {span: 'day', bucket: timestamp // 86400000},
    {span: 'month', bucket: datesub('month', timestamp '1970-01-01', make_timestamp(timestamp * 1000))}
  ], recursive := true)
)
where subject is not null group by kind, subject, span, bucket;

-- Visits. A view 30 minutes or more after the one before begins a new one; it counts in the base bucket it began.
create temp table visit as
select domain, began // {bucketMs} as bucket, count(*) as visits, count(*) filter (views = 1) as bounces, sum(views) as pageviews, sum(ended - began) as duration
from (
  select domain, person, min(timestamp) as began, max(timestamp) as ended, count(*) as views
  from (
    select *, sum(if(timestamp - before < 1800000, 0, 1)) over (partition by domain, person order by timestamp) as number
    from (select *, lag(timestamp, 1, -1800000) over (partition by domain, person order by timestamp) as before from counted)
  )
  group by domain, person, number
) group by domain, bucket;
