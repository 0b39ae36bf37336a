/** A step of `swa recover`: what was found, what is to be done about it, and what that costs. Planned first, then carried out. */
export interface RecoveryStep {
  /** What is wrong, naming the file. */
  readonly finding: string;
  /** What is done about it. */
  readonly action: string;
  /** The facts that are lost by it, in words; such a step is carried out only when that is accepted. */
  readonly loses?: string;
  readonly run: () => void | Promise<void>;
}

/** Where damaged files are put: `<data>/damaged/<time>/<room>/`. */
export interface RecoveryPlace {
  readonly dataDir: string;
  readonly asideDir: string;
  /** UTC ms. */
  readonly now: number;
}
