/**
 * Merges several sequences that ascend in JavaScript's string order; each text comes once. Lazy: reads sources only as
 * needed.
 */
export function* mergeAscending(sources: readonly Iterable<string>[]): Generator<string> {
  const open = sources.map((source) => ({
    iterator: source[Symbol.iterator](),
    head: undefined as string | undefined,
  }));
  try {
    for (const source of open) source.head = nextOf(source.iterator);
    for (;;) {
      let least: string | undefined;
      for (const { head } of open)
        if (head !== undefined && (least === undefined || head < least)) least = head;
      if (least === undefined) return;
      yield least;
      for (const source of open) if (source.head === least) source.head = nextOf(source.iterator);
    }
  } finally {
    for (const { iterator } of open) iterator.return?.();
  }
}

/** Like `mergeAscending`, for sequences of which some are asynchronous. */
export async function* mergeAscendingAsync(
  sources: readonly (Iterable<string> | AsyncIterable<string>)[],
): AsyncGenerator<string> {
  const open = sources.map((source) => ({
    iterator: Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator](),
    head: undefined as string | undefined,
  }));
  const advance = async (source: (typeof open)[number]): Promise<void> => {
    const next = await source.iterator.next();
    source.head = next.done === true ? undefined : next.value;
  };
  try {
    for (const source of open) await advance(source);
    for (;;) {
      let least: string | undefined;
      for (const { head } of open)
        if (head !== undefined && (least === undefined || head < least)) least = head;
      if (least === undefined) return;
      yield least;
      for (const source of open) if (source.head === least) await advance(source);
    }
  } finally {
    for (const { iterator } of open) await iterator.return?.();
  }
}

function nextOf(iterator: Iterator<string>): string | undefined {
  const next = iterator.next();
  return next.done === true ? undefined : next.value;
}
