/** The common result of all log formats: what a line of a web server's log says, and the interface of a format. */

/** One request. Texts are decoded; fields that the server wrote as `-` or nothing are undefined. */
export interface LogRequest {
  readonly kind: 'request';
  /** As in the line: an address with or without a port, or a list of addresses. */
  readonly address: string | undefined;
  /** X-Forwarded-For if the format has it: a list of addresses, the client's first. */
  readonly forwardedFor?: string | undefined;
  readonly user?: string | undefined;
  /** UTC milliseconds. */
  readonly time: number;
  readonly method: string | undefined;
  /** The request target: a path with its query, or an absolute URL. Undefined if the line has no HTTP request. */
  readonly target: string | undefined;
  /** Three digits. A line without a status counts, whatever the options say about statuses. */
  readonly status?: string | undefined;
  /** The site if the line names it: a host with or without a port. */
  readonly host?: string | undefined;
  readonly scheme?: string | undefined;
  readonly referrer?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The server's own id of the request. */
  readonly eventId?: string | undefined;
  readonly country?: string | undefined;
  /** Visitor id from the file, used instead of one made from the address. */
  readonly visitor?: string | undefined;
}

/** A valid line that is not a request: a comment, or a message of another kind in the same file. */
export interface Passed {
  readonly kind: 'passed';
  readonly reason: string;
}

/** A line that does not match its format. The reason names the field and is from a bounded set; the value is text of the line. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: string;
  readonly value?: string;
  /** Set if the line could be read with an option of the import: the option, and what is missing without it. */
  readonly missing?: { readonly option: string; readonly what: string };
}

export type Parsed = LogRequest | Passed | Refusal;

/** Reads one line; never throws. */
export type ParseLine = (line: string) => Parsed;

export interface ParseOptions {
  /** Converts local times to UTC; undefined if no zone was given. */
  readonly utcOf?: (localMs: number) => number;
}

/** A log format: one small module in `formats/`. */
export interface LogFormat {
  readonly name: string;
  /** For people: which server writes it. */
  readonly title: string;
  /** Starts a file, because the meaning of a line may depend on earlier lines. */
  start(options: ParseOptions): ParseLine;
  /** True if lines are JSON objects, so that a complete line can be recognised without a line end. */
  readonly isJson?: boolean;
  /** For a format whose lines match another format, too: at least half of the lines must pass before this one is detected. */
  readonly proof?: (request: LogRequest) => boolean;
  /** Number of own proxies in front of the server, unless the options set it; 0 by default. */
  readonly trustedProxies?: number;
}

export function refused(reason: string, value?: string): Refusal {
  return value === undefined ? { kind: 'refused', reason } : { kind: 'refused', reason, value };
}

/** Refuses a line that could be read if an option of the import were set. @param use what the option is for, for the reason */
export function withoutOption(option: string, what: string, value?: string, use = ''): Refusal {
  return { ...refused(`${what} (set ${option}${use})`, value), missing: { option, what } };
}

export function passed(reason: string): Passed {
  return { kind: 'passed', reason };
}

/** A text of a log; undefined if it is empty or `-`. */
export function present(text: string | undefined): string | undefined {
  return text === undefined || text === '' || text === '-' ? undefined : text;
}
