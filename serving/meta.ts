/**
 * META: a view's inputs, a summary of its content, and the hashes of its files. JSON on one line, and the hash of that line on the next
 * (lib/files/sealed.ts). Parsed once, when the view is opened.
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

/** Last format in which META was JSON without a hash. */
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
    bucketMinutes: z.literal(allBucketMinutes).default(60), // missing in views of earlier versions
    rules: storedRulesSchema,
    maxPersonIds: count.default(0), // missing in views of earlier versions
    retractions: count.optional(), // missing in views of earlier versions
    keptFrom: count.optional(),
    gaps: z
      .array(
        z.object({
          partition: z.string().transform((name) => name as PartitionName), // written from a PartitionName, and sealed
          fromOffset: count.transform(offset),
          toOffset: count.transform(offset),
          acceptedAt: count,
        }),
      )
      .default([]), // missing in views of earlier versions
    codeVersion: z.string(),
    contentHash: z.string(),
    counts: z.object({
      pageviews: count,
      pages: count,
      domains: count,
      values: z.record(z.string(), count).default({}), // earlier formats have no dimensions
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
 * META of the view in `dir`, which may be of an earlier format that can be listed but not opened. Throws `view.missing` without a META,
 * `view.corrupt` if it is damaged, of a later format, or not the META of the view that the directory is named after.
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
 * Parses META. Throws `view.corrupt` if it is damaged or of a later format.
 *
 * @param where source of the text, for messages
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
  return { format, files, view: { ...view, id: view.id as ViewId, cut: brandCut(view.cut) } }; // the schema has checked their shape
}

function parseStored(text: string): z.output<typeof storedSchema> {
  const sealed = unsealLine(text);
  if (sealed !== undefined) return storedSchema.parse(JSON.parse(sealed.body));
  const unsealed = validJson(storedSchema, text);
  if (unsealed !== undefined && unsealed.format <= lastUnsealed) return unsealed;
  throw new Error('its hash does not match the one on its last line');
}

/** Adds brands; the schema has checked names and numbers. */
function brandCut(cut: { logId: string; next: Record<string, number> }): ViewMeta['cut'] {
  const next: Record<PartitionName, Offset> = {};
  for (const [name, value] of Object.entries(cut.next)) next[name as PartitionName] = value as Offset;
  return { logId: cut.logId as LogId, next };
}
