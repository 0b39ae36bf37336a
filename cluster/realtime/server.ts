/**
 * The private HTTP endpoint of a speed worker, through which query processes on other hosts read its stores (protocol: wire.ts). It requires the
 * secret of the cluster. It only reads files, and yields the event loop after each slice of time so that it does not delay the worker.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { Logger } from 'pino';
import { z } from 'zod';
import { SwaError, hasCode, messageOf, systemCode } from '../../lib/errors/errors.js';
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import type { RealtimeSnapshot } from '../../speed/store/read-side.js';
import { CellsByBucket } from './cells-by-bucket.js';
import { HeldSnapshots } from './held-snapshots.js';
import {
  cellsQuestion,
  edgesQuestion,
  frameOf,
  pagesQuestion,
  snapshotQuestion,
  valuesQuestion,
  type SnapshotAnswer,
  type StateAnswer,
} from './wire.js';

export interface RealtimeServerOptions {
  readonly dataDir: string;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly secret: string;
  readonly lgK: number;
  readonly logger: Pick<Logger, 'warn'>;
  /** Whether this worker holds a partition of this generation. */
  readonly holds: (generation: ViewId, partition: PartitionName) => boolean;
  readonly state: () => StateAnswer;
}

const maxBodyBytes = 2 * 2 ** 20;
const maxActive = 256;
/** Minimum size at which a frame of cells is sent: a few dozen large sketches. */
const frameBytes = 512 * 1024;
const domainsInFrame = 64;
/** Maximum time without yielding the event loop. */
const sliceMs = 8;
/** A response that was not read for this long is aborted. */
const stalledMs = 30_000;

export class RealtimeServer {
  readonly #options: RealtimeServerOptions;
  readonly #secret: Buffer;
  readonly #server: Server;
  readonly #held: HeldSnapshots;
  #active = 0;

  private constructor(options: RealtimeServerOptions) {
    this.#options = options;
    this.#secret = hashOf(options.secret);
    this.#held = new HeldSnapshots(options.dataDir);
    this.#server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 10_000 }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => this.#fail(error, response));
    });
  }

  /** Starts to listen. Throws `port.in-use`. */
  static async start(options: RealtimeServerOptions): Promise<RealtimeServer> {
    const server = new RealtimeServer(options);
    const { host, port } = options;
    try {
      server.#server.listen(port, host);
      await once(server.#server, 'listening');
      return server;
    } catch (error) {
      await server.#held.close();
      if (systemCode(error) !== 'EADDRINUSE') throw error;
      throw new SwaError('port.in-use', `port ${port} of ${host} is taken`, {
        cause: error,
        hint: 'set SWA_SPEED_PORT to a free port',
      });
    }
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
    await this.#held.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#mayAsk(request)) return refuse(response, 401, 'the secret of the cluster is missing or wrong');
    if (this.#active >= maxActive) return refuse(response, 503, 'too many requests at once');
    this.#active++;
    try {
      await this.#dispatch(request, response);
    } finally {
      this.#active--;
    }
  }

  #mayAsk({ headers }: IncomingMessage): boolean {
    return timingSafeEqual(hashOf(headers.authorization?.replace(/^Bearer /, '') ?? ''), this.#secret);
  }

  async #dispatch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request;
    if (method === 'GET' && url === '/state') return sendJson(response, this.#options.state());
    const [, room, id, what, ...rest] = url.split('/');
    if (room !== 'snapshots' || rest.length > 0) return refuse(response, 404, 'no such path');
    if (method === 'DELETE' && id !== undefined && what === undefined) {
      this.#held.release(id);
      return void response.writeHead(204).end();
    }
    if (method !== 'POST') return refuse(response, 405, 'no such method');
    const body = await bodyOf(request);
    if (id === undefined) return this.#open(snapshotQuestion.parse(body), response);
    const sender = new Sender(response);
    const isThere = await this.#held.reading(id, async (snapshot) => {
      await this.#read(what, body, snapshot, sender);
      return true;
    });
    if (isThere !== true) refuse(response, 404, 'the snapshot is gone');
  }

  #open({ generation, partitions }: z.output<typeof snapshotQuestion>, response: ServerResponse): void {
    const notHeld = partitions.find((name) => !this.#options.holds(generation, name));
    if (notHeld !== undefined) return refuse(response, 409, `${notHeld} of ${generation} is not here`);
    const taken = this.#held.take(generation, partitions);
    if (taken === undefined) return refuse(response, 409, `stores of ${generation} do not exist yet`);
    const { id, snapshot } = taken;
    const answer: SnapshotAnswer = {
      id,
      logId: snapshot.cut.logId,
      partitions: [...snapshot.progress].map(([name, progress]) => [name, progress]),
    };
    sendJson(response, answer);
  }

  async #read(
    what: string | undefined,
    body: unknown,
    snapshot: RealtimeSnapshot,
    sender: Sender,
  ): Promise<void> {
    if (what === 'cells') return this.#cells(cellsQuestion.parse(body), snapshot, sender);
    if (what === 'pages') {
      const { domain, from, to } = pagesQuestion.parse(body);
      for (const block of snapshot.pages(domain, from, to))
        await sender.json(block.map(({ url, pageviews }) => [url, pageviews]));
    } else if (what === 'values') {
      const { dimension, domain, from, to } = valuesQuestion.parse(body);
      for (const block of snapshot.values(dimension, domain, from, to))
        await sender.json(block.map(({ value, pageviews }) => [value, pageviews]));
    } else if (what === 'domains') {
      let block: string[] = [];
      for (const domain of snapshot.domains()) {
        block.push(domain);
        if (block.length < domainsInFrame) continue;
        await sender.json(block);
        block = [];
      }
      await sender.json(block);
    } else if (what === 'edges') {
      const { from } = edgesQuestion.parse(body);
      for (const { partition, next, edges } of snapshot.edges(from))
        await sender.json([partition, next, edges]);
    } else return refuse(sender.response, 404, 'no such path');
    sender.end();
  }

  async #cells(
    { subjects, from, to }: z.output<typeof cellsQuestion>,
    snapshot: RealtimeSnapshot,
    sender: Sender,
  ): Promise<void> {
    const cells = new CellsByBucket(this.#options.lgK);
    for (const [subjectIndex, subject] of subjects.entries()) {
      for (const piece of piecesOf(snapshot, from, to)) {
        snapshot.forEachBucket(subject, piece.from, piece.to, (cell) => cells.add(cell));
        for (const encoded of cells.take(subjectIndex)) {
          sender.gather(encoded);
          if (sender.gatheredBytes >= frameBytes) await sender.flush();
        }
        await sender.rest();
      }
    }
    await sender.flush();
    sender.end();
  }

  #fail(error: unknown, response: ServerResponse): void {
    if (response.headersSent || response.destroyed) {
      response.destroy(); // the reader sees that the answer is incomplete
      return;
    }
    if (error instanceof z.ZodError || error instanceof SyntaxError)
      return refuse(response, 400, messageOf(error));
    if (hasCode(error, 'request.invalid')) return refuse(response, 413, error.message);
    if (error instanceof SwaError && error.retryable) return refuse(response, 409, error.message);
    this.#options.logger.warn({ err: error }, 'a question of a query process failed');
    refuse(response, 500, messageOf(error));
  }
}

