/** How a command reports an error: the text and the exit code. */
import { SwaError, messageOf } from './errors.js';

/** Returns 2 for an invalid command line or configuration, 1 for other errors. */
export function exitCodeOf(error: unknown): number {
  const isRefused =
    error instanceof SwaError && (error.code === 'usage.invalid' || error.code === 'config.invalid');
  return isRefused ? 2 : 1;
}

/** Formats an error for the user: what happened, its cause, then what to do. */
export function describeError(error: unknown): string {
  if (!(error instanceof SwaError))
    return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
  // An error from another thread or process has its stack in `cause`; the stack is only for logs.
  const first = error.cause === undefined ? '' : (messageOf(error.cause).split('\n')[0] ?? '');
  const cause = first === '' || first.includes(error.message) ? '' : `\n  cause: ${first}`;
  return `${error.code}: ${error.message}${cause}${error.hint === undefined ? '' : `\n  hint: ${error.hint}`}`;
}
