/** Compares the edges stored in a realtime view with those of the log. */
import assert from 'node:assert/strict';
import { offset, type Offsets } from '../../log/log.js';
import { factOf, type Records } from '../../test/oracle/ledger.js';
import type { EdgeBlock, LocalRealtimeView, WaitingEdge } from '../../facts/views/view.js';

/** Asserts that the view's edges are those of the log between `from` and its cut, without erased ids, up to the limit of each partition. */
export function assertEdgesEqual(
  view: LocalRealtimeView,
  records: Records,
  from: Offsets,
  kept = Number.POSITIVE_INFINITY,
  isErased: (id: string) => boolean = () => false,
): void {
  const numbers = { equiv: 0, retract: 0 };
  for (const [name, values] of records) {
    const start = from[name] ?? 0;
    const expected = values.slice(start, view.cut.next[name]).flatMap((value, i): WaitingEdge[] => {
      const fact = factOf(value, name);
      if (fact.type !== 'equiv' && fact.type !== 'retract') return [];
      const { type, a, b, timestamp, eventId } = fact;
      if (isErased(a) || isErased(b)) return [];
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
