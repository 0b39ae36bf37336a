/**
 * The connections of an endpoint. Each takes a file descriptor, which the process also needs for its files, so their
 * number is limited. At the limit a new connection replaces one without a request being handled: the one that has been
 * idle longest, else the one whose request has been arriving longest. Answers that clients do not read are given up as
 * well.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Descriptors reserved for files; half of them if the limit is low. */
const keptForFiles = 1_024;
/** Limit even without a limit on descriptors, because each connection needs buffers. */
const maxConnections = 20_000;

/** Time limit for reading an answer: this long, plus a second for each `sendFloorBytesPerSecond` bytes. */
const sendGraceMs = 15_000;
const sendFloorBytesPerSecond = 32_768;
/** Memory limit of all unread answers; above it the ones that have waited longest are dropped. */
const unreadLimitBytes = 256 * 1024 * 1024;
const lookEveryMs = 1_000;

/** Returns the maximum number of connections for a number of file descriptors. */
export function connectionLimit(descriptors: number): number {
  return Math.min(maxConnections, descriptors - Math.min(keptForFiles, Math.ceil(descriptors / 2)));
}

/** Returns how many files and sockets this process may have open (RLIMIT_NOFILE); Infinity if there is no limit. */
export function descriptorLimit(): number {
  try {
    const line = /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    if (line !== undefined) return line === 'unlimited' ? Infinity : Number(line);
  } catch {
    // not Linux: read it from the diagnostic report, which takes longer
  }
  const report: unknown = process.report.getReport();
  const limits = report as { readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } } };
  const soft = limits.userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Infinity;
}

interface Connection {
  readonly socket: Socket;
  /** Response of the request being received or answered; undefined for an idle connection. */
  response: ServerResponse | undefined;
  /** True once the whole request has been received. */
  isComplete: boolean;
  /** Since when the answer has been waiting to be read, and its size in bytes. */
  unread: { readonly since: number; readonly sizeBytes: number } | undefined;
}

export class Connections {
  readonly #limit: number;
  /** Ordered by the time when they last became idle. */
  readonly #open = new Map<Socket, Connection>();
  #look: NodeJS.Timeout | undefined;

  /** @param limit maximum number of connections */
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

  /** Called when a request begins. @param isComplete false while its body is still arriving */
  begin({ socket }: IncomingMessage, response: ServerResponse, isComplete: boolean): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    connection.response = response;
    connection.isComplete = isComplete;
    response.once('close', () => this.#rest(connection, response));
  }

  /** Called when the whole request has been received. */
  complete({ socket }: IncomingMessage): void {
    const connection = this.#open.get(socket);
    if (connection !== undefined) connection.isComplete = true;
  }

  #rest(connection: Connection, response: ServerResponse): void {
    const { socket } = connection;
    if (connection.response !== response || !this.#open.delete(socket)) return; // the next request is already running
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
