/** Progress on stderr: a bar on a terminal, else a line every two seconds, with share done and time left if the total is known. */
import { SingleBar } from 'cli-progress';
import type { Clock } from '../lib/time/clock.js';

export interface Progress {
  /** Shows `done` of `total` (any unit) and `text`. The total may be unknown. */
  show(done: number, total: number | undefined, text: string): void;
  end(): void;
}

const lineEveryMs = 2_000;

export function startProgress(label: string, clock: Clock): Progress {
  return process.stderr.isTTY ? barProgress(label, clock) : lineProgress(label, clock);
}

function barProgress(label: string, clock: Clock): Progress {
  const bar = new SingleBar({
    format: `${label} [{bar}] {percentage}% | {left} | {text}`,
    stream: process.stderr,
    hideCursor: true,
  });
  bar.start(1, 0, { text: '', left: '' });
  const timeLeft = timeLeftBy(clock);
  return {
    show(done, total, text) {
      bar.setTotal(total ?? Math.max(1, done));
      bar.update(done, { text, left: total === undefined ? '' : timeLeft(done, total) });
    },
    end: () => bar.stop(),
  };
}

function lineProgress(label: string, clock: Clock): Progress {
  let next = clock() + lineEveryMs;
  const timeLeft = timeLeftBy(clock);
  return {
    show(done, total, text) {
      if (clock() < next) return;
      next = clock() + lineEveryMs;
      const share =
        total === undefined || total === 0
          ? ''
          : `${Math.min(100, Math.floor((100 * done) / total))} %, ${timeLeft(done, total)}, `;
      process.stderr.write(`${label}: ${share}${text}\n`);
    },
    end: () => undefined,
  };
}

/** Estimates the time left from the average speed so far, as text. */
function timeLeftBy(clock: Clock): (done: number, total: number) => string {
  const begun = clock();
  return (done, total) => {
    if (done <= 0) return 'time left unknown';
    const seconds = Math.ceil(((clock() - begun) * (total - done)) / done / 1_000);
    return seconds < 120 ? `${Math.max(0, seconds)} s left` : `${Math.ceil(seconds / 60)} min left`;
  };
}
