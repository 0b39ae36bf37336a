/**
 * Clients of the system under test, in this process, outside of everything that is killed: some send facts until they are
 * acknowledged, some ask questions one after the other. All they see goes into the history. What is refused or not
 * answered is tried again as a client would: with the same eventIds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Offsets } from '../../log/log.js';
import { hourMs } from '../../lib/time/buckets.js';
import type { Subject } from '../../facts/views/view.js';
import { answerSchema, type Answer } from '../running-system.js';
import type { History, SentFact } from './history.js';

/** A whole number from 0 below `bound`. */
export type Random = (bound: number) => number;

export interface Target {
  readonly origin: string;
  readonly collector: string;
}

const senders = 2;
const askers = 2;
const pauseMs = { send: 15, ask: 10, retry: 40 } as const;
/** A request that a stopped process does not answer is given up, its outcome unknown. */
const patienceMs = 1_500;
const maxAttempts = 4;

const people = 60;
const hour = 490_000;
const pages = Array.from({ length: 6 }, (_, i) => `https://example.com/${i}`);
const subjects: readonly Subject[] = [
  ...pages.map((url): Subject => ({ kind: 'page', url })),
  { kind: 'domain', domain: 'example.com' },
];

export class Load {
  readonly #target: () => Target;
  readonly #history: History;
  readonly #random: Random;
  readonly #stopping = new AbortController();
  readonly #work: Promise<unknown>;

  /** Starts at once. `name` makes the clients' eventIds unique in the history. */
  constructor(target: () => Target, history: History, random: Random, name: string) {
    this.#target = target;
    this.#history = history;
    this.#random = random;
    const clients = [
      ...Array.from({ length: senders }, (_, i) => this.#send(`${name}.${i}`)),
      ...Array.from({ length: askers }, (_, i) => this.#ask(`asker ${i}`)),
    ];
    this.#work = Promise.all(clients);
    this.#work.catch(() => undefined); // `stop` tells
  }

  /** Resolves when every client has ended its request. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work;
  }

  async #send(name: string): Promise<void> {
    for (let i = 0; !this.#isStopping; i++) {
      const facts = makeFacts(this.#random, `${name}.${i}`, 1 + this.#random(12));
      for (let attempt = 0; attempt < maxAttempts && !this.#isStopping; attempt++) {
        this.#history.sending(facts);
        if (await sendFacts(this.#target().collector, facts)) {
          this.#history.acknowledged(facts);
          break;
        }
        this.#history.refused++;
        await delay(pauseMs.retry);
      }
      await delay(pauseMs.send);
    }
  }

  async #ask(client: string): Promise<void> {
    while (!this.#isStopping) {
      if (!(await askOne(this.#target().origin, client, this.#history, this.#random))) {
        this.#history.refused++;
        await delay(pauseMs.retry);
      }
      await delay(pauseMs.ask);
    }
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }
}

/** Views of few pages by few people, some 400 days late, and now and then an edge or its retraction. */
export function makeFacts(random: Random, name: string, count: number): SentFact[] {
  return Array.from({ length: count }, (_, i) => {
    const eventId = `${name}.${i}`;
    const visitor = `user:p${random(people)}`;
    if (random(25) === 0) {
      const other = `user:q${random(people)}`;
      const type = random(3) === 0 ? 'retract' : 'equiv';
      return { type, a: visitor, b: other, timestamp: hour * hourMs + random(1_000), eventId };
    }
    const at = random(10) === 0 ? hour - 9_600 : hour - random(24);
    const url = pages[random(pages.length)] ?? '';
    return { type: 'pageview', visitor, url, timestamp: at * hourMs, eventId };
  });
}

/** True when all of them were acknowledged. */
export async function sendFacts(origin: string, facts: readonly SentFact[]): Promise<boolean> {
  const init = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(facts),
  };
  const response = await requested(`${origin}/v1/events`, init);
  if (response?.status !== 202) return false;
  const { accepted } = JSON.parse(response.text) as { accepted: number }; // the API's own answer
  if (accepted !== facts.length) throw new Error(`facts were refused at the door: ${response.text}`);
  return true;
}

/** Asks a random question. False when there was no answer to it. */
export async function askOne(
  origin: string,
  client: string,
  history: History,
  random: Random,
): Promise<Answer | false> {
  const subject = subjects[random(subjects.length)] ?? { kind: 'domain', domain: 'example.com' };
  const from = random(5) === 0 ? hour - 9_600 - random(3) : hour - random(30);
  const to = from + 1 + random(60);
  const what = random(2) === 0 ? 'uniques' : 'pageviews';
  const query = new URLSearchParams({
    ...(subject.kind === 'page' ? { url: subject.url } : { domain: subject.domain }),
    from: new Date(from * hourMs).toISOString(),
    to: new Date(to * hourMs).toISOString(),
  });
  const response = await requested(`${origin}/v1/${what}?${query.toString()}`);
  if (response?.status !== 200) return false;
  const answer = answerSchema.parse(JSON.parse(response.text));
  const { generation, batch, realtime } = answer.freshness;
  const cut: Offsets = realtime?.cut ?? batch.cut;
  const value = what === 'uniques' ? answer.data.visitors : answer.data.pageviews;
  const isFinal = response.etag !== null;
  history.answers.push({
    client,
    what,
    subject,
    from,
    to,
    value,
    isFinal,
    generation,
    batchCut: batch.cut,
    cut,
  });
  return answer;
}

/** Undefined when there was no whole answer in time. */
export async function requested(
  url: string,
  init: RequestInit = {},
): Promise<{ readonly status: number; readonly text: string; readonly etag: string | null } | undefined> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(patienceMs) });
    return { status: response.status, text: await response.text(), etag: response.headers.get('ETag') };
  } catch {
    return undefined;
  }
}
