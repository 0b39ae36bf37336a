/** The input: eight sentences, repeated, and the true count of each word. */
const text = [
  'the river runs to the sea',
  'the sea gives rain to the hills',
  'rain runs down the hills to the river',
  'a boat goes down the river',
  'the boat carries salt and wool',
  'salt comes from the sea',
  'wool comes from the hills',
  'and the river runs on',
] as const;

/** Number of words of the longest sentence. */
export const longestSentence = Math.max(...text.map((sentence) => wordsOf(sentence).length));

export function sentences(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => text[i % text.length] ?? '');
}

export function wordsOf(sentence: string): readonly string[] {
  return sentence.split(' ');
}

export function trueCounts(input: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const word of input.flatMap(wordsOf)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
