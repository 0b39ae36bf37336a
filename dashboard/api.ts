/**
 * HTTP client of the API. Keeps answers with their ETags and sends If-None-Match, so that an idle system answers with 304s; bypasses the
 * browser's cache.
 */
import type { Decode } from './decode.js';

/** A problem+json answer, or any other status that is not 2xx. */
export class ApiProblem extends Error {
  readonly status: number;
  /** The last part of the problem's type, for example 'unaligned-range'; 'none' if the body is not problem+json. */
  readonly problem: string;
  /** Other members, for example 'nearest', 'suggestion', 'parameter'. */
  readonly members: Readonly<Record<string, unknown>>;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, members: Readonly<Record<string, unknown>>, retryAfterMs: number | undefined) {
    super(typeof members['detail'] === 'string' ? members['detail'] : `the server answered ${status}`);
    this.status = status;
    const { type } = members;
    this.problem = typeof type === 'string' ? type.replace(/^.*:/, '') : 'none';
    this.members = members;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No answer: no connection, or a timeout. */
export class Unreachable extends Error {}

export type Params = Readonly<Record<string, string | undefined>>;

interface Kept {
  readonly etag: string;
  readonly body: unknown;
}

const answersKept = 64;
const timeoutMs = 15_000;

export class Api {
  readonly #kept = new Map<string, Kept>();
  readonly #key: () => string | undefined;

  /** @param key returns the bearer key to send, if there is one */
  constructor(key: () => string | undefined) {
    this.#key = key;
  }

  /** Throws ApiProblem, Unreachable or ShapeError, and an AbortError if `signal` aborts. */
  async get<T>(path: string, params: Params, decode: Decode<T>, signal: AbortSignal): Promise<T> {
    const target = targetOf(path, params);
    const kept = this.#kept.get(target);
    const key = this.#key();
    let response: Response;
    try {
      response = await fetch(target, {
        cache: 'no-store',
        headers: {
          Accept: 'application/json',
          ...(kept === undefined ? {} : { 'If-None-Match': kept.etag }),
          ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
        },
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      if (response.status === 304 && kept !== undefined) return decode(kept.body, target);
      const body: unknown = await response.json().catch(() => undefined);
      if (!response.ok) throw problemOf(response, body);
      this.#keep(target, response.headers.get('etag'), body);
      return decode(body, target);
    } catch (error) {
      if (signal.aborted || error instanceof ApiProblem) throw error;
      if (error instanceof TypeError || error instanceof DOMException) throw new Unreachable('no answer');
      throw error;
    }
  }

  get hasKey(): boolean {
    return this.#key() !== undefined;
  }

  /** Fetches an answer as a CSV file. Throws ApiProblem, or a TypeError if there is no answer. */
  async csv(target: string): Promise<Blob> {
    const key = this.#key();
    const response = await fetch(target, {
      cache: 'no-store',
      headers: { Accept: 'text/csv', ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }) },
    });
    if (!response.ok) throw problemOf(response, await response.json().catch(() => undefined));
    return response.blob();
  }

  /** Drops answers received with another key. */
  forget(): void {
    this.#kept.clear();
  }

  #keep(target: string, etag: string | null, body: unknown): void {
    this.#kept.delete(target);
    if (etag === null) return;
    this.#kept.set(target, { etag, body });
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > answersKept && oldest.done !== true) this.#kept.delete(oldest.value);
  }
}

/** Path and query of a request. */
export function targetOf(path: string, params: Params): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== undefined) search.set(name, value);
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}

function problemOf(response: Response, body: unknown): ApiProblem {
  const members = typeof body === 'object' && body !== null ? { ...body } : {};
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ApiProblem(response.status, members, Number.isFinite(seconds) ? seconds * 1000 : undefined);
}
