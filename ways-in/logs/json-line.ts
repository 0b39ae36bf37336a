/** Shared code of the formats of JSON lines: parses a line, and reads its fields as texts. */
import { refused, type Refusal } from './request.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses the object of a line. Skips the prefix that Docker Compose writes (`caddy  | {`). */
export function parseJsonLine(line: string): JsonObject | Refusal {
  const begin = line.indexOf('{');
  if (begin < 0) return refused('the line is not a JSON object', line);
  const text = begin === 0 ? line : line.slice(begin);
  if (begin > 0 && !/^[\w.-]+ *\| *$/.test(line.slice(0, begin)))
    return refused('the line is not a JSON object', line);
  const value = tryParse(text) ?? tryParse(repaired(text));
  return isObject(value) ? value : refused('the line is not a JSON object', line);
}

export function isRefusal(value: JsonObject | Refusal): value is Refusal {
  return value['kind'] === 'refused' && typeof value['reason'] === 'string';
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Repairs JSON that a template wrote: nginx writes bytes as `\xHH` without `escape=json`, and nothing for a missing number.
 */
function repaired(text: string): string {
  return text
    .replace(/(?:\\x[0-9A-Fa-f]{2})+/g, (run) =>
      JSON.stringify(Buffer.from(run.replaceAll('\\x', ''), 'hex').toString('utf8')).slice(1, -1),
    )
    .replace(/":(?=[,}])/g, '":null');
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field's text, or its number as text; undefined if it is missing, empty or `-`. */
export function textIn(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' && value !== '-' ? value : undefined;
}

/** The first value of a header, by its name as given or in lower case; undefined if it is missing or empty. */
export function headerIn(headers: unknown, name: string): string | undefined {
  if (!isObject(headers)) return undefined;
  const value = headers[name] ?? headers[name.toLowerCase()];
  const text: unknown = Array.isArray(value) ? value[0] : value;
  return typeof text === 'string' && text !== '' ? text : undefined;
}
