/**
 * Turns pageviews into facts of five small numbers while DuckDB scans. It is called with whole vectors of hashes and takes
 * every row whose hashes it knows; only the others come again with their texts: URLs go through the shared rules, user
 * agents through the bot rule, visitor ids become persons. So the texts of 20 million pageviews are touched 2 million
 * times, and no row becomes an object.
 */
import { CouponHasher } from 'hyperloglog-ts';
import { BIGINT, BLOB, UBIGINT, VARCHAR, type DuckDBDataChunk } from '@duckdb/node-api';
import { timeEnd } from '../../lib/facts/fact.js';
import type { Rules } from '../../lib/facts/rules.js';
import { grown } from '../../lib/grown.js';
import { StringHash } from '../../lib/hash/string-hash.js';
import { murmur2 } from '../../lib/log/partitioner.js';
import { PackedTexts } from '../../lib/packed-texts.js';
import { hourMs } from '../../lib/time/buckets.js';
import { domainOf } from '../../lib/url/domain.js';
import { optionalTextIn, textEntries, textIn, words } from '../columns.js';
import { newFactBatch, shardCount, type FactStore } from './fact-store.js';
import { IdTable, newFound } from '../id-table.js';
import { PageSample, type SampledPage } from './page-sample.js';
import type { FoundPersons } from '../persons/person-job.js';

/** What the tables of URLs and agents hold; a URL that is no page or a bot's agent excludes its pageviews. */
const refusedUrl = 0;
const firstPage = 1;
const human = 0;
const bot = 1;
/** DuckDB's vectors have no more rows. */
const vectorRows = 2048;

/** Types of the arguments of `swa_take_known` and `swa_take_new` (batch/sql/facts.sql). */
export const knownTypes = [UBIGINT, UBIGINT, UBIGINT, BIGINT] as const;
const textTypes = [UBIGINT, BLOB, UBIGINT, BLOB, UBIGINT, BLOB, BIGINT] as const;
export const newTypes = [...textTypes, VARCHAR, VARCHAR, VARCHAR, VARCHAR] as const;

export interface CollectorCounts {
  refusedUrls: number;
  botPageviews: number;
  beyondTime: number;
}

export class FactCollector {
  readonly counts: CollectorCounts = { refusedUrls: 0, botPageviews: 0, beyondTime: 0 };
  /** Normalised URLs, which are ASCII, by page number. */
  readonly pages = new PackedTexts();
  /** Domain number by page number. */
  domainOfPage = new Uint32Array(1024);
  readonly domains: string[] = [];
  /** Where the facts of every domain lie: by its name, so that it depends on nothing else. */
  readonly shardOfDomain: number[] = [];
  /** Pageviews by page number. */
  pageviews = new Float64Array(1024);
  #shardOfPage = new Uint8Array(1024);
  /** Hour by hour number, in order of appearance. */
  readonly hours: number[] = [];
  readonly #facts: FactStore;
  readonly #rules: Rules;
  /** Raw URL -> `firstPage` + page number, or `refusedUrl`. */
  #urls = new IdTable();
  /** Normalised URL -> page number. */
  #pageNumbers = new IdTable();
  readonly #pageHash = new StringHash();
  readonly #domainNumbers = new Map<string, number>();
  readonly #hourNumbers = new Map<number, number>();
  readonly #agents = new IdTable();
  /** Visitor id -> person number, and the person's coupon. */
  #visitors: IdTable;
  readonly #takenNew = new Uint8Array(vectorRows);
  readonly #foundUrls = newFound(vectorRows);
  readonly #foundVisitors = newFound(vectorRows);
  readonly #foundAgents = newFound(vectorRows);
  /** Facts of the present chunk. */
  readonly #batch = newFactBatch(vectorRows);
  readonly #hasher = new CouponHasher();
  readonly #pieces = new PiecedTexts(7);
  #personCount = 0;
  #joinedPersons = 0;
  #seenJoined = new Uint8Array(0);
  /** Of the last fact: facts in order of time mostly stay in one. */
  #hour: Hour = { from: 0, to: 0, number: 0 };
  readonly #sample: PageSample;

  /** `expectedRows` only sizes tables. */
  constructor(facts: FactStore, rules: Rules, sampledPages: number, expectedRows: number) {
    this.#facts = facts;
    this.#rules = rules;
    this.#sample = new PageSample(sampledPages);
    const visitors = Math.max(1024, Math.min(expectedRows / 10, 1 << 24));
    this.#visitors = new IdTable(visitors);
  }

