/**
 * What a client has seen never goes back, whichever query process it asks next: each answer names its cut as a short text, and a
 * question that brings one is answered at no older cut. Texts are opaque to clients.
 */
import { HttpProblem } from '../../lib/http/problem.js';
import { namesOf, offsetAt } from '../../log/cut.js';
import type { Cut } from '../../log/log.js';

/** Of an answer, and of a question. */
export const cutHeader = 'Swa-Cut';
export const atLeastHeader = 'Swa-At-Least';

/** Characters of the log's id: enough to notice that a text is of another system. */
const logChars = 8;
/** More partitions than any log has. */
const maxChars = 16_384;

/** The beginning of the log's id, then the offsets in order of the partitions' names. */
export function textOfCut({ logId, next }: Cut): string {
  const offsets = namesOf(next)
    .toSorted()
    .map((name) => offsetAt(next, name).toString(36));
  return [logId.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, logChars), ...offsets].join('.');
}

/** Whether a cut has everything that a text stands for. Throws `invalid-parameter` for what is not a text of this log. */
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
