/**
 * Runs one role as a process: reads the configuration, starts, waits for a signal or a failure, closes. Every layer's
 * main.ts uses it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino, type Logger, type LoggerOptions } from 'pino';
import { systemClock } from '../time/clock.js';
import { readConfig, type Config } from '../config/config.js';
import { describeError, exitCodeOf } from '../errors/describe-error.js';
import { SwaError, systemCode } from '../errors/errors.js';
import type { Role } from './status.js';
import type { RoleContext, RunningRole, StartRole } from './role.js';

/** Makes a logger that writes to stderr: JSON lines, or formatted text on a terminal. */
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
 * How an error is logged. Only message, code and stack are taken from foreign errors: Node and libraries attach the
 * data they worked on, such as a URL with its query.
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

/** Resolves with the signal's name when the process receives SIGINT, SIGTERM or SIGHUP. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.once(signal, () => resolve(signal));
  });
}

/** How long a start is retried after a temporary failure, such as a broker that is still starting. */
const startPatience = { forMs: 60_000, pauseMs: 1_000 };

/** Runs a one-role process from start to stop and sets the exit code. */
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

/** Retries temporary failures. Throws permanent errors at once, and temporary ones when the time is up. */
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
