/** Errors as a command ends with them: words for people, and the exit code. */
import { SwaError, messageOf } from './errors.js';

/** 2 for a command line or a configuration that was refused, 1 for what went wrong later. */
export function exitCodeOf(error: unknown): number {
  const isRefused =
    error instanceof SwaError && (error.code === 'usage.invalid' || error.code === 'config.invalid');
  return isRefused ? 2 : 1;
}

/** An error for people: what happened, then what to do. */
export function describeError(error: unknown): string {
  if (!(error instanceof SwaError))
    return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
  // What came from another thread or process has its stack in its cause: that is for logs.
  const first = error.cause === undefined ? '' : (messageOf(error.cause).split('\n')[0] ?? '');
  const cause = first === '' || first.includes(error.message) ? '' : `\n  cause: ${first}`;
  return `${error.code}: ${error.message}${cause}${error.hint === undefined ? '' : `\n  hint: ${error.hint}`}`;
}
