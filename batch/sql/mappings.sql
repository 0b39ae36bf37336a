-- PersonIDs as union-find found them (swa_root: number of an id to number of its PersonID): ids that differ from theirs.
create temp table mapping as
select edge_id.id as id, person.id as person
from edge_id
join edge_id as person on person.number = swa_root(edge_id.number)
where edge_id.number <> person.number;
