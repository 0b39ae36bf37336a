/**
 * Whatever happens to the bytes of a batch view on disk, a question is answered exactly as before or refused by name. The
 * whole proof takes some minutes: FLIPS=1000 npm test -- damaged-view. SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runBatch } from '../batch/run.js';
import { makeDataDir, store, testClock } from '../batch/test/data-dir.js';
import { lcg } from './random.js';
import type { Config } from '../lib/config/config.js';
import { SwaError } from '../lib/errors/errors.js';
import type { Fact } from '../facts/fact.js';
import { hourMs } from '../lib/time/buckets.js';
import { ask, type AskInput } from '../query/inquiries.js';
import { openEngine } from '../query/open.js';
import { currentPath, fileNames, viewPath } from '../serving/layout.js';

const flips = Number(process.env['FLIPS'] ?? 60);
const seed = Number(process.env['SEED'] ?? Date.now() % 1e9);

const start = Date.UTC(2024, 0, 30);
const pages = 1_500;
const visitors = 6_000;
const hours = 24 * 70;

type Question = readonly [name: string, input: AskInput];

test(`${flips} flipped bits: each of 200 questions is answered as before, or refused by name`, async (t) => {
  t.diagnostic(`FLIPS=${flips} SEED=${seed}`);
  const { config, files } = await publishedView();
  const random = lcg(seed);
  const questions = someQuestions(200);
  const sound = await answers(config, questions);
  assert.ok(sound.every((answer) => typeof answer === 'string'));
  let refusals = 0;
  let harmless = 0;
  for (let flip = 0; flip < flips; flip++) {
    const path = files[flip % files.length] ?? '';
    const bytes = readFileSync(path);
    const at = Math.floor(random() * bytes.length);
    const bit = Math.floor(random() * 8);
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ (1 << bit);
    writeFileSync(path, changed);
    const what = `bit ${bit} of byte ${at} of ${path}`;
    const refused = await compare(config, questions, sound, path, what);
    if (path.endsWith(fileNames.meta) || path === currentPath(config.dataDir))
      assert.equal(refused, questions.length, `${what}: nothing is answered`);
    refusals += refused;
    if (refused === 0) harmless++;
    writeFileSync(path, bytes);
  }
  assert.deepEqual(await answers(config, questions), sound, 'as it was');
  t.diagnostic(
    `${refusals} of ${flips * questions.length} refused; ${harmless} flips where no question reads`,
  );
  assert.ok(harmless < flips / 2, 'most flips are where questions read');
});

test('files cut short, emptied, overwritten or gone: every question is refused by name', async () => {
  const { config, files } = await publishedView();
  const questions = someQuestions(12);
  const sound = await answers(config, questions);
  const random = lcg(seed);
  const garbage = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random() * 256));
  for (const path of files) {
    const bytes = readFileSync(path);
    const harm: Record<string, () => void> = {
      emptied: () => writeFileSync(path, ''),
      'cut by a byte': () => writeFileSync(path, bytes.subarray(0, -1)),
      'cut in half': () => writeFileSync(path, bytes.subarray(0, bytes.length / 4)),
      'longer by a byte': () => writeFileSync(path, Buffer.concat([bytes, Buffer.of(0)])),
      garbage: () => writeFileSync(path, garbage(bytes.length)),
      'much garbage': () => writeFileSync(path, garbage(40_960)),
      gone: () => rmSync(path),
    };
    for (const [what, hurt] of Object.entries(harm)) {
      hurt();
      const refused = await compare(config, questions, sound, path, `${path} ${what}`);
      assert.equal(refused, questions.length, `${path} ${what}`);
      writeFileSync(path, bytes);
    }
  }
  assert.deepEqual(await answers(config, questions), sound);
});

test('a CURRENT of an earlier version, which has no hash, is read', async () => {
  const { config } = await publishedView();
  const path = currentPath(config.dataDir);
  const questions = someQuestions(12);
  const sound = await answers(config, questions);
  const [id = ''] = readFileSync(path, 'utf8').split('\n');
  for (const text of [id, `${id}\n`]) {
    writeFileSync(path, text);
    assert.deepEqual(await answers(config, questions), sound);
  }
});

/** One batch view, its files and CURRENT. */
async function publishedView(): Promise<{ config: Config; files: readonly string[] }> {
  const config = makeDataDir({ batchThreads: 2 });
  await store(config, someFacts());
  const { id } = await runBatch({ config, clock: testClock, trigger: 'command' });
  const dir = viewPath(config.dataDir, id);
  const files = [...Object.values(fileNames).map((name) => join(dir, name)), currentPath(config.dataDir)];
  return { config, files };
}

