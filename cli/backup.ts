/**
 * Backup and restore. A backup holds what cannot be recreated, and the published view, at one cut; the system may be running.
 *
 * The order makes it one cut: first the files of the view are opened, then the master dataset is pinned, then the log is held up
 * to its watermark. So the view's cut is at or below the master dataset's, which is at or below the end of the log, and everything
 * acknowledged before the backup is below that end. Locks, notes, realtime stores, the star and the job queues are not copied: a
 * system started on the copy creates them. A backup has the layout of a data directory, plus `backup.json` with the size and hash of every file.
 */
import { closeSync, existsSync, fstatSync, openSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Config } from '../lib/config/config.js';
import { secretPath } from '../lib/files/dir-secret.js';
import { checkDataDir, dayScopePath, formatPath, roomOf, unfinishedPath } from '../lib/files/data-dir.js';
import { SwaError, hasCode, systemCode } from '../lib/errors/errors.js';
import { projectVersion } from '../lib/files/package-version.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { seal, sealLine, unsealLine } from '../lib/files/sealed.js';
import { validJson } from '../lib/files/valid-json.js';
import { WholeCopy, type CopiedFile, type CopySource } from '../lib/files/whole-copy.js';
import type { Clock } from '../lib/time/clock.js';
import { reaches } from '../log/cut.js';
import { lastRecordsPath } from '../log/last-records.js';
import { holdLog, type HeldLog } from '../log/embedded/held-log.js';
import { inspectLog } from '../log/embedded/salvage.js';
import { watermarkOfCopy } from '../log/embedded/watermark.js';
import { acceptedUnreadPath } from '../log/kafka/memory.js';
import type { Cut, PartitionName } from '../log/log.js';
import { openExistingLog } from '../log/open-log.js';
import { manifestPath, rootPath } from '../master-data/layout.js';
import { readRoot } from '../master-data/manifest.js';
import { pinSnapshot, type PinnedSnapshot } from '../master-data/pins.js';
import { takeSnapshot } from '../master-data/snapshot.js';
import { readCurrent } from '../serving/current.js';
import { currentPath, fileNames, viewPath } from '../serving/layout.js';
import { readMeta, type StoredMeta } from '../serving/meta.js';

const inventoryName = 'backup.json';

const inventorySchema = z.object({
  version: z.literal(1),
  /** UTC ms. */
  madeAt: z.number(),
  madeBy: z.string(),
  log: z.enum(['embedded', 'kafka']),
  /** The backup holds the facts before this cut. With Kafka it is the cut of the master dataset. Null without facts. */
  cut: z.object({ logId: z.string(), next: z.record(z.string(), z.number()) }).nullable(),
  /** Id of the published batch view; null before the first batch run. */
  view: z.string().nullable(),
  files: z.array(
    z.object({
      name: z.string().refine((name) => !name.split('/').includes('..') && !name.startsWith('/')),
      sizeBytes: z.number(),
      sha256: z.string(),
    }),
  ),
});
export type Inventory = z.infer<typeof inventorySchema>;

export type OnFile = (file: CopiedFile, done: number, total: number) => void;

/**
 * Copies the data directory into `to`, which must be empty, missing, or an interrupted backup. Throws `data-dir.unusable`,
 * `backup.corrupt`, and the errors of reading the parts (`log.corrupt`, `master.corrupt`, `view.corrupt`), which leave `to` unfinished.
 */
