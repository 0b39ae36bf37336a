-- The ids of edge-ids.sql by the hashes that facts and edges name them with, in order.
select hash(id) from edge_id order by rowid;
