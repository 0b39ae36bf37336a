/** Ids that clients send when they do not know whose id it is. They are nobody's: such pageviews and edges do not count. */

const placeholders = new Set(
  [
    '',
    'null',
    '(null)',
    'nil',
    'undefined',
    'nan',
    'none',
    'true',
    'false',
    'guest',
    'anonymous',
    'unknown',
  ].concat(['[object object]', '(not set)', '00000000-0000-0000-0000-000000000000', '0'.repeat(32)]),
);

/** In any case or quoting, also after any number of `kind:` prefixes; `0` only without one. */
export function isPlaceholder(id: string): boolean {
  const bare = unquoted(id);
  if (bare === '0' || placeholders.has(bare) || /^(\$\{.*\}|\{\{.*\}\})$/s.test(bare)) return true;
  const colon = bare.indexOf(':');
  if (colon < 0) return false;
  const rest = unquoted(bare.slice(colon + 1));
  return rest !== '0' && isPlaceholder(rest);
}

function unquoted(id: string): string {
  return id.toLowerCase().replace(/^[\s"'`]+|[\s"'`]+$/g, '');
}
