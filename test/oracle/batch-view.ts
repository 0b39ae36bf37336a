/** A batch view that holds what the oracle says: for tests of what reads batch views, without a batch run. */
import { coupon } from 'hyperloglog-ts';
import type { Rules } from '../../facts/rules.js';
import { domainOf } from '../../facts/url/domain.js';
import { SketchCell } from '../../facts/views/sketch-cell.js';
import type { BatchView, PageCount, ValueCount, ViewId, ViewMeta } from '../../facts/views/view.js';
import { nameOf, subjectOf, totalOf, valuesIn } from './compare.js';
import { batchTally } from './layers.js';
import { before, liveExclusions, personsOf, type Placed } from './oracle.js';

/** A batch view as one run at `cut` would make it. */
export function oracleView(
  ledger: readonly Placed[],
  cut: ViewMeta['cut'],
  number: number,
  rules: Rules,
  lgK: number,
): BatchView {
  const covered = before(ledger, cut.next);
  const tally = batchTally(covered, rules);
  const { subjects } = tally;
  const values = Object.fromEntries(rules.dimensions.kept.map((dimension) => [dimension.name, 0]));
  const counts = { pageviews: 0, pages: 0, domains: 0, values, persons: 0, mappedIds: 0 };
  const id = `v${String(number).padStart(6, '0')}-00000000` as ViewId;
  return {
    meta: {
      id,
      number,
      createdAt: 0,
      cut,
      lgK,
      bucketMinutes: 60,
      rules: rules.versions,
      maxPersonIds: 0,
      retractions: covered.filter(({ fact }) => fact.type === 'retract').length,
      gaps: [],
      codeVersion: '',
      contentHash: '',
      counts,
    },
    personOf: personsOf(covered, rules),
    idsOf: (person) => [person],
    idCountOf: () => 1,
    forEachBucket(subject, span, from, to, visit) {
      const cells = [...(subjects.get(nameOf(subject)) ?? [])]
        .filter(([name]) => name.startsWith(`${span} `))
        .map(([name, { pageviews, people }]) => {
          const coupons = Uint32Array.from(new Set([...people].map(coupon))).toSorted();
          return new SketchCell(Number(name.split(' ')[1]), pageviews, { kind: 'coupons', coupons });
        })
        .toSorted((a, b) => a.bucket - b.bucket);
      for (const cell of cells) if (cell.bucket >= from && cell.bucket < to) visit(cell);
    },
    forEachVisitBucket: () => undefined,
    *pages(domain): Generator<PageCount> {
      for (const name of subjects.keys()) {
        const subject = subjectOf(name);
        if (subject.kind !== 'page' || domainOf(subject.url) !== domain) continue;
        yield { url: subject.url, pageviews: totalOf(tally, name) };
      }
    },
    *values(dimension, domain): Generator<ValueCount> {
      for (const value of valuesIn(tally, dimension, domain))
        yield { value, pageviews: totalOf(tally, nameOf({ kind: 'value', dimension, domain, value })) };
    },
    *domains() {
      for (const name of subjects.keys()) if (name.startsWith('domain ')) yield name.slice('domain '.length);
    },
    exclusions: () => liveExclusions(covered, rules),
    close: () => undefined,
  };
}
