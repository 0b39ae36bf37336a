/** Faults in what a fact is, which page, whose, and whether it repeats another. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf, quick } from '../room-fault.js';

const fault = faultsOf('facts');

export const factsFaults: readonly PlantedFault[] = [
  quick(
    fault(
      'door',
      'a placeholder is let in as a visitor',
      edit(
        'facts/door.ts',
        "if (refusal !== undefined || typeof value !== 'string' || !isPlaceholderId(value)) return refusal;",
        "if (refusal !== undefined || typeof value !== 'string' || value !== '') return refusal;",
      ),
    ),
  ),
  fault(
    'bots',
    'known bots count',
    edit(
      'facts/bots.ts',
      'const result = isbot(userAgent);',
      "const result = isbot('') && userAgent === '';",
    ),
  ),
  fault(
    'bots',
    'the mode of the bot rule is ignored',
    edit('facts/bots.ts', "if (this.mode === 'include' || userAgent", 'if (userAgent'),
  ),
  fault(
    'url-rules',
    'dot segments stay in a path',
    edit(
      'facts/url/parse.ts',
      'const path = hasDotSegment(asCame) ? withoutDotSegments(asCame) : asCame;',
      'const path = asCame;',
    ),
  ),
  fault(
    'url-rules',
    'a path with dot segments passes as normal already',
    edit(
      'facts/url/normalize.ts',
      String.raw`(?:\/(?!\.{1,2}(?:[/?#]|$))(?:[A-Za-z0-9`,
      String.raw`(?:\/(?:[A-Za-z0-9`,
    ),
  ),
  fault(
    'dedup-window',
    'a repeat at the far end of the window is missed',
    edit(
      'facts/dedup-window.ts',
      '(this.#previousStart + before) <= this.#size',
      '(this.#previousStart + before) < this.#size',
    ),
  ),
  fault(
    'dedup-window',
    'the window reaches one offset too far back',
    edit(
      'facts/dedup-window.ts',
      '(this.#previousStart + before) <= this.#size',
      '(this.#previousStart + before) <= this.#size + 1',
    ),
  ),
  fault(
    'repeat',
    'an edge repeats a fact of another type',
    edit(
      'facts/repeat.ts',
      'return JSON.stringify([eventId, type, ...[fact.a',
      'return JSON.stringify([eventId, ...[fact.a',
    ),
  ),
  fault(
    'repeat',
    'a pageview repeats one of another visitor',
    edit(
      'facts/repeat.ts',
      'return JSON.stringify([eventId, fact.visitor, page]);',
      'return JSON.stringify([eventId, page]);',
    ),
  ),
];
