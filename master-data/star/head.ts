/**
 * The star's head records the valid length of each of its files, and which master file each file of facts was made
 * from. New facts are part of the star from the moment the head is replaced; what a killed run added before that is
 * not. The star is a cache of the master dataset, so a head that is damaged or of another format is treated as missing.
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

/** Format version: increase it when the meaning of the star's files changes. */
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
  /** Size and CRC-32 of the whole file, for edges only, which DuckDB reads. */
  ...appendSchema.shape,
  /**
   * Row groups in order, with the position of each column's values in the file, in the order of `starColumns`
   * (read-facts.ts).
   */
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
  /** A sketch coupon for each visitor, 0 for a placeholder. */
  coupons: appendSchema,
  results: z.object({
    versions: rulesVersionsSchema,
    generation: count,
    /** By result (rule-results.ts). */
    files: z.record(z.string(), appendSchema),
  }),
  files: z.array(fileSchema),
  /**
   * Groups of pageviews that may be repeats of each other; `of` is the hash of the list of files they were searched in.
   */
  repeats: appendSchema.extend({ of: z.string() }),
});
export type Head = z.output<typeof headSchema>;

/** Hash of what a star depends on besides the facts and the versions of the rules. */
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

/** Reads the head in `dir`. If there is no usable one, empties the directory and returns an empty head. */
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

/** Replaces the head and removes files that it does not use. */
export function writeHead(dir: string, head: Head): void {
  replaceFile(headPath(dir), seal(head).text);
  const kept = new Set(['HEAD.json', repeatsName(head.repeats.of), 'coupons', ...Object.keys(head.texts)]);
  for (const { name } of head.files) kept.add(name);
  for (const part of Object.keys(head.results.files)) kept.add(`${part}-${head.results.generation}`);
  for (const name of readdirSync(dir)) if (!kept.has(name)) removeScratch(join(dir, name));
}

/** Removes the star, the head first: without a head there is no star. */
export function removeStar(dir: string): void {
  removeScratch(headPath(dir));
  removeScratch(dir);
}

/** @param of hash of the list of files in which the groups were searched */
export function repeatsName(of: string): string {
  return `repeats-${of.slice(0, 16)}`;
}

function headPath(dir: string): string {
  return join(dir, 'HEAD.json');
}
