/**
 * META: what a view is a function of, what came out, and the hashes of its files. JSON on one line, and the hash of that line
 * on the next (lib/files/sealed.ts). Parsed once, at opening.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { SwaError, messageOf, systemCode } from '../lib/errors/errors.js';
import { storedRulesSchema } from '../facts/rules-versions.js';
import { seal, unsealLine } from '../lib/files/sealed.js';
import { offset, type LogId, type Offset, type PartitionName } from '../log/log.js';
import { allBucketMinutes } from '../lib/time/buckets.js';
import { validJson } from '../lib/files/valid-json.js';
import type { ViewId, ViewMeta } from '../facts/views/view.js';
import { damageHint, type FileSeal } from './checked-file.js';
import { fileNames, formatVersion, isViewId } from './layout.js';

/** Up to this format META was JSON alone. */
const lastUnsealed = 5;

/** META.json: what readers see, and what only the serving layer needs. */
export interface StoredMeta {
  /** `formatVersion` of the code that wrote the view. */
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
    bucketMinutes: z.literal(allBucketMinutes).default(60), // views of earlier versions do not say
    rules: storedRulesSchema,
    maxPersonIds: count.default(0), // nor this
    retractions: count.optional(), // nor this
    keptFrom: count.optional(),
    gaps: z
      .array(
        z.object({
          partition: z.string().transform((name) => name as PartitionName), // written from one, and sealed
          fromOffset: count.transform(offset),
          toOffset: count.transform(offset),
          acceptedAt: count,
        }),
      )
      .default([]), // nor this
    codeVersion: z.string(),
    contentHash: z.string(),
    counts: z.object({
      pageviews: count,
      pages: count,
      domains: count,
      values: z.record(z.string(), count).default({}), // views of earlier formats hold no dimensions
      persons: count,
      mappedIds: count,
    }),
  }),
  files: z.array(
    z.object({ name: z.string(), sizeBytes: count, sha256: z.string(), checksums: z.string().optional() }),
  ),
});

export function formatMeta(meta: StoredMeta): string {
  return seal(meta).text;
}

/**
 * META of the view in `dir`, also of one of an earlier format, which can be listed but not opened. Throws `view.missing` without
 * a META, `view.corrupt` when it is damaged, of a later format, or of another view than its directory's name says.
 */
export function readMeta(dir: string): StoredMeta {
  const path = join(dir, fileNames.meta);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw cause;
    throw new SwaError('view.missing', `there is no batch view at ${dir}`, { cause, hint: damageHint });
  }
  const meta = parseMeta(text, path);
  if (isViewId(basename(dir)) && meta.view.id !== basename(dir))
    throw new SwaError('view.corrupt', `${path} belongs to view ${meta.view.id}`, { hint: damageHint });
  return meta;
}

/**
 * META by its text. Throws `view.corrupt` when it is damaged, or of a later format.
 *
 * @param where the text is from, for messages
 */
export function parseMeta(text: string, where: string): StoredMeta {
  let stored: z.output<typeof storedSchema>;
  try {
    stored = parseStored(text);
  } catch (cause) {
    throw new SwaError(
      'view.corrupt',
      `${where} is not a META of format 1 to ${formatVersion}: ${messageOf(cause)}`,
      {
        cause,
        hint: damageHint,
      },
    );
  }
  const { format, view, files } = stored;
  return { format, files, view: { ...view, id: view.id as ViewId, cut: brandCut(view.cut) } }; // brands of checked shapes
}

function parseStored(text: string): z.output<typeof storedSchema> {
  const sealed = unsealLine(text);
  if (sealed !== undefined) return storedSchema.parse(JSON.parse(sealed.body));
  const unsealed = validJson(storedSchema, text);
  if (unsealed !== undefined && unsealed.format <= lastUnsealed) return unsealed;
  throw new Error('its hash does not match the one on its last line');
}

/** The schema has checked names and numbers; the brands only name their meaning. */
function brandCut(cut: { logId: string; next: Record<string, number> }): ViewMeta['cut'] {
  const next: Record<PartitionName, Offset> = {};
  for (const [name, value] of Object.entries(cut.next)) next[name as PartitionName] = value as Offset;
  return { logId: cut.logId as LogId, next };
}
