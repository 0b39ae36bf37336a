/** Faults in putting the two layers together. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf, quick } from '../room-fault.js';

const fault = faultsOf('query');

export const queryFaults: readonly PlantedFault[] = [
  fault(
    'cover',
    'the cover leaves out the last base bucket',
    edit(
      'query/engine/cover.ts',
      "add('base', lastDay * perDay, end);",
      "add('base', lastDay * perDay, end - 1);",
    ),
  ),
  fault(
    'cover',
    'the cover has a base bucket twice',
    edit(
      'query/engine/cover.ts',
      "add('base', first, firstDay * perDay);",
      "add('base', first, firstDay * perDay + 1);",
    ),
  ),
  fault(
    'cover',
    'a range within a day loses its last base bucket',
    edit('query/engine/cover.ts', "add('base', first, end);", "add('base', first, end - 1);"),
  ),
  fault(
    'generations',
    'a realtime view is merged with a batch view that it does not go on from',
    edit(
      'query/engine/generations.ts',
      'const batch = this.#view(realtime.generation);',
      'const batch = this.#view(this.#batches.current());',
    ),
  ),
  fault(
    'waiting-edges',
    'retractions that wait are ignored',
    edit(
      'query/identity/edge-state.ts',
      '        this.#takeApart(edge, mapping);\n',
      '        if (edge.offset < 0) this.#takeApart(edge, mapping);\n',
    ),
  ),
  fault(
    'person-groups',
    'ids are compared as numbers of persons, not byte by byte',
    edit(
      'query/arrays/person-groups.ts',
      'return a === endA || (b < endB && bytes[a] < bytes[b]);',
      'return person < other;',
    ),
  ),
  fault(
    'person-groups',
    'an index of what is rewritten does not hear of later joins',
    edit('query/arrays/person-groups.ts', '      index.mark(this.#coupons[ofParent]);\n', ''),
  ),
  fault(
    'waiting-edges',
    'an answer takes in edges after its cut',
    edit(
      'query/identity/live-identity.ts',
      'this.#read = { ...options.at,',
      'this.#read = { ...options.at, ...options.state.now,',
    ),
  ),
  fault(
    'waiting-edges',
    'who was joined and taken back is joined for sure',
    edit(
      'query/identity/edge-state.ts',
      'if (areJoined) this.groups.doubt(number);',
      'if (areJoined && number < 0) this.groups.doubt(number);',
    ),
  ),
  fault(
    'tally',
    'a realtime bucket is counted twice',
    edit(
      'query/engine/tally.ts',
      '      const to = Math.min(range.to, from + buckets);\n',
      '      const to = Math.min(range.to, from + buckets);\n      if (from > range.from) from--;\n',
    ),
  ),
  fault(
    'tally',
    'the last realtime bucket of a range is left out',
    edit(
      'query/engine/tally.ts',
      'await realtime.forEachBucket(subject, from, to, (cell) => {',
      'await realtime.forEachBucket(subject, from, to - 1, (cell) => {',
    ),
  ),
  fault(
    'freshness',
    'answers do not say that facts were lost',
    edit(
      'query/answers/freshness.ts',
      "'lost-facts': skippedOffsets > 0,",
      "'lost-facts': skippedOffsets < 0,",
    ),
  ),
  fault(
    'freshness',
    'a lost edge is said in answers of its time alone',
    edit('query/answers/freshness.ts', "topic === 'equivs' ||", "topic !== 'pageviews' &&"),
  ),
  fault(
    'freshness',
    'answers are complete while there are records that nobody reads',
    edit(
      'query/answers/freshness.ts',
      "'unread-partitions': unreadRecords !== null && unreadRecords > 0,",
      "'unread-partitions': unreadRecords === -1,",
    ),
  ),
  fault(
    'pages',
    'the top ends with the first candidate that does not get in',
    edit(
      'query/answers/top.ts',
      '      } else best.offer(entry);\n',
      '      } else best.offer(entry);\n      if (best.refused) return;\n',
    ),
  ),
  fault(
    'pages',
    'what was seen lately ranks by its realtime pageviews alone',
    edit(
      'query/answers/top.ts',
      'pageviews: pageviews + (pageviewsOf.get(name) ?? 0) };',
      'pageviews: pageviews + 0 * (pageviewsOf.get(name) ?? 0) };',
    ),
  ),
  quick(
    fault(
      'breakdown',
      'values rank by pageviews instead of people',
      edit('query/answers/top.ts', 'rank: people.visitors, people });', 'rank: entry.pageviews, people });'),
    ),
  ),
  fault(
    'breakdown',
    'the search ends when one value has been turned away',
    edit(
      'query/answers/top.ts',
      'if (!best.takes(atBest(next)) ||',
      'if (best.refused > 0 || !best.takes(atBest(next)) ||',
    ),
  ),
  fault(
    'breakdown',
    'sketches are read of every candidate',
    edit(
      'query/answers/top.ts',
      "question.by === 'visitors' && best.takes(entry)) {",
      "question.by === 'visitors') {",
    ),
  ),
  fault(
    'breakdown',
    'ties go by UTF-16 units',
    edit(
      'query/answers/top.ts',
      '|| compareUtf8(a.name, b.name);',
      '|| (compareUtf8(a.name, b.name) === 0 ? 0 : a.name < b.name ? -1 : 1);',
    ),
  ),
  fault(
    'visits',
    'visits are compared with those of the range itself',
    edit('query/answers/visits.ts', 'cellsIn(batch, domain, earlierRange)', 'cellsIn(batch, domain, range)'),
  ),
  fault(
    'breakdown',
    'a value that was pushed out of the list is forgotten',
    edit(
      'query/answers/top.ts',
      'this.refused += this.#entries.add(entry) ? 1 : 0;',
      'this.refused += this.#entries.add(entry) ? 0 : 0;',
    ),
  ),
  fault(
    'breakdown',
    'pageviews without a value count as further values',
    edit(
      'query/answers/top.ts',
      'if (this.#count(next).pageviews > 0) this.#best.refused++;',
      'if (this.#uncounted > 0) this.#best.refused++;',
    ),
  ),
  fault(
    'paging',
    'a next page is given though other rows have come among those that were read',
    edit('query/answers/top.ts', 'after.rows))) !== after.digest)', "after.rows))) === '')"),
  ),
  fault(
    'paging',
    'a cursor of one batch view is taken by the next',
    edit('query/answers/top.ts', 'if (after.view !== generation.batch.meta.id)', "if (after.view === '')"),
  ),
  fault(
    'paging',
    'a cursor is good for any question',
    edit('query/paging.ts', 'if (question !== key)', "if (question === '')"),
  ),
  fault(
    'paging',
    'the domain that ends a page begins the next one as well',
    edit('query/answers/domains.ts', 'domain > after.after', 'domain >= after.after'),
  ),
  fault(
    'breakdown',
    'a dimension that is not kept can be asked for',
    edit(
      'query/question/subjects.ts',
      'const names = kept.map(',
      'const names = (kept.length > 0 ? dimensions : kept).map(',
    ),
  ),
  fault(
    'ranks',
    'lists are kept without end',
    edit(
      'query/engine/ranks.ts',
      'if (this.#lists.size < listsKept &&',
      'if (this.#lists.size < 1e9 * listsKept &&',
    ),
  ),
  fault(
    'now',
    'the import of an old log counts as people now',
    edit(
      'query/now/recent-pageviews.ts',
      'const at = Math.min(timestamp, receivedAt);',
      'const at = receivedAt;',
    ),
  ),
  fault(
    'now',
    'bots count as people now',
    edit('query/now/recent-pageviews.ts', '    if (this.#rules.bots.excludes(userAgent)) return;\n', ''),
  ),
  fault(
    'now',
    'after a restart only the last few records are read',
    edit(
      'query/now/log-tail.ts',
      'if (coveredFrom > since && !isAtStart && !isLast) continue;',
      'if (coveredFrom > since && !isAtStart && !isLast && i < 0) continue;',
    ),
  ),
  fault(
    'at-least',
    'an answer is older than what its client has seen',
    edit('query/engine/engine.ts', 'atLeast === undefined || hasReached(generation.cut, atLeast)', 'true'),
  ),
];