  /** The persons of several ids; before the first fact. */
  addPersons({ hashes, ends, coupons }: Pick<FoundPersons, 'hashes' | 'ends' | 'coupons'>): void {
    const visitors = this.#visitors;
    const members = hashes.length / 2;
    let person = 0;
    for (let from = 0; from < members; from += vectorRows) {
      const to = Math.min(members, from + vectorRows);
      visitors.bringNear(hashes, from, to);
      for (let member = from; member < to; member++) {
        if (member === ends[person]) person++;
        const low = hashes[2 * member] ?? 0;
        const high = hashes[2 * member + 1] ?? 0;
        if (visitors.get(low, high) < 0) visitors.add(low, high, person, coupons[person]);
      }
    }
    this.#joinedPersons = ends.length;
    this.#personCount = ends.length;
  }

  /**
   * Takes the rows of one chunk of `swa_take_known`'s arguments (batch/sql/facts.sql) whose hashes are all known, and sets
   * their flags in `taken`; the others come again, with their texts. Returns how many others there are.
   */
  takeKnown(chunk: DuckDBDataChunk, taken: Uint8Array): number {
    const rows = {
      urls: words(chunk, 0),
      visitors: words(chunk, 1),
      agents: words(chunk, 2),
      times: words(chunk, 3),
    };
    return this.#take(rows, taken);
  }

  /** Takes one chunk of `swa_take_new`'s arguments: rows with a URL, a visitor or an agent that was new. */
  takeNew(chunk: DuckDBDataChunk): void {
    const rows = {
      urls: words(chunk, 0),
      visitors: words(chunk, 2),
      agents: words(chunk, 4),
      times: words(chunk, 6),
    };
    this.#learn(rows, chunk);
    this.#take(rows, this.#takenNew);
  }

  /** After the last fact: gives up the tables by which ids were told apart, the largest part of it by far. */
  finish(): void {
    this.#urls = new IdTable();
    this.#pageNumbers = new IdTable();
    this.#visitors = new IdTable();
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

  /** Makes everything in these rows known that a fact needs. */
  #learn({ urls, visitors, agents, times }: RowHashes, chunk: DuckDBDataChunk): void {
    this.#urls.bringNear(urls, 0, times.length / 2);
    this.#visitors.bringNear(visitors, 0, times.length / 2);
    for (let low = 0; low < times.length; low += 2) {
      const row = low / 2;
      const url = this.#urlNumber(urls[low] ?? 0, urls[low + 1] ?? 0, chunk, row);
      const agent = this.#agentNumber(agents[low] ?? 0, agents[low + 1] ?? 0, chunk, row);
      if (url === refusedUrl || agent === bot || timeOf(times, row) >= timeEnd) continue;
      this.#learnVisitor(visitors[low] ?? 0, visitors[low + 1] ?? 0, chunk, row);
    }
  }

