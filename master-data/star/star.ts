/**
 * The star: the master dataset in numbers. Its facts are rows of integers (facts-file.ts), its texts stand in dictionaries
 * (dictionary.ts), each with what the rules make of it (rule-results.ts). It is a cache beside the master dataset: rebuilt
 * whenever it is missing, damaged, or of another version.
 *
 *   HEAD.json            how much of each file counts (head.ts)
 *   <sha256>.facts       the facts of the master file with that hash, in Parquet
 *   urls, visitors, agents, referrers, tags, countries, imports, events, exclusions      texts, numbered from 1
 *   coupons              of each visitor
 *   url-pages-<n>, ...   what the rules make of the texts
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
  /** The master file reaches beyond the snapshot's cut: not all of its rows belong to it. */
  readonly isCut: boolean;
  readonly masterPath: string;
}

/** Of a pageview, the columns that a run reads: URL, visitor, agent and time. */
const countedBytes = 20;

export class Star {
  /** In order of the snapshot's files. */
  readonly facts: readonly StarFacts[];
  /** By URL number: 1 + the number of its page, or 0 when it is refused. By number 0, as below: of none. */
  readonly pageOfUrl: Uint32Array;
  /** By agent number: 1 for a bot. */
  readonly bots: Uint8Array;
  /** By visitor number: its coupon, 0 for a placeholder. */
  readonly coupons: Uint32Array;
  /** Pages, which are ASCII, and the number of each one's domain. */
  readonly pages = new PackedTexts();
  readonly domainOfPage: Uint32Array;
  readonly domains: readonly string[];
  /** Values of dimensions: the one of number n is text n - 1. */
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
      if (topic === 'equivs') readShared(join(dir, name), { sizeBytes, crc }); // DuckDB reads these, and would not notice
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

  /** What a run reads of it: texts of visitors and URLs, what is known of them, and the columns of facts that count. */
  get bytesRead(): number {
    const { texts, coupons, results, repeats } = this.#head;
    const parts = [texts.urls, texts.visitors, coupons, repeats, ...Object.values(results.files)];
    const groups = this.factsOf('pageviews').flatMap((facts) => facts.groups);
    const ofFacts = groups.reduce((sum, { rows }) => sum + countedBytes * rows, 0);
    return parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, ofFacts);
  }

  /**
   * What a rule of a dimension makes of each text, by the text's number, as the number of a value, 0 for none. Pages are numbered
   * from 0, all other texts from 1: 0 is of none.
   */
  valuesOf(result: Pick<TextResult, 'text' | 'result'>): Uint32Array {
    return words(this.#result(resultName(result)), result.text === 'page' ? 0 : 1);
  }

  /** How many texts a dictionary has: their numbers are 1 to this. */
  textCount(name: 'visitors' | 'agents' | 'imports'): number {
    return this.#head.texts[name].count;
  }

  /** In order of the snapshot's files. */
  factsOf(topic: Topic): readonly StarFacts[] {
    return this.facts.filter((each) => each.topic === topic);
  }

  /** All texts of a dictionary, many at a time, from number 1 on. Throws `StarDamaged`. */
  texts(name: 'urls' | 'visitors' | 'agents' | 'imports' | 'exclusions'): Generator<TextSpans> {
    return readTexts(join(this.#dir, name), this.#head.texts[name]);
  }

  /**
   * Groups of pageviews with one partition, event id and visitor, each in order: pairs of words, 2 * the number of a file
   * among those of pageviews (+ 1 where a group begins) and the row in it.
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

/** @param none how many zeros to put before, for the number of none */
function words(shared: SharedArrayBuffer, none: number): Uint32Array {
  const values = new Uint32Array(shared);
  return none === 0 ? values : behindNone(values);
}

/** The values with one for the number 0, in memory that threads share. */
function behindNone<T extends Uint8Array | Uint32Array>(values: T): T {
  const Kind = values.constructor as new (buffer: SharedArrayBuffer) => T; // typed arrays are constructed by buffers
  const longer = new Kind(new SharedArrayBuffer((1 + values.length) * values.BYTES_PER_ELEMENT));
  longer.set(values, 1);
  return longer;
}
