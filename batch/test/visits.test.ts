import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hourMs, hourOf } from '../../lib/time/buckets.js';
import { ByteReader, ByteWriter } from '../../serving/bytes.js';
import { visitsOf } from '../../test/oracle/oracle.js';
import { orderHours } from '../sorts/hour-order.js';
import { VisitCounter } from '../sorts/visit-counter.js';

function hoursOf(people: readonly (readonly number[])[]): [number, number, number][] {
  const hourNumbers = [...new Set(people.flat().map(hourOf))];
  const counter = new VisitCounter(orderHours(hourNumbers));
  people.forEach((times, person) => {
    const rows = times.flatMap((time) => [person, hourNumbers.indexOf(hourOf(time)), time % hourMs]);
    counter.addPerson(Uint32Array.from(rows), 0, times.length);
  });
  const out = new ByteWriter();
  counter.encode(out);
  const reader = new ByteReader(out.view());
  const hours: [number, number, number][] = [];
  for (let hour = 0; !reader.done;) hours.push([(hour += reader.varint()), reader.varint(), reader.varint()]);
  return hours;
}

const at = (iso: string): number => Date.parse(iso);

test('a visit counts where it began, also across midnight and a month end, and ends after 30 minutes without a view', () => {
  const night = [at('2024-02-29T23:59:00Z'), at('2024-03-01T00:10:00Z'), at('2024-03-01T00:39:59.999Z')];
  assert.deepEqual(hoursOf([night]), [[hourOf(night[0] ?? 0), 1, 0]]);
  const gap = [at('2024-02-29T23:50:00Z'), at('2024-03-01T00:20:00Z')];
  assert.deepEqual(hoursOf([gap]), [
    [hourOf(gap[0] ?? 0), 1, 1],
    [hourOf(gap[1] ?? 0), 1, 1],
  ]);
});

test('two views at one instant are one visit and no bounce; two people are two visits', () => {
  const time = at('2024-01-01T12:00:00Z');
  assert.deepEqual(hoursOf([[time, time]]), [[hourOf(time), 1, 0]]);
  assert.deepEqual(hoursOf([[time], [time]]), [[hourOf(time), 2, 2]]);
});

test('visits and bounces equal the oracle’s', () => {
  const times = fc.array(
    fc.integer({ min: 0, max: 3 * 86_400 }).map((second) => at('2024-02-28T00:00:00Z') + second * 1000),
    {
      minLength: 1,
      maxLength: 60,
    },
  );
  fc.assert(
    fc.property(fc.array(times, { minLength: 1, maxLength: 4 }), (people) => {
      const wanted = new Map<number, [number, number]>();
      for (const visit of people.flatMap(visitsOf)) {
        const hour = hourOf(visit[0] ?? 0);
        const [visits, bounces] = wanted.get(hour) ?? [0, 0];
        wanted.set(hour, [visits + 1, bounces + (visit.length === 1 ? 1 : 0)]);
      }
      const expected = [...wanted]
        .map(([hour, counts]) => [hour, ...counts])
        .toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
      assert.deepEqual(hoursOf(people), expected);
    }),
  );
});