/** Maximum number of buckets read at a time, which bounds the cells in memory. */
const pieceBuckets = 744;

/** Splits the base buckets of a range in which the snapshot can have cells into pieces. */
function* piecesOf(
  { progress }: RealtimeSnapshot,
  from: number,
  to: number,
): Generator<{ readonly from: number; readonly to: number }> {
  const filled = [...progress.values()].filter(({ fromBucket, toBucket }) => fromBucket < toBucket);
  const first = Math.max(from, Math.min(...filled.map(({ fromBucket }) => fromBucket)));
  const end = Math.min(to, Math.max(...filled.map(({ toBucket }) => toBucket)));
  for (let at = first; at < end; at += pieceBuckets) yield { from: at, to: Math.min(end, at + pieceBuckets) };
}

/** Writes frames as fast as the client reads them, and yields the event loop in between. */
class Sender {
  readonly response: ServerResponse;
  gatheredBytes = 0;
  #gathered: Buffer[] = [];
  #since = performance.now();

  constructor(response: ServerResponse) {
    this.response = response;
  }

  json(value: unknown): Promise<void> {
    return this.send(Buffer.from(JSON.stringify(value)));
  }

  gather(bytes: Buffer): void {
    this.#gathered.push(bytes);
    this.gatheredBytes += bytes.length;
  }

  /** Sends the gathered bytes as one frame. */
  async flush(): Promise<void> {
    if (this.gatheredBytes === 0) return;
    const payload = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.gatheredBytes = 0;
    await this.send(payload);
  }

  async send(payload: Uint8Array): Promise<void> {
    const { response } = this;
    if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    if (!response.write(frameOf(payload)))
      await once(response, 'drain', {
        signal: AbortSignal.any([closedOf(response), AbortSignal.timeout(stalledMs)]),
      });
    await this.rest();
  }

  async rest(): Promise<void> {
    if (performance.now() - this.#since < sliceMs) return;
    await new Promise(setImmediate);
    if (this.response.destroyed)
      throw new SwaError(
        'realtime.gone',
        'the query process closed the connection before it had read the whole answer',
        { retryable: true },
      );
    this.#since = performance.now();
  }

  end(): void {
    if (!this.response.headersSent)
      this.response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    this.response.end();
  }
}

function closedOf(response: ServerResponse): AbortSignal {
  const closed = new AbortController();
  if (response.destroyed) closed.abort();
  else response.once('close', () => closed.abort());
  return closed.signal;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const length = Number(request.headers['content-length'] ?? Infinity);
  if (length > maxBodyBytes)
    throw new SwaError('request.invalid', `a question has at most ${maxBodyBytes} bytes and says its length`);
  return JSON.parse((await buffer(request)).toString()); // at most Content-Length bytes arrive
}

function sendJson(response: ServerResponse, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body);
}

function refuse(response: ServerResponse, status: number, why: string): void {
  const body = Buffer.from(JSON.stringify({ why }));
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body);
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
