/**
 * A request to the sink to commit the log up to given offsets: a small file that the sink checks while facts are
 * waiting. A caller that needs fresh facts in the master dataset (a batch run requested by a person) writes it and
 * waits for the cut. It is neither durable nor atomic: a lost or incomplete request costs at most one sink interval.
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
  /** How long the master dataset may make no progress before the wait fails. */
  readonly timeoutMs: number;
  /** Tells whether a sink is running; default: always. */
  readonly isServed?: () => boolean;
}

/**
 * Asks the sink to commit and waits until the master dataset has reached `atLeast` on each partition named there.
 * Returns undefined if no sink is running any more. Throws `log.unavailable` (retryable) if the dataset makes no
 * progress for too long.
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

/** The sink's side: checks the file and reads it only if it has changed. */
export class FlushRequests {
  readonly #path: string;
  #seen = '';
  #wanted: Partial<Offsets> = {};

  constructor(dataDir: string) {
    this.#path = flushRequestPath(dataDir);
  }

  /** Returns the latest request; empty if there has been none. */
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

/** Returns an empty request for an incomplete file. */
function parseRequest(text: string): Partial<Offsets> {
  try {
    return requestSchema.parse(JSON.parse(text)) as Partial<Offsets>; // written by requestFlush
  } catch {
    return {};
  }
}
