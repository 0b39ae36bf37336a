/** The NDJSON format: one fact per line, as `POST /v1/events` takes it. */
import { z } from 'zod';
import { SwaError } from '../lib/errors/errors.js';
import type { FileFormat, FormatOf, LineReader, LineResult } from './line-format.js';

const reader: LineReader = {
  about: { format: 'ndjson' },
  read: readFact,
  isWhole: (text) => readFact(text).kind !== 'rejected',
};

export const ndjson: FileFormat = {
  open: () => reader,
  elsewhere: { module: import.meta.url, stored: { name: 'ndjson' } },
};

function readFact(line: string): LineResult {
  if (line.trim() === '') return { kind: 'filtered', reason: 'empty line' };
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return { kind: 'fact', value, site: '' };
    return { kind: 'rejected', reason: 'is not a JSON object', value: line };
  } catch {
    return { kind: 'rejected', reason: 'is not JSON', value: line };
  }
}

const factTypes: readonly string[] = ['pageview', 'equiv', 'retract', 'exclude', 'include'];

/** Whether a line is a JSON object with a `type` of facts; the door may still reject it. */
export function isFactLine(line: string): boolean {
  const result = readFact(line);
  return (
    result.kind === 'fact' &&
    'type' in result.value &&
    typeof result.value.type === 'string' &&
    factTypes.includes(result.value.type)
  );
}

export const ndjsonSchema = z.object({ name: z.literal('ndjson') });

/** The built-in formats: NDJSON only. Rejects with `import.failed` for any other. */
export const formatOf: FormatOf = (stored) => {
  if (ndjsonSchema.safeParse(stored).success) return Promise.resolve(ndjson);
  const name = z.object({ name: z.string() }).safeParse(stored).data?.name ?? 'without a name';
  return Promise.reject(
    new SwaError('import.failed', `this process cannot read files of format ${name}`, {
      hint: 'run the collector with `swa start` or `swa collector`, which can read the log formats of web servers',
    }),
  );
};
