/** Faults in the ways in around the core. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('ways-in/logs');

export const logFormatFaults: readonly PlantedFault[] = [
  fault(
    'formats',
    'the client writes its own address: the first of X-Forwarded-For is taken',
    edit('ways-in/logs/fields/address.ts', 'entries.length - trustedProxies', '0 * trustedProxies'),
  ),
  fault(
    'formats',
    'a cut line counts: what is left of the agent is passed over',
    edit(
      'ways-in/logs/text-shape.ts',
      '    if (end < 0) return -1;\n    this.#texts[i] = line.slice(from + 1, end);',
      '    if (end < 0) return line.length;\n    this.#texts[i] = line.slice(from + 1, end);',
    ),
  ),
  fault(
    'columns',
    'rows that cannot be read are left out without a word',
    edit('ways-in/logs/table-rows.ts', "if (format !== 'parquet')", "if (format === 'parquet')"),
  ),
  fault(
    'fields',
    'an address has as many spellings as servers have',
    edit('ways-in/logs/fields/address.ts', 'address.startsWith(', 'address.endsWith('),
  ),
  fault(
    'detection',
    '#Fields holds for the whole file: columns that change are not seen',
    edit('ways-in/logs/formats/w3c.ts', "=== 'fields') places =", "=== 'fields') places ??="),
  ),
  fault(
    'hashed-addresses',
    'an eventId made of a line tells its address to whoever guesses the line',
    edit('ingest/take-routes.ts', "lineKey: format.lineKey?.() ?? ''", "lineKey: ''"),
  ),
  fault(
    'hashed-addresses',
    'a lost secret is made anew: every visitor is a new one',
    edit(
      'lib/files/data-dir.ts',
      "if (hashesAddresses(dataDir)) throw unusableSecret(dataDir, 'is missing');",
      "if (!hashesAddresses(dataDir)) throw unusableSecret(dataDir, 'is missing');",
    ),
  ),
];
