/** A layer of faults: one way to hurt the system, tried round after round. */
import type { TestContext } from 'node:test';
import type { Random } from './load.js';

export interface Layer {
  readonly name: string;
  /** In the short form, which is without a layer that has less than one; ROUNDS= multiplies both. */
  readonly rounds: number;
  /** With fewer rounds in which the fault hit, the run fails: it has proven too little. */
  readonly minimum: number;
  readonly skip: string | false;
  /** @param seed of the whole run */
  open(t: TestContext, seed: number): Promise<LayerRun>;
}

export interface LayerRun {
  /** Where there are only so many different rounds. */
  readonly maxRounds?: number;
  /** Hurts, waits for the recovery and checks the history: throws what it finds. False when the fault came too late to hurt. */
  round(random: Random, number: number): Promise<boolean>;
}
