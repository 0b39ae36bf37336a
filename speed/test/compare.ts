/** Comparing a realtime view with the oracle: every cell, bit for bit. */
import assert from 'node:assert/strict';
import { HllSketch } from 'hyperloglog-ts';
import type { RealtimeView, SketchView, Subject } from '../../lib/views/view.js';
import { sketchOf } from '../store/cell-codec.js';
import type { OracleCells } from './oracle.js';

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

export function subjectOf(name: string): Subject {
  const rest = name.slice(name.indexOf(' ') + 1);
  return name.startsWith('page ') ? { kind: 'page', url: rest } : { kind: 'domain', domain: rest };
}
