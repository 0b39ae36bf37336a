/** Faults in publishing, keeping and reading batch views. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('serving');

export const servingFaults: readonly PlantedFault[] = [
  fault(
    'store',
    'the view that serves is pruned',
    edit(
      'serving/store.ts',
      '.filter((id) => id !== current && !held.has(id))',
      '.filter((id) => id === id && (current === undefined || !held.has(id)))',
    ),
  ),
  fault(
    'store',
    'a held view is pruned',
    edit('serving/store.ts', 'id !== current && !held.has(id))', 'id !== current && held !== undefined)'),
    edit('serving/store.ts', 'if (!readHolds(dataDir).has(id)) {', 'if (readHolds !== undefined) {'),
  ),
  fault(
    'store',
    'a view is served again without a look at its files',
    edit('serving/store.ts', 'if (actual.sha256 !== expected.sha256) {', "if (actual.sha256 === '') {"),
  ),
  fault(
    'checked-file',
    'a damaged piece of a file is used',
    edit(
      'serving/checked-file.ts',
      'if (crc32(bytes) !== this.#checksums.readUInt32LE(piece * checksumBytes))',
      'if (crc32(bytes) < 0)',
    ),
  ),
  fault(
    'order',
    'a sync of META that failed is tried again on the same file',
    edit(
      'serving/view-writer.ts',
      '    fsyncSync(fd);\n',
      `    try {
      fsyncSync(fd);
    } catch {
      fsyncSync(fd);
    }
`,
    ),
  ),
];
