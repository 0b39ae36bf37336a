/**
 * Records of erasures, in <data>/erasures/. They hold hashes (erasures.ts), never ids. Which ids are excluded is in the log; these files track
 * how far the files of the data directory have been rewritten, so that the work resumes after a crash:
 *
 *   <id>.json      one erasure: what was requested, its state and, when done, the receipt
 *   order.json     the order to the owners of facts: rewrite them without these ids
 *   master.json    the sink's answer to the order
 *   log.json       the answer of the log's writer
 *   edges-<id>.bin the edges that an order erases for their age (aged-edges.ts)
 *   host.json      where hosts share facts: what this one has removed (cluster/erasures/)
 *   key            where hosts share facts: what ids are hashed with (erasures.ts)
 *   aged.json      the time before which pageviews have been erased for their age (SWA_RETENTION_DAYS)
 */
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { roomOf } from '../lib/files/data-dir.js';
import { createSecret, secretPath } from '../lib/files/dir-secret.js';
import { SwaError } from '../lib/errors/errors.js';
import type { Findings } from '../lib/errors/finding.js';
import { replaceFile } from '../lib/files/durable.js';
import { removeScratch } from '../lib/files/removal.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { validJson } from '../lib/files/valid-json.js';
import type { Offsets } from '../log/log.js';
import { namesIn } from '../log/stored.js';
import { ErasedIds, erasureHashOf, isErasedValue } from './erasures.js';
import { AgedEdges, agedEdgesName, isAgedEdgesName, readAgedEdges } from './aged-edges.js';
import { isId } from './ids.js';
import { isPlaceholderId } from './placeholders.js';

const count = z.number().int().min(0);
const values = z.array(z.string().refine(isErasedValue)).min(1);

const fileSchema = z.object({
  /** Relative to the data directory. */
  path: z.string(),
  /** Number of its records that lost their texts; 0 if the whole file was removed. */
  records: count,
});
export type ErasedFile = z.output<typeof fileSchema>;

const partSchema = z.object({
  /** What was rewritten or removed, as shown to people: 'master dataset'. */
  what: z.string(),
  files: z.array(fileSchema),
});

/** Union of both lists by path; for a path in both, the entry of `files`. */
export function withFiles(files: readonly ErasedFile[], more: readonly ErasedFile[]): ErasedFile[] {
  return [...new Map([...more, ...files].map((file) => [file.path, file])).values()];
}

/**
 * States of an erasure, in order:
 *
 * requested   its exclusions are not in the log yet
 * recorded    they are in the log; the batch run that they start is not published yet
 * excluded    no answer counts the ids; their texts are being rewritten
 * done        no file of the data directory contains their texts
 */
export const erasureStates = ['requested', 'recorded', 'excluded', 'done'] as const;
export type ErasureState = (typeof erasureStates)[number];

const recordSchema = z.object({
  id: z.string().regex(/^e-[0-9a-z-]+$/),
  requestedAt: count,
  values,
  state: z.enum(erasureStates),
  /** First view without the ids. */
  view: z.string().nullable(),
  doneAt: count.nullable(),
  /** Of an erasure that is `excluded`: the step of the rewriting that it has not got past; null before the first. */
  step: z.string().nullable().default(null),
  parts: z.array(partSchema),
  /** Copies that this system cannot erase, and how long they live. */
  notes: z.array(z.string()),
});
export type ErasureRecord = z.output<typeof recordSchema>;

/** The record without its hashes, for people. */
export function erasureReport({ values: hashes, ...record }: ErasureRecord): ErasureReport {
  return { ...record, ids: hashes.length };
}
export type ErasureReport = Omit<ErasureRecord, 'values'> & { readonly ids: number };

