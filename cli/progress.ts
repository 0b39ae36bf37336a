/** Progress on stderr: a bar on a terminal, else a line every two seconds. */
import { SingleBar } from 'cli-progress';
import type { Clock } from '../lib/time/clock.js';

export interface Progress {
  /** `done` of `total` (any unit); `text` says it in words. An undefined total has no bar to fill. */
  show(done: number, total: number | undefined, text: string): void;
  end(): void;
}

const lineEveryMs = 2_000;

export function startProgress(label: string, clock: Clock): Progress {
  return process.stderr.isTTY ? barProgress(label) : lineProgress(label, clock);
}

function barProgress(label: string): Progress {
  const bar = new SingleBar({
    format: `${label} [{bar}] {percentage}% | {text}`,
    stream: process.stderr,
    hideCursor: true,
  });
  bar.start(1, 0, { text: '' });
  return {
    show(done, total, text) {
      bar.setTotal(total ?? Math.max(1, done));
      bar.update(done, { text });
    },
    end: () => bar.stop(),
  };
}

function lineProgress(label: string, clock: Clock): Progress {
  let next = clock() + lineEveryMs;
  return {
    show(_done, _total, text) {
      if (clock() < next) return;
      next = clock() + lineEveryMs;
      process.stderr.write(`${label}: ${text}\n`);
    },
    end: () => undefined,
  };
}
