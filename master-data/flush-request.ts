/**
 * "Commit now what the log holds up to here": a tiny file that the sink looks at while facts wait. Whoever needs fresh
 * facts in the master dataset (a batch run asked for by a person) writes it and waits for the cut. Neither durable nor
 * atomic: a request that is lost or torn costs at most one sink interval.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { reaches } from '../log/cut.js';
import type { Cut, Offsets } from '../log/log.js';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import { flushRequestPath } from './layout.js';
import { masterCut } from './snapshot.js';

const pollMs = 25;

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** How long the master dataset may stand still before the wait is given up. */
  readonly timeoutMs: number;
  /** Whether there is a sink to wait for; default: always. */
  readonly isServed?: () => boolean;
}

/**
 * Asks the sink to commit and waits until the master dataset has reached `atLeast` on each partition named. Undefined
 * when no one is left to wait for. Throws `log.unavailable` (retryable) when the dataset stands still for too long.
 */
export async function waitForMaster(
  dataDir: string,
  atLeast: Partial<Offsets>,
  options: WaitOptions,
): Promise<Cut | undefined> {
  let cut = masterCut(dataDir);
  if (cut === undefined || !reaches(cut.next, atLeast)) requestFlush(dataDir, atLeast);
  const patience = Math.ceil(options.timeoutMs / pollMs);
  for (let idle = 0; idle <= patience; idle++) {
    const now = masterCut(dataDir);
    if (now !== undefined && reaches(now.next, atLeast)) return now;
    if (options.isServed?.() === false) return undefined;
    if (now !== undefined && !(cut !== undefined && reaches(cut.next, now.next))) idle = 0;
    cut = now;
    await sleep(pollMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
  throw new SwaError(
    'log.unavailable',
    `the master dataset made no progress for ${options.timeoutMs} ms before it reached the end of the log`,
    {
      retryable: true,
      hint: 'check that a sink is running (`swa status`)',
      context: { cut: cut?.next, atLeast },
    },
  );
}

export function requestFlush(dataDir: string, upTo: Partial<Offsets>): void {
  writeFileSync(flushRequestPath(dataDir), JSON.stringify(upTo));
}

const requestSchema = z.record(z.string(), z.number());

/** The sink's side: looks at the file, reads it only when it has changed. */
export class FlushRequests {
  readonly #path: string;
  #seen = '';
  #wanted: Partial<Offsets> = {};

  constructor(dataDir: string) {
    this.#path = flushRequestPath(dataDir);
  }

  /** What someone last asked for; empty when no one ever did. */
  wanted(): Partial<Offsets> {
    try {
      const { mtimeMs, size } = statSync(this.#path);
      const version = `${mtimeMs}:${size}`;
      if (version !== this.#seen) this.#wanted = parseRequest(readFileSync(this.#path, 'utf8'));
      this.#seen = version;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
    return this.#wanted;
  }
}

/** What is half written asks for nothing yet. */
function parseRequest(text: string): Partial<Offsets> {
  try {
    return requestSchema.parse(JSON.parse(text)) as Partial<Offsets>; // written by requestFlush
  } catch {
    return {};
  }
}