/** Makes a new record without storing it. */
export function newErasure(
  hashes: readonly string[],
  requestedAt: number,
  state: ErasureState,
): ErasureRecord {
  const id = `e-${requestedAt.toString(36)}-${randomBytes(4).toString('hex')}`;
  return {
    id,
    requestedAt,
    values: [...hashes],
    state,
    view: null,
    doneAt: null,
    step: null,
    parts: [],
    notes: [],
  };
}

/** Requests the erasure of ids; durable on return. The writer of the log then records it. Throws `data-dir.unusable`. */
export function requestErasure(dataDir: string, ids: readonly string[], requestedAt: number): ErasureRecord {
  createSecret(dataDir); // no-op if it exists; directories of earlier versions have none
  const hash = erasureHashOf(dataDir);
  const hashes = [...new Set(ids.map((id) => hash.valueOf(id)))];
  const record = newErasure(hashes, requestedAt, 'requested');
  saveErasure(dataDir, record);
  return record;
}

/** Whether this is a valid visitor id. */
export function canBeErased(id: string): boolean {
  return isId(id) && !isPlaceholderId(id);
}

/** People are warned if one erasure has more ids than this: the ids may include strangers joined by a shared id. */
export const idCountToWarn = 20;

/** Durable on return. */
export function saveErasure(dataDir: string, record: ErasureRecord): void {
  replaceFile(join(dir(dataDir), `${record.id}.json`), `${JSON.stringify(record, null, 2)}\n`);
}

/** All erasures, oldest first. Throws `data-dir.unusable` if a record is damaged. */
export function listErasures(dataDir: string): ErasureRecord[] {
  return namesIn(dir(dataDir))
    .filter((name) => /^e-.*\.json$/.test(name))
    .flatMap((name) => {
      const path = join(dir(dataDir), name);
      const text = readIfThere(path);
      if (text === undefined) return [];
      const record = erasureFrom(text);
      if (record === undefined) throw damaged(path);
      return [record];
    })
    .toSorted((a, b) => a.requestedAt - b.requestedAt);
}

const orderSchema = z.object({
  /** Unique for each order. */
  id: z.string(),
  values: z.array(z.string().refine(isErasedValue)),
  /** Also erase pageviews with an earlier timestamp, UTC ms; null: none for their age. */
  olderThan: count.nullable(),
  /** Number of pairs whose edges of an earlier timestamp are erased too (aged-edges.ts). */
  edges: count.default(0),
  /** Facts before these offsets must be rewritten; later ones may be. */
  before: z.record(z.string(), count).transform((next) => next as Offsets), // written from a cut
});
export type ErasureOrder = z.output<typeof orderSchema>;

const answerSchema = z.object({ id: z.string(), isDone: z.boolean(), files: z.array(fileSchema) });
export type ErasureAnswer = z.output<typeof answerSchema>;

/** An order's content in the form that readers of facts use. */
export interface ErasureFilter {
  readonly ids: ErasedIds;
  /** Pageviews with an earlier timestamp are erased, UTC ms. */
  readonly olderThan: number;
  /** Edges with an earlier timestamp are erased if they are among these. */
  readonly edges: AgedEdges;
}

export function erasureFilterOf(
  dataDir: string,
  { id, values: hashes, olderThan, edges }: ErasureOrder,
): ErasureFilter {
  const hash = erasureHashOf(dataDir);
  return {
    ids: new ErasedIds(hashes, hash),
    olderThan: olderThan ?? -Infinity,
    edges: new AgedEdges(readAgedEdges(dataDir, id, edges), hash),
  };
}

const agedSchema = z.object({ olderThan: count });

/** Pageviews before this time have lost their texts in all files because of their age; 0: none yet. */
export function erasedByAge(dataDir: string): number {
  const text = readIfThere(join(dir(dataDir), 'aged.json'));
  return (text === undefined ? undefined : validJson(agedSchema, text)?.olderThan) ?? 0;
}

/** Durable on return. */
export function saveErasedByAge(dataDir: string, olderThan: number): void {
  replaceFile(join(dir(dataDir), 'aged.json'), JSON.stringify({ olderThan }));
}