export async function backUp(
  { config, clock }: { readonly config: Config; readonly clock: Clock },
  to: string,
  onFile: OnFile = () => undefined,
): Promise<Inventory> {
  checkDataDir(config);
  const { dataDir } = config;
  if (`${resolve(to)}${sep}`.startsWith(`${resolve(dataDir)}${sep}`))
    throw new SwaError('data-dir.unusable', `'${to}' lies inside the data directory '${dataDir}'`, {
      hint: 'choose a directory elsewhere, preferably on another disk',
    });
  const isEmbedded = config.kafkaBrokers.length === 0;
  if (isEmbedded) await (await openExistingLog(config)).close(); // its end is known from here on
  const copy = WholeCopy.begin(to, 'swa backup');
  try {
    const held = await holdAll(dataDir, isEmbedded);
    try {
      const sources = sourcesOf(dataDir, held);
      const files: CopiedFile[] = [];
      for (const source of sources) {
        const file = await copy.add(source);
        files.push(file);
        onFile(file, files.length, sources.length);
      }
      const inventory: Inventory = {
        version: 1,
        madeAt: clock(),
        madeBy: projectVersion(),
        log: isEmbedded ? 'embedded' : 'kafka',
        cut: held.log?.end ?? held.pin?.snapshot.cut ?? null,
        view: held.view?.meta.view.id ?? null,
        files,
      };
      await copy.add({ name: inventoryName, from: Buffer.from(seal(inventory).text) });
      copy.seal(() => checkCopy(to, held));
      return inventory;
    } finally {
      held.close();
    }
  } finally {
    copy.close();
  }
}

/**
 * Copies a backup into the data directory, which must be empty, missing, or an interrupted restore, and compares every file with
 * the backup's list. Throws `backup.corrupt` for a backup that is unfinished or damaged, and `data-dir.unusable`. After an error
 * no system can start on the data directory until a restore has completed.
 */
export async function restore(
  from: string,
  dataDir: string,
  onFile: OnFile = () => undefined,
): Promise<Inventory> {
  const inventory = readInventory(from);
  const copy = WholeCopy.begin(dataDir, 'swa restore');
  try {
    for (const [i, file] of inventory.files.entries()) {
      const path = join(from, file.name);
      if (!existsSync(path)) throw damaged(`${path} is missing`);
      onFile(await copy.add({ ...file, from: { path } }), i + 1, inventory.files.length);
    }
    copy.seal();
    return inventory;
  } finally {
    copy.close();
  }
}

function readInventory(dir: string): Inventory {
  if (existsSync(unfinishedPath(dir)))
    throw damaged(`'${dir}' is an unfinished backup`, 'run `swa backup` again, or use an older backup');
  const path = join(dir, inventoryName);
  const text = readIfThere(path);
  if (text === undefined)
    throw damaged(
      `'${dir}' is not a backup: ${path} is missing`,
      'choose a directory that `swa backup` created',
    );
  const line = unsealLine(text);
  const inventory = line === undefined ? undefined : validJson(inventorySchema, line.body);
  if (inventory === undefined) throw damaged(`${path} is damaged or was written by a later version`);
  return inventory;
}

function damaged(message: string, hint = 'take another backup'): SwaError {
  return new SwaError('backup.corrupt', message, { hint });
}

interface HeldView {
  readonly meta: StoredMeta;
  readonly fds: ReadonlyMap<string, number>;
}

/** Open files and a pin, which keep the data readable and unchanged until `close()` or the end of this process. */
interface Held {
  readonly view: HeldView | undefined;
  readonly pin: PinnedSnapshot | undefined;
  readonly log: HeldLog | undefined;
  close(): void;
}

const attempts = 20;
const betweenAttemptsMs = 50;

/** Starts again if a batch run pruned the view or trimmed the log before they were open. Throws what the last attempt throws. */
async function holdAll(dataDir: string, isEmbedded: boolean): Promise<Held> {
  for (let attempt = 1; ; attempt++) {
    const closers: (() => void)[] = [];
    const close = (): void => {
      for (const one of closers.splice(0)) one();
    };
    try {
      const view = holdView(dataDir);
      closers.push(() => view?.fds.forEach((fd) => closeSync(fd)));
      const pin = readRoot(dataDir) === undefined ? undefined : pinSnapshot(dataDir, 'swa backup');
      if (pin !== undefined) closers.push(() => pin.release());
      const log = isEmbedded ? holdLog(roomOf(dataDir, 'log')) : undefined;
      if (log !== undefined) closers.push(() => log.close());
      const cuts = [pin?.snapshot.cut, view?.meta.view.cut];
      if (log === undefined || attempt === attempts || cuts.every((cut) => isReachedBack(log, cut)))
        return { view, pin, log, close };
    } catch (error) {
      if (attempt === attempts || !(systemCode(error) === 'ENOENT' || hasCode(error, 'view.missing'))) {
        close();
        throw error;
      }
    }
    close();
    await sleep(betweenAttemptsMs);
  }
}

