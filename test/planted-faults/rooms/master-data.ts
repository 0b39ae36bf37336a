/** Faults in the commit of the master dataset, its compaction and its checks. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf } from '../room-fault.js';

const fault = faultsOf('master-data');

export const masterDataFaults: readonly PlantedFault[] = [
  fault(
    'manifest',
    'a manifest replaces one of the same number',
    edit(
      'master-data/manifest.ts',
      'if (!createFile(manifestPath(dataDir, name, head.number), text))',
      "replaceFile(manifestPath(dataDir, name, head.number), text);\n  if (text === '')",
    ),
    edit('master-data/manifest.ts', 'import { createFile', 'import { replaceFile, createFile'),
  ),
  fault(
    'compaction',
    'a merge of files drops the last row',
    edit('master-data/compaction.ts', 'if (before !== after) {', "if (before !== after && after === '') {"),
    edit(
      'master-data/compaction.ts',
      `      ...(await summarize(store.connection, paths)),
      rows: chosen.reduce((sum, file) => sum + file.rows, 0),
`,
      '      ...(await summarize(store.connection, [temp])),\n',
    ),
    edit(
      'master-data/parquet.ts',
      'COPY (SELECT ${columns} FROM ${sqlFacts(topic, from)})',
      'COPY (SELECT ${columns} FROM ${sqlFacts(topic, from)} WHERE "offset" < (SELECT max("offset") FROM ${sqlFacts(topic, from)}))',
    ),
  ),
  fault(
    'compaction',
    'files of a pinned manifest are removed',
    edit('master-data/sweep.ts', 'if (number === 0) continue;', 'if (number >= 0) continue;'),
  ),
  fault(
    'damage',
    'a data file is not held to its hash',
    edit('master-data/snapshot.ts', 'if (actual.sha256 !== file.sha256) {', "if (actual.sha256 === '') {"),
  ),
  fault(
    'damage',
    'a Parquet file that was written wrong is committed',
    edit(
      'master-data/parquet.ts',
      'if (actual[key] !== expected[key]) {',
      'if (actual[key] < 0 && expected[key] < 0) {',
    ),
  ),
  fault(
    'order',
    'a sync of a data file that failed is tried again on the same file',
    edit(
      'master-data/commit.ts',
      "  await fsyncLargeFile(temp);\n  step('parquet-synced');",
      "  await fsyncLargeFile(temp).catch(() => fsyncLargeFile(temp));\n  step('parquet-synced');",
    ),
  ),
  fault(
    'compaction',
    'whoever stops the sink waits for a compaction',
    edit(
      'master-data/sink-session.ts',
      'const end = (): void => this.#compacting.abort();',
      'const end = (): void => void this.#compacting;',
    ),
  ),
];
