-- Groups of pageviews with the same partition, event id and visitor, one group after the other, each in order. Among
-- those of one page, all but the first that counts are repeats (facts/repeat.ts). swa_possible_repeat knows the hashes
-- of event ids that occur more than once; the texts themselves are compared here. The facts come with each file's index
-- and their row numbers in it.
select cast(file as integer), cast(row as integer), row_number() over same = 1 as begins
from ({facts})
where swa_possible_repeat(hash(event_id))
window same as (partition by partition, event_id, visitor order by file, row),
  all_same as (partition by partition, event_id, visitor)
qualify count(*) over all_same > 1
order by partition, event_id, visitor, file, row
