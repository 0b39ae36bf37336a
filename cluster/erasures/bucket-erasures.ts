/**
 * Erasures of hosts that share facts and views, in the store. Each file has the content of its namesake in a data directory
 * (facts/erasure-records.ts), so that what one host was asked for, ordered or has done is known to the others:
 *
 *   erasures/key            what erased ids are hashed with, on all hosts
 *   erasures/e-<...>.json   an erasure; of two versions the one that is further is kept
 *   erasures/order.json     the latest order, by the host that makes batch runs
 *   erasures/edges-<order>.bin   the edges that it erases for their age
 *   erasures/master.json    the answer of the sink, on whichever host it runs
 */
import {
  saveAnswer,
  answerFrom,
  readAnswer,
  erasureFrom,
  erasureStates,
  saveOrder,
  listErasures,
  orderFrom,
  readOrder,
  saveErasure,
  type ErasureOrder,
  type ErasureRecord,
} from '../../facts/erasure-records.js';
import { agedEdgesName, readAgedEdges, saveAgedEdges } from '../../facts/aged-edges.js';
import { erasureHashOf, erasureKeyOf, ErasedIds, isErasureKey, useSharedKey } from '../../facts/erasures.js';
import { SwaError } from '../../lib/errors/errors.js';
import { createSecret } from '../../lib/files/dir-secret.js';
import { damagedObject, listAll, put, restoreHint, urlOf, type Store } from '../store/store.js';

const prefix = 'erasures/';
const keyKey = `${prefix}key`;
const orderKey = `${prefix}order.json`;
const masterKey = `${prefix}master.json`;

export class BucketErasures {
  readonly #dataDir: string;
  readonly #store: Store;
  #hasKey = false;
  /** Keys of records that will not change any more. */
  readonly #isDoneThere = new Set<string>();
  /** The answer of the sink here that the others know. */
  #publishedId = '';

  constructor(dataDir: string, store: Store) {
    this.#dataDir = dataDir;
    this.#store = store;
  }

  /** Has records, and what belongs to the latest order, here and there. Throws `store.corrupt`, `data-dir.unusable`. */
  async exchange(): Promise<void> {
    await this.#shareKey();
    await this.#exchangeRecords();
    await this.#takeOrder();
    await this.#takeAnswer();
  }

  /** The same for a sink, which has nothing to do with records. */
  async exchangeOrder(): Promise<void> {
    if (!this.#hasKey) {
      const key = await this.#keyThere();
      if (key === undefined) return; // nothing has been erased yet
      this.#use(key);
    }
    await this.#takeOrder();
    await this.#tellAnswer();
  }

