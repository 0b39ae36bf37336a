/** Asks a running system over HTTP, for commands that show what it answers. */
import { SwaError, messageOf } from '../lib/errors/errors.js';
import type { Config } from '../lib/config/config.js';

/** The JSON body of a 2xx answer. A problem+json answer becomes `usage.invalid` (4xx) or `request.failed` with its detail; no answer, or none in JSON, becomes `request.failed` (retryable). */
export async function askRunning(
  config: Pick<Config, 'apiToken'>,
  baseUrl: string,
  path: string,
  method: 'GET' | 'POST' = 'GET',
): Promise<unknown> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: config.apiToken === '' ? {} : { Authorization: `Bearer ${config.apiToken}` },
      signal: AbortSignal.timeout(60_000),
    });
    body = await response.json();
  } catch (cause) {
    throw new SwaError('request.failed', `no answer from ${baseUrl}: ${messageOf(cause)}`, {
      cause,
      retryable: true,
    });
  }
  if (response.ok) return body;
  const code = response.status < 500 ? 'usage.invalid' : 'request.failed';
  throw new SwaError(code, detailOf(body), { context: { path, status: response.status } });
}

function detailOf(body: unknown): string {
  if (typeof body === 'object' && body !== null && 'detail' in body) return String(body.detail);
  return JSON.stringify(body).slice(0, 300);
}
