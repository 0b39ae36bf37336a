/**
 * Read-your-writes across query processes: each answer carries its cut as a short text, and a request that sends the text back is answered at no
 * older cut. The texts are opaque to clients.
 */
import { HttpProblem } from '../../lib/http/problem.js';
import { namesOf, offsetAt } from '../../log/cut.js';
import type { Cut } from '../../log/log.js';

/** Header of answers, and header of requests. */
export const cutHeader = 'Swa-Cut';
export const atLeastHeader = 'Swa-At-Least';

/** Number of characters of the log's id: enough to detect the text of another system. */
const logChars = 8;
/** Maximum length of a text; more than any number of partitions needs. */
const maxChars = 16_384;

/** The start of the log's id, then the offsets in the order of the partitions' names. */
export function textOfCut({ logId, next }: Cut): string {
  const offsets = namesOf(next)
    .toSorted()
    .map((name) => offsetAt(next, name).toString(36));
  return [logId.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, logChars), ...offsets].join('.');
}

/** Whether a cut includes everything that a text stands for. Throws `invalid-parameter` if it is not a text of this log. */
export function hasReached(cut: Cut, text: string): boolean {
  const own = textOfCut(cut).split('.');
  const wanted = text.slice(0, maxChars + 1).split('.');
  const isOfThis =
    text.length <= maxChars &&
    wanted.length === own.length &&
    wanted[0] === own[0] &&
    wanted.slice(1).every((offset) => /^[0-9a-z]{1,11}$/.test(offset));
  if (!isOfThis) {
    throw new HttpProblem('invalid-parameter', `is not the ${cutHeader} of an answer of this system`, {
      parameter: atLeastHeader,
    });
  }
  return wanted.slice(1).every((offset, i) => parseInt(offset, 36) <= parseInt(own[i + 1] ?? '0', 36));
}
