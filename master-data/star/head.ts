/**
 * The star's head: how much of each of its files counts, and what master file each file of facts was made from. Replacing
 * it is the moment in which new facts are in the star; what a killed run has added before that is not part of it. The star
 * is a cache of the master dataset, so a head that is damaged, or was made another way, is as good as none.
 */
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { systemCode } from '../../lib/errors/errors.js';
import { placeholderPattern } from '../../facts/placeholders.js';
import type { Rules } from '../../facts/rules.js';
import { rulesVersionsSchema } from '../../facts/rules-versions.js';
import { replaceFile } from '../../lib/files/durable.js';
import { removeScratch } from '../../lib/files/removal.js';
import { seal, unsealLine } from '../../lib/files/sealed.js';
import { versionOf } from '../../lib/files/package-version.js';
import { nothing } from './append-file.js';
import { noTexts } from './dictionary.js';

/** Changes when the star's files change their meaning. */
const format = 3;

const count = z.number().int().nonnegative();
const appendSchema = z.object({ sizeBytes: count, crc: count });
const dictionarySchema = appendSchema.extend({ count });
const columnSchema = z.object({ offset: count, crc: count });
const fileSchema = z.object({
  /** SHA-256 of the master file. */
  of: z.string(),
  name: z.string().regex(/^[0-9a-f]+\.facts$/),
  rows: count,
  /** Of the whole file, and its CRC-32, where others than us read it: of edges. */
  ...appendSchema.shape,
  /** Row groups in order: where the values of each column lie in the file, in order of `columnsOf` (facts-file.ts). */
  groups: z.array(z.object({ rows: count, columns: z.array(columnSchema) })),
});
export type StarFile = z.output<typeof fileSchema>;

const headSchema = z.object({
  key: z.string(),
  texts: z.object({
    urls: dictionarySchema,
    visitors: dictionarySchema,
    agents: dictionarySchema,
    referrers: dictionarySchema,
    tags: dictionarySchema,
    countries: dictionarySchema,
    imports: dictionarySchema,
    /** Event ids of edges. */
    events: dictionarySchema,
    exclusions: dictionarySchema,
  }),
  /** A coupon for each visitor, 0 for a placeholder. */
  coupons: appendSchema,
  results: z.object({
    versions: rulesVersionsSchema,
    generation: count,
    /** By what is in them (rule-results.ts). */
    files: z.record(z.string(), appendSchema),
  }),
  files: z.array(fileSchema),
  /** Groups of pageviews that may be repeats of each other, among the files whose hashes have this hash. */
  repeats: appendSchema.extend({ of: z.string() }),
});
export type Head = z.output<typeof headSchema>;

/** What a star depends on besides the facts and the versions of the rules. */
function starKey(rules: Rules): string {
  return seal([format, versionOf('@duckdb/node-api'), placeholderPattern, rules.url.dropsQuery]).sha256;
}

function emptyHead(rules: Rules): Head {
  return {
    key: starKey(rules),
    texts: {
      urls: noTexts,
      visitors: noTexts,
      agents: noTexts,
      referrers: noTexts,
      tags: noTexts,
      countries: noTexts,
      imports: noTexts,
      events: noTexts,
      exclusions: noTexts,
    },
    coupons: nothing,
    results: { versions: rules.versions, generation: 0, files: {} },
    files: [],
    repeats: { ...nothing, of: '' },
  };
}

/** The head in `dir`; an empty one, and an empty directory, when there is none that can be gone on with. */
export function readHead(dir: string, rules: Rules): Head {
  const head = parseHead(dir);
  if (head?.key === starKey(rules)) return head;
  removeStar(dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return emptyHead(rules);
}

function parseHead(dir: string): Head | undefined {
  let text: string;
  try {
    text = readFileSync(headPath(dir), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const line = unsealLine(text);
  return line === undefined ? undefined : headSchema.safeParse(JSON.parse(line.body)).data;
}

/** Makes a head the one that counts, and removes files that are no longer of it. */
export function writeHead(dir: string, head: Head): void {
  replaceFile(headPath(dir), seal(head).text);
  const kept = new Set(['HEAD.json', repeatsName(head.repeats.of), 'coupons', ...Object.keys(head.texts)]);
  for (const { name } of head.files) kept.add(name);
  for (const part of Object.keys(head.results.files)) kept.add(`${part}-${head.results.generation}`);
  for (const name of readdirSync(dir)) if (!kept.has(name)) removeScratch(join(dir, name));
}

/** The head goes first: a star without one is not a star. */
export function removeStar(dir: string): void {
  removeScratch(headPath(dir));
  removeScratch(dir);
}

/** @param of hash of the hashes of the files among which the groups were found */
export function repeatsName(of: string): string {
  return `repeats-${of.slice(0, 16)}`;
}

function headPath(dir: string): string {
  return join(dir, 'HEAD.json');
}
