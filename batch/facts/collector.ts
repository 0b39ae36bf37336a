/**
 * Turns pageviews into facts of five small numbers while DuckDB scans. DuckDB asks for the numbers of URLs and of user
 * agents (mostly of the few different ones in a file's dictionaries), then hands over whole vectors of these numbers, of
 * visitor ids and of times. Texts are told apart by 128 bits of a keyed hash; URLs go through the shared rules, user agents
 * through the bot rule and visitor ids become persons when they are new. So the texts of 20 million pageviews are looked at 2
 * million times, and no row becomes an object.
 */
import { CouponHasher } from 'hyperloglog-ts';
import { BIGINT, INTEGER, VARCHAR, type DuckDBDataChunk } from '@duckdb/node-api';
import { timeEnd, timeStart } from '../../lib/facts/fact.js';
import { isNobody, mayEndNobody } from '../../lib/facts/placeholders.js';
import type { Rules } from '../../lib/facts/rules.js';
import { grown } from '../../lib/grown.js';
import { KeyTable } from '../../lib/hash/key-table.js';
import { hashWords, type KeyedHash } from '../../lib/hash/keyed-hash.js';
import { murmur2 } from '../../lib/log/partitioner.js';
import { PackedTexts } from '../../lib/packed-texts.js';
import { hourMs } from '../../lib/time/buckets.js';
import { domainOf } from '../../lib/url/domain.js';
import { integers, words } from '../columns.js';
import type { FoundPersons } from '../persons/person-job.js';
import { TextColumn } from '../text-column.js';
import { newFactBatch, shardCount, type FactStore } from './fact-store.js';
import { PageSample, type SampledPage } from './page-sample.js';
import { ColumnNumbers } from './column-numbers.js';

/** What `swa_page` and `swa_agent` return; a URL that is no page or a bot's agent excludes its pageviews. */
const refusedUrl = 0;
const firstPage = 1;
const human = 0;
const bot = 1;
/** What the table of visitors holds for a placeholder: a person's number is below it. */
const nobody = 0x7ffffffe;
/** DuckDB's vectors have no more rows. */
const vectorRows = 2048;

/** Types of the arguments of `swa_take` (batch/sql/facts.sql). */
export const takenTypes = [INTEGER, VARCHAR, INTEGER, BIGINT] as const;

export interface CollectorCounts {
  refusedUrls: number;
  botPageviews: number;
  /** Facts of earlier versions' files that `decodeRecord` refuses today: by their time or their visitor. */
  invalid: number;
}

export class FactCollector {
  readonly counts: CollectorCounts = { refusedUrls: 0, botPageviews: 0, invalid: 0 };
  /** Normalised URLs, which are ASCII, by page number. */
  readonly pages = new PackedTexts();
  /** Domain number by page number. */
  domainOfPage = new Uint32Array(1024);
  readonly domains: string[] = [];
  /** Where the facts of every domain lie: by its name, so that it depends on nothing else. */
  readonly shardOfDomain: number[] = [];
  /** Pageviews by page number. */
  pageviews = new Float64Array(1024);
  /** The numbers of URLs (`firstPage` + page number, or `refusedUrl`) and of user agents (`human` or `bot`). */
  readonly urls: ColumnNumbers;
  readonly agents: ColumnNumbers;
  #shardOfPage = new Uint8Array(1024);
  /** Hour by hour number, in order of appearance. */
  readonly hours: number[] = [];
  readonly #facts: FactStore;
  readonly #rules: Rules;
  readonly #hash: KeyedHash;
  /** Normalised URL -> page number. */
  #pageNumbers = new KeyTable();
  readonly #domainNumbers = new Map<string, number>();
  readonly #hourNumbers = new Map<number, number>();
  /** Visitor id -> person number. */
  #visitors: KeyTable;
  /** Coupon by person number. */
  #coupons = new Uint32Array(1024);
  readonly #visitorIds = new TextColumn();
  readonly #visitorHashes = new Int32Array(hashWords * vectorRows);
  readonly #foundPersons = new Int32Array(vectorRows);
  /** Facts of the present chunk. */
  readonly #batch = newFactBatch(vectorRows);
  readonly #hasher = new CouponHasher();
  #personCount = 0;
  #joinedPersons = 0;
  #seenJoined = new Uint8Array(0);
  /** Of the last fact: facts in order of time mostly stay in one. */
  #hour: Hour = { from: 0, to: 0, number: 0 };
  readonly #sample: PageSample;

