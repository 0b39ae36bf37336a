-- Edge facts that may join: no invalid records, no placeholder ids (a foreign producer may have written edges that our
-- door would have refused). The pattern lets all placeholders through and few others; swa_is_nobody decides.
create temp table edge as
select least(a, b) as lo, greatest(a, b) as hi, kind, timestamp, partition_number, "offset", event_id
from equivs
where invalid_reason is null
  and not contains(a, chr(31)) and not contains(b, chr(31)) -- ids have no control characters; this one separates packed texts
  and not case when regexp_matches(a, '(?i)(null|undefined|none|guest|anonymous|object\]|0|^|:)[^0-9a-z]*$')
    then swa_is_nobody(encode(a)) else false end
  and not case when regexp_matches(b, '(?i)(null|undefined|none|guest|anonymous|object\]|0|^|:)[^0-9a-z]*$')
    then swa_is_nobody(encode(b)) else false end;
