-- The mapping in order of ids, packed as in members.sql.
select
  string_agg(id || chr(31), '' order by number) as ids,
  string_agg(person || chr(31), '' order by number) as people
from (select id, person, row_number() over (order by id) - 1 as number from mapping)
group by number // 1000
order by number // 1000;
