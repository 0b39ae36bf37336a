/** A format given as servers and GoAccess write it down: which notation it is, and the format it makes. */
import { timeReader } from './fields/time-formats.js';
import { readApache } from './notation/apache.js';
import { shapeOf } from './notation/compile.js';
import { readGoAccess, type GoAccessTimes } from './notation/goaccess.js';
import { readNginx } from './notation/nginx.js';
import type { LogFormat } from './request.js';
import { textFormat } from './text-format.js';
import { TextShape, type ShapeOptions } from './text-shape.js';

export const notations = ['apache', 'nginx', 'goaccess'] as const;
export type Notation = (typeof notations)[number];

/** GoAccess by what the others do not have, nginx by its variables. */
export function notationOf(format: string): Notation {
  if (/\$\{?[a-z]/.test(format)) return 'nginx';
  const withoutArguments = format.replace(/%[<>!0-9,]*\{[^}]*\}/g, '%');
  return /%[\^~xd](?!ti|to|FB)|~h/.test(withoutArguments) ? 'goaccess' : 'apache';
}

export const goAccessDefaults: GoAccessTimes = { dateFormat: '%d/%b/%Y', timeFormat: '%H:%M:%S' };

/** Throws `usage.invalid` for a format that cannot be read by. */
export function formatOfString(format: string, notation: Notation, times: GoAccessTimes): LogFormat {
  const { parts, time } =
    notation === 'nginx'
      ? readNginx(format)
      : notation === 'apache'
        ? readApache(format)
        : readGoAccess(format, times);
  const { fields, after } = shapeOf(parts, notation);
  const hasZone = fields.some(({ field }) => field === 'zone');
  return textFormat({
    name: 'log-format',
    title: `the log format given (${notation})`,
    shape: () => new TextShape(fields, { after }),
    time: timeReader(time, hasZone),
  });
}

/** The shape of a format known to be one. */
export function apacheShape(format: string, options: ShapeOptions = {}): TextShape {
  return new TextShape(shapeOf(readApache(format).parts, 'apache').fields, options);
}
