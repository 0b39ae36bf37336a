/** HTTP client for commands that show answers of a running system. */
import { SwaError, messageOf } from '../lib/errors/errors.js';
import type { Config } from '../lib/config/config.js';

/**
 * Returns the JSON body of a 2xx answer. Throws `usage.invalid` (4xx) or `request.failed` (other status) with the problem's
 * detail, and a retryable `request.failed` if there is no answer within 60 s or it is not JSON.
 */
export function askRunning(
  config: Pick<Config, 'apiToken'>,
  baseUrl: string,
  path: string,
  method: 'GET' | 'POST' = 'GET',
): Promise<unknown> {
  return answered(config, baseUrl, path, method, (response) => response.json());
}

/** Returns the bytes of a 2xx answer, of any media type. Throws as `askRunning` does. */
export function bytesFromRunning(
  config: Pick<Config, 'apiToken'>,
  baseUrl: string,
  path: string,
): Promise<Uint8Array> {
  return answered(
    config,
    baseUrl,
    path,
    'GET',
    async (response) => new Uint8Array(await response.arrayBuffer()),
  );
}

async function answered<T>(
  config: Pick<Config, 'apiToken'>,
  baseUrl: string,
  path: string,
  method: 'GET' | 'POST',
  read: (response: Response) => Promise<T>,
): Promise<T> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: config.apiToken === '' ? {} : { Authorization: `Bearer ${config.apiToken}` },
      signal: AbortSignal.timeout(60_000),
    });
    if (response.ok) return await read(response);
    body = await response.json();
  } catch (cause) {
    throw new SwaError('request.failed', `no answer from ${baseUrl}: ${messageOf(cause)}`, {
      cause,
      retryable: true,
    });
  }
  const code = response.status < 500 ? 'usage.invalid' : 'request.failed';
  throw new SwaError(code, detailOf(body), { context: { path, status: response.status } });
}

function detailOf(body: unknown): string {
  if (typeof body === 'object' && body !== null && 'detail' in body) return String(body.detail);
  return JSON.stringify(body).slice(0, 300);
}
