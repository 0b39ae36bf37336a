-- The visitor ids that live edges name, numbered in UTF-8 byte order: the least number of a component is its PersonID.
create temp table edge_id as
select id, cast(row_number() over (order by id) - 1 as integer) as number
from (select lo as id from live_edge union select hi from live_edge);
