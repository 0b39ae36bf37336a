/**
 * The one error of the house. Whatever is thrown on purpose is a SwaError: a stable `code` that programs may
 * switch on, a message that says what was attempted and on what value, and a hint that says what to do next.
 */
import { inspect } from 'node:util';

/** Every code; docs/errors.md says what to do about each. */
export const errorCodes = [
  'config.invalid', // a configuration key or value was refused
  'usage.invalid', // a command line was refused
  'fact.invalid', // a fact was refused at the door
  'request.invalid', // a parameter or body of an HTTP request was refused
  'request.failed', // a running system gave no answer to a command, or one that is not of this API
  'data-dir.in-use', // another live process owns what we wanted to own
  'data-dir.unusable', // cannot create, read or write the data directory
  'backup.corrupt', // a backup is unfinished, or a file of it is not as it was written
  'log.unavailable', // the log cannot be reached or cannot take more right now
  'log.corrupt', // bytes of the log that must not change have changed
  'log.missing', // there is no log, or it is gone although its facts are there
  'log.mismatch', // a stored cut belongs to another log, or the log ends below it
  'log.out-of-range', // a position below the earliest retained offset
  'log.closed', // used after close
  'master.missing', // no sink has made a master dataset here yet
  'master.corrupt', // a Parquet file or manifest is not what its manifest says
  'master.conflict', // another sink committed the same manifest number
  'store.unavailable', // the object store gives no answer
  'store.unusable', // the object store refuses requests, or ignores their conditions
  'store.corrupt', // an object is missing, or is not what it was stored as
  'view.corrupt', // a batch view, or CURRENT, is damaged
  'realtime.corrupt', // a realtime store is damaged or gone; it is rebuilt from the log
  'realtime.gone', // a host of the realtime view was lost while an answer was made of it
  'view.missing', // no such batch view
  'view.other-rules', // a batch view was made by other rules than this process has
  'view.refused', // a built view failed verification and was not published, or one was made before an erasure
  'batch.running', // another batch run holds the lock
  'batch.failed', // a batch run ended without a view
  'speed.failed', // the speed layer cannot continue
  'queue.damaged', // the file of a job queue cannot be used
  'queue.full', // a bounded queue cannot take more
  'queue.unknown-item', // ack or fail of an id that is not leased
  'port.in-use', // the HTTP port is taken
  'import.failed', // an import could not be carried through
  'import.known', // a file was imported with other options before
  'internal.invariant', // a bug of ours: an invariant does not hold
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface SwaErrorOptions {
  readonly cause?: unknown;
  /** True when the same call may succeed later without anyone changing anything. */
  readonly retryable?: boolean;
  /** The values involved, for logs. Never secrets. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** What the reader can do about it, one sentence. */
  readonly hint?: string;
}

export class SwaError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly context: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: SwaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SwaError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.context = options.context ?? {};
    this.hint = options.hint;
  }
}

/** Whether it is an error of ours with one of the codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is SwaError {
  return error instanceof SwaError && codes.includes(error.code);
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error on its way from one thread or process to another. */
export interface SentError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly hint?: string;
  /** The whole of it with its stack, in words. */
  readonly cause: string;
}

/** Anything thrown, to be sent; what is not an error of ours goes as `otherwise`. */
export function sendError(
  error: unknown,
  otherwise: { readonly code: ErrorCode; readonly retryable: boolean },
): SentError {
  const { code, retryable } = error instanceof SwaError ? error : otherwise;
  const hint = error instanceof SwaError && error.hint !== undefined ? { hint: error.hint } : {};
  return { code, message: messageOf(error), retryable, ...hint, cause: inspect(error) };
}

/** What was sent, to be thrown here. */
export function receiveError(sent: SentError): SwaError {
  return new SwaError(sent.code, sent.message, sent);
}

/** The `code` of a Node system error ('ENOENT', ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}

/** Whether it says that a disk, or a quota on it, has no room; LMDB's errors have the number of the system's. */
export function isFullDisk(error: unknown): boolean {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return [code, systemCode(error)].some(
    (one) => one === 'ENOSPC' || one === 'EDQUOT' || one === 28 || one === 122,
  );
}

/** Full, failing, not allowed, or out of descriptors: what a disk or its operator, and no bug, makes of a call. */
const ofDisk = ['EIO', 'EACCES', 'EPERM', 'EROFS', 'EMFILE', 'ENFILE', 'ENOSPC', 'EDQUOT', 'ESTALE'] as const;

/** Whether the system refused a file for a reason that an operator can end. */
export function isOfDisk(error: unknown): boolean {
  const code = systemCode(error);
  return ofDisk.some((one) => one === code);
}
