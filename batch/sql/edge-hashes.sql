-- Live edges as pairs of hashes, for union-find.
select hash(lo), hash(hi) from live_edge;
