/** Those who write a history's records into the log, and the ledger of what the records mean. */
import {
  exclusionKinds,
  isEdge,
  type EquivEdge,
  type Exclusion,
  type Fact,
  type Pageview,
} from '../../facts/fact.js';
import { parsePartitionName, partitionName, type PartitionName, type Topic } from '../../log/log.js';
import type { MemoryLog } from '../../speed/test/memory-log.js';
import type { Placed } from '../oracle/oracle.js';
import type { AgainSpec, RecordSpec } from './history.js';
import {
  excludedTimes,
  excludedValues,
  forms,
  invalidBytes,
  pages,
  pick,
  start,
  times,
  visitors,
  withText,
  write,
} from './records.js';

interface Told extends Placed {
  readonly value: Uint8Array;
  /** A pageview's place in `pages`. */
  readonly page: number;
}

export class Producers {
  /** Every fact of the log. */
  readonly ledger: Told[] = [];
  invalid = 0;
  readonly #log: MemoryLog;
  #events = 0;

  constructor(log: MemoryLog) {
    this.#log = log;
  }

  tell(spec: RecordSpec): void {
    switch (spec.kind) {
      case 'view': {
        const fact: Pageview = {
          type: 'pageview',
          visitor: pick(visitors, spec.visitor),
          url: pick(pick(pages, spec.page), spec.spelling),
          timestamp: pick(times, spec.time),
          eventId: this.#eventId(),
          receivedAt: start,
        };
        const place = this.#partition('pageviews', spec.partition);
        const ofAgent = withText(fact, 'userAgent', spec.agent);
        const told = withText(withText(ofAgent, 'referrer', spec.referrer), 'country', spec.country);
        const imported = withText(told, 'importId', spec.importId);
        return this.#put(place, imported, spec.form, spec.page);
      }
      case 'edge': {
        const fact: EquivEdge = {
          type: spec.retract ? 'retract' : 'equiv',
          a: pick(visitors, spec.a),
          b: pick(visitors, spec.b),
          timestamp: start + spec.time,
          eventId: this.#eventId(),
          receivedAt: start,
        };
        return this.#put(this.#partition('equivs', spec.partition), fact, spec.form, 0);
      }
      case 'exclusion': {
        const by = pick(exclusionKinds, spec.by);
        const fact: Exclusion = {
          type: spec.include ? 'include' : 'exclude',
          by,
          value: pick(excludedValues[by], spec.value),
          ...pick(excludedTimes, spec.limits),
          timestamp: start + spec.time,
          eventId: this.#eventId(),
          receivedAt: start,
        };
        return this.#put(this.#partition('equivs', spec.partition), fact, spec.form, 0);
      }
      case 'again':
        return this.#tellAgain(spec);
      case 'invalid': {
        const { topic, value } = invalidBytes(spec.record);
        this.invalid++;
        this.#log.put(this.#partition(topic, spec.partition), value);
      }
    }
  }

  /** Of the topic's partitions, which may be fewer. */
  #partition(topic: Topic, number: number): PartitionName {
    const count = this.#log.partitions.filter((name) => name.startsWith(topic)).length;
    return partitionName(topic, number % count);
  }

  #after(name: PartitionName): PartitionName {
    const { topic, partition } = parsePartitionName(name);
    return this.#partition(topic, partition + 1);
  }

  #eventId(): string {
    const number = this.#events++;
    return number % 5 === 0 ? `event-\u00e9\u{1F600}-${number}` : `event-${number}`;
  }

  #tellAgain(spec: AgainSpec): void {
    const told = this.ledger.at(-1 - (spec.back % Math.max(1, this.ledger.length)));
    if (told === undefined) return;
    const { partition, fact, value, page } = told;
    if (spec.change === 'nothing') this.#append(partition, fact, value, page);
    else if (spec.change === 'partition') this.#append(this.#after(partition), fact, value, page);
    else if (spec.change === 'form') this.#put(partition, fact, pick(forms, spec.to), page);
    else if (fact.type === 'pageview') {
      const toPage = spec.change === 'subject' ? spec.to : page;
      this.#put(partition, changedView(fact, spec, toPage), 'ours', toPage);
    } else if (isEdge(fact)) this.#put(partition, changedEdge(fact, spec), 'ours', 0);
    else this.#put(partition, changedExclusion(fact, spec), 'ours', 0);
  }

  #put(partition: PartitionName, fact: Fact, form: (typeof forms)[number], page: number): void {
    this.#append(partition, fact, write(fact, form), page);
  }

  #append(partition: PartitionName, fact: Fact, value: Uint8Array, page: number): void {
    const offset = this.#log.put(partition, value);
    const takesErasureBack = fact.type === 'include' && fact.by === 'erased';
    if (takesErasureBack || (isEdge(fact) && fact.a === fact.b)) this.invalid++;
    else this.ledger.push({ partition, offset, fact, value, page });
  }
}

function changedView(fact: Pageview, { change, to }: AgainSpec, page: number): Pageview {
  if (change === 'time') return { ...fact, timestamp: pick(times, to) };
  if (change === 'ids') return { ...fact, visitor: pick(visitors, to * 7) };
  if (change === 'userAgent' || change === 'referrer' || change === 'importId')
    return withText(fact, change, to);
  return { ...fact, url: pick(pick(pages, page), to) };
}

function changedEdge(fact: EquivEdge, { change, to }: AgainSpec): EquivEdge {
  if (change === 'subject') return { ...fact, type: fact.type === 'equiv' ? 'retract' : 'equiv' };
  if (change === 'ids') return { ...fact, b: pick(visitors, to * 7) };
  if (change === 'spelling') return { ...fact, a: fact.b, b: fact.a };
  return { ...fact, timestamp: start + (to % 3) };
}

function changedExclusion(fact: Exclusion, { change, to }: AgainSpec): Exclusion {
  if (change === 'subject') return { ...fact, type: fact.type === 'exclude' ? 'include' : 'exclude' };
  if (change === 'ids') return { ...fact, value: pick(excludedValues[fact.by], to) };
  return { ...fact, timestamp: start + (to % 3) };
}