  /** Gives an order to all hosts. */
  async saveOrder(order: ErasureOrder): Promise<void> {
    const edgesKey = `${prefix}${agedEdgesName(order.id)}`;
    if (order.edges > 0)
      await put(this.#store, edgesKey, readAgedEdges(this.#dataDir, order.id, order.edges));
    await put(this.#store, orderKey, Buffer.from(JSON.stringify(order)));
    saveOrder(this.#dataDir, order);
    for (const { key } of await listAll(this.#store, `${prefix}edges-`))
      if (key !== edgesKey) await this.#store.delete(key);
  }

  /** Makes sure that ids are hashed here as on all other hosts: by the key of the first one. */
  async #shareKey(): Promise<void> {
    if (!this.#hasKey) this.#use((await this.#keyThere()) ?? (await this.#putKey()));
  }

  #use(key: string): void {
    if (this.#hasKey) return;
    if (key !== erasureKeyOf(this.#dataDir)) {
      const values = listErasures(this.#dataDir).flatMap((record) => record.values);
      if (values.length > new ErasedIds(values, erasureHashOf(this.#dataDir)).foreign)
        throw new SwaError(
          'data-dir.unusable',
          `ids were erased in ${this.#dataDir} with another key than ${urlOf(this.#store, keyKey)}`,
          { hint: 'delete that object, and start this host before the others' },
        );
      useSharedKey(this.#dataDir, key);
    }
    this.#hasKey = true;
  }

  async #keyThere(): Promise<string | undefined> {
    const object = await this.#store.get(keyKey);
    if (object === undefined) return undefined;
    const key = object.bytes.toString().trimEnd();
    if (isErasureKey(key)) return key;
    throw damagedObject(this.#store, keyKey, 'is damaged');
  }

  async #putKey(): Promise<string> {
    createSecret(this.#dataDir); // no-op if it exists
    const own = erasureKeyOf(this.#dataDir) ?? '';
    await this.#store.putIfAbsent(keyKey, Buffer.from(`${own}\n`));
    return (await this.#keyThere()) ?? own;
  }

  /** Those that are done here are done there: they are not read again. */
  async #exchangeRecords(): Promise<void> {
    const here = new Map(listErasures(this.#dataDir).map((record) => [keyOf(record), record]));
    const there = await listAll(this.#store, `${prefix}e-`);
    for (const { key } of there) {
      const own = here.get(key);
      if (own?.state !== 'done' || !this.#isDoneThere.has(key)) await this.#agree(key, own);
    }
    const known = new Set(there.map(({ key }) => key));
    for (const [key, record] of here) if (!known.has(key)) await this.#agree(key, record);
  }

  async #agree(key: string, own: ErasureRecord | undefined): Promise<void> {
    const object = await this.#store.get(key);
    if (object === undefined) {
      if (own !== undefined) await this.#store.putIfAbsent(key, bytesOf(own));
      return;
    }
    const theirs = erasureFrom(object.bytes.toString());
    if (theirs === undefined) throw damagedObject(this.#store, key, 'is damaged');
    if (theirs.state === 'done') this.#isDoneThere.add(key);
    if (rankOf(theirs) > rankOf(own)) saveErasure(this.#dataDir, theirs);
    else if (own !== undefined && rankOf(own) > rankOf(theirs))
      await this.#store.putIfMatch(key, bytesOf(own), object.etag); // who was faster is looked at the next time
  }

  async #takeOrder(): Promise<void> {
    const object = await this.#store.get(orderKey);
    if (object === undefined) return;
    const order = orderFrom(object.bytes.toString());
    if (order === undefined)
      throw new SwaError('store.corrupt', `${urlOf(this.#store, orderKey)} is damaged`, {
        hint: `${restoreHint}, or delete it: the order is given again`,
      });
    if (readOrder(this.#dataDir)?.id === order.id) return;
    if (order.edges > 0) {
      const edges = await this.#store.get(`${prefix}${agedEdgesName(order.id)}`);
      if (edges === undefined) return; // a newer order has replaced this one
      saveAgedEdges(this.#dataDir, order.id, edges.bytes);
    }
    saveOrder(this.#dataDir, order);
  }

  async #takeAnswer(): Promise<void> {
    const order = readOrder(this.#dataDir);
    if (order === undefined || readAnswer(this.#dataDir, order, 'master')?.isDone === true) return;
    const object = await this.#store.get(masterKey);
    const stored = object === undefined ? undefined : answerFrom(object.bytes.toString());
    if (stored?.id === order.id && stored.isDone) saveAnswer(this.#dataDir, 'master', stored);
  }

  async #tellAnswer(): Promise<void> {
    const order = readOrder(this.#dataDir);
    const stored = order === undefined ? undefined : readAnswer(this.#dataDir, order, 'master');
    if (stored?.isDone !== true || stored.id === this.#publishedId) return;
    await put(this.#store, masterKey, Buffer.from(JSON.stringify(stored)));
    this.#publishedId = stored.id;
  }
}

function keyOf({ id }: ErasureRecord): string {
  return `${prefix}${id}.json`;
}

function rankOf(record: ErasureRecord | undefined): number {
  return record === undefined ? -1 : erasureStates.indexOf(record.state);
}

function bytesOf(record: ErasureRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record, null, 2)}\n`);
}
