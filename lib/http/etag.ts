/**
 * Tells whether an `If-None-Match` header contains a tag: RFC 9110, 13.1.2. The comparison is weak, so `W/` is ignored;
 * `*` matches any tag.
 */
export function hasTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => one.trim() === '*' || opaque(one) === opaque(tag));
}

function opaque(tag: string): string {
  return tag.trim().replace(/^W\//, '');
}