/** Who answers an order: the parts of the system that own facts and rewrite them, and each host that has copies of shared ones. */
export type FactOwner = 'master' | 'log' | 'host';

/** The file of its edges must be there; those of earlier orders go. */
export function saveOrder(dataDir: string, order: ErasureOrder): void {
  replaceFile(orderPath(dataDir), JSON.stringify(order));
  for (const name of namesIn(dir(dataDir)))
    if (isAgedEdgesName(name) && name !== agedEdgesName(order.id)) removeScratch(join(dir(dataDir), name));
}

/** The current or latest order; undefined if there never was one. Throws `data-dir.unusable` if it is damaged. */
export function readOrder(dataDir: string): ErasureOrder | undefined {
  const text = readIfThere(orderPath(dataDir));
  if (text === undefined) return undefined;
  const order = orderFrom(text);
  if (order === undefined) throw damaged(orderPath(dataDir));
  return order;
}

/** An owner's answer to this order so far. Each file is listed before it is replaced. */
export function readAnswer(
  dataDir: string,
  { id }: ErasureOrder,
  owner: FactOwner,
): ErasureAnswer | undefined {
  const text = readIfThere(answerPath(dataDir, owner));
  const stored = text === undefined ? undefined : answerFrom(text);
  return stored?.id === id ? stored : undefined;
}

/** Of the last order that an owner has completed, its id; null before the first. */
export function lastAnswered(dataDir: string, owner: FactOwner): string | null {
  const text = readIfThere(answerPath(dataDir, owner));
  const stored = text === undefined ? undefined : answerFrom(text);
  return stored?.isDone === true ? stored.id : null;
}

/** The content of such files, as another host has written it; undefined if it is not valid. */
export const erasureFrom = (text: string): ErasureRecord | undefined => validJson(recordSchema, text);
export const orderFrom = (text: string): ErasureOrder | undefined => validJson(orderSchema, text);
export const answerFrom = (text: string): ErasureAnswer | undefined => validJson(answerSchema, text);

/** Durable on return. */
export function saveAnswer(dataDir: string, owner: FactOwner, answer: ErasureAnswer): void {
  replaceFile(answerPath(dataDir, owner), JSON.stringify(answer));
}

/** The order that this owner has not completed yet; reads the disk on each call. */
export function pendingOrder(dataDir: string, owner: FactOwner): ErasureOrder | undefined {
  const order = readOrder(dataDir);
  return order === undefined || readAnswer(dataDir, order, owner)?.isDone === true ? undefined : order;
}

/** Reports unreadable records, and erasures without effect because they were made with another secret. */
export function auditErasures(dataDir: string, report: Findings): void {
  const records = report.attempt(dir(dataDir), damagedHint, () => listErasures(dataDir)) ?? [];
  report.attempt(orderPath(dataDir), damagedHint, () => readOrder(dataDir));
  const secret = secretPath(dataDir);
  const foreign = report.attempt(secret, secretHint, () => {
    const hashes = records.flatMap((record) => record.values);
    return new ErasedIds(hashes, erasureHashOf(dataDir)).foreign;
  });
  if (foreign !== undefined && foreign > 0)
    report.add(
      `${foreign} ids were erased with another secret than ${secret}: they are not recognized any more`,
      secretHint,
    );
}

const damagedHint =
  'delete it: what is erased stays excluded, and the next batch run starts the rewriting again';
const secretHint = 'restore this one file from a backup';

function orderPath(dataDir: string): string {
  return join(dir(dataDir), 'order.json');
}

function answerPath(dataDir: string, owner: FactOwner): string {
  return join(dir(dataDir), `${owner}.json`);
}

function dir(dataDir: string): string {
  return roomOf(dataDir, 'erasures');
}

function damaged(path: string): SwaError {
  return new SwaError('data-dir.unusable', `${path} is damaged`, {
    hint: damagedHint,
  });
}
