/** Runs one role as a process: config, start, wait for a signal or a failure, close. Used by every layer's main.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino, type Logger, type LoggerOptions } from 'pino';
import { systemClock } from '../time/clock.js';
import { readConfig, type Config } from '../config/config.js';
import { describeError, exitCodeOf } from '../errors/describe-error.js';
import { SwaError, systemCode } from '../errors/errors.js';
import type { Role } from './status.js';
import type { RoleContext, RunningRole, StartRole } from './role.js';

/** Logs go to stderr, as JSON lines, or pretty on a terminal. */
export function makeLogger(config: Pick<Config, 'logLevel'>, name: string): Logger {
  const options = loggerOptions(config, name);
  if (!process.stderr.isTTY) return pino(options, pino.destination({ fd: 2, sync: true }));
  return pino({
    ...options,
    transport: {
      target: 'pino-pretty',
      options: { destination: 2, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' },
    },
  });
}

export function loggerOptions({ logLevel }: Pick<Config, 'logLevel'>, name: string): LoggerOptions {
  return {
    name,
    level: logLevel,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: loggedError },
  };
}

/**
 * What a log says of an error: of one that is not ours nothing but message, code and stack. Node and libraries hang on it what they worked
 * on, such as a URL with its query.
 */
function loggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  return {
    type: name,
    message,
    code: systemCode(error),
    ...(error instanceof SwaError ? { context: error.context, hint: error.hint } : {}),
    stack,
    ...(cause === undefined ? {} : { cause: loggedError(cause) }),
  };
}

/** Resolves with the signal's name when the process is asked to end. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.once(signal, () => resolve(signal));
  });
}

/** How long a start that fails with something temporary, such as a broker that is starting too, is tried again. */
const startPatience = { forMs: 60_000, pauseMs: 1_000 };

/** The whole life of a one-role process; sets the exit code. */
export async function runRole(role: Role, start: StartRole, patience = startPatience): Promise<void> {
  try {
    const config = readConfig(process.env);
    const logger = makeLogger(config, role);
    const running = await startPatiently(start, { config, clock: systemClock, logger }, patience);
    const why = await Promise.race([untilSignal(), running.done.then(() => 'done')]);
    logger.info({ why }, `${role} stops`);
    await running.stop();
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

/** Throws what no pause mends, and what outlasts the patience. */
async function startPatiently(
  start: StartRole,
  context: RoleContext,
  { forMs, pauseMs }: typeof startPatience,
): Promise<RunningRole> {
  const deadline = performance.now() + forMs;
  for (;;) {
    try {
      return await start(context);
    } catch (error) {
      const isTemporary = error instanceof SwaError && error.retryable;
      if (!isTemporary || performance.now() + pauseMs > deadline) throw error;
      context.logger.warn({ err: error, pauseMs }, 'cannot start yet, trying again');
    }
    await sleep(pauseMs);
  }
}
