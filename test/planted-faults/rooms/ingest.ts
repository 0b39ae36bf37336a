/** Faults in taking facts in. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('ingest');

export const ingestFaults: readonly PlantedFault[] = [
  fault(
    'collector',
    '202 is sent before the facts are durable',
    edit(
      'ingest/intake.ts',
      '    await this.#append(records);',
      '    void this.#append(records).catch(() => undefined);',
    ),
  ),
  fault(
    'collector',
    'a key that may only read may write',
    edit('ingest/collector.ts', "      scope: 'write',", "      scope: 'read',"),
  ),
  fault(
    'line-ids',
    'equal lines are one view',
    edit('ingest/line-ids.ts', 'return `${firstId}:${n}`;', 'return n > 0 ? firstId : `${firstId}:${n}`;'),
  ),
  fault(
    'follow',
    'a log that was renamed is left before its writer has left it',
    edit('ingest/follow.ts', 'silentMs >= graceMs', 'silentMs >= 0 * graceMs'),
  ),
];
