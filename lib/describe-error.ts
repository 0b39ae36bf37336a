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
  const cause = error.cause === undefined ? '' : `\n  cause: ${messageOf(error.cause)}`;
  return `${error.code}: ${error.message}${cause}${error.hint === undefined ? '' : `\n  hint: ${error.hint}`}`;
}
