/** A fault to be planted in a copy of the sources, and the test that must turn red by it. */
export interface PlantedFault {
  /** What is wrong then. */
  readonly name: string;
  readonly room: string;
  readonly edits: readonly Edit[];
  /** The test file that must catch it, from the project's root, without its ending. */
  readonly test: string;
  /** For the test's process: how long it looks, from which seed. */
  readonly env?: Readonly<Record<string, string>>;
  /** Caught so quickly that every run of the tests draws from these. */
  readonly isQuick?: boolean;
}

export interface Edit {
  /** From the project's root. */
  readonly file: string;
  /** Must occur exactly once. */
  readonly find: string;
  readonly replace: string;
}
