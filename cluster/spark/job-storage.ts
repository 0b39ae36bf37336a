/** Where Spark reads the input of a job and writes its tables: on this machine, or in the object store that its executors can reach. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { outTables, type Job } from '../../batch/tables/contract.js';
import { digestFile } from '../../lib/files/digest.js';
import { partitionName } from '../../log/log.js';
import { fileKey } from '../master/bucket-manifests.js';
import { damagedObject, listAll, urlOf, type Store } from '../store/store.js';

export interface JobStorage {
  /** Makes the input available and writes the job with its locations; returns the location of the job file. */
  put(job: Job, tempDir: string): Promise<string>;
  /** Fetches the tables into the job's `out` directory. */
  fetch(job: Job): Promise<void>;
  /** Removes what `put` created outside `tempDir`. */
  close(): Promise<void>;
}

/** Local paths as `file://` URLs, since Spark's default file system may be another one. */
export const localJobStorage: JobStorage = {
  put(job, tempDir) {
    const path = writeJob(
      inFiles(job, (local) => `file://${local}`),
      tempDir,
    );
    return Promise.resolve(`file://${path}`);
  },
  fetch: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

const workPrefix = 'work/spark/';
const dayMs = 86_400_000;
const pieceBytes = 8 * 2 ** 20;

/**
 * The master dataset is already in the store. Rules tables and the job are put beside it, below `work/spark/<run>/`, and Spark writes its tables
 * there. What killed runs left is removed after a day.
 */
export class StoreJobStorage implements JobStorage {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #prefix = `${workPrefix}${randomUUID()}/`;

  /** @param now current time, UTC ms */
  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  async put(job: Job, tempDir: string): Promise<string> {
    for (const { key, modifiedAt } of await listAll(this.#store, workPrefix))
      if (modifiedAt < this.#now() - dayMs) await this.#store.delete(key);
    const { rules } = job;
    for (const path of [...rules.ofTexts.map((table) => table.path), rules.ids, rules.excluded.path])
      await this.#put(path);
    const files = new Map(
      job.files.map(({ topic, partition, path }) => [
        path,
        fileKey(partitionName(topic, partition), basename(path)),
      ]),
    );
    const path = writeJob(
      inFiles(job, (local) => this.#url(files.get(local) ?? this.#keyOf(local))),
      tempDir,
    );
    await this.#put(path);
    return this.#url(this.#keyOf(path));
  }

  async fetch({ out }: Job): Promise<void> {
    const prefix = `${this.#keyOf(out)}/`;
    for (const table of outTables) {
      mkdirSync(join(out, table), { recursive: true });
      for (const { key } of await listAll(this.#store, `${prefix}${table}/`))
        if (key.endsWith('.parquet')) await this.#fetch(key, join(out, table, basename(key)));
    }
  }

  async close(): Promise<void> {
    try {
      for (const { key } of await listAll(this.#store, this.#prefix)) await this.#store.delete(key);
    } finally {
      this.#store.close();
    }
  }

  #keyOf(local: string): string {
    return `${this.#prefix}${basename(local)}`;
  }

  /** The URL in Hadoop's spelling. */
  #url(key: string): string {
    return urlOf(this.#store, key).replace(/^s3:/, 's3a:');
  }

  async #put(path: string): Promise<void> {
    await this.#store.putIfAbsent(this.#keyOf(path), { path, ...(await digestFile(path)) });
  }

  async #fetch(key: string, path: string): Promise<void> {
    const file = await open(path, 'wx');
    try {
      for (let from = 0, sizeBytes = 1; from < sizeBytes; from += pieceBytes) {
        const piece = await this.#store.get(key, { from, to: from + pieceBytes });
        if (piece === undefined) throw damagedObject(this.#store, key, 'is missing');
        ({ sizeBytes } = piece);
        await file.writeFile(piece.bytes);
      }
    } finally {
      await file.close();
    }
  }
}

/** The job with every path replaced by `name(path)`. */
function inFiles(job: Job, name: (local: string) => string): Job {
  const { rules } = job;
  return {
    ...job,
    files: job.files.map((file) => ({ ...file, path: name(file.path) })),
    rules: {
      ofTexts: rules.ofTexts.map((table) => ({ ...table, path: name(table.path) })),
      ids: name(rules.ids),
      excluded: { ...rules.excluded, path: name(rules.excluded.path) },
    },
    out: name(job.out),
  };
}

function writeJob(job: Job, tempDir: string): string {
  mkdirSync(tempDir, { recursive: true });
  const path = join(tempDir, 'job.json');
  writeFileSync(path, JSON.stringify(job), { flag: 'wx' });
  return path;
}
