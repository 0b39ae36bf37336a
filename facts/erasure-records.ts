/**
 * The record of what was erased, in <data>/erasures/. It holds hashes (erasures.ts), never an id. What is excluded by now says the log;
 * here stands how far the files of the data directory have been rewritten, so that the work goes on after any crash:
 *
 *   <id>.json      one erasure: what was asked for, how far it is, and at its end the receipt
 *   order.json     the order to those who own facts: rewrite them without these ids
 *   master.json    the sink's answer to the order
 *   log.json       the answer of the log's writer
 *   aged.json      up to which time pageviews were erased for their age (SWA_RETENTION_DAYS)
 */
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { roomOf } from '../lib/files/data-dir.js';
import { createSecret, secretPath } from '../lib/files/dir-secret.js';
import { SwaError } from '../lib/errors/errors.js';
import type { Findings } from '../lib/errors/finding.js';
import { replaceFile } from '../lib/files/durable.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { validJson } from '../lib/files/valid-json.js';
import type { Offsets } from '../log/log.js';
import { namesIn } from '../log/stored.js';
import { ErasedIds, erasureHashOf, isErasedValue } from './erasures.js';
import { isId } from './ids.js';
import { isNobody } from './placeholders.js';

const count = z.number().int().min(0);
const values = z.array(z.string().refine(isErasedValue)).min(1);

const fileSchema = z.object({
  /** Relative to the data directory. */
  path: z.string(),
  /** Records in it that have lost their texts; 0 where the whole file went. */
  records: count,
});
export type ErasedFile = z.output<typeof fileSchema>;

const partSchema = z.object({
  /** What was rewritten or removed, in words for people: 'master dataset'. */
  what: z.string(),
  files: z.array(fileSchema),
});

/** The one list with those of the other that it does not name. */
export function withFiles(files: readonly ErasedFile[], more: readonly ErasedFile[]): ErasedFile[] {
  return [...new Map([...more, ...files].map((file) => [file.path, file])).values()];
}

/**
 * requested   its exclusions are on their way into the log
 * recorded    they are in the log; the batch run that they start is not published yet
 * excluded    the ids are in no answer; their texts are being rewritten
 * done        their texts stand in no file of the data directory
 */
const states = ['requested', 'recorded', 'excluded', 'done'] as const;
export type ErasureState = (typeof states)[number];

const recordSchema = z.object({
  id: z.string().regex(/^e-[0-9a-z-]+$/),
  requestedAt: count,
  values,
  state: z.enum(states),
  /** The first view without the ids. */
  view: z.string().nullable(),
  doneAt: count.nullable(),
  parts: z.array(partSchema),
  /** What is beyond this system's reach, and until when. */
  notes: z.array(z.string()),
});
export type ErasureRecord = z.output<typeof recordSchema>;

/** A record as people see it: without the hashes. */
export function erasureReport({ values: hashes, ...record }: ErasureRecord): ErasureReport {
  return { ...record, ids: hashes.length };
}
export type ErasureReport = Omit<ErasureRecord, 'values'> & { readonly ids: number };

/** A new record; not stored yet. */
export function newErasure(
  hashes: readonly string[],
  requestedAt: number,
  state: ErasureState,
): ErasureRecord {
  const id = `e-${requestedAt.toString(36)}-${randomBytes(4).toString('hex')}`;
  return { id, requestedAt, values: [...hashes], state, view: null, doneAt: null, parts: [], notes: [] };
}

/** Asks for an erasure of ids, durable on return: who writes the log records it from here on. Throws `data-dir.unusable`. */
export function requestErasure(dataDir: string, ids: readonly string[], requestedAt: number): ErasureRecord {
  createSecret(dataDir); // unless there is one: a directory of an earlier version has none
  const hash = erasureHashOf(dataDir);
  const hashes = [...new Set(ids.map((id) => hash.valueOf(id)))];
  const record = newErasure(hashes, requestedAt, 'requested');
  saveErasure(dataDir, record);
  return record;
}

/** Whether this can be the id of a visitor. */
export function canBeErased(id: string): boolean {
  return isId(id) && !isNobody(id);
}

/** Above so many ids in one erasure people are warned: an id may have joined strangers. */
export const manyIds = 20;