/** Whether the log holds everything after the cut. It may not, if it was trimmed before a roll back to an older view. */
function isReachedBack(log: HeldLog, cut: Cut | undefined): boolean {
  return cut === undefined || reaches(cut.next, log.begin.next);
}

function holdView(dataDir: string): HeldView | undefined {
  if (!existsSync(currentPath(dataDir))) return undefined;
  const dir = viewPath(dataDir, readCurrent(dataDir));
  const meta = readMeta(dir);
  const fds = new Map<string, number>();
  try {
    for (const name of [fileNames.meta, ...meta.files.map((file) => file.name)])
      fds.set(name, openSync(join(dir, name), 'r'));
    return { meta, fds };
  } catch (error) {
    fds.forEach((fd) => closeSync(fd));
    throw error;
  }
}

/** The files of the backup in the order in which they are copied. */
function sourcesOf(dataDir: string, { view, pin, log }: Held): CopySource[] {
  const ofPath = (path: string, sha256?: string): CopySource => ({
    name: relative(dataDir, path).split(sep).join('/'),
    from: { path },
    ...(sha256 === undefined ? {} : { sha256 }),
  });
  const sources: CopySource[] = [ofPath(formatPath(dataDir))];
  if (pin !== undefined) {
    const { files, manifests } = pin.snapshot;
    sources.push(ofPath(rootPath(dataDir)));
    for (const file of files) sources.push(ofPath(file.path, file.sha256));
    for (const [name, number] of Object.entries(manifests))
      if (number > 0) sources.push(ofPath(manifestPath(dataDir, name as PartitionName, number))); // the keys are partition names
  }
  const lastRecords = lastRecordsPath(dataDir);
  const secret = secretPath(dataDir);
  if (existsSync(secret)) sources.push(ofPath(secret));
  const dayScope = dayScopePath(dataDir);
  if (existsSync(dayScope)) sources.push(ofPath(dayScope)); // but not the salts beside it: they must not outlive their day
  if (log === undefined && existsSync(lastRecords)) sources.push(ofPath(lastRecords)); // identifies Kafka's topics
  const acceptedUnread = acceptedUnreadPath(dataDir);
  if (log === undefined && existsSync(acceptedUnread)) sources.push(ofPath(acceptedUnread)); // without it, answers would report those records as unread again
  if (view !== undefined) {
    const { id } = view.meta.view;
    for (const [name, fd] of view.fds) {
      const sha256 = view.meta.files.find((file) => file.name === name)?.sha256;
      const from = { fd, sizeBytes: fstatSync(fd).size };
      sources.push({
        name: `serving/views/${id}/${name}`,
        from,
        ...(sha256 === undefined ? {} : { sha256 }),
      });
    }
    sources.push({ name: 'serving/CURRENT', from: Buffer.from(sealLine(id).text) });
  }
  if (log !== undefined) {
    sources.push(ofPath(join(roomOf(dataDir, 'log'), 'format.json')));
    for (const { name, ...from } of log.segments) sources.push({ name: `log/${name}`, from });
    sources.push({ name: 'log/watermark', from: watermarkOfCopy(log.watermark) });
  }
  return sources;
}

/** Reads the copied log and manifests as a start on the copy would. Throws `backup.corrupt` or `log.corrupt`. */
function checkCopy(dir: string, { pin, log }: Held): void {
  if (pin !== undefined && !isDeepStrictEqual(takeSnapshot(dir).cut, pin.snapshot.cut))
    throw damaged(`the manifests in '${dir}' are not those that were copied`, 'run `swa backup` again');
  if (log === undefined) return;
  const [finding] = inspectLog(roomOf(dir, 'log'), {
    logId: log.end.logId,
    pageviewPartitions: undefined,
  }).findings;
  if (finding === undefined) return;
  throw new SwaError('log.corrupt', `the log is damaged, and its copy has the same damage: ${finding}`, {
    hint: 'stop the system and run `swa recover` to see what can be saved, then run `swa backup` again',
  });
}
