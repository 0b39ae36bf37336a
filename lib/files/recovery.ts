/** A step of `swa recover`. All steps are planned first, then carried out. */
export interface RecoveryStep {
  /** What is wrong, naming the file. */
  readonly finding: string;
  /** What the step does. */
  readonly action: string;
  /** Description of the facts the step loses, if any; such a step runs only if the operator accepts that. */
  readonly loses?: string;
  readonly run: () => void | Promise<void>;
}

/** Where damaged files are moved: `<data>/damaged/<time>/<room>/`. */
export interface RecoveryPlace {
  readonly dataDir: string;
  readonly asideDir: string;
  /** UTC ms. */
  readonly now: number;
}
