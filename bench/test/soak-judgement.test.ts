/** The judgement of a soak: leaks are found and named, hand-overs that take longer are not taken for one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLevel, judge, type Judgement } from '../soak-judgement.js';
import type { Sample } from '../soak-samples.js';

const seconds = 1_200;

/** A sample each second; a cycle of `cycleSeconds` begins with a hand-over of `handOverSeconds`, during which there are more descriptors and memory. */
function soak(
  handOverSeconds: (second: number) => number,
  { cycleSeconds = 60, leakedFiles = 0, leakedBytes = 0 } = {},
): Judgement {
  const samples = Array.from({ length: seconds }, (_, second): Sample => {
    const isHandingOver = second % cycleSeconds < handOverSeconds(second);
    return {
      second,
      anonymousBytes: 1e9 + (isHandingOver ? 3e8 : 0) + leakedBytes * second + (second % 7) * 1e6,
      mappedBytes: 1e9,
      descriptors: {
        serving: isHandingOver ? 40 : 30,
        speed: isHandingOver ? 30 : 15,
        log: 10 + Math.floor(leakedFiles * second),
        socket: 10 + (second % 3),
      },
      threads: 15,
      diskBytes: { log: 1e8, jobs: 1e4 },
      logExcessBytes: 0,
      handOvers: Math.floor(second / cycleSeconds),
      isHandingOver,
    };
  });
  return judge(samples, seconds);
}

test('hand-overs that take longer each time are no rise', () => {
  const { isProven, cycles, anonymous, descriptors, risenDescriptors, risenRooms } = soak(
    (second) => 5 + second / 25,
  );
  assert.ok(isProven && cycles >= 8);
  assert.ok(isLevel(anonymous) && isLevel(descriptors));
  assert.deepEqual([risenDescriptors, risenRooms], [[], []]);
});

test('a descriptor that is not closed every 20 s is found, with its kind', () => {
  const { isProven, anonymous, descriptors, risenDescriptors } = soak(() => 15, { leakedFiles: 1 / 20 });
  assert.ok(isProven && isLevel(anonymous) && !isLevel(descriptors));
  assert.ok(risenDescriptors.length === 2 && risenDescriptors.every((text) => text.startsWith('log ')));
});

test('memory that grows by a tenth in ten minutes is found', () => {
  const { isProven, anonymous, descriptors } = soak(() => 15, { leakedBytes: 1e9 / 6_000 });
  assert.ok(isProven && !isLevel(anonymous) && isLevel(descriptors));
});

test('too few hand-overs prove nothing', () => {
  assert.equal(soak(() => 150, { cycleSeconds: 200 }).isProven, false);
});