  /** Takes the rows whose hashes are known and sets their flags. Returns how many others there are. */
  #take({ urls, visitors, agents, times }: RowHashes, taken: Uint8Array): number {
    const rows = times.length / 2;
    this.#urls.getAll(urls, rows, this.#foundUrls);
    this.#visitors.getAll(visitors, rows, this.#foundVisitors);
    this.#agents.getAll(agents, rows, this.#foundAgents);
    const { numbers: urlNumbers } = this.#foundUrls;
    const { numbers: persons, values: coupons } = this.#foundVisitors;
    const { numbers: agentNumbers } = this.#foundAgents;
    let [left, counted] = [0, 0];
    for (let row = 0; row < rows; row++) {
      const url = urlNumbers[row] ?? 0;
      const agent = agentNumbers[row] ?? 0;
      const person = persons[row] ?? 0;
      const time = timeOf(times, row);
      let known = url >= 0 && agent >= 0;
      if (known && this.#counts(url, agent, time)) {
        known = person >= 0;
        if (known) this.#put(counted++, url - firstPage, person, coupons[row] ?? 0, time);
      }
      if (known) taken[row] = 1;
      else left++;
    }
    this.#flush(counted);
    return left;
  }

  #urlNumber(low: number, high: number, chunk: DuckDBDataChunk, row: number): number {
    const known = this.#urls.get(low, high);
    if (known >= 0) return known;
    const raw = textIn(chunk.getColumnVector(1), row);
    const normalized = this.#rules.url.normalizeNew(raw);
    const number = normalized.ok ? firstPage + this.#pageNumber(normalized.url, raw) : refusedUrl;
    this.#urls.add(low, high, number);
    return number;
  }

  #pageNumber(url: string, raw: string): number {
    this.#sample.offer(url, raw);
    this.#pageHash.of(url);
    const [low, high] = [this.#pageHash.lo >>> 0, this.#pageHash.hi >>> 0];
    const known = this.#pageNumbers.get(low, high);
    if (known >= 0) return known;
    const number = this.pages.count;
    this.#pageNumbers.add(low, high, number);
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

  #agentNumber(low: number, high: number, chunk: DuckDBDataChunk, row: number): number {
    const known = this.#agents.get(low, high);
    if (known >= 0) return known;
    const number = this.#rules.bots.excludes(optionalTextIn(chunk.getColumnVector(5), row)) ? bot : human;
    this.#agents.add(low, high, number);
    return number;
  }

  /** A visitor that is in no person of several ids is a person. */
  #learnVisitor(low: number, high: number, chunk: DuckDBDataChunk, row: number): void {
    if (this.#visitors.get(low, high) >= 0) return;
    const id = this.#pieces.read(chunk, row) ?? textIn(chunk.getColumnVector(3), row);
    this.#visitors.add(low, high, this.#personCount++, this.#hasher.coupon(id));
  }

  /** Whether a pageview counts; if not, the reason is counted. */
  #counts(url: number, agent: number, time: number): boolean {
    if (url === refusedUrl) this.counts.refusedUrls++;
    else if (agent === bot) this.counts.botPageviews++;
    else if (time >= timeEnd) this.counts.beyondTime++;
    else return true;
    return false;
  }

  #put(row: number, page: number, person: number, coupon: number, time: number): void {
    const batch = this.#batch;
    const { from, number } = this.#hourOf(time);
    batch.pages[row] = page;
    batch.persons[row] = person;
    batch.coupons[row] = coupon;
    batch.hours[row] = number;
    batch.milliseconds[row] = time - from;
  }

  /** Ends a chunk. A loop for each thing to be looked up: the processor waits for many at once. */
  #flush(rows: number): void {
    if (this.#seenJoined.length < this.#joinedPersons) this.#seenJoined = new Uint8Array(this.#joinedPersons);
    const { pages, persons } = this.#batch;
    const pageviews = this.pageviews;
    for (let row = 0; row < rows; row++) {
      const page = pages[row] ?? 0;
      pageviews[page] = (pageviews[page] ?? 0) + 1;
    }
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

/** Hashes and times of the rows of a chunk, as pairs of words. */
interface RowHashes {
  readonly urls: Uint32Array;
  readonly visitors: Uint32Array;
  readonly agents: Uint32Array;
  readonly times: Uint32Array;
}

function timeOf(times: Uint32Array, row: number): number {
  return (times[2 * row] ?? 0) + (times[2 * row + 1] ?? 0) * 2 ** 32;
}

/** An hour's milliseconds: [from, to). */
interface Hour {
  readonly from: number;
  readonly to: number;
  readonly number: number;
}

/** Texts that SQL hands out in pieces of up to 12 bytes, in `pieceCount` columns (batch/sql/facts.sql). */
class PiecedTexts {
  readonly #firstColumn: number;
  readonly #bytes = new Uint8Array(pieceCount * pieceBytes);
  #chunk: DuckDBDataChunk | undefined;
  #columns: readonly Uint8Array[] = [];

  constructor(firstColumn: number) {
    this.#firstColumn = firstColumn;
  }

  /** The UTF-8 of a text, valid until the next call; undefined when it is not whole in its pieces. */
  read(chunk: DuckDBDataChunk, row: number): Uint8Array | undefined {
    if (chunk !== this.#chunk) {
      this.#chunk = chunk;
      this.#columns = Array.from({ length: pieceCount }, (_, i) => textEntries(chunk, this.#firstColumn + i));
    }
    let length = 0;
    for (const entries of this.#columns) {
      const at = row * 16;
      const piece = entries[at] ?? 0;
      // Twelve characters beyond ASCII take more than twelve bytes and lie elsewhere.
      if (piece > pieceBytes) return undefined;
      for (let i = 0; i < piece; i++) this.#bytes[length + i] = entries[at + 4 + i] ?? 0;
      length += piece;
      if (piece < pieceBytes) return length === 0 ? undefined : this.#bytes.subarray(0, length);
    }
    return undefined; // there may be more
  }
}

const pieceCount = 4;
const pieceBytes = 12;
