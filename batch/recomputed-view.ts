/**
 * Audits the batch views: compares every file of every view on disk with the hashes in its META, then recomputes the current view from the facts
 * before its cut and compares both, page by page and person by person. It reports and does not repair. Views of format 5 are compared too,
 * because that version told texts apart by hashes that can collide.
 */
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../lib/config/config.js';
import { messageOf, hasCode } from '../lib/errors/errors.js';
import { makeRules, type Rules } from '../facts/rules.js';
import { sameRules, showRules } from '../facts/rules-versions.js';
import { removeScratch } from '../lib/files/removal.js';
import { checkLogId, reaches } from '../log/cut.js';
import type { ViewId, ViewMeta } from '../facts/views/view.js';
import { snapshotToLookAt } from '../master-data/pins.js';
import { snapshotAt } from '../master-data/snapshot.js';
import { readHead } from '../master-data/star/head.js';
import { Star } from '../master-data/star/star.js';
import { codeVersion } from '../serving/code-version.js';
import { currentIfAny, readCurrent } from '../serving/current.js';
import { Format5View } from '../serving/format-5.js';
import { formatVersion, oldestReadable, viewPath } from '../serving/layout.js';
import { readMeta } from '../serving/meta.js';
import { checkSeals, viewIds } from '../serving/store.js';
import { openViewAt } from '../serving/view-reader.js';
import { exactDifferences } from './exact.js';
import { buildView } from './pipeline.js';
import { ProgressMeter, type OnProgress } from './progress.js';
import { differencesOf, type ViewDifferences } from './view-difference.js';

export interface ViewsAudit {
  readonly ok: boolean;
  /** Descriptions of problems, each naming its view or file. */
  readonly problems: readonly string[];
  /** Views whose files match their hashes. */
  readonly checked: { readonly sound: number; readonly files: number; readonly sizeBytes: number };
  /** The current view, if it was recomputed and is equal. */
  readonly recounted: ViewId | undefined;
  /** Why it was not recomputed, if that is not a problem. */
  readonly notRecounted: string | undefined;
}

export type AuditConfig = Pick<
  Config,
  'dataDir' | 'urlQueryAllow' | 'bots' | 'dimensions' | 'batchMemory' | 'batchThreads'
>;

export interface AuditOptions {
  readonly config: AuditConfig;
  /** False: only compares hashes. */
  readonly recount: boolean;
  /** Also compares every cell with the whole run in SQL (exact.ts). */
  readonly exact?: boolean;
  readonly onProgress?: OnProgress;
}

/**
 * Takes about as much time and memory as a batch run; a run may proceed at the same time. Uses the system's folder for temporary files (TMPDIR)
 * for a view and DuckDB's spill files.
 */
export async function auditViews(options: AuditOptions): Promise<ViewsAudit> {
  const { dataDir } = options.config;
  const problems: string[] = [];
  const checked = { sound: 0, files: 0, sizeBytes: 0 };
  for (const id of viewIds(dataDir)) {
    try {
      const { files } = await checkSeals(viewPath(dataDir, id));
      checked.sound++;
      checked.files += files.length;
      checked.sizeBytes += files.reduce((sum, file) => sum + file.sizeBytes, 0);
    } catch (error) {
      if (existsSync(viewPath(dataDir, id))) problems.push(messageOf(error)); // otherwise it was pruned in the meantime
    }
  }
  try {
    readCurrent(dataDir);
  } catch (error) {
    if (!hasCode(error, 'view.missing')) problems.push(messageOf(error));
  }
  let outcome: Recounted = { notRecounted: 'not asked for' };
  if (options.recount) {
    try {
      outcome = await recountCurrent(options);
    } catch (error) {
      const why = messageOf(error);
      if (saysNothingOfTheView(error)) outcome = { notRecounted: why };
      else outcome = { problems: [`the current view could not be recomputed: ${why}`] };
    }
  }
  problems.push(...(outcome.problems ?? []));
  return {
    ok: problems.length === 0,
    problems,
    checked,
    recounted: outcome.recounted,
    notRecounted: outcome.notRecounted,
  };
}

/** True for a lack of memory or disk space. */
function saysNothingOfTheView(error: unknown): boolean {
  return hasCode(error, 'batch.failed');
}

interface Recounted {
  readonly recounted?: ViewId;
  readonly notRecounted?: string;
  readonly problems?: readonly string[];
}

