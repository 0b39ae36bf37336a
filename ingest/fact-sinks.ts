/**
 * Sinks for imports and the generator: the log, if this process is its writer, or the collector of the process that is.
 * Both resolve only when the facts are durable.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Fact } from '../facts/fact.js';
import { encodeRecord } from '../facts/record.js';
import { SwaError, messageOf } from '../lib/errors/errors.js';
import type { LogWriter, NewRecord } from '../log/log.js';
import type { UrlRules } from '../facts/url/normalize.js';

export interface FactSink {
  /** For people: 'the log' or the collector's address. */
  readonly name: string;
  /** Appends facts, which are durable when it resolves. Throws a SwaError. */
  append(facts: readonly Fact[]): Promise<void>;
  /** Appends records of facts. Absent if the sink does not take records. */
  readonly appendRecords?: (records: readonly NewRecord[]) => Promise<void>;
  close(): Promise<void>;
}

export function logSink(log: LogWriter, urls: UrlRules): FactSink {
  return {
    name: 'the log',
    append: async (facts) => log.append(facts.map((fact) => encodeRecord(fact, urls))),
    appendRecords: (records) => log.append(records),
    close: () => log.close(),
  };
}

/**
 * A sink that retries retryable errors of `sink` until `signal` aborts, which makes it throw.
 * @param onWait called with the error before each wait
 */
export function patientSink(
  sink: Pick<FactSink, 'append' | 'appendRecords'>,
  signal: AbortSignal,
  onWait: (error: SwaError) => void,
): Pick<FactSink, 'append' | 'appendRecords'> {
  const retrying = { tries: Infinity, signal, onWait };
  const { appendRecords } = sink;
  return {
    append: (facts) => retried(() => sink.append(facts), retrying),
    ...(appendRecords === undefined
      ? {}
      : { appendRecords: (records) => retried(() => appendRecords(records), retrying) }),
  };
}

export interface CollectorSinkOptions {
  /** 'http://127.0.0.1:8080' */
  readonly baseUrl: string;
  /** Bearer token with scope write, if the collector requires keys. */
  readonly token?: string;
  /** Maximum number of attempts of a request while the collector is busy; waits double from 100 ms. Default 10. */
  readonly tries?: number;
}

/** Maximum body in bytes, below the collector's limit of 1 MiB. */
const maxBodyBytes = 900 * 1024;
const maxFactsPerRequest = 4_000;

export function collectorSink(options: CollectorSinkOptions): FactSink {
  const { baseUrl, token, tries = 10 } = options;
  const target = `${baseUrl}/v1/events`;
  return {
    name: `the collector at ${baseUrl}`,
    async append(facts) {
      for (const body of bodies(facts)) await retried(() => post(target, body, token), { tries });
    },
    close: () => Promise.resolve(),
  };
}

/** NDJSON bodies within the collector's limits. */
function* bodies(facts: readonly Fact[]): Generator<string> {
  let lines: string[] = [];
  let sizeBytes = 0;
  for (const { receivedAt: _receivedAt, ...outside } of facts) {
    const line = JSON.stringify(outside);
    const lineBytes = Buffer.byteLength(line) + 1;
    if (lines.length > 0 && (sizeBytes + lineBytes > maxBodyBytes || lines.length >= maxFactsPerRequest)) {
      yield lines.join('\n');
      lines = [];
      sizeBytes = 0;
    }
    lines.push(line);
    sizeBytes += lineBytes;
  }
  if (lines.length > 0) yield lines.join('\n');
}

interface Retrying {
  readonly tries: number;
  readonly signal?: AbortSignal;
  readonly onWait?: (error: SwaError) => void;
}

/** Repeats an action after retryable errors; waits double from 100 ms to 5 s. Throws the last error. */
async function retried(action: () => Promise<void>, { tries, signal, onWait }: Retrying): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof SwaError) || !error.retryable || attempt >= tries) throw error;
      onWait?.(error);
      await delay(Math.min(5_000, 100 * 2 ** (attempt - 1)), undefined, { signal });
    }
  }
}

/** Resolves when every fact was accepted. */
async function post(target: string, body: string, token: string | undefined): Promise<void> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(target, {
      method: 'POST',
      body,
      headers: {
        'Content-Type': 'application/x-ndjson',
        ...(token === undefined || token === '' ? {} : { Authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.timeout(60_000),
    });
    text = await response.text();
  } catch (cause) {
    // Whether the facts were accepted is unknown, but they can be sent again: they have the same eventIds.
    throw new SwaError('log.unavailable', `no answer from ${target}: ${messageOf(cause)}`, {
      cause,
      retryable: true,
    });
  }
  if (response.status !== 202) {
    const retryable = response.status === 503 || response.status === 429;
    throw new SwaError('log.unavailable', `${target} answered ${response.status}: ${text.slice(0, 300)}`, {
      retryable,
    });
  }
  const answer: unknown = JSON.parse(text);
  const refused =
    typeof answer === 'object' && answer !== null && 'rejected' in answer ? answer.rejected : undefined;
  if (!Array.isArray(refused) || refused.length > 0) {
    throw new SwaError(
      'import.failed',
      `${target} rejected facts that passed the same checks here: ${text.slice(0, 300)}`,
      {
        hint: 'check that the collector runs the same version and that its clock is right',
      },
    );
  }
}
