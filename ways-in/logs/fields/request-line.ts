/** The request line: `GET /a?b=1 HTTP/1.1`. */

export interface RequestLine {
  /** Both are undefined if the text is not an HTTP request: nothing, `-`, the bytes of a TLS handshake, a scanner's text. */
  readonly method: string | undefined;
  readonly target: string | undefined;
}

const noRequest: RequestLine = { method: undefined, target: undefined };
const methodShape = /^[A-Za-z][A-Za-z!#$%&'*+.^_`|~-]*$/;

/** The method is the first word, the version the last, and the target everything between, which may contain spaces. HTTP/0.9 has no version. */
export function parseRequestLine(text: string): RequestLine {
  const first = text.indexOf(' ');
  if (first <= 0) return noRequest;
  const method = text.slice(0, first);
  if (!methodShape.test(method)) return noRequest;
  const last = text.lastIndexOf(' ');
  const isVersion = last > first && text.startsWith('HTTP/', last + 1);
  const target = text.slice(first + 1, isVersion ? last : undefined).trim();
  return target === '' ? noRequest : { method, target };
}
