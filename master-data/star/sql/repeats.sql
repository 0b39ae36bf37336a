-- Pageviews of one partition, event id and visitor, group after group, each in order: of those of one page all but the
-- first that counts are repeats (facts/repeat.ts). swa_possible_repeat knows the hashes of event ids that occur more than
-- once; here the texts themselves are compared. The facts come from each file with its number and their row numbers in it.
select cast(file as integer), cast(row as integer), row_number() over same = 1 as begins
from ({facts})
where swa_possible_repeat(hash(event_id))
window same as (partition by partition, event_id, visitor order by file, row),
  all_same as (partition by partition, event_id, visitor)
qualify count(*) over all_same > 1
order by partition, event_id, visitor, file, row
