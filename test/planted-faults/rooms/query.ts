/** Faults in putting the two layers together. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('query');

export const queryFaults: readonly PlantedFault[] = [
  fault(
    'cover',
    'the cover leaves out the last hour',
    edit(
      'query/engine/cover.ts',
      "add('hour', lastDay * 24, toHour);",
      "add('hour', lastDay * 24, toHour - 1);",
    ),
  ),
  fault(
    'cover',
    'the cover has an hour twice',
    edit(
      'query/engine/cover.ts',
      "add('hour', fromHour, firstDay * 24);",
      "add('hour', fromHour, firstDay * 24 + 1);",
    ),
  ),
  fault(
    'cover',
    'a range within a day loses its last hour',
    edit('query/engine/cover.ts', "add('hour', fromHour, toHour);", "add('hour', fromHour, toHour - 1);"),
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
    'tally',
    'a realtime hour is counted twice',
    edit(
      'query/engine/tally.ts',
      '      const to = Math.min(range.to, from + hours);\n',
      '      const to = Math.min(range.to, from + hours);\n      if (from > range.from) from--;\n',
    ),
  ),
  fault(
    'tally',
    'the last realtime hour of a range is left out',
    edit(
      'query/engine/tally.ts',
      'realtime.forEachHour(subject, from, to, (cell) => {',
      'realtime.forEachHour(subject, from, to - 1, (cell) => {',
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
];
