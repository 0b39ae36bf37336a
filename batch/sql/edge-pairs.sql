-- Live edges, for union-find.
select lo, hi from live_edge;
