/**
 * A worker thread that handles requests one at a time, in order, and may send events before each response. However the
 * thread ends (it throws, runs out of memory, exits, is terminated), Node reports it by 'error' and 'exit' or by 'exit'
 * alone; here every pending request is then rejected once, and so is every later one.
 */
import type { MessagePort, TransferListItem, Worker } from 'node:worker_threads';
import { messageOf, receiveError, sendError, type ErrorCode, type SentError } from '../errors/errors.js';

/** The types of a thread's requests, responses, and events before a response. */
export interface Protocol {
  readonly request: unknown;
  readonly response: unknown;
  readonly event: unknown;
}

type ToThread<P extends Protocol> =
  { readonly kind: 'request'; readonly request: P['request'] } | { readonly kind: 'close' };

type FromThread<P extends Protocol> =
  | { readonly kind: 'event'; readonly event: P['event'] }
  | { readonly kind: 'response'; readonly response: P['response'] }
  | { readonly kind: 'failed'; readonly error: SentError };

interface Pending<P extends Protocol> {
  readonly onEvent: (event: P['event']) => void;
  readonly resolve: (response: P['response']) => void;
  readonly reject: (error: unknown) => void;
}

/** Rejection of a request whose thread has ended; `cause` is what the thread threw, if anything. */
export class ThreadEnded extends Error {}

export class RequestThread<P extends Protocol> {
  readonly #worker: Worker;
  readonly #pending: Pending<P>[] = [];
  #ended: ThreadEnded | undefined;

  /**
   * @param worker runs `serveRequests`; keeps the process alive only while a request is pending
   * @param name of the thread, for error messages
   */
  constructor(worker: Worker, name: string) {
    this.#worker = worker;
    let cause: unknown;
    worker.on('message', (message: FromThread<P>) => this.#receive(message));
    worker.on('error', (error) => (cause = error));
    worker.on('exit', () => {
      const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
      this.#ended = new ThreadEnded(`${name} ended${why}`, { cause });
      for (const { reject } of this.#pending.splice(0)) reject(this.#ended);
    });
    worker.unref();
  }

  get isAlive(): boolean {
    return this.#ended === undefined;
  }

  /**
   * Sends a request. Rejects with the thread's error as a `SwaError`, with what `onEvent` throws, or with
   * `ThreadEnded`.
   *
   * @param transfer memory in the request that is transferred instead of copied
   */
  send(
    request: P['request'],
    {
      transfer = [],
      onEvent = () => undefined,
    }: {
      readonly transfer?: readonly TransferListItem[];
      readonly onEvent?: (event: P['event']) => void;
    } = {},
  ): Promise<P['response']> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ kind: 'request', request } satisfies ToThread<P>, transfer); // may throw: not everything can be cloned
      this.#worker.ref();
      this.#pending.push({ onEvent, resolve, reject });
    });
  }

  /** Lets the thread end after it has answered all requests. */
  close(): void {
    this.#worker.postMessage({ kind: 'close' } satisfies ToThread<P>);
  }

  /** Ends the thread at once; resolves when it has stopped. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: FromThread<P>): void {
    const [first] = this.#pending;
    if (message.kind === 'event') {
      try {
        first?.onEvent(message.event);
      } catch (error) {
        first?.reject(error); // its response will be ignored
      }
      return;
    }
    this.#pending.shift();
    if (this.#pending.length === 0) this.#worker.unref();
    if (message.kind === 'response') first?.resolve(message.response);
    else first?.reject(receiveError(message.error));
  }
}

/**
 * The thread's side: answers the requests from the port, one at a time. If `handle` throws, the error is sent as the response.
 *
 * @param otherwise code for thrown values that are not `SwaError`s
 */
export function serveRequests<P extends Protocol>(
  port: MessagePort,
  otherwise: { readonly code: ErrorCode; readonly retryable: boolean },
  handle: (
    request: P['request'],
    emit: (event: P['event'], transfer?: readonly TransferListItem[]) => void,
  ) => P['response'] | Promise<P['response']>,
): void {
  const send = (message: FromThread<P>, transfer: readonly TransferListItem[] = []): void =>
    port.postMessage(message, transfer);
  const answerOne = async (message: ToThread<P>): Promise<void> => {
    if (message.kind === 'close') {
      port.close();
      return;
    }
    try {
      const emit = (event: P['event'], transfer?: readonly TransferListItem[]): void =>
        send({ kind: 'event', event }, transfer);
      send({ kind: 'response', response: await handle(message.request, emit) });
    } catch (error) {
      send({ kind: 'failed', error: sendError(error, otherwise) });
    }
  };
  let previous = Promise.resolve();
  port.on('message', (message: ToThread<P>) => {
    previous = previous.then(() => answerOne(message));
  });
}
