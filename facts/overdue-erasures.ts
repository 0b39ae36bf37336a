/** Erasures that took longer than SWA_ERASURE_HOURS allows: each with the step that it has not got past. */
import type { ErasureRecord } from './erasure-records.js';

export interface OverdueErasure {
  readonly id: string;
  /** UTC ms. */
  readonly requestedAt: number;
  /** What it waits for: a state (`requested`, `recorded`), or a step of the rewriting. */
  readonly step: string;
  /** The same in words, with what to do. */
  readonly message: string;
}

const hourMs = 3_600_000;

/** Oldest first. @param now UTC ms */
export function overdueErasures(
  records: readonly ErasureRecord[],
  { now, hours }: { readonly now: number; readonly hours: number },
): OverdueErasure[] {
  return records
    .filter(({ state, requestedAt }) => state !== 'done' && now - requestedAt > hours * hourMs)
    .map(({ id, requestedAt, state, step }) => {
      const at = state === 'excluded' ? (step ?? state) : state;
      const age = Math.floor((now - requestedAt) / hourMs);
      const waits = waitingFor[at.split(':')[0] ?? ''] ?? `at step ${at}`;
      return {
        id,
        requestedAt,
        step: at,
        message: `erasure ${id} was requested ${age} h ago and is not done (SWA_ERASURE_HOURS=${hours}), step '${at}': ${waits}`,
      };
    });
}

const waitingFor: Readonly<Record<string, string>> = {
  requested: 'its exclusions are not in the log yet; start a collector',
  recorded:
    'no batch run has published a view since; `swa batch run` makes one, GET /v1/batches has the errors',
  excluded: 'the rewriting has not begun; start the batch role, or `swa batch run`',
  'realtime stores':
    'a speed worker still has stores of an earlier generation; `swa status` shows its last error',
  master: 'the sink has not rewritten all files of the master dataset; start it, or look at its last error',
  log: 'the collector has not overwritten all records of the log; start it, or look at its last error',
  views: 'a process holds an earlier batch view open; restart query and speed processes',
  star: 'a batch run is using the star',
  'set aside': 'dead letters or rejected lines cannot be removed; the log of the batch role says why',
  'shared views':
    'the realtime view still starts from an earlier batch view; `swa status` shows the speed workers',
  hosts: 'these hosts have not removed their copies; look at their logs, or stop them',
};
