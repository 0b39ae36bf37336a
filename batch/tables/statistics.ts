/** The statistics of an engine, from their table. */
import { z } from 'zod';
import { SwaError } from '../../lib/errors/errors.js';
import { optionalTextIn, textIn } from '../../master-data/columns.js';
import { statisticsSchema, type EngineStatistics } from './contract.js';
import { wholeNumbers, type TablesDb } from './tables-db.js';

/** A component over the cap. */
export interface CappedComponent {
  readonly id: string;
  readonly size: number;
}

/** Throws `batch.failed` for one that is missing or no whole number. */
export async function readStatistics(
  db: TablesDb,
): Promise<{ readonly statistics: EngineStatistics; readonly capped: readonly CappedComponent[] }> {
  const numbers: Record<string, number> = {};
  const capped: CappedComponent[] = [];
  for await (const chunk of db.stream('select encode(name), value, encode(id) from statistics')) {
    const values = wholeNumbers(chunk, 1);
    for (let row = 0; row < chunk.rowCount; row++) {
      const name = textIn(chunk.getColumnVector(0), row);
      const id = optionalTextIn(chunk.getColumnVector(2), row);
      if (id === undefined) numbers[name] = values[row] ?? 0;
      else capped.push({ id, size: values[row] ?? 0 });
    }
  }
  const checked = statisticsSchema.safeParse(numbers);
  if (!checked.success)
    throw new SwaError(
      'batch.failed',
      `the statistics of the engine are not what they must be: ${z.prettifyError(checked.error)}`,
      { hint: 'the published view is unchanged' },
    );
  return { statistics: checked.data, capped };
}