  /** @param expectedRows only sizes tables */
  constructor(
    facts: FactStore,
    options: {
      readonly rules: Rules;
      readonly hash: KeyedHash;
      readonly sampledPages: number;
      readonly expectedRows: number;
    },
  ) {
    const { rules, hash, expectedRows } = options;
    this.#facts = facts;
    this.#rules = rules;
    this.#hash = hash;
    this.#sample = new PageSample(options.sampledPages);
    this.#visitors = new KeyTable(Math.min(expectedRows / 10, 1 << 24));
    this.urls = new ColumnNumbers(hash, (url) => this.#urlNumber(url));
    this.agents = new ColumnNumbers(hash, (agent) => (rules.bots.excludes(agent) ? bot : human));
  }

  /** The persons of several ids; before the first fact. */
  addPersons({ hashes, ends, coupons }: Pick<FoundPersons, 'hashes' | 'ends' | 'coupons'>): void {
    const members = hashes.length / hashWords;
    let person = 0;
    for (let member = 0; member < members; member++) {
      if (member === ends[person]) person++;
      this.#visitors.set(hashes, hashWords * member, person);
    }
    this.#coupons = grown(coupons, 1024);
    this.#joinedPersons = ends.length;
    this.#personCount = ends.length;
  }

  /** Takes the facts of one chunk of `swa_take`'s arguments (batch/sql/facts.sql). */
  take(chunk: DuckDBDataChunk): void {
    const rows = chunk.rowCount;
    const urls = integers(chunk, 0);
    const agents = integers(chunk, 2);
    const times = words(chunk, 3);
    const persons = this.#foundPersons;
    this.#visitorIds.read(chunk, 1);
    this.#hash.spans(this.#visitorIds, this.#visitorHashes);
    this.#visitors.getAll(this.#visitorHashes, rows, persons);
    let counted = 0;
    for (let row = 0; row < rows; row++) {
      const url = urls[row] ?? 0;
      const time = timeOf(times, row);
      if (!this.#counts(url, agents[row] ?? 0, time)) continue;
      const known = persons[row] ?? 0;
      const person = known < 0 ? this.#newPerson(row) : known;
      if (person === nobody) this.counts.invalid++;
      else this.#put(counted++, url - firstPage, person, time);
    }
    this.#flush(counted);
  }

  /** After the last fact: gives up the tables by which ids were told apart, the largest part of it by far. */
  finish(): void {
    this.urls.forget();
    this.#pageNumbers = new KeyTable();
    this.#visitors = new KeyTable();
    this.#coupons = new Uint32Array(0);
  }

  /** Person numbers are below this. */
  get personNumbers(): number {
    return this.#personCount;
  }

  /** Persons with at least one fact. */
  get persons(): number {
    let joined = 0;
    for (const seen of this.#seenJoined) joined += seen;
    return joined + this.#personCount - this.#joinedPersons;
  }

  get sampledPages(): readonly SampledPage[] {
    return this.#sample.pages();
  }

  #urlNumber(raw: string): number {
    const normalized = this.#rules.url.normalizeNew(raw);
    return normalized.ok ? firstPage + this.#pageNumber(normalized.url, raw) : refusedUrl;
  }

  #pageNumber(url: string, raw: string): number {
    this.#sample.offer(url, raw);
    this.#hash.text(url);
    const known = this.#pageNumbers.get(this.#hash.words, 0);
    if (known >= 0) return known;
    const number = this.pages.count;
    this.#pageNumbers.set(this.#hash.words, 0, number);
    this.pages.add(`${url}\u001f`);
    const domain = this.#domainNumber(domainOf(url));
    if (number === this.pageviews.length) {
      this.pageviews = grown(this.pageviews);
      this.domainOfPage = grown(this.domainOfPage);
      this.#shardOfPage = grown(this.#shardOfPage);
    }
    this.domainOfPage[number] = domain;
    this.#shardOfPage[number] = this.shardOfDomain[domain] ?? 0;
    return number;
  }

  #domainNumber(domain: string): number {
    const known = this.#domainNumbers.get(domain);
    if (known !== undefined) return known;
    this.#domainNumbers.set(domain, this.domains.length);
    this.shardOfDomain.push(murmur2(Buffer.from(domain)) % shardCount);
    return this.domains.push(domain) - 1;
  }