function someFacts(): Fact[] {
  const random = lcg(1);
  const facts: Fact[] = [];
  for (let i = 0; i < 40_000; i++) {
    facts.push({
      type: 'pageview',
      visitor: visitor(Math.floor(random() * visitors)),
      url: url(Math.floor(random() ** 3 * pages)),
      timestamp: start + Math.floor(random() * hours * hourMs),
      eventId: `e${i}`,
      receivedAt: testClock(),
    });
  }
  for (let i = 0; i < visitors; i += 3) {
    const edge = { type: 'equiv', timestamp: start, receivedAt: testClock() } as const;
    facts.push({ ...edge, a: visitor(i), b: visitor(i + 1), eventId: `a${i}` });
    facts.push({ ...edge, a: visitor(i + 1), b: visitor(i + 2), eventId: `b${i}` });
  }
  return facts;
}

function visitor(i: number): string {
  return i % 3 === 0 ? `user:zoë-${i}` : `cookie:${i * 7919}`;
}

function url(i: number): string {
  return `https://www.site${i % 7}.example/shelf/${i % 50}/a-product-of-number-${i}`;
}

/** Of every kind, over all of the view. */
function someQuestions(count: number): Question[] {
  const random = lcg(2);
  return Array.from({ length: count }, (_, i): Question => {
    const page = url(Math.floor(random() ** 3 * pages));
    const domain = `site${i % 7}.example`;
    const from = Math.floor(random() * hours);
    const range = { from: instant(from), to: instant(from + 1 + Math.floor(random() * (hours - from))) };
    const kinds: readonly Question[] = [
      ['uniques', { url: page, ...range }],
      ['uniques', { url: page, from: instant(0), to: instant(hours), interval: 'day' }],
      ['uniques', { domain, ...range, interval: 'month' }],
      ['pageviews', { url: page, ...range }],
      ['persons', { visitorId: visitor(Math.floor(random() * visitors)) }],
      ['persons', { visitorId: visitor(Math.floor(random() * visitors)) }],
      ['bounce-rate', { domain, ...range }],
      ['pages', { domain, from: instant(from), to: instant(from + 24), limit: '5' }],
      ['domains', {}],
      ['pageviews', { domain, ...range }],
    ];
    return kinds[i % kinds.length] ?? ['domains', {}];
  });
}

function instant(hour: number): string {
  return new Date(start + hour * hourMs).toISOString();
}

/** The answer to each question as JSON, or the error it was refused with; of a process that has just come up. */
async function answers(config: Config, questions: readonly Question[]): Promise<(string | SwaError)[]> {
  const opened = openEngine(config, testClock);
  try {
    const all = [];
    for (const [name, input] of questions) {
      const answer = await ask(opened.engine, name, input).then(
        ({ body }) => JSON.stringify(body),
        (error: unknown) => {
          if (error instanceof SwaError) return error;
          throw error;
        },
      );
      all.push(answer);
    }
    return all;
  } finally {
    await opened.close();
  }
}

/** How many were refused. Fails for an answer that differs, and for a refusal that does not name file and way on. */
async function compare(
  config: Config,
  questions: readonly Question[],
  sound: readonly (string | SwaError)[],
  path: string,
  what: string,
): Promise<number> {
  let refused = 0;
  for (const [i, answer] of (await answers(config, questions)).entries()) {
    if (typeof answer === 'string') {
      assert.equal(answer, sound[i], `${what}: another answer to ${JSON.stringify(questions[i])}`);
      continue;
    }
    refused++;
    const { code, message, hint = '' } = answer;
    const isGone = code === 'view.missing' && message.includes(dirname(path));
    assert.ok(isGone || (code === 'view.corrupt' && message.includes(path)), `${what}: ${code} ${message}`);
    assert.match(hint, /swa batch (run|rollback)/, `${what}: ${message}`);
  }
  return refused;
}
