/**
 * A load generator on raw sockets, in a worker thread. It must cost less than the server it drives, or it would hide differences between servers.
 * Each connection sends its next prepared request when the previous answer is complete.
 */
import { connect, type Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';

export interface LoadOrder {
  readonly port: number;
  /** Complete requests, sent in turn: see `get` and `post`. */
  readonly requests: readonly string[];
  readonly connections: number;
  readonly durationMs: number;
}

export interface LoadResult {
  readonly answers: number;
  readonly failures: number;
  readonly seconds: number;
  /** Milliseconds, ascending. */
  readonly latencies: Float64Array;
}

export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}

/** A JSON body of ASCII characters. */
export function post(path: string, json: string): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json`;
  return `${head}\r\nContent-Length: ${json.length}\r\n\r\n${json}`;
}

const headEnd = Buffer.from('\r\n\r\n');

/** Runs one order; resolves when every connection has received its last answer. */
export async function load(order: LoadOrder): Promise<LoadResult> {
  const { port, connections, durationMs } = order;
  const requests = order.requests.map((text) => Buffer.from(text));
  const latencies: number[] = [];
  let failures = 0;
  let next = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + durationMs;
  const client = (): Promise<void> =>
    new Promise((resolve, reject) => {
      let sentAt = 0;
      let received = Buffer.alloc(0);
      const socket: Socket = connect(port, '127.0.0.1', () => send());
      socket.setNoDelay(true);
      const send = (): void => {
        sentAt = performance.now();
        if (sentAt >= endsAt) {
          socket.end();
          resolve();
          return;
        }
        socket.write(requests[next++ % requests.length] ?? '');
      };
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const head = received.indexOf(headEnd);
        if (head < 0) return;
        const text = received.toString('latin1', 0, head);
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        if (received.length < head + 4 + length) return;
        latencies.push(performance.now() - sentAt);
        if (!text.startsWith('HTTP/1.1 2')) failures++;
        received = Buffer.alloc(0);
        send();
      });
    });
  await Promise.all(Array.from({ length: connections }, client));
  const seconds = (performance.now() - startedAt) / 1000;
  return { answers: latencies.length, failures, seconds, latencies: Float64Array.from(latencies).toSorted() };
}

if (parentPort !== null) {
  const port = parentPort;
  port.on('message', (order: LoadOrder) => {
    load(order).then(
      (result) => port.postMessage(result),
      (error: unknown) => {
        throw error;
      },
    );
  });
}
