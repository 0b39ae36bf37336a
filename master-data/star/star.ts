/**
 * The star: the master dataset as numbers. Facts are rows of integers (facts-file.ts), texts are in dictionaries
 * (dictionary.ts), each with the results of the rules (rule-results.ts). It is a cache of the master dataset: it is
 * rebuilt if it is missing, damaged, or of another version.
 *
 *   HEAD.json            valid length of each file (head.ts)
 *   <sha256>.facts       the facts of the master file with that hash, in Parquet
 *   urls, visitors, agents, referrers, tags, countries, imports, events, exclusions      texts, numbered from 1
 *   coupons              sketch coupon of each visitor
 *   url-pages-<n>, ...   results of the rules for the texts
 *   repeats-<hash>       groups of pageviews that may be repeats of each other
 */
import { join } from 'node:path';
import { offsetAt } from '../../log/cut.js';
import type { Cut, Topic } from '../../log/log.js';
import { resultName, type TextResult } from '../../facts/dimensions/choice.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import type { TextSpans } from '../../lib/memory/keyed-hash.js';
import type { Snapshot } from '../snapshot.js';
import { nothing, readShared, readTexts, type AppendSeal } from './append-file.js';
import type { Head, StarFile } from './head.js';
import { repeatsName } from './head.js';
import { resultPath, textsIn, type ResultPart } from './rule-results.js';

/** The facts of one master file. */
export interface StarFacts {
  readonly topic: Topic;
  readonly partition: number;
  readonly path: string;
  readonly groups: StarFile['groups'];
  /** True if the master file extends beyond the snapshot's cut: not all of its rows belong to the snapshot. */
  readonly isCut: boolean;
  readonly masterPath: string;
}

/** Bytes of the columns of a pageview that a run always reads: URL, visitor, agent and time. */
const countedBytes = 20;

export class Star {
  /** In order of the snapshot's files. */
  readonly facts: readonly StarFacts[];
  /** By URL number: 1 + the number of its page, or 0 if it is rejected. Index 0 stands for no URL, here and below. */
  readonly pageOfUrl: Uint32Array;
  /** By agent number: 1 for a bot. */
  readonly bots: Uint8Array;
  /** By visitor number: the sketch coupon, 0 for a placeholder. */
  readonly coupons: Uint32Array;
  /** Pages, which are ASCII; `domainOfPage` has the number of each one's domain. */
  readonly pages = new PackedTexts();
  readonly domainOfPage: Uint32Array;
  readonly domains: readonly string[];
  /** Values of dimensions: value number n is text n - 1. */
  readonly values = new PackedTexts();
  readonly #dir: string;
  readonly #head: Head;

  /** Throws `StarDamaged`. */
  constructor(dir: string, head: Head, snapshot: Pick<Snapshot, 'files'> & { readonly cut: Cut }) {
    this.#dir = dir;
    this.#head = head;
    const files = new Map(head.files.map((file) => [file.of, file]));
    this.facts = snapshot.files.flatMap(({ sha256, topic, partition, toOffset, path }) => {
      const { name = '', groups = [], crc = 0, sizeBytes = 0 } = files.get(sha256) ?? {};
      if (topic === 'equivs') readShared(join(dir, name), { sizeBytes, crc }); // DuckDB reads these files and would not notice damage
      const isCut = toOffset > offsetAt(snapshot.cut.next, `${topic}/${partition}`);
      return { topic, partition, path: join(dir, name), groups, isCut, masterPath: path };
    });
    this.pageOfUrl = words(this.#result('url-pages'), 1);
    this.bots = behindNone(new Uint8Array(this.#result('agent-bots'), 0, head.texts.agents.count));
    this.coupons = words(readShared(join(dir, 'coupons'), head.coupons), 1);
    this.domainOfPage = words(this.#result('page-domains'), 0);
    this.#pack('pages', this.pages);
    this.#pack('values', this.values);
    this.domains = [...textsIn(this.#path('domains'), this.#seal('domains'))];
  }

  /**
   * Bytes that a run reads: texts of visitors and URLs, the results of the rules, and the columns of facts it always
   * needs.
   */
  get bytesRead(): number {
    const { texts, coupons, results, repeats } = this.#head;
    const parts = [texts.urls, texts.visitors, coupons, repeats, ...Object.values(results.files)];
    const groups = this.factsOf('pageviews').flatMap((facts) => facts.groups);
    const ofFacts = groups.reduce((sum, { rows }) => sum + countedBytes * rows, 0);
    return parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, ofFacts);
  }

  /**
   * Returns a dimension rule's result for each text by the text's number, as the number of a value, 0 for none. Pages
   * are numbered from 0, all other texts from 1, where index 0 stands for no text.
   */
  valuesOf(result: Pick<TextResult, 'text' | 'result'>): Uint32Array {
    return words(this.#result(resultName(result)), result.text === 'page' ? 0 : 1);
  }

  /** Returns the number of texts of a dictionary, which are numbered from 1. */
  textCount(name: 'visitors' | 'agents' | 'imports'): number {
    return this.#head.texts[name].count;
  }

  /** In order of the snapshot's files. */
  factsOf(topic: Topic): readonly StarFacts[] {
    return this.facts.filter((each) => each.topic === topic);
  }

  /** Yields all texts of a dictionary, many at a time, from number 1 on. Throws `StarDamaged`. */
  texts(name: 'urls' | 'visitors' | 'agents' | 'imports' | 'exclusions'): Generator<TextSpans> {
    return readTexts(join(this.#dir, name), this.#head.texts[name]);
  }

  /**
   * Returns groups of pageviews with the same partition, event id and visitor, each in order, as pairs of words: 2 *
   * the file's index among the pageview files (+ 1 at the start of a group), and the row in the file.
   */
  repeats(): Uint32Array {
    const { of, ...seal } = this.#head.repeats;
    return words(readShared(join(this.#dir, repeatsName(of)), seal), 0);
  }

  #path(part: ResultPart): string {
    return resultPath(this.#dir, part, this.#head.results.generation);
  }

  #seal(part: ResultPart): AppendSeal {
    return this.#head.results.files[part] ?? nothing;
  }

  #result(part: ResultPart): SharedArrayBuffer {
    return readShared(this.#path(part), this.#seal(part));
  }

  #pack(part: ResultPart, packed: PackedTexts): void {
    for (const { bytes, starts, ends, count } of readTexts(this.#path(part), this.#seal(part)))
      for (let i = 0; i < count; i++) packed.addBytes(bytes, starts[i] ?? 0, ends[i] ?? 0);
  }
}

/** @param none number of zeros to insert at the start, for the number that means none */
function words(shared: SharedArrayBuffer, none: number): Uint32Array {
  const values = new Uint32Array(shared);
  return none === 0 ? values : behindNone(values);
}

/** Returns the values with a zero inserted at index 0, in memory that threads share. */
function behindNone<T extends Uint8Array | Uint32Array>(values: T): T {
  const Kind = values.constructor as new (buffer: SharedArrayBuffer) => T; // typed arrays are constructed by buffers
  const longer = new Kind(new SharedArrayBuffer((1 + values.length) * values.BYTES_PER_ELEMENT));
  longer.set(values, 1);
  return longer;
}
