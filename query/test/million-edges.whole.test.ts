/**
 * A million edges that wait: what they add to questions about people of whom half are joined to another one, in process and in CPU time, and for
 * how long reading them holds up the event loop. The limits are wide, for a busy machine; the figures are in the output.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { offset } from '../../log/log.js';
import type { EdgeBlock } from '../../facts/views/view.js';
import type { Engine } from '../engine/engine.js';
import { ask } from '../inquiries.js';
import { FakeBatchView, FakeRealtimeView, type View, show } from './fakes.js';
import { engineOver } from './server.js';
import { stallLimitMs, watchStalls } from './stalls.js';
import { eventually } from '../../test/eventually.js';

const edges = 1_000_000;
const edgesInBlock = 500;
const hour0 = 490_000;
const maxAddedMs = 5;

/** Every second id is joined to the one before it. */
class MillionEdges extends FakeRealtimeView {
  override *edges(from: Parameters<FakeRealtimeView['edges']>[0] = {}): Generator<EdgeBlock> {
    for (let first = from['equivs/0'] ?? 0; first < edges; first += edgesInBlock) {
      const block = Array.from({ length: edgesInBlock }, (_, i) => {
        const at = first + i;
        const ends = { a: `cookie:${2 * at}`, b: `cookie:${2 * at + 1}` };
        return { type: 'equiv' as const, ...ends, timestamp: 0, eventId: `event-${at}`, offset: offset(at) };
      });
      yield { partition: 'equivs/0', next: offset(first + edgesInBlock), edges: block };
    }
  }
}

function viewsOf(url: string, people: number, hours: number): View[] {
  return Array.from({ length: people }, (_, i) => ({
    visitor: `cookie:${7 * i}`,
    url,
    hour: hour0 + (i % hours),
  }));
}

const asked = {
  'a small page': ['https://example.org/small', 40, 4],
  'a page of 201 people': ['https://example.org/201', 201, 10],
  'a page of 1,500 people': ['https://example.org/1500', 1_500, 20],
  'registers of hours of coupons': ['https://example.org/5000', 5_000, 20],
} as const;

const range = { from: show(hour0), to: show(hour0 + 20) };

/** CPU time of a question in milliseconds: the median of groups of ten. */
async function costOf(engine: Engine, url: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 60; i++) {
    const before = process.cpuUsage();
    for (let n = 0; n < 10; n++) await ask(engine, 'uniques', { url, ...range });
    const { user, system } = process.cpuUsage(before);
    if (i >= 20) times.push((user + system) / 10_000);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}

test('a million edges add little to a question, and do not hold up others', async (t) => {
  const batch = new FakeBatchView(
    Object.values(asked).flatMap(([url, people, hours]) => viewsOf(url, people, hours)),
    {
      lgK: 14,
    },
  );
  const bare = engineOver({ batch, realtime: new FakeRealtimeView(batch, []) });
  const lastEdge = {
    type: 'equiv',
    a: 'a',
    b: 'b',
    timestamp: 0,
    eventId: '',
    offset: offset(edges - 1),
  } as const;
  const realtime = new MillionEdges(batch, [], { edges: [lastEdge], equivs: edges - 1 });
  const full = engineOver({ batch, realtime });
  t.after(() => {
    full.edges.close();
  });
  const stalls = watchStalls();
  await eventually(
    'the edges are read and indexed',
    async () => {
      await ask(full, 'uniques', { url: asked['a small page'][0], ...range });
      const isRead = await full.pinned(async (generation) => full.edges.isFinal(generation));
      return isRead && !full.edges.isBuilding;
    },
    300_000,
  );
  const longestMs = stalls.end();
  const added: number[] = [];
  for (const [what, [url]] of Object.entries(asked)) {
    const [without, withEdges] = [await costOf(bare, url), await costOf(full, url)];
    added.push(withEdges - without);
    const { body } = await ask(full, 'uniques', { url, ...range });
    const { rewritten } = body['accuracy'] as { rewritten: number };
    assert.ok(rewritten > 0, what);
    t.diagnostic(
      `${what}: ${without.toFixed(3)} ms, ${withEdges.toFixed(3)} ms with edges; ${rewritten} rewritten`,
    );
  }
  t.diagnostic(`the event loop stood still for ${longestMs.toFixed(0)} ms at most`);
  assert.ok(longestMs < 4 * stallLimitMs, `the event loop stood still for ${longestMs} ms`);
  assert.ok(Math.max(...added) < maxAddedMs, added.join());
});
