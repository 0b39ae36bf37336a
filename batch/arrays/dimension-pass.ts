/**
 * Makes the cells of one dimension: each fact counts for one value within its domain, or for none. Each (domain, value)
 * pair has a number in the order of domains and values, and the facts are sorted by it like those of pages and domains.
 * If there are many possible pairs or facts, only the pairs that occur are numbered, and the facts of some of them are
 * sorted at a time, those of a very busy value by groups of months: memory is bounded whatever the number of values.
 */
import { inverse } from '../../lib/memory/counting-sort.js';
import { grown } from '../../lib/memory/grown.js';
import { widthOf } from '../../lib/time/buckets.js';
import { factWords, factsIn } from './dealt.js';
import { monthsOf } from './plan.js';
import {
  ResultBuilder,
  type DimensionTable,
  type SortJob,
  type SortListener,
  type SortResult,
  type SubjectNames,
} from './sort-job.js';
import type { SortTools } from './sort-tools.js';
import type { Words } from './word-cells.js';

const noSubject = 0xffffffff;
/** Maximum number of pairs of a domain and a value that are numbered without a hash table, whether they occur or not. */
const maxDirect = 1 << 16;

export class DimensionPass {
  readonly #tools: SortTools;

  constructor(tools: SortTools) {
    this.#tools = tools;
  }

