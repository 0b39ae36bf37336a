-- All ids of every person of two or more, the PersonID among them, with the hashes that facts are collected by. Texts
-- come a thousand rows in one, ended by unit separators: a text of its own for each row costs thirty times as much.
select
  string_agg(person || chr(31), '' order by number) as people,
  string_agg(id || chr(31), '' order by number) as ids,
  list(hash(id) order by number) as id_hashes
from (
  select person, id, row_number() over (order by person, id) - 1 as number
  from (select person, id from mapping union all select distinct person, person from mapping)
)
group by number // 1000
order by number // 1000;
