/**
 * The project's error class. Everything thrown deliberately is a SwaError: a stable `code` that programs can test, a
 * message that says what was attempted on what value, and a hint that says what to do.
 */
import { inspect } from 'node:util';

/** All codes; docs/errors.md explains each with its remedy. */
export const errorCodes = [
  'config.invalid', // a configuration key or value was refused
  'usage.invalid', // a command line was refused
  'fact.invalid', // a fact was refused at the door
  'request.invalid', // a parameter or body of an HTTP request was refused
  'request.failed', // a running system did not answer a command, or not in the form of this API
  'data-dir.in-use', // another live process holds the lock that is needed
  'data-dir.unusable', // cannot create, read or write the data directory
  'backup.corrupt', // a backup is unfinished, or one of its files is damaged
  'log.unavailable', // the log cannot be reached or cannot accept records right now
  'log.corrupt', // bytes of the log that must not change have changed
  'log.missing', // there is no log yet, or a log that existed is gone
  'log.mismatch', // a stored cut belongs to another log, or the log ends below it
  'log.out-of-range', // a position below the earliest retained offset
  'log.closed', // used after close
  'master.missing', // no sink has created a master dataset here yet
  'master.corrupt', // a Parquet file or manifest is missing, damaged or contradicts its manifest
  'master.conflict', // another sink committed the same manifest number
  'store.unavailable', // the object store does not answer
  'store.unusable', // the object store refuses requests, or ignores their conditions
  'store.corrupt', // an object is missing or damaged
  'view.corrupt', // a batch view, or CURRENT, is damaged
  'realtime.corrupt', // a realtime store is damaged or gone; it is rebuilt from the log
  'realtime.gone', // a host of the realtime view became unreachable while an answer was computed
  'view.missing', // the batch view does not exist
  'view.other-rules', // a batch view was made with other rules than this process has
  'view.refused', // a built view failed verification and was not published, or one was made before an erasure
  'batch.running', // another batch run holds the lock
  'batch.failed', // a batch run ended without a view
  'speed.failed', // the speed layer cannot continue
  'queue.damaged', // the file of a job queue cannot be used
  'queue.full', // a bounded queue is full
  'queue.unknown-item', // ack or fail of an id that is not leased
  'port.in-use', // the HTTP port is taken
  'import.failed', // an import failed
  'import.known', // a file was imported with other options before
  'internal.invariant', // a bug of ours: an invariant does not hold
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface SwaErrorOptions {
  readonly cause?: unknown;
  /** True if the same call may succeed later without any change by the operator. */
  readonly retryable?: boolean;
  /** The values involved, for logs. Never secrets. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** What the user can do about it, in one sentence. */
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

/** Returns true for a SwaError with one of the codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is SwaError {
  return error instanceof SwaError && codes.includes(error.code);
}

/** Returns the message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error serialised for another thread or process. */
export interface SentError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly hint?: string;
  /** The full error with its stack, as text. */
  readonly cause: string;
}

/** Serialises any thrown value; errors that are not SwaErrors get the code of `otherwise`. */
export function sendError(
  error: unknown,
  otherwise: { readonly code: ErrorCode; readonly retryable: boolean },
): SentError {
  const { code, retryable } = error instanceof SwaError ? error : otherwise;
  const hint = error instanceof SwaError && error.hint !== undefined ? { hint: error.hint } : {};
  return { code, message: messageOf(error), retryable, ...hint, cause: inspect(error) };
}

/** Recreates a serialised error. */
export function receiveError(sent: SentError): SwaError {
  return new SwaError(sent.code, sent.message, sent);
}

/** Returns the `code` of a Node system error ('ENOENT', ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}

/** Returns true if a disk or a quota is full. LMDB's errors carry the system's error number as code. */
export function isFullDisk(error: unknown): boolean {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return [code, systemCode(error)].some(
    (one) => one === 'ENOSPC' || one === 'EDQUOT' || one === 28 || one === 122,
  );
}

/**
 * Error codes of a full or failing disk, missing permissions or exhausted descriptors: operational problems, not bugs.
 */
const ofDisk = ['EIO', 'EACCES', 'EPERM', 'EROFS', 'EMFILE', 'ENFILE', 'ENOSPC', 'EDQUOT', 'ESTALE'] as const;

/** Returns true if a file operation failed for a reason that an operator can fix. */
export function isOfDisk(error: unknown): boolean {
  const code = systemCode(error);
  return ofDisk.some((one) => one === code);
}
