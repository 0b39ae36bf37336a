/** The request line: `GET /a?b=1 HTTP/1.1`. */

export interface RequestLine {
  /** Both undefined for what is not a request of HTTP: nothing, `-`, the bytes of a TLS handshake, a probe's text. */
  readonly method: string | undefined;
  readonly target: string | undefined;
}

const noRequest: RequestLine = { method: undefined, target: undefined };
const methodShape = /^[A-Za-z][A-Za-z!#$%&'*+.^_`|~-]*$/;

/** First word, last word, and all between them: a target may hold blanks. Without a version (HTTP/0.9) there are two words. */
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
