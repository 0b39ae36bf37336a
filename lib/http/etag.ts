/**
 * Whether a caller that sent `If-None-Match` has the answer already: RFC 9110, 13.1.2. The comparison is weak, so a tag is
 * the same with and without `W/`; `*` is any.
 */
export function hasTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => one.trim() === '*' || opaque(one) === opaque(tag));
}

function opaque(tag: string): string {
  return tag.trim().replace(/^W\//, '');
}