async function recountCurrent(options: AuditOptions): Promise<Recounted> {
  const { config } = options;
  const { dataDir } = config;
  const id = currentIfAny(dataDir);
  if (id === undefined) return { notRecounted: 'there is no current view' };
  const { format, view: meta, files } = readMeta(viewPath(dataDir, id));
  if (format < 5) return { notRecounted: `${id} has format ${format}, which this version cannot compare` };
  const rules = makeRules(config);

  const pinned = snapshotToLookAt(dataDir, 'swa verify');
  const dir = mkdtempSync(join(tmpdir(), 'swa-audit-'));
  try {
    const { cut } = pinned.snapshot;
    checkLogId(cut.logId, meta.cut.logId, `batch view ${id}`);
    if (!reaches(cut.next, meta.cut.next))
      return {
        problems: [`${id} counts facts that are not in the master dataset: its cut is beyond the end of it`],
      };
    const viewDir = join(dir, 'view');
    const starDir = join(dir, 'star');
    const snapshot = snapshotAt(pinned.snapshot, meta.cut);
    const { meta: again } = await buildView({
      snapshot,
      rules,
      lgK: meta.lgK,
      bucketMinutes: meta.bucketMinutes,
      maxPersonIds: meta.maxPersonIds,
      keptFrom: meta.keptFrom,
      number: meta.number,
      createdAt: meta.createdAt,
      previous: undefined,
      viewDir,
      tempDir: join(dir, 'temp'),
      starDir,
      memoryLimit: config.batchMemory,
      threads: config.batchThreads,
      progress: new ProgressMeter(() => performance.now(), options.onProgress ?? (() => undefined)),
    });
    if (options.exact === true) {
      const star = new Star(starDir, readHead(starDir, rules), snapshot);
      const differences = await exactly(star, rules, viewDir, join(dir, 'exact'), config);
      if (differences.length > 0) return { problems: differences };
    }
    // Files may match their own hashes without being the ones that the content hash covers.
    const sealed = new Map(files.map(({ name, sha256 }) => [name, sha256]));
    const others = again.files.filter(({ name, sha256 }) => sealed.get(name) !== sha256);
    const isSame = again.view.contentHash === meta.contentHash;
    if (isSame && others.length === 0) return { recounted: id };
    const { pages, persons, examples } = await compare(viewPath(dataDir, id), format, viewDir);
    const isLaidOutOtherwise =
      isSame && !others.some(({ name }) => /^(pages|domains|value-.*)\.dat$/.test(name));
    if (pages + persons === 0 && (isLaidOutOtherwise || format !== formatVersion)) return { recounted: id };
    const what =
      pages + persons === 0
        ? 'its domains, values, visits or listings are wrong'
        : `${pages} pages and ${persons} persons are wrong`;
    const otherwise = differenceOf(meta, rules.versions);
    return {
      problems: [
        `${id} does not match the facts before its cut: ${what}${otherwise === undefined ? '' : ` (${otherwise})`}`,
        ...examples,
      ],
    };
  } finally {
    pinned.release();
    removeScratch(dir);
  }
}

/** Differences between the recomputed view and the whole run in SQL. */
async function exactly(
  star: Star,
  rules: Rules,
  viewDir: string,
  tempDir: string,
  config: AuditConfig,
): Promise<string[]> {
  const view = openViewAt(viewDir);
  try {
    const { batchMemory: memoryLimit, batchThreads: threads } = config;
    const differences = await exactDifferences({ star, rules, view, tempDir, memoryLimit, threads });
    return differences.map((difference) => `a run differs from the whole run in SQL: ${difference}`);
  } finally {
    view.close();
  }
}

/** Differences between the stored view and the recomputed one. */
async function compare(storedDir: string, format: number, madeDir: string): Promise<ViewDifferences> {
  const made = openViewAt(madeDir);
  const stored = format >= oldestReadable ? openViewAt(storedDir) : new Format5View(storedDir);
  try {
    return differencesOf(stored, made);
  } finally {
    made.close();
    await stored.close();
  }
}

/** Reasons other than facts for a difference: code version or rules. */
function differenceOf(meta: ViewMeta, rules: ViewMeta['rules']): string | undefined {
  if (meta.codeVersion !== codeVersion)
    return `it was made by version ${meta.codeVersion}, but this is version ${codeVersion}`;
  if (sameRules(meta.rules, rules)) return undefined;
  return `it was made with rules ${showRules(meta.rules)}, but the configuration has ${showRules(rules)}`;
}
