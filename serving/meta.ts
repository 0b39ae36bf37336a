/** META: what a view is a function of, what came out, and the hashes of its files. Parsed once, at opening. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SwaError, messageOf, systemCode } from '../lib/errors.js';
import { storedRulesSchema } from '../lib/facts/rules.js';
import type { LogId, Offset, PartitionName } from '../lib/log/log.js';
import type { ViewId, ViewMeta } from '../lib/views/view.js';
import { fileNames, formatVersion } from './layout.js';

/** One file of a view. */
export interface FileSeal {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** META.json: what readers see, and what only the serving layer needs. */
export interface StoredMeta {
  /** `formatVersion` of the code that wrote the view. META itself is the same in all of them so far. */
  readonly format: number;
  readonly view: ViewMeta;
  readonly files: readonly FileSeal[];
}

const count = z.number().int().nonnegative();
const storedSchema = z.object({
  format: z.number().int().min(1).max(formatVersion),
  view: z.object({
    id: z.string(),
    number: count,
    createdAt: z.number(),
    cut: z.object({ logId: z.string(), next: z.record(z.string(), count) }),
    lgK: z.number().int(),
    rules: storedRulesSchema,
    maxPersonIds: count.default(0), // views of earlier versions do not say
    codeVersion: z.string(),
    contentHash: z.string(),
    counts: z.object({
      pageviews: count,
      pages: count,
      domains: count,
      persons: count,
      mappedIds: count,
    }),
  }),
  files: z.array(z.object({ name: z.string(), sizeBytes: count, sha256: z.string() })),
});

export function formatMeta(meta: StoredMeta): string {
  return `${JSON.stringify(meta, null, 2)}\n`;
}

/** Throws `view.missing` without a META, `view.corrupt` when it cannot be understood. */
export function readMeta(dir: string): StoredMeta {
  const path = join(dir, fileNames.meta);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw cause;
    throw new SwaError('view.missing', `there is no batch view at ${dir}`, { cause });
  }
  try {
    const { format, view, files } = storedSchema.parse(JSON.parse(text));
    return { format, files, view: { ...view, id: view.id as ViewId, cut: brandCut(view.cut) } }; // brands of checked shapes
  } catch (cause) {
    throw new SwaError(
      'view.corrupt',
      `${path} is not a META of format 1 to ${formatVersion}: ${messageOf(cause)}`,
      {
        cause,
        hint: 'run a batch, which builds a new view from the master dataset',
      },
    );
  }
}

/** The schema has checked names and numbers; the brands only name their meaning. */
function brandCut(cut: { logId: string; next: Record<string, number> }): ViewMeta['cut'] {
  const next: Record<PartitionName, Offset> = {};
  for (const [name, value] of Object.entries(cut.next)) next[name as PartitionName] = value as Offset;
  return { logId: cut.logId as LogId, next };
}
