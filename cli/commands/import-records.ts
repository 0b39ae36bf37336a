/** `swa import list` and `swa import undo`: list imports and take one back. */
import type { Command } from 'commander';
import {
  findImport,
  listImports,
  continuedBy,
  saveImport,
  type ImportRecord,
} from '../../ingest/import-ledger.js';
import { makeRules } from '../../facts/rules.js';
import { readConfig } from '../../lib/config/config.js';
import { nearest } from '../../lib/errors/nearest.js';
import { SwaError } from '../../lib/errors/errors.js';
import { checkDataDir } from '../../lib/files/data-dir.js';
import { systemClock } from '../../lib/time/clock.js';
import { exclusionOf, sendExclusions } from '../exclusions.js';
import { table } from '../table.js';

/** @param program the command `import` */
export function addImportRecordCommands(program: Command): void {
  program
    .command('list')
    .description('imports, oldest first (a file of this name: ./list)')
    .action(() => list(program.opts<{ json?: boolean }>().json === true));
  program
    .command('undo')
    .description('take an import back: all its pageviews are excluded, and its files are no longer known')
    .argument('<id>', 'of the import, as `swa import list` shows it')
    .action((id: string) => undo(id));
}

function list(json: boolean): void {
  const imports = listImports(readConfig(process.env).dataDir);
  if (json) {
    process.stdout.write(`${JSON.stringify(imports, null, 2)}\n`);
    return;
  }
  const rows = imports.map((record) => [
    record.id,
    stateOf(record),
    String(record.read),
    String(record.accepted),
    record.paths.join(', '),
  ]);
  process.stdout.write(table(['import', 'state', 'read', 'accepted', 'files'], rows));
}

function stateOf({ endedAt, undoneAt, isExcluded }: ImportRecord): string {
  if (undoneAt !== null) return isExcluded ? 'taken back' : 'taking back was interrupted: undo it again';
  return endedAt === null ? 'has not ended' : 'done';
}

async function undo(id: string): Promise<void> {
  const config = readConfig(process.env);
  const { dataDir } = config;
  checkDataDir(config);
  const record = findImport(dataDir, id);
  if (record === undefined) throw unknownImport(dataDir, id);
  if (record.isExcluded) {
    process.stderr.write(`import ${id} was taken back before\n`);
    return;
  }
  const later = continuedBy(listImports(dataDir), id);
  // Forget the files first: otherwise an import of the same file could, at this moment, continue after lines that no longer count.
  const undone: ImportRecord = { ...record, undoneAt: systemClock() };
  saveImport(dataDir, undone);
  const { url: urls } = makeRules(config);
  const next = await sendExclusions(config, [exclusionOf('exclude', { by: 'importId', value: id }, urls)]);
  saveImport(dataDir, { ...undone, isExcluded: true });
  process.stdout.write(
    `import ${id} is taken back: ${record.accepted} facts of ${record.paths.join(', ')}\n`,
  );
  process.stderr.write(`${next}\n`);
  for (const { id: other, paths } of later)
    process.stderr.write(
      `import ${other} (${paths.join(', ')}) went on where this one ended, and stays: import its file again, and what is missing before comes back\n`,
    );
}

function unknownImport(dataDir: string, id: string): SwaError {
  const suggestion = nearest(
    id,
    listImports(dataDir).map((record) => record.id),
  );
  return new SwaError(
    'usage.invalid',
    `there is no import '${id}'${suggestion === undefined ? '' : `; did you mean '${suggestion}'?`}`,
    {
      hint: '`swa import list` shows all; one that this data directory has no record of: swa exclude --import-id',
    },
  );
}
