/**
 * The connections of an endpoint. Each costs a file descriptor, which the rest of the process needs for its files, so their
 * number has a limit. At the limit a new connection takes the place of one that has no request at work: of those that are idle
 * the longest, else of the one whose request has been coming the longest. And an answer that is not taken is not kept forever.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Descriptors of a high limit that are left to files; of a low one it is half. */
const keptForFiles = 1_024;
/** Also where descriptors are not limited: each connection has buffers. */
const maxConnections = 20_000;

/** What an answer may take to be read: this long, and a second more for each so many bytes. */
const sendGraceMs = 15_000;
const sendFloorBytesPerSecond = 32_768;
/** Held by all unread answers together; above it the ones that have waited longest are given up. */
const unreadLimitBytes = 256 * 1024 * 1024;
const lookEveryMs = 1_000;

/** How many connections there may be with so many file descriptors. */
export function connectionLimit(descriptors: number): number {
  return Math.min(maxConnections, descriptors - Math.min(keptForFiles, Math.ceil(descriptors / 2)));
}

/** How many files and sockets this process may have open (RLIMIT_NOFILE); Infinity when there is no limit. */
export function descriptorLimit(): number {
  try {
    const line = /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    if (line !== undefined) return line === 'unlimited' ? Infinity : Number(line);
  } catch {
    // no Linux: the diagnostic report knows as well, at the price of making one
  }
  const report: unknown = process.report.getReport();
  const limits = report as { readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } } };
  const soft = limits.userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Infinity;
}

interface Connection {
  readonly socket: Socket;
  /** Of the request that is coming or being answered; undefined for an idle connection. */
  response: ServerResponse | undefined;
  /** The whole request is there. */
  isComplete: boolean;
  /** Since when its answer waits to be read, and how many bytes of it. */
  unread: { readonly since: number; readonly sizeBytes: number } | undefined;
}

export class Connections {
  readonly #limit: number;
  /** In the order in which they last began to wait for a request. */
  readonly #open = new Map<Socket, Connection>();
  #look: NodeJS.Timeout | undefined;

  /** @param limit of connections at once */
  constructor(limit: number) {
    this.#limit = limit;
  }

  add(socket: Socket): void {
    if (this.#open.size >= this.#limit && !this.#makeRoom()) {
      socket.destroy();
      return;
    }
    this.#open.set(socket, { socket, response: undefined, isComplete: false, unread: undefined });
    this.#look ??= setInterval(() => this.#giveUpUnread(), lookEveryMs).unref();
    socket.once('close', () => this.#remove(socket));
  }

  /** A request has begun. @param isComplete false while its body is still on its way */
  begin({ socket }: IncomingMessage, response: ServerResponse, isComplete: boolean): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    connection.response = response;
    connection.isComplete = isComplete;
    response.once('close', () => this.#rest(connection, response));
  }

  /** The request is there as a whole. */
  complete({ socket }: IncomingMessage): void {
    const connection = this.#open.get(socket);
    if (connection !== undefined) connection.isComplete = true;
  }

  #rest(connection: Connection, response: ServerResponse): void {
    const { socket } = connection;
    if (connection.response !== response || !this.#open.delete(socket)) return; // the next one is running already
    this.#open.set(
      socket,
      Object.assign(connection, { response: undefined, isComplete: false, unread: undefined }),
    );
  }

  #remove(socket: Socket): void {
    this.#open.delete(socket);
    if (this.#open.size > 0) return;
    clearInterval(this.#look);
    this.#look = undefined;
  }

  #makeRoom(): boolean {
    let slowest: Connection | undefined;
    for (const connection of this.#open.values()) {
      if (connection.response === undefined) return this.#drop(connection);
      if (!connection.isComplete) slowest ??= connection;
    }
    return slowest !== undefined && this.#drop(slowest);
  }

  #drop({ socket }: Connection): true {
    this.#remove(socket);
    socket.destroy();
    return true;
  }

  #giveUpUnread(): void {
    const now = performance.now();
    const waiting: { readonly since: number; readonly sizeBytes: number; readonly connection: Connection }[] =
      [];
    for (const connection of this.#open.values()) {
      const { response, socket } = connection;
      if (response?.writableEnded !== true || response.writableFinished) continue;
      connection.unread ??= { since: now, sizeBytes: socket.writableLength };
      waiting.push({ ...connection.unread, connection });
    }
    let totalBytes = waiting.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { since, sizeBytes, connection } of waiting.toSorted((a, b) => a.since - b.since)) {
      const allowedMs = sendGraceMs + (sizeBytes / sendFloorBytesPerSecond) * 1_000;
      if (totalBytes <= unreadLimitBytes && now - since <= allowedMs) continue;
      totalBytes -= sizeBytes;
      this.#drop(connection);
    }
  }
}
