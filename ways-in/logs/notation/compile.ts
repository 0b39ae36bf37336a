/** What the three notations share: directives and the texts between them become the fields of a shape. */
import { SwaError } from '../../../lib/errors/errors.js';
import type { Field, ShapeField } from '../text-shape.js';

export interface Directive {
  readonly field: Field;
  /** As written in the notation. */
  readonly title: string;
  /** The server writes brackets around it that the notation does not show: Apache's `%t`. */
  readonly isBracketed?: boolean;
  /** Blanks within it. */
  readonly blanks?: number;
}

/** In the order of the line: texts and directives. */
export type Part = string | Directive;

/** Throws `usage.invalid` where fields cannot be told apart, and where none says who or when. */
export function shapeOf(
  parts: readonly Part[],
  notation: string,
): { readonly fields: readonly ShapeField[]; readonly after: string } {
  const shape: ShapeField[] = [];
  let before = '';
  let previous: Directive | undefined;
  /** A quote or bracket that belongs to the field before. */
  let closing = '';
  for (const [i, part] of parts.entries()) {
    if (typeof part === 'string') {
      before += part.slice(closing.length);
      closing = '';
      continue;
    }
    const next = parts[i + 1];
    const after = typeof next === 'string' ? next : '';
    const isQuoted = before.endsWith('"') && after.startsWith('"');
    const isBracketed = before.endsWith('[') && after.startsWith(']');
    if (previous !== undefined && before === '') {
      throw new SwaError(
        'usage.invalid',
        `the log format has no separator between ${previous.title} and ${part.title}`,
        {
          hint: 'put a space between them, or remove one',
        },
      );
    }
    shape.push({
      field: part.field,
      title: titleOf(part),
      style: isQuoted ? 'quoted' : isBracketed || part.isBracketed === true ? 'bracketed' : 'plain',
      before: isQuoted || isBracketed ? before.slice(0, -1) : before,
      blanks: part.field === 'request' ? 2 : (part.blanks ?? 0),
    });
    closing = isQuoted || isBracketed ? after.charAt(0) : '';
    before = '';
    previous = part;
  }
  for (const [field, what] of [
    ['address', 'the address of the client'],
    ['time', 'the time'],
  ] as const) {
    const isThere = shape.some(
      (one) =>
        one.field === field ||
        (field === 'time' && one.field === 'date') ||
        (field === 'address' && one.field === 'forwardedFor'),
    );
    if (!isThere)
      throw new SwaError('usage.invalid', `the log format (${notation}) has no field for ${what}`);
  }
  return { fields: shape, after: before };
}

const titles: Partial<Record<Field, string>> = {
  address: 'address',
  forwardedFor: 'X-Forwarded-For field',
  ident: 'ident',
  user: 'user',
  time: 'time',
  date: 'date',
  timeOfDay: 'time of day',
  request: 'request',
  status: 'status',
  host: 'host',
  server: 'host',
  referrer: 'referrer',
  userAgent: 'user agent',
};

function titleOf({ field, title }: Directive): string {
  return titles[field] ?? `field ${title}`;
}
