/**
 * HTTP client of one speed worker (protocol: wire.ts). Any failure on the way is thrown as `realtime.gone`: the worker is dead, or must be treated as
 * dead.
 */
import type { z } from 'zod';
import { SwaError, messageOf } from '../../lib/errors/errors.js';
import { framesIn, snapshotAnswer, stateAnswer, type SnapshotAnswer, type StateAnswer } from './wire.js';
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';

/** Timeout for each piece of an answer. */
const silenceMs = 2_000;
/** Timeout of short requests. */
const shortMs = 1_000;

export class WorkerClient {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param url 'http://10.0.0.7:8082' */
  constructor(url: string, secret: string) {
    this.url = url;
    this.#headers = { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/json' };
  }

  /** Opens a snapshot; undefined if the worker answers that it cannot now. @param timeoutMs after which it counts as dead */
  async open(
    generation: ViewId,
    partitions: readonly PartitionName[],
    timeoutMs: number,
  ): Promise<SnapshotAnswer | undefined> {
    const response = await this.#ask(
      'POST',
      '/snapshots',
      { generation, partitions },
      AbortSignal.timeout(timeoutMs),
    );
    return response === undefined ? undefined : snapshotAnswer.parse(await this.#json(response));
  }

  async state(): Promise<StateAnswer> {
    const response = await this.#ask('GET', '/state', undefined, AbortSignal.timeout(shortMs));
    return stateAnswer.parse(response === undefined ? { stores: [] } : await this.#json(response));
  }

  /** Releases a snapshot in the background; errors are ignored, since the worker releases idle snapshots itself. */
  release(id: string): void {
    this.#ask('DELETE', `/snapshots/${id}`, undefined, AbortSignal.timeout(shortMs)).catch(() => undefined);
  }

  /** Reads frames of JSON, each validated by the schema. */
  async *read<T>(id: string, what: string, question: unknown, schema: z.ZodType<T>): AsyncGenerator<T> {
    for await (const frame of this.frames(id, what, question))
      yield schema.parse(JSON.parse(frame.toString()));
  }

  /** Streams the frames of an answer; leaving the loop aborts the request. */
  async *frames(id: string, what: string, question: unknown): AsyncGenerator<Buffer> {
    const patience = new AbortController();
    let timer = setTimeout(() => patience.abort(), silenceMs);
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => patience.abort(), silenceMs);
    };
    try {
      const response = await this.#ask('POST', `/snapshots/${id}/${what}`, question, patience.signal);
      if (response?.body === undefined || response.body === null) throw this.#gone('the snapshot is gone');
      for await (const frame of framesIn(response.body)) {
        clearTimeout(timer); // the time that the consumer takes does not count
        yield frame;
        wait();
      }
    } catch (error) {
      throw error instanceof SwaError ? error : this.#gone(messageOf(error), error);
    } finally {
      clearTimeout(timer);
      patience.abort();
    }
  }

  /** Undefined if the worker refuses for now (404, 409, 503). */
  async #ask(
    method: string,
    path: string,
    question: unknown,
    signal: AbortSignal,
  ): Promise<Response | undefined> {
    let response: Response;
    try {
      response = await fetch(`${this.url}${path}`, {
        method,
        headers: this.#headers,
        signal,
        ...(question === undefined ? {} : { body: JSON.stringify(question) }),
      });
    } catch (error) {
      throw this.#gone(messageOf(error), error);
    }
    if (response.ok) return response;
    const why = await response.text().catch(messageOf);
    if (response.status === 401)
      throw new SwaError(
        'config.invalid',
        `the speed worker at ${this.url} does not know our SWA_SPEED_SECRET`,
        {
          hint: 'give all processes of the cluster the same secret',
        },
      );
    if (response.status === 409 || response.status === 404 || response.status === 503) return undefined;
    throw this.#gone(`it answered ${response.status}: ${why}`);
  }

  async #json(response: Response): Promise<unknown> {
    try {
      return await response.json();
    } catch (error) {
      throw this.#gone(messageOf(error), error);
    }
  }

  #gone(why: string, cause?: unknown): SwaError {
    return new SwaError('realtime.gone', `the speed worker at ${this.url} cannot be read: ${why}`, {
      cause,
      retryable: true,
      hint: 'its partitions are answered for by another worker as soon as there is one',
    });
  }
}