  run(job: SortJob, table: DimensionTable, listener: SortListener): SortResult {
    const { blocks, jobRows } = this.#tools.tables;
    const { fromShard, toShard, from, to } = job;
    const rows = blocks.reduce((sum, { starts }) => sum + starts[toShard] - starts[fromShard], 0);
    const result = new ResultBuilder(listener, this.#tools.hasher);
    const isSmall = rows <= jobRows && (to - from) * table.valueCount <= this.#maxDirect();
    const names = isSmall
      ? this.#allAtOnce(job, table, rows, result)
      : this.#inPieces(job, table, rows, result);
    listener.onRows(rows);
    return result.finishValues(names);
  }

  /** Subject and bucket share 32 bits. */
  #maxDirect(): number {
    return Math.min(maxDirect, 2 ** (32 - this.#tools.kernel.bucketBits));
  }

  /** Reads the facts once and sorts them together: every pair of a domain and a value of the job has its number. */
  #allAtOnce(job: SortJob, table: DimensionTable, rows: number, result: ResultBuilder): SubjectNames {
    const { bucketBits } = this.#tools.kernel;
    const { domainOfRank } = this.#tools.tables;
    const { choices, ownValues, otherwise, valueCount } = table;
    const [first = noChoice, ...others] = choices;
    const { word: firstWord, values: firstValues, exceptOwnDomain: firstIsForeign } = first;
    const words = this.#tools.kernel.words(rows);
    const subjects = (job.to - job.from) * valueCount;
    const lastBuckets = new Uint32Array(subjects);
    const start = -job.from * valueCount - 1;
    let isInOrder = true;
    let filled = 0;
    this.#eachBlock(job, (facts, stride) => {
      for (let fact = 0; fact < facts.length; fact += stride) {
        const domain = domainOfRank[facts[fact + factWords.page]];
        let value = firstValues[facts[fact + firstWord]];
        if (value === 0 || (firstIsForeign && value === ownValues[domain])) {
          value = valueOf(others, ownValues[domain], facts, fact) || otherwise;
          if (value === 0) continue;
        }
        const subject = start + domain * valueCount + value;
        const bucket = facts[fact + factWords.bucket];
        if (bucket < lastBuckets[subject]) isInOrder = false;
        lastBuckets[subject] = bucket;
        words[filled] = facts[fact + factWords.coupon];
        words[filled + 1] = (subject << bucketBits) | bucket;
        filled += 2;
      }
    });
    this.#tools.cells.blocks({ count: filled / 2, subjects, isInOrder }, result, 0);
    return {
      domainOf: (subject) => job.from + Math.floor(subject / valueCount),
      valueOf: (subject) => 1 + (subject % valueCount),
    };
  }

  /** Numbers the pairs that occur, then sorts the facts of some of them at a time. */
  #inPieces(job: SortJob, table: DimensionTable, rows: number, result: ResultBuilder): SubjectNames {
    const found = this.#subjects(job, table, rows);
    const maxSubjects = 2 ** (32 - this.#tools.kernel.bucketBits);
    const { jobRows } = this.#tools.tables;
    const { counts, domains, values } = found;
    for (let from = 0; from < counts.length;) {
      let to = from + 1;
      let together = counts[from];
      while (to < counts.length && to - from < maxSubjects && together + counts[to] <= jobRows)
        together += counts[to++];
      if (together > jobRows) this.#busySubject(job, found, from, result);
      else this.#tools.cells.blocks(this.#gather(job, found, from, to, together), result, from);
      from = to;
    }
    return { domainOf: (subject) => domains[subject], valueOf: (subject) => values[subject] };
  }

  /** Finds the subject of each fact of the job. */
  #subjects(job: SortJob, { choices, ownValues, otherwise }: DimensionTable, rows: number): Found {
    const { domainOfRank } = this.#tools.tables;
    const numbers = new PairNumbers();
    const ofFact = new Uint32Array(rows);
    let at = 0;
    this.#eachBlock(job, (facts, stride) => {
      for (let fact = 0; fact < facts.length; fact += stride) {
        const domain = domainOfRank[facts[fact + factWords.page]];
        const value = valueOf(choices, ownValues[domain], facts, fact) || otherwise;
        ofFact[at++] = value === 0 ? noSubject : numbers.of(domain, value);
      }
    });
    const { firsts: domains, seconds: values } = numbers.pairs();
    const order = Uint32Array.from(domains.keys()).toSorted(
      (a, b) => domains[a] - domains[b] || values[a] - values[b],
    );
    const places = inverse(order);
    const counts = new Uint32Array(order.length);
    for (let fact = 0; fact < ofFact.length; fact++) {
      if (ofFact[fact] === noSubject) continue;
      const place = places[ofFact[fact]];
      ofFact[fact] = place;
      counts[place]++;
    }
    return {
      ofFact,
      counts,
      domains: order.map((number) => domains[number]),
      values: order.map((number) => values[number]),
    };
  }

  /** Sorts the facts of one subject, which are too many to be sorted at once, in groups of months. */
  #busySubject(job: SortJob, found: Found, subject: number, result: ResultBuilder): void {
    const { buckets, bucketMinutes, jobRows } = this.#tools.tables;
    const months = monthsOf(buckets, widthOf(bucketMinutes));
    const parts = Math.min(months.length - 1, Math.ceil(found.counts[subject] / jobRows));
    const at = (part: number): number => months[Math.floor((part * (months.length - 1)) / parts)];
    const made = Array.from({ length: parts }, (_, part) => {
      const [fromBucket, toBucket] = [at(part), at(part + 1)];
      const rows = this.#countIn(job, found, subject, fromBucket, toBucket);
      return this.#tools.cells.part(
        this.#gather(job, found, subject, subject + 1, rows, fromBucket, toBucket),
      );
    });
    this.#tools.cells.joined(made, result, subject);
  }

  #countIn(job: SortJob, { ofFact }: Found, subject: number, fromBucket: number, toBucket: number): number {
    let [count, at] = [0, 0];
    this.#eachBlock(job, (facts, stride) => {
      for (let fact = factWords.bucket; fact < facts.length; fact += stride, at++)
        if (ofFact[at] === subject && facts[fact] >= fromBucket && facts[fact] < toBucket) count++;
    });
    return count;
  }

  /** Encodes the facts of subjects [from, to) as words; there are `rows` of them. */
  #gather(
    job: SortJob,
    { ofFact }: Found,
    from: number,
    to: number,
    rows: number,
    fromBucket = 0,
    toBucket = this.#tools.tables.buckets.length,
  ): Words {
    const { bucketBits } = this.#tools.kernel;
    const words = this.#tools.kernel.words(rows);
    const lastBuckets = new Uint32Array(to - from);
    let isInOrder = true;
    let [filled, at] = [0, 0];
    this.#eachBlock(job, (facts, stride) => {
      for (let fact = 0; fact < facts.length; fact += stride, at++) {
        const subject = ofFact[at] - from; // `noSubject` stays larger than all others
        if (subject < 0 || subject >= to - from) continue;
        const bucket = facts[fact + factWords.bucket];
        if (bucket < fromBucket || bucket >= toBucket) continue;
        if (bucket < lastBuckets[subject]) isInOrder = false;
        lastBuckets[subject] = bucket;
        words[filled] = facts[fact + factWords.coupon];
        words[filled + 1] = (subject << bucketBits) | bucket;
        filled += 2;
      }
    });
    return { count: rows, subjects: to - from, isInOrder };
  }

  #eachBlock({ fromShard, toShard }: SortJob, visit: (facts: Uint32Array, stride: number) => void): void {
    for (const block of this.#tools.tables.blocks)
      visit(factsIn(block, fromShard, toShard, this.#tools.readFacts), block.stride);
  }
}

/** The subjects of a job in the order of domains and values, and the subject of each of its facts. */
interface Found {
  /** By fact; `noSubject` if it has no value. */
  readonly ofFact: Uint32Array;
  /** By subject: number of facts, rank of the domain, value. */
  readonly counts: Uint32Array;
  readonly domains: Uint32Array;
  readonly values: Uint32Array;
}

const noChoice = { word: factWords.page, values: new Uint32Array(0), exceptOwnDomain: false };

/** The value of the fact at a position of `facts`: that of the first choice with one that is allowed; 0 for none. */
function valueOf(
  choices: DimensionTable['choices'],
  ownValue: number,
  facts: Uint32Array,
  fact: number,
): number {
  for (let i = 0; i < choices.length; i++) {
    const { word, values, exceptOwnDomain } = choices[i];
    const value = values[facts[fact + word]];
    if (value !== 0 && !(exceptOwnDomain && value === ownValue)) return value;
  }
  return 0;
}

/** Numbers pairs in order of appearance, from 0. A hash table with open addressing, at most half full. */
class PairNumbers {
  #firsts = new Uint32Array(64);
  #seconds = new Uint32Array(64);
  #count = 0;
  /** Number + 1; 0 for a free slot. */
  #slots = new Uint32Array(256);

  of(first: number, second: number): number {
    const mask = this.#slots.length - 1;
    let slot = slotOf(first, second) & mask;
    for (let number = this.#slots[slot]; number > 0; number = this.#slots[slot]) {
      if (this.#firsts[number - 1] === first && this.#seconds[number - 1] === second) return number - 1;
      slot = (slot + 1) & mask;
    }
    return this.#add(first, second, slot);
  }

  /** The pairs, by number. */
  pairs(): { readonly firsts: Uint32Array; readonly seconds: Uint32Array } {
    return { firsts: this.#firsts.subarray(0, this.#count), seconds: this.#seconds.subarray(0, this.#count) };
  }

  #add(first: number, second: number, slot: number): number {
    const number = this.#count++;
    if (number === this.#firsts.length) {
      this.#firsts = grown(this.#firsts);
      this.#seconds = grown(this.#seconds);
    }
    this.#firsts[number] = first;
    this.#seconds[number] = second;
    this.#slots[slot] = number + 1;
    if (2 * this.#count > this.#slots.length) this.#grow();
    return number;
  }

  #grow(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#count; number++) {
      let slot = slotOf(this.#firsts[number], this.#seconds[number]) & mask;
      while (this.#slots[slot] > 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

/** Multiplies both numbers by odd constants and folds the result, to spread small, dense numbers over the slots. */
function slotOf(first: number, second: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
