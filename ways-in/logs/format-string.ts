/** Formats written in the notation of Apache, nginx or GoAccess (`--log-format`): detects the notation and makes the format. */
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

/** Detects the notation: nginx has variables, and GoAccess has specifiers that Apache does not. */
export function notationOf(format: string): Notation {
  if (/\$\{?[a-z]/.test(format)) return 'nginx';
  const withoutArguments = format.replace(/%[<>!0-9,]*\{[^}]*\}/g, '%');
  return /%[\^~xd](?!ti|to|FB)|~h/.test(withoutArguments) ? 'goaccess' : 'apache';
}

export const goAccessDefaults: GoAccessTimes = { dateFormat: '%d/%b/%Y', timeFormat: '%H:%M:%S' };

/** Makes a log format from its notation. Throws `usage.invalid` if lines cannot be parsed by it. */
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

/** The shape of a built-in format in Apache's notation. */
export function apacheShape(format: string, options: ShapeOptions = {}): TextShape {
  return new TextShape(shapeOf(readApache(format).parts, 'apache').fields, options);
}
