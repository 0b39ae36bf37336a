/** Several ascending sequences as one, each text once. As lazy as they are: nothing is read before it is asked for. */
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

function nextOf(iterator: Iterator<string>): string | undefined {
  const next = iterator.next();
  return next.done === true ? undefined : next.value;
}
