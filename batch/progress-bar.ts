/** Shows a run's progress: on a terminal a bar with step, rows/s and ETA, elsewhere one plain line per step. */
import { SingleBar } from 'cli-progress';
import { steps, type OnProgress, type Progress, type Step } from './progress.js';

/** Fraction of the whole run at which each step usually ends; measured on 20 M pageviews. */
const endOfStep: Readonly<Record<Step, number>> = {
  rules: 0,
  star: 0.3,
  persons: 0.35,
  facts: 0.5,
  buckets: 0.85,
  index: 0.92,
  verify: 0.99,
  publish: 1,
};

export interface ProgressDisplay {
  readonly onProgress: OnProgress;
  /** Ends the bar's line. */
  stop(): void;
}

export function showProgress(stream: NodeJS.WriteStream): ProgressDisplay {
  return stream.isTTY ? bar(stream) : lines(stream);
}

/** Between 0 and 1; never decreases within a run. */
function fractionDone({ step, rows, totalRows }: Progress): number {
  const from = steps.indexOf(step) === 0 ? 0 : endOfStep[steps[steps.indexOf(step) - 1] ?? step];
  const within = totalRows > 0 ? Math.min(1, rows / totalRows) : 0;
  return from + (endOfStep[step] - from) * within;
}

function bar(stream: NodeJS.WriteStream): ProgressDisplay {
  const display = new SingleBar({
    stream,
    format: 'batch [{bar}] {percentage}% {step} {rate} eta {eta}s',
    hideCursor: true,
    clearOnComplete: false,
  });
  display.start(1000, 0, { step: 'star', rate: '' });
  const rate = new StepRate();
  return {
    onProgress: (progress) => {
      display.update(Math.round(1000 * fractionDone(progress)), {
        step: progress.step,
        rate: rate.describe(progress),
      });
    },
    stop: () => display.stop(),
  };
}

function lines(stream: NodeJS.WriteStream): ProgressDisplay {
  let last: Step | undefined;
  return {
    onProgress: (progress) => {
      if (progress.step === last) return;
      last = progress.step;
      const seconds = (progress.elapsedMs / 1000).toFixed(1);
      const rows = progress.totalRows > 0 ? `, ${progress.totalRows} rows` : '';
      stream.write(`batch: ${progress.step} after ${seconds} s${rows}\n`);
    },
    stop: () => undefined,
  };
}

/** Rows per second within the current step. */
class StepRate {
  #step: Step | undefined;
  #startedAtMs = 0;

  describe({ step, rows, elapsedMs }: Progress): string {
    if (step !== this.#step) {
      this.#step = step;
      this.#startedAtMs = elapsedMs;
    }
    const seconds = (elapsedMs - this.#startedAtMs) / 1000;
    return rows === 0 || seconds <= 0 ? '' : `${Math.round(rows / seconds).toLocaleString('en')} rows/s`;
  }
}
