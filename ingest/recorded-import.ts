/** An import that keeps a record in the ledger, file by file from its start to its end. */
import type { Clock } from '../lib/time/clock.js';
import { importFile, type ImportOptions, type TakenLines } from './import.js';
import {
  findImport,
  importKey,
  listImports,
  lookUp,
  newImportId,
  optionsKey,
  saveImport,
  type FileState,
  type ImportRecord,
} from './import-ledger.js';
import { checkFile } from './lines.js';
import type { ImportCounts } from './import-state.js';

export interface RecordedOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  /** The format and its options, as stored in a job. */
  readonly stored: unknown;
  /** Paths as shown to people; '-' for stdin. */
  readonly paths: readonly string[];
  /** Import each file from its beginning, whatever earlier imports took. */
  readonly again: boolean;
  /** Id of an import that is repeated; undefined for a new one. */
  readonly id?: string | undefined;
}

export class RecordedImport {
  readonly id: string;
  readonly #options: RecordedOptions;
  readonly #key: string;
  /** Counts of earlier attempts of this import. */
  readonly #before: Pick<ImportRecord, 'read' | 'accepted'>;
  #record: ImportRecord;

  constructor(options: RecordedOptions) {
    const { clock, paths } = options;
    const startedAt = clock();
    this.id = options.id ?? newImportId(startedAt);
    this.#options = options;
    this.#key = importKey(options.dataDir);
    const begun = options.id === undefined ? undefined : findImport(options.dataDir, options.id);
    this.#before = { read: begun?.read ?? 0, accepted: begun?.accepted ?? 0 };
    this.#record = begun ?? {
      id: this.id,
      startedAt,
      endedAt: null,
      paths: [...paths],
      files: [],
      read: 0,
      accepted: 0,
      undoneAt: null,
      isExcluded: false,
    };
  }

  /** Looks up all files before any is imported. Throws `import.known` or `import.failed`. */
  async check(): Promise<void> {
    const { dataDir, paths } = this.#options;
    const records = listImports(dataDir);
    for (const path of paths) await this.#stateOf(path, records);
  }

  async #stateOf(path: string, records: readonly ImportRecord[]): Promise<FileState | undefined> {
    const { stored, again } = this.#options;
    if (path === '-') return undefined;
    await checkFile(path);
    return lookUp(records, path, optionsKey(stored), again, this.#key);
  }

  /** Writes the record. From here on the import can be taken back. */
  begin(): void {
    saveImport(this.#options.dataDir, this.#record);
  }

  /** Imports one of the files, like `importFile`, and records which lines were taken. */
  async take(
    options: Omit<ImportOptions, 'importId' | 'known' | 'trailKey' | 'onTaken' | 'clock'>,
    counts: ImportCounts,
  ): Promise<void> {
    const { path } = options;
    const state = await this.#stateOf(path, listImports(this.#options.dataDir));
    let taken: TakenLines | undefined;
    await importFile(
      {
        ...options,
        clock: this.#options.clock,
        importId: this.id,
        known: state?.known,
        trailKey: this.#key,
        onTaken: (lines) => (taken = lines),
      },
      counts,
    );
    if (state === undefined || taken === undefined) return;
    const after = taken.fromLine === 0 ? [] : [...(state.known?.by ?? [])];
    const { head, options: readBy } = state;
    this.#save({ files: [...this.#record.files, { path, options: readBy, head, ...taken, after }] }, counts);
  }

  end(counts: ImportCounts): void {
    this.#save({ endedAt: this.#options.clock() }, counts);
  }

  #save(change: Partial<ImportRecord>, { read, accepted }: ImportCounts): void {
    const all = { read: this.#before.read + read, accepted: this.#before.accepted + accepted };
    this.#record = { ...this.#record, ...all, ...change };
    saveImport(this.#options.dataDir, this.#record);
  }
}
