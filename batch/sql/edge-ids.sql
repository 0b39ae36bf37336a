-- The visitor ids that live edges name, in UTF-8 byte order: an id's place is its number, so that the least number of a
-- component is its PersonID.
create temp table edge_id as
select distinct id from (select lo as id from live_edge union all select hi from live_edge) order by id;
