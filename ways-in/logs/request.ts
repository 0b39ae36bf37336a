/** What a line of a web server's log says, whatever its format: the common ground of all formats. */

/** One request. Texts have no escapes left; what the server wrote as `-` or nothing is absent. */
export interface LogRequest {
  readonly kind: 'request';
  /** As written: one address, with or without a port, or a list of them. */
  readonly address: string | undefined;
  /** X-Forwarded-For, where the format has it: addresses, the client's first. */
  readonly forwardedFor?: string | undefined;
  readonly user?: string | undefined;
  /** UTC milliseconds. */
  readonly time: number;
  readonly method: string | undefined;
  /** What was asked for: a path with its query, or a whole URL. Undefined when the line holds no request of HTTP. */
  readonly target: string | undefined;
  /** Three digits. Without one the line counts whatever the options say of statuses. */
  readonly status?: string | undefined;
  /** The site, where the line names it: a host with or without a port. */
  readonly host?: string | undefined;
  readonly scheme?: string | undefined;
  readonly referrer?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The server's own id of the request. */
  readonly eventId?: string | undefined;
  readonly country?: string | undefined;
  /** A visitor id that the file gives, in place of one made of the address. */
  readonly visitor?: string | undefined;
}

/** A line that is well, and no request: a comment, a message of another kind in the same file. */
export interface Passed {
  readonly kind: 'passed';
  readonly reason: string;
}

/** A line that does not fit its format; the reason names the field and is one of few, the value is the line's. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: string;
  readonly value?: string;
  /** Where an option of the import is missing: which one, and the reason without it. */
  readonly missing?: { readonly option: string; readonly what: string };
}

export type Parsed = LogRequest | Passed | Refusal;

/** Reads one line; never throws. */
export type ParseLine = (line: string) => Parsed;

export interface ParseOptions {
  /** Makes UTC of times that name no zone; undefined when none was given. */
  readonly utcOf?: (localMs: number) => number;
}

/** A format of lines: one small module each in `formats/`. */
export interface LogFormat {
  readonly name: string;
  /** For the help: what writes it. */
  readonly title: string;
  /** Starts a file: what a line means may depend on those before it. */
  start(options: ParseOptions): ParseLine;
  /** True where a line is a JSON object, and shows by itself that it is whole. */
  readonly isJson?: boolean;
  /** For a format whose lines another one reads, too: what half of the lines must have before it is taken for it unasked. */
  readonly proof?: (request: LogRequest) => boolean;
  /** Proxies of one's own before the server, unless the options say otherwise; 0 by default. */
  readonly trustedProxies?: number;
}

export function refused(reason: string, value?: string): Refusal {
  return value === undefined ? { kind: 'refused', reason } : { kind: 'refused', reason, value };
}

/** Of a line that could be read if an option of the import were set. @param use what the option tells, for the reason */
export function withoutOption(option: string, what: string, value?: string, use = ''): Refusal {
  return { ...refused(`${what} (set ${option}${use})`, value), missing: { option, what } };
}

export function passed(reason: string): Passed {
  return { kind: 'passed', reason };
}

/** A text of a log, undefined where the server had none. */
export function present(text: string | undefined): string | undefined {
  return text === undefined || text === '' || text === '-' ? undefined : text;
}
