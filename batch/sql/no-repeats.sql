-- The same table when no event id occurs twice.
create temp table repeat as
select cast(null as integer) as partition_number, cast(null as bigint) as "offset"
where false;
