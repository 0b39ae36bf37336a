/**
 * Cursors of lists that are read page by page. A cursor encodes the position after a page: base64url of JSON, `[format, question, position]`. It
 * holds no secret and no server state, so any query process accepts it at any time; the list itself checks whether the position is still valid.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { HttpProblem } from '../lib/http/problem.js';

const format = 1;
const maxCursorLength = 2_048;

export const cursorShape = {
  cursor: z
    .string()
    .max(maxCursorLength)
    .regex(/^[A-Za-z0-9_-]+$/, 'is not a cursor of this list; start again from the first page, without it')
    .optional()
    .describe(
      '`next` of the page before, for the page that follows it. All other parameters but `limit` and `format` must be as they were.',
    ),
};

/** The requested part of a list. */
export interface Paging<Position> {
  readonly limit: number;
  /** Position after which the page begins; undefined for the first page. */
  readonly after: Position | undefined;
  /** The cursor of a position in this list. */
  cursorOf(position: Position): string;
}

/** Makes and parses the cursors of one kind of list. */
export class Paged<Position> {
  readonly #schema: z.ZodType<[number, string, Position]>;

  constructor(position: z.ZodType<Position>) {
    this.#schema = z.tuple([z.literal(format), z.string(), position]);
  }

  /**
   * Parses the cursor. `question` identifies the list: a cursor is only valid with a question that is equal as JSON. Throws `invalid-parameter` for
   * an invalid cursor or one of another question.
   */
  pagingOf(
    question: readonly unknown[],
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Paging<Position> {
    const key = digest(JSON.stringify(question));
    return {
      limit,
      after: cursor === undefined ? undefined : this.#positionIn(cursor, key),
      cursorOf: (position) => Buffer.from(JSON.stringify([format, key, position])).toString('base64url'),
    };
  }

  #positionIn(cursor: string, key: string): Position {
    const parsed = this.#schema.safeParse(parse(cursor));
    if (!parsed.success) throw refusal('is not a cursor of this list');
    const [, question, position] = parsed.data;
    if (question !== key) throw refusal('is of another question');
    return position;
  }
}

/** The field `next` of an answer. */
export function nextOf<Position>(
  paging: Paging<Position>,
  position: Position | undefined,
): { readonly next?: string } {
  return position === undefined ? {} : { next: paging.cursorOf(position) };
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}

function refusal(why: string): HttpProblem {
  return new HttpProblem(
    'invalid-parameter',
    `'cursor' ${why}; start again from the first page, without it`,
    {
      parameter: 'cursor',
    },
  );
}

/** The error for a list that has changed so that the rows read so far are no longer its beginning. */
export function listChanged(why: string): HttpProblem {
  return new HttpProblem('list-changed', `'cursor': ${why}; start again from the first page, without it`, {
    parameter: 'cursor',
  });
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
