/** Facts that use everything in a star, and runs over them. */
import type { Fact } from '../../facts/fact.js';
import { runBatch, type BatchConfig } from '../run.js';
import { testClock } from './data-dir.js';

/** Spellings, bots, refused URLs, placeholders, repeats over several files, edges. */
export function someFacts(from: number, to: number): Fact[] {
  const facts: Fact[] = [];
  for (let i = from; i < to; i++) {
    const same = i % 9 === 4 ? i - 4 : i;
    facts.push({
      type: 'pageview',
      visitor: same % 31 === 0 ? 'user:null' : `cookie:${same % 37}`,
      url: same % 23 === 0 ? 'mailto:x' : `https://Site${same % 3}.example/${same % 11}?click=${i}`,
      timestamp: Date.UTC(2024, 1, 1) + same * 600_000,
      eventId: `e${same % 200}`,
      receivedAt: testClock(),
      ...(same % 7 === 0 ? { userAgent: 'Googlebot/2.1' } : {}),
    });
    if (i % 8 === 0)
      facts.push({
        type: 'equiv',
        a: `cookie:${i % 37}`,
        b: `user:${i % 5}`,
        timestamp: testClock(),
        eventId: `edge${i}`,
        receivedAt: 0,
      });
  }
  return facts;
}

export const run = async (config: BatchConfig): Promise<string> =>
  (await runBatch({ config, clock: testClock, trigger: 'command' })).contentHash;
