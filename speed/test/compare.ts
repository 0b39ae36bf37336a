/** Comparing a realtime view with the oracle: every cell, bit for bit, and every edge. */
import assert from 'node:assert/strict';
import { HllSketch } from 'hyperloglog-ts';
import { decodeRecord } from '../../lib/facts/record.js';
import { offset, parsePartitionName, type Offsets } from '../../lib/log/log.js';
import type { EdgeBlock, RealtimeView, SketchView, Subject, WaitingEdge } from '../../lib/views/view.js';
import { sketchOf } from '../store/cell-codec.js';
import type { OracleCells, Records } from './oracle.js';

/** The registers of a stored sketch, whichever form it has. */
export function registersOf(sketch: SketchView, lgK: number): Uint8Array {
  return dense(sketchOf(sketch, lgK), lgK);
}

/** The registers that a set of people makes. */
export function registersOfCoupons(coupons: Iterable<number>, lgK: number): Uint8Array {
  return dense(HllSketch.fromCoupons(Uint32Array.from(coupons), lgK), lgK);
}

/** Any sketch as registers. */
export function dense(sketch: HllSketch, lgK: number): Uint8Array {
  const registers = sketch.registers();
  if (registers !== undefined) return registers;
  const made = new Uint8Array(2 ** lgK);
  for (const coupon of sketch.coupons() ?? []) {
    const slot = coupon & (made.length - 1);
    made[slot] = Math.max(made[slot] ?? 0, coupon >>> 26);
  }
  return made;
}

export function assertRealtimeEquals(view: RealtimeView, expected: OracleCells, lgK: number): void {
  for (const [name, hours] of expected) {
    const actual = new Map<number, { pageviews: number; sketch: HllSketch }>();
    view.forEachHour(subjectOf(name), 0, 2 ** 31, ({ bucket, pageviews, sketch }) => {
      const known = actual.get(bucket) ?? { pageviews: 0, sketch: new HllSketch({ lgK }) };
      known.pageviews += pageviews;
      known.sketch.merge(sketchOf(sketch, lgK));
      actual.set(bucket, known);
    });
    assert.deepEqual(
      [...actual.keys()].toSorted((a, b) => a - b),
      [...hours.keys()].toSorted((a, b) => a - b),
      name,
    );
    for (const [hour, cell] of hours) {
      const got = actual.get(hour);
      assert.equal(got?.pageviews, cell.pageviews, `${name}, hour ${hour}`);
      assert.deepEqual(got && dense(got.sketch, lgK), registersOfCoupons(cell.coupons, lgK));
    }
  }
}

/** The view's edges are those of the log between `from` and its cut, as many as are kept of each partition. */
export function assertEdgesEqual(
  view: RealtimeView,
  records: Records,
  from: Offsets,
  kept = Number.POSITIVE_INFINITY,
): void {
  const numbers = { equiv: 0, retract: 0 };
  for (const [name, values] of records) {
    const start = from[name] ?? 0;
    const expected = values.slice(start, view.cut.next[name]).flatMap((value, i): WaitingEdge[] => {
      const fact = decodeRecord(value, parsePartitionName(name).topic);
      if (fact.type !== 'equiv' && fact.type !== 'retract') return [];
      const { type, a, b, timestamp, eventId } = fact;
      numbers[type]++;
      return [{ type, a, b, timestamp, eventId, offset: offset(start + i) }];
    });
    const edgesOf = (blocks: Iterable<EdgeBlock>): readonly WaitingEdge[] =>
      [...blocks].filter(({ partition }) => partition === name).flatMap(({ edges }) => edges);
    assert.deepEqual(edgesOf(view.edges()), expected.slice(0, kept), `edges of ${name}`);
    for (const { partition, next } of view.edges()) {
      const later = expected.slice(0, kept).filter((edge) => edge.offset >= next);
      if (partition === name) assert.deepEqual(edgesOf(view.edges({ [name]: next })), later);
    }
  }
  assert.deepEqual(
    { equiv: view.equivsAfterBatchCut, retract: view.retractionsAfterBatchCut },
    numbers,
    'numbers of edges',
  );
}

export function subjectOf(name: string): Subject {
  const rest = name.slice(name.indexOf(' ') + 1);
  return name.startsWith('page ') ? { kind: 'page', url: rest } : { kind: 'domain', domain: rest };
}
