import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SwaError } from '../../lib/errors/errors.js';
import { reaches } from '../../log/cut.js';
import type { Offsets } from '../../log/log.js';
import type { BatchView, RealtimeView, ViewId } from '../../facts/views/view.js';
import { shareMs, Generations, type PinnedGeneration } from '../engine/generations.js';
import { FakeBatchView, FakeRealtimeView, viewIdOf } from './fakes.js';

/** Both layers as a test moves them. */
class World {
  current = viewIdOf(1);
  realtime: FakeRealtimeView | undefined;
  readonly views = new Map<ViewId, FakeBatchView>();
  readonly snapshots: FakeRealtimeView[] = [];
  /** Numbers of the batch views that were made by other rules. */
  readonly ofOtherRules = new Set<number>();
  readonly generations = new Generations(
    { current: () => this.current, open: (id) => this.open(id) },
    { snapshot: () => this.snapshot() },
    ({ number }) => !this.ofOtherRules.has(number),
  );

  publish(number: number, cut: number): FakeBatchView {
    const view = new FakeBatchView([], { number, cut });
    this.views.set(view.meta.id, view);
    this.current = view.meta.id;
    return view;
  }

  serve(number: number, cut: number): void {
    const batch = this.views.get(viewIdOf(number));
    this.realtime = batch === undefined ? undefined : new FakeRealtimeView(batch, [], { cut });
  }

  open(id: ViewId): BatchView {
    const view = this.views.get(id);
    if (view === undefined) throw new SwaError('view.missing', `no ${id}`);
    return view;
  }

  snapshot(): RealtimeView | undefined {
    if (this.realtime === undefined) return undefined;
    const { cut, generation } = this.realtime;
    const batch =
      this.views.get(generation) ?? new FakeBatchView([], { number: Number(generation.slice(1, 7)) });
    const taken = new FakeRealtimeView(batch, [], { cut: cut.next['pageviews/0'] ?? 0 });
    this.snapshots.push(taken);
    return taken;
  }

  /** Pins, lets go, and waits until the pin is no longer shared. */
  async look(): Promise<PinnedGeneration> {
    const generation = await this.generations.pin();
    this.generations.unpin(generation);
    await new Promise((resolve) => setTimeout(resolve, shareMs + 2));
    return generation;
  }
}

function cutOf(generation: PinnedGeneration): number {
  return generation.cut.next['pageviews/0'] ?? -1;
}

test('batch and realtime are always of one generation, the one the speed layer serves', async () => {
  const world = new World();
  world.publish(1, 10);
  world.serve(1, 20);
  world.publish(2, 18);
  const before = await world.look();
  assert.equal(before.batch.meta.id, viewIdOf(1));
  assert.equal(before.realtime?.generation, viewIdOf(1));
  world.serve(2, 21);
  const after = await world.look();
  assert.equal(after.batch.meta.id, viewIdOf(2));
  assert.equal(after.realtime?.generation, viewIdOf(2));
});

test('without a realtime view the batch view answers alone', async () => {
  const world = new World();
  world.publish(1, 10);
  const answer = await world.look();
  assert.equal(answer.realtime, undefined);
  assert.equal(cutOf(answer), 10);
});

test('a batch view that holds everything the standing speed layer does answers alone', async () => {
  const world = new World();
  world.publish(1, 10);
  world.serve(1, 20);
  world.publish(2, 40);
  assert.equal(cutOf(await world.look()), 40);
  // Speed comes back on its old generation: it must not take over before it has come as far.
  world.serve(1, 30);
  assert.equal(cutOf(await world.look()), 40);
  world.serve(1, 50);
  assert.equal(cutOf(await world.look()), 50);
});

test('a batch view made by other rules answers alone until the next one is there, and never with what was counted after it', async () => {
  const world = new World();
  world.publish(1, 10);
  world.serve(1, 20);
  const before = await world.look();
  assert.equal(cutOf(before), 20);
  world.ofOtherRules.add(1); // as after a restart
  const alone = await world.look();
  assert.deepEqual([alone.batch.meta.id, alone.realtime, cutOf(alone)], [viewIdOf(1), undefined, 10]);
  assert.notEqual(alone.version, before.version);

  world.publish(2, 15);
  const next = await world.look();
  assert.deepEqual([next.batch.meta.id, next.realtime, cutOf(next)], [viewIdOf(2), undefined, 15]);
  world.serve(2, 21);
  assert.equal((await world.look()).realtime?.generation, viewIdOf(2));

  world.current = viewIdOf(1); // rolled back
  const back = await world.look();
  assert.deepEqual([back.batch.meta.id, back.realtime], [viewIdOf(1), undefined]);
  assert.ok(world.snapshots.every(({ released }) => released === 1));
});

test('a realtime view whose batch view is gone is not used', async () => {
  const world = new World();
  world.publish(1, 10);
  world.serve(1, 20);
  world.publish(2, 15);
  world.views.delete(viewIdOf(1));
  world.realtime = new FakeRealtimeView(new FakeBatchView([], { number: 1, cut: 10 }), [], { cut: 20 });
  const answer = await world.look();
  assert.equal(answer.batch.meta.id, viewIdOf(2));
  assert.equal(answer.realtime, undefined);
});

test('with nothing published the answer is a named error', async () => {
  await assert.rejects(new World().generations.pin(), { code: 'view.missing' });
});

test('views in use stay open, others are closed, every snapshot is given back', async () => {
  const world = new World();
  world.publish(1, 1);
  world.serve(1, 1);
  const held = await world.generations.pin();
  await new Promise((resolve) => setTimeout(resolve, shareMs + 2));
  for (let number = 2; number < 8; number++) {
    world.publish(number, number);
    world.serve(number, number);
    await world.look();
  }
  assert.equal(world.views.get(viewIdOf(1))?.closed, false);
  assert.equal(world.views.get(viewIdOf(4))?.closed, true);
  world.generations.unpin(held);
  world.generations.close();
  assert.ok(world.snapshots.length >= 7);
  for (const snapshot of world.snapshots) assert.equal(snapshot.released, 1);
  assert.ok([...world.views.values()].every((view) => view.closed));
});

test("an answer's cut never goes back, whatever the order of publishing, serving, stopping and trimming", async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), by: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ kind: fc.constantFrom('batch', 'catch-up', 'hand-over', 'stop', 'prune') }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      let end = 0;
      let number = 1;
      let serving = 1;
      world.publish(1, 0);
      world.serve(1, 0);
      let last: Offsets = {};
      for (const { kind, ...rest } of steps) {
        if (kind === 'append') end += 'by' in rest ? rest.by : 0;
        if (kind === 'batch') world.publish(++number, end);
        if (kind === 'catch-up' && world.views.has(viewIdOf(serving))) world.serve(serving, end);
        if (kind === 'hand-over') world.serve((serving = number), end);
        if (kind === 'prune') world.views.delete(viewIdOf(number - 2));
        const generation = await world.generations.pin();
        assert.ok(
          reaches(generation.cut.next, last),
          `${JSON.stringify(generation.cut.next)} after ${JSON.stringify(last)}`,
        );
        last = generation.cut.next;
        if (generation.realtime !== undefined)
          assert.equal(generation.realtime.generation, generation.batch.meta.id);
        world.generations.unpin(generation);
        world.generations.forget();
      }
    }),
    { numRuns: Number(process.env['RUNS'] ?? 300) },
  );
});
