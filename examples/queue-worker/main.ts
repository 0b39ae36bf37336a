/**
 * Queues and workers, the way to process a stream without a topology: one set of workers checks pageviews, a second set
 * counts the valid URLs, with persistent queues between them. Each counting worker has its own queue and gets all views
 * of its URLs, so no two workers ever update one URL. Run with `node dist/examples/queue-worker/main.js`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { partitionOf } from '../../log/partitioner.js';
import { SingleConsumerQueue } from '../../log/queue/single-consumer-queue.js';
import { UrlRules } from '../../facts/url/normalize.js';

const views = 120;
const countingWorkers = 3;
const perRound = 10;

async function run(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-queue-worker-'));
  const incoming = SingleConsumerQueue.open(join(dir, 'pageviews'), () => 0);
  const byUrl = Array.from({ length: countingWorkers }, (_, i) =>
    SingleConsumerQueue.open(join(dir, `urls-${i}`), () => 0),
  );
  const counts = byUrl.map(() => new Map<string, number>());
  const lines = [`${views} pageviews, ${countingWorkers} counting workers`];
  const rules = new UrlRules({ queryAllow: [] });
  const stage = (title: string): void => {
    const backlog = [incoming, ...byUrl].map((queue) => queue.size).join(', ');
    lines.push(`${title}: waiting ${backlog}; counted ${counts.map(total).join(', ')}`);
  };
  try {
    incoming.add(...Array.from({ length: views }, (_, i) => Buffer.from(urlOfView(i))));
    stage('at the start');
    while (drain(incoming, (url) => checkAndPass(url, rules, byUrl)) > 0);
    stage('all checked');
    lines.push(priceOfOneMore(byUrl));
    // Worker 1 is down: no other worker may count its URLs, so they wait even if the others are idle.
    for (let round = 0; round < views; round++) for (const i of [0, 2]) countSome(byUrl[i], counts[i]);
    stage('worker 1 away');
    for (let round = 0; round < views; round++) countSome(byUrl[1], counts[1]);
    stage('worker 1 back');
    const urls = counts.flatMap((own) => [...own]).toSorted(([a], [b]) => (a < b ? -1 : 1));
    lines.push(...urls.map(([url, count]) => `  ${String(count).padStart(3)} ${url}`), '');
    return lines.join('\n');
  } finally {
    await Promise.all([incoming, ...byUrl].map((queue) => queue.close()));
    rmSync(dir, { recursive: true });
  }
}

/** Describes the cost of adding a counting worker: pages change owner, so all queues must be drained first. */
function priceOfOneMore(byUrl: readonly SingleConsumerQueue[]): string {
  const pages = [...new Set(Array.from({ length: views }, (_, i) => `http://example.com/page-${i % 6}`))];
  const moved = pages.filter((url) => partitionOf(url, byUrl.length) !== partitionOf(url, byUrl.length + 1));
  const waiting = byUrl.map((queue) => queue.size);
  const rounds = Math.ceil(Math.max(...waiting) / perRound);
  const all = waiting.reduce((sum, count) => sum + count, 0);
  return `one worker more: ${moved.length} of ${pages.length} pages change owner; ${all} items to finish first, ${rounds} rounds in which nothing enters`;
}

/** A worker of the first set: drops invalid URLs and passes the others to the worker that owns them. */
function checkAndPass(url: string, rules: UrlRules, byUrl: readonly SingleConsumerQueue[]): void {
  const normalized = rules.normalize(url);
  if (!normalized.ok) return;
  byUrl[partitionOf(normalized.url, byUrl.length)]?.add(Buffer.from(normalized.url));
}

/** A worker of the second set: counts the URLs in its queue. */
function countSome(queue: SingleConsumerQueue | undefined, counts: Map<string, number> | undefined): void {
  if (queue === undefined || counts === undefined) return;
  drain(queue, (url) => counts.set(url, (counts.get(url) ?? 0) + 1));
}

/** Processes up to `perRound` items, acks each after its work is done, and returns their number. */
function drain(queue: SingleConsumerQueue, work: (text: string) => void): number {
  let done = 0;
  for (; done < perRound; done++) {
    const leased = queue.get();
    if (leased === undefined) break;
    work(Buffer.from(leased.item).toString());
    queue.ack(leased.id);
  }
  return done;
}

function urlOfView(i: number): string {
  if (i % 10 === 9) return `not a url ${i}`;
  return `HTTP://example.com/page-${(i * 7) % 6}${i % 2 === 0 ? '' : '#top'}`;
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

process.stdout.write(await run());
