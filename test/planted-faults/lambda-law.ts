/** Faults of both layers that the lambda law must catch. */
import type { Edit, PlantedFault } from './fault.js';

/** A few histories are enough for each of them. */
const env = { RUNS: '6', SEED: '1' };

function fault(name: string, edit: Edit): PlantedFault {
  const [room = ''] = edit.file.split('/');
  return { name, room, edits: [edit], test: 'test/lambda-law.test', env };
}

export const lambdaLawFaults: readonly PlantedFault[] = [
  fault('repeats are told whatever their partition', {
    file: 'master-data/star/sql/repeats.sql',
    find: 'window same as (partition by partition, event_id, visitor order by file, row),\n  all_same as (partition by partition, event_id, visitor)\nqualify count(*) over all_same > 1\norder by partition, event_id',
    replace:
      'window same as (partition by event_id, visitor order by file, row),\n  all_same as (partition by event_id, visitor)\nqualify count(*) over all_same > 1\norder by event_id',
  }),
  fault('edges repeat by their eventId alone', {
    file: 'batch/sql/repeated-edges.sql',
    find: 'partition by event, kind, lo, hi order by',
    replace: 'partition by event order by',
  }),
  {
    ...fault('of all facts on a pair the last to arrive wins, whatever its timestamp', {
      file: 'batch/sql/live-edges.sql',
      find: 'max_by(kind, (timestamp, partition, "offset"))',
      replace: 'max_by(kind, (partition, "offset"))',
    }),
    isQuick: true,
  },
  fault('an exclusion that was taken back stays in force', {
    file: 'batch/sql/live-exclusions.sql',
    find: 'partition, "offset")) = 3 as integer)',
    replace: 'partition, "offset")) >= 3 as integer)',
  }),
  fault('a repeat of what is excluded does not take its place', {
    file: 'batch/facts/repeats.ts',
    find: 'const deciding = { pageOfUrl, bots, ofVisitor, excluded };',
    replace: 'const deciding = { pageOfUrl, bots, ofVisitor, excluded: excluded && undefined };',
  }),
  fault('a batch view does not tell its exclusions', {
    file: 'batch/pipeline.ts',
    find: '      writer.exclusions(live.rules);\n',
    replace: '      writer.exclusions(live.rules.slice(live.rules.length));\n',
  }),
  fault('exclusions by import count whatever their time', {
    file: 'batch/arrays/excluded.ts',
    find: '(imports !== undefined && covers(excluded, imports[importId], time))',
    replace: '(imports !== undefined && imports[importId] !== 0)',
  }),
  fault('facts of more than 300 days before the newest are dropped', {
    file: 'batch/arrays/verdict.ts',
    find: 'if (time < timeStart ||',
    replace: 'if (time < Math.max(timeStart, Date.UTC(2024, 4, 5)) ||',
  }),
  fault('a visit goes on after exactly 30 minutes', {
    file: 'batch/arrays/visit-pass.ts',
    find: '8 * (to - from), visitGapMs)',
    replace: '8 * (to - from), visitGapMs + 1)',
  }),
  fault('a day ends a base bucket late', {
    file: 'batch/arrays/kernel.ts',
    find: 'width.dayOf(bucket)',
    replace: 'width.dayOf(bucket - 1)',
  }),
  fault('the speed layer counts by the hour whatever the base buckets are', {
    file: 'speed/bolts/normalize-bolt.ts',
    find: 'this.#width.at(pageviews.timestamps[row] ?? 0)',
    replace: 'Math.floor((pageviews.timestamps[row] ?? 0) / 3_600_000)',
  }),
  fault('times of visits are taken for hours and what is over', {
    file: 'batch/arrays/kernel.ts',
    find: 'this.#bucketMs = width.ms;',
    replace: 'this.#bucketMs = 3_600_000;',
  }),
  fault('bots count', {
    file: 'speed/bolts/counting-rules.ts',
    find: 'if (excluded === 0) kept',
    replace: 'if (excluded >= 0) kept',
  }),
  fault('what is excluded counts after the cut', {
    file: 'speed/bolts/counting-rules.ts',
    find: 'if (this.#exclusions.isEmpty) return found;',
    replace: 'if (found.rows.length >= 0) return found;',
  }),
  fault('edges of erased ids join in a batch run', {
    file: 'batch/pipeline.ts',
    find: 'const erased = erasedVisitors(star, exclusions);',
    replace: 'const erased = erasedVisitors(star, exclusions).slice(0, 0);',
  }),
  fault('exclusions count whatever their time after the cut', {
    file: 'speed/bolts/counting-rules.ts',
    find: 'return isWithinTimes(times, time);',
    replace: 'return times.length > 0;',
  }),
  fault('exclusions that wait are not counted', {
    file: 'speed/bolts/slice-reader.ts',
    find: 'if (isExclusion(fact)) exclusions++;',
    replace: 'if (isExclusion(fact)) exclusions += 0;',
  }),
  fault('repeats are told whoever the visitor is', {
    file: 'speed/bolts/counting-rules.ts',
    find: 'keys: repeatKeys(this.#hash, pageviews.hashes, keyPartsAt, rowWords)',
    replace:
      'keys: repeatKeys(this.#hash, pageviews.hashes.map((word, i) => (i % rowWords >= hashAt.visitor && i % rowWords < hashAt.visitor + hashWords ? 0 : word)), keyPartsAt, rowWords)',
  }),
  fault('a repeat of what lies before the cut counts', {
    file: 'speed/bolts/prime-repeats.ts',
    find: 'Math.max(offsetAt(earliest, name), end - size)',
    replace: 'Math.max(offsetAt(earliest, name), end - 0 * size)',
  }),
  fault('visitors keep the PersonID of an older generation', {
    file: 'speed/bolts/person-coupons.ts',
    find: 'readonly #recent = new RecentTable(rememberedVisitors);',
    replace: `static readonly #shared = new RecentTable(rememberedVisitors);
  readonly #recent = PersonCoupons.#shared;`,
  }),
  fault('the last pageview of an epoch is not written', {
    file: 'speed/store/epoch-changes.ts',
    find: 'views: this.#views.subarray(0, this.#viewsEnd)',
    replace: 'views: this.#views.subarray(0, Math.max(0, this.#viewsEnd - 2))',
  }),
  {
    ...fault('an epoch that is replayed counts twice', {
      file: 'speed/generations/generation.ts',
      find: 'for (const { changes } of this.#work.values()) changes.discard();',
      replace: '',
    }),
    isQuick: true,
  },
  {
    ...fault('a generation takes over before it has caught up', {
      file: 'speed/generations/hand-over.ts',
      find: 'return ours.next >= theirs.next && (',
      replace: 'return (',
    }),
    env: { ...env, RUNS: '40' }, // it must be met while it is behind
  },
];
