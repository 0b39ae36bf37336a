/**
 * A limit on how deep JSON from outside is nested. A megabyte of brackets takes `JSON.parse` 200 ms of processor time, during which nothing else
 * runs; a megabyte of a bounded depth takes a tenth of that.
 */
const maxDepth = 1_000;
/** Shorter texts are not looked at. */
const safeLength = 65_536;

const [quoteMark, bracket, backslash, brace] = [0x22, 0x5b, 0x5c, 0x7b];

/** What is wrong with a text that may be JSON; undefined when it may be parsed. */
export function nestingProblem(text: string): string | undefined {
  if (text.length <= safeLength) return undefined;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quoteMark) inString = !inString;
    else if (inString) {
      if (code === backslash) i++;
    } else if (code === bracket || code === brace) {
      if (++depth > maxDepth) return `nested more than ${maxDepth} levels deep`;
    } else if (code === bracket + 2 || code === brace + 2) depth--;
  }
  return undefined;
}
