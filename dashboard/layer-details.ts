/** Reads the details that layers report. */
import type { Layer } from './answers.js';
import { share } from './format.js';

export interface RunUnderWay {
  readonly step: string;
  /** Progress of the step, '41%'; undefined if unknown. */
  readonly done: string | undefined;
}

/** The current batch run; undefined if there is none. */
export function runOf({ run }: Layer['details']): RunUnderWay | undefined {
  if (typeof run !== 'object' || run === null || !('step' in run) || typeof run.step !== 'string')
    return undefined;
  const [rows, total] = ['rows' in run ? run.rows : 0, 'totalRows' in run ? run.totalRows : 0];
  const isCounted = typeof rows === 'number' && typeof total === 'number' && total > 0;
  return { step: run.step, done: isCounted ? share(Math.min(1, rows / total)) : undefined };
}

/** Sum of a cut's offsets; undefined if the value is not a cut. */
export function sumOf(cut: unknown): number | undefined {
  if (typeof cut !== 'object' || cut === null) return undefined;
  const offsets = Object.values(cut).filter((offset): offset is number => typeof offset === 'number');
  return offsets.length === 0 ? undefined : offsets.reduce((sum, offset) => sum + offset, 0);
}

/** The spouts and bolts of a topology, each with its counters by name. A missing counter is 0. */
export function countersOf({
  topology,
}: Layer['details']): readonly (readonly [string, (counter: string) => number])[] {
  if (typeof topology !== 'object' || topology === null) return [];
  return Object.entries(topology).map(
    ([name, counters]: [string, Readonly<Record<string, unknown>>]) =>
      [name, (counter: string) => Number(counters[counter] ?? 0)] as const,
  );
}
