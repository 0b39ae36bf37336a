/**
 * A worker thread that answers questions one at a time, in order, and may send events before each answer. However the
 * thread ends (it throws, runs out of memory, exits, is terminated), Node reports it by 'error' and 'exit' or by 'exit'
 * alone; here every pending question is then rejected once, and so is every later one.
 */
import type { MessagePort, TransferListItem, Worker } from 'node:worker_threads';
import { messageOf, receiveError, sendError, type ErrorCode, type SentError } from '../errors/errors.js';

/** The types of a thread's questions, answers, and events before an answer. */
export interface Protocol {
  readonly question: unknown;
  readonly answer: unknown;
  readonly event: unknown;
}

type ToThread<P extends Protocol> =
  { readonly kind: 'question'; readonly question: P['question'] } | { readonly kind: 'close' };

type FromThread<P extends Protocol> =
  | { readonly kind: 'event'; readonly event: P['event'] }
  | { readonly kind: 'answer'; readonly answer: P['answer'] }
  | { readonly kind: 'failed'; readonly error: SentError };

interface Open<P extends Protocol> {
  readonly onEvent: (event: P['event']) => void;
  readonly resolve: (answer: P['answer']) => void;
  readonly reject: (error: unknown) => void;
}

/** Rejection of a question whose thread has ended; `cause` is what the thread threw, if anything. */
export class ThreadEnded extends Error {}

export class AskedThread<P extends Protocol> {
  readonly #worker: Worker;
  readonly #open: Open<P>[] = [];
  #ended: ThreadEnded | undefined;

  /**
   * @param worker runs `answerQuestions`; keeps the process alive only while a question is pending
   * @param name of the thread, for error messages
   */
  constructor(worker: Worker, name: string) {
    this.#worker = worker;
    let cause: unknown;
    worker.on('message', (message: FromThread<P>) => this.#hear(message));
    worker.on('error', (error) => (cause = error));
    worker.on('exit', () => {
      const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
      this.#ended = new ThreadEnded(`${name} ended${why}`, { cause });
      for (const { reject } of this.#open.splice(0)) reject(this.#ended);
    });
    worker.unref();
  }

  get isAlive(): boolean {
    return this.#ended === undefined;
  }

  /**
   * Asks a question. Rejects with the thread's error as a `SwaError`, with what `onEvent` throws, or with
   * `ThreadEnded`.
   *
   * @param transfer memory in the question that is transferred instead of copied
   */
  ask(
    question: P['question'],
    {
      transfer = [],
      onEvent = () => undefined,
    }: {
      readonly transfer?: readonly TransferListItem[];
      readonly onEvent?: (event: P['event']) => void;
    } = {},
  ): Promise<P['answer']> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ kind: 'question', question } satisfies ToThread<P>, transfer); // may throw: not everything can be cloned
      this.#worker.ref();
      this.#open.push({ onEvent, resolve, reject });
    });
  }

  /** Lets the thread end after it has answered all questions. */
  close(): void {
    this.#worker.postMessage({ kind: 'close' } satisfies ToThread<P>);
  }

  /** Ends the thread at once; resolves when it has stopped. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #hear(message: FromThread<P>): void {
    const [first] = this.#open;
    if (message.kind === 'event') {
      try {
        first?.onEvent(message.event);
      } catch (error) {
        first?.reject(error); // its answer will be ignored
      }
      return;
    }
    this.#open.shift();
    if (this.#open.length === 0) this.#worker.unref();
    if (message.kind === 'answer') first?.resolve(message.answer);
    else first?.reject(receiveError(message.error));
  }
}

/**
 * The thread's side: answers the questions from the port, one at a time. What `answer` throws is sent as the answer.
 *
 * @param otherwise code for thrown values that are not `SwaError`s
 */
export function answerQuestions<P extends Protocol>(
  port: MessagePort,
  otherwise: { readonly code: ErrorCode; readonly retryable: boolean },
  answer: (
    question: P['question'],
    tell: (event: P['event'], transfer?: readonly TransferListItem[]) => void,
  ) => P['answer'] | Promise<P['answer']>,
): void {
  const send = (message: FromThread<P>, transfer: readonly TransferListItem[] = []): void =>
    port.postMessage(message, transfer);
  const answerOne = async (message: ToThread<P>): Promise<void> => {
    if (message.kind === 'close') {
      port.close();
      return;
    }
    try {
      const tell = (event: P['event'], transfer?: readonly TransferListItem[]): void =>
        send({ kind: 'event', event }, transfer);
      send({ kind: 'answer', answer: await answer(message.question, tell) });
    } catch (error) {
      send({ kind: 'failed', error: sendError(error, otherwise) });
    }
  };
  let previous = Promise.resolve();
  port.on('message', (message: ToThread<P>) => {
    previous = previous.then(() => answerOne(message));
  });
}
