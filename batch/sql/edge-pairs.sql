-- Live edges as pairs of numbers, for union-find. Ids are matched by their texts.
select low.rowid, high.rowid
from live_edge
join edge_id as low on low.id = live_edge.lo
join edge_id as high on high.id = live_edge.hi;