/** Durable on return. */
export function saveErasure(dataDir: string, record: ErasureRecord): void {
  replaceFile(join(dir(dataDir), `${record.id}.json`), `${JSON.stringify(record, null, 2)}\n`);
}

/** Oldest first. Throws `data-dir.unusable` for one that is damaged. */
export function listErasures(dataDir: string): ErasureRecord[] {
  return namesIn(dir(dataDir))
    .filter((name) => /^e-.*\.json$/.test(name))
    .flatMap((name) => {
      const path = join(dir(dataDir), name);
      const text = readIfThere(path);
      if (text === undefined) return [];
      const record = validJson(recordSchema, text);
      if (record === undefined) throw damaged(path);
      return [record];
    })
    .toSorted((a, b) => a.requestedAt - b.requestedAt);
}

const orderSchema = z.object({
  /** Another order has another one. */
  id: z.string(),
  values: z.array(z.string().refine(isErasedValue)),
  /** Pageviews of an earlier time go as well, UTC ms; null: none for their age. */
  olderThan: count.nullable(),
  /** Facts before these offsets are to be rewritten; others may be. */
  before: z.record(z.string(), count).transform((next) => next as Offsets), // written from a cut
});
export type ErasureOrder = z.output<typeof orderSchema>;

const answerSchema = z.object({ id: z.string(), isDone: z.boolean(), files: z.array(fileSchema) });
export type ErasureAnswer = z.output<typeof answerSchema>;

/** What is to be erased, as who reads facts needs it. */
export interface ToErase {
  readonly ids: ErasedIds;
  /** Pageviews of an earlier time, UTC ms. */
  readonly olderThan: number;
}

export function toErase(dataDir: string, { values: hashes, olderThan }: ErasureOrder): ToErase {
  return { ids: new ErasedIds(hashes, erasureHashOf(dataDir)), olderThan: olderThan ?? -Infinity };
}

const agedSchema = z.object({ olderThan: count });

/** Pageviews before this time have lost their texts in all files, for their age; 0 where none have. */
export function erasedByAge(dataDir: string): number {
  const text = readIfThere(join(dir(dataDir), 'aged.json'));
  return (text === undefined ? undefined : validJson(agedSchema, text)?.olderThan) ?? 0;
}

/** Durable on return. */
export function saveErasedByAge(dataDir: string, olderThan: number): void {
  replaceFile(join(dir(dataDir), 'aged.json'), JSON.stringify({ olderThan }));
}

/** Who owns facts. */
export type FactOwner = 'master' | 'log';

export function giveOrder(dataDir: string, order: ErasureOrder): void {
  replaceFile(orderPath(dataDir), JSON.stringify(order));
}

/** The order that stands, or stood last. */
export function orderOf(dataDir: string): ErasureOrder | undefined {
  const text = readIfThere(orderPath(dataDir));
  if (text === undefined) return undefined;
  const order = validJson(orderSchema, text);
  if (order === undefined) throw damaged(orderPath(dataDir));
  return order;
}

/** What an owner has said to this order so far: each file stands in it before it is replaced. */
export function answerTo(dataDir: string, { id }: ErasureOrder, owner: FactOwner): ErasureAnswer | undefined {
  const text = readIfThere(answerPath(dataDir, owner));
  const said = text === undefined ? undefined : validJson(answerSchema, text);
  return said?.id === id ? said : undefined;
}

/** Durable on return. */
export function answer(dataDir: string, owner: FactOwner, said: ErasureAnswer): void {
  replaceFile(answerPath(dataDir, owner), JSON.stringify(said));
}

/** The order that an owner has not answered yet; looks at the disk each time. */
export function openOrder(dataDir: string, owner: FactOwner): ErasureOrder | undefined {
  const order = orderOf(dataDir);
  return order === undefined || answerTo(dataDir, order, owner)?.isDone === true ? undefined : order;
}

/** Records that cannot be read, and erasures that do not work since they were made with another secret. */
export function auditErasures(dataDir: string, report: Findings): void {
  const records = report.attempt(dir(dataDir), damagedHint, () => listErasures(dataDir)) ?? [];
  report.attempt(orderPath(dataDir), damagedHint, () => orderOf(dataDir));
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