  /** A visitor that is in no person of several ids is a person, unless it is a placeholder. */
  #newPerson(row: number): number {
    const known = this.#visitors.get(this.#visitorHashes, hashWords * row);
    if (known >= 0) return known; // two rows of a chunk have one new visitor
    const id = this.#visitorIds.utf8(row);
    const person = isPlaceholder(id) ? nobody : this.#personCount++;
    this.#visitors.set(this.#visitorHashes, hashWords * row, person);
    if (person === nobody) return nobody;
    if (person >= this.#coupons.length) this.#coupons = grown(this.#coupons);
    this.#coupons[person] = this.#hasher.coupon(id);
    return person;
  }

  /** Whether a pageview counts; if not, the reason is counted. */
  #counts(url: number, agent: number, time: number): boolean {
    if (url === refusedUrl) this.counts.refusedUrls++;
    else if (agent === bot) this.counts.botPageviews++;
    else if (!isTime(time)) this.counts.invalid++;
    else return true;
    return false;
  }

  #put(row: number, page: number, person: number, time: number): void {
    const batch = this.#batch;
    const { from, number } = this.#hourOf(time);
    batch.pages[row] = page;
    batch.persons[row] = person;
    batch.hours[row] = number;
    batch.milliseconds[row] = time - from;
  }

  /** Ends a chunk. A loop for each thing to be looked up: the processor waits for many at once. */
  #flush(rows: number): void {
    if (this.#seenJoined.length < this.#joinedPersons) this.#seenJoined = new Uint8Array(this.#joinedPersons);
    const { pages, persons, coupons } = this.#batch;
    const pageviews = this.pageviews;
    for (let row = 0; row < rows; row++) {
      const page = pages[row] ?? 0;
      pageviews[page] = (pageviews[page] ?? 0) + 1;
    }
    const known = this.#coupons;
    for (let row = 0; row < rows; row++) coupons[row] = known[persons[row] ?? 0] ?? 0;
    const seen = this.#seenJoined;
    for (let row = 0; row < rows; row++) {
      const person = persons[row] ?? 0;
      if (person < seen.length) seen[person] = 1;
    }
    this.#facts.addAll(this.#batch, rows, this.#shardOfPage);
  }

  #hourOf(time: number): Hour {
    if (time >= this.#hour.from && time < this.#hour.to) return this.#hour;
    const hour = Math.floor(time / hourMs);
    let number = this.#hourNumbers.get(hour);
    if (number === undefined) {
      number = this.hours.push(hour) - 1;
      this.#hourNumbers.set(hour, number);
    }
    this.#hour = { from: hour * hourMs, to: (hour + 1) * hourMs, number };
    return this.#hour;
  }
}

function timeOf(times: Uint32Array, row: number): number {
  return (times[2 * row] ?? 0) + (times[2 * row + 1] ?? 0) * 2 ** 32;
}

function isTime(time: number): boolean {
  return time >= timeStart && time < timeEnd;
}

/** @param id in UTF-8 */
function isPlaceholder(id: Uint8Array): boolean {
  const at = (back: number): number => id[id.length - back] ?? Number.NaN;
  return mayEndNobody(at(3), at(2), at(1)) && isNobody(Buffer.from(id).toString('utf8'));
}

/** An hour's milliseconds: [from, to). */
interface Hour {
  readonly from: number;
  readonly to: number;
  readonly number: number;
}
