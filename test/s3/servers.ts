/**
 * Object stores for tests, on loopback. They are installed with
 *     python3 -m venv test/s3/target && test/s3/target/bin/pip install -r test/s3/requirements.txt
 * and, where there is Go, GOBIN=$PWD/test/s3/target/bin go install github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { assetPath } from '../../lib/files/assets.js';
import { freePort, listening } from '../loopback.js';
import { venvProgram } from '../venv.js';

// Every one of these servers takes any credentials; the client looks for some.
process.env['AWS_ACCESS_KEY_ID'] = 'test';
process.env['AWS_SECRET_ACCESS_KEY'] = 'test';

const { skip } = venvProgram('test/s3', 'moto_server', 'S3 server');
const { path: python } = venvProgram('test/s3', 'python3', 'S3 server');
const moto = assetPath('test/s3/atomic_moto.py');
const gofakes3 = assetPath('test/s3/target/bin/gofakes3');

/** Why tests that need an object store are skipped; false when it is there. */
export const skipS3 = skip;

/** A second implementation to be held against; optional, since it wants Go. */
export const hasGofakes3 = existsSync(gofakes3);

export interface TestServer {
  /** 'http://127.0.0.1:5000' */
  readonly endpoint: string;
  makeBucket(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function startMoto(): Promise<TestServer> {
  return startServer(python, [moto, '-H', '127.0.0.1', '-p', '0'], /Running on http:\/\/127\.0\.0\.1:(\d+)/);
}

export async function startGofakes3(): Promise<TestServer> {
  const port = await freePort();
  return startServer(gofakes3, ['-backend', 'memory', '-host', `127.0.0.1:${port}`], /using port: (\d+)/);
}

async function startServer(command: string, args: readonly string[], ready: RegExp): Promise<TestServer> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const endpoint = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        const [, port] = ready.exec(line) ?? [];
        if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
      });
    void exited.then(() => reject(new Error(`${command} ended`)));
    child.once('error', reject);
  });
  return {
    endpoint,
    makeBucket: (name) => makeBucket(endpoint, name),
    async close() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function makeBucket(endpoint: string, name: string): Promise<void> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: name }));
  client.destroy();
}

/** What becomes of one request: its answer is never sent, is sent but not passed on, is an error, comes late, or all is well. */
export type Fault = 'drop' | 'lose answer' | 500 | 503 | { readonly delayMs: number } | undefined;

export interface Proxy {
  readonly endpoint: string;
  /** Asked for each request. */
  fault: (request: { readonly method: string; readonly url: string }) => Fault;
  /** Body bytes of writes that were passed on, by key. */
  readonly written: { readonly key: string; readonly sizeBytes: number }[];
  close(): Promise<void>;
}

/** Stands between a store and its server, and harms requests. */
export async function startProxy(upstream: string): Promise<Proxy> {
  const server = createServer((incoming, answer) => void pass(incoming, answer));
  const port = await listening(server);
  const proxy: Proxy = {
    endpoint: `http://127.0.0.1:${port}`,
    fault: () => undefined,
    written: [],
    close: () => closed(server),
  };
  return proxy;

  async function pass(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    const { method = 'GET', url = '/', headers } = incoming;
    const fault = proxy.fault({ method, url });
    if (fault === 'drop') return void incoming.socket.destroy();
    if (typeof fault === 'number') return void answer.writeHead(fault).end();
    const { 'transfer-encoding': _, expect: __, ...kept } = headers;
    const passed = request(`${upstream}${url}`, {
      method,
      headers: { ...kept, 'content-length': body.length },
    });
    passed.end(body);
    const [theirs] = (await once(passed, 'response')) as [IncomingMessage];
    const theirBody = await buffer(theirs);
    if (method === 'PUT' && (theirs.statusCode ?? 500) < 300)
      proxy.written.push({ key: decodeURIComponent(url.split('?')[0] ?? ''), sizeBytes: body.length });
    if (fault === 'lose answer') return void incoming.socket.destroy();
    if (fault !== undefined) await sleep(fault.delayMs, undefined, { ref: false });
    answer.writeHead(theirs.statusCode ?? 500, theirs.headers).end(theirBody);
  }
}

/** A service that takes conditional writes and ignores their conditions, as some do. */
export async function startIgnorant(): Promise<Pick<TestServer, 'endpoint' | 'close'>> {
  const objects = new Map<string, Buffer>();
  const answerTo = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const body = await buffer(incoming);
    const key = incoming.url?.split('?')[0] ?? '';
    if (incoming.method === 'PUT') objects.set(key, body);
    if (incoming.method === 'DELETE') objects.delete(key);
    const object = objects.get(key);
    const status = incoming.method === 'DELETE' ? 204 : object === undefined ? 404 : 200;
    answer.writeHead(status, { etag: `"${object?.toString('hex') ?? ''}"` });
    answer.end(incoming.method === 'GET' ? object : undefined);
  };
  const server = createServer((incoming, answer) => void answerTo(incoming, answer));
  const port = await listening(server);
  return { endpoint: `http://127.0.0.1:${port}`, close: () => closed(server) };
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
