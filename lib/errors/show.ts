/**
 * Formats a value for a message in one line of at most 120 characters. Nested values are only named, as they may be too
 * deep to print.
 */
export function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
