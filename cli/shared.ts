/** Opens what hosts share (`cluster/`) for roles and commands, if `SWA_STORE` is set. */
import type { Shared, SharedOptions } from '../cluster/shared.js';
import type { Config } from '../lib/config/config.js';
import { SwaError } from '../lib/errors/errors.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';

/** Undefined if `SWA_STORE` is not set. Throws `config.invalid`, `store.unusable`, `store.unavailable`. */
export async function openSharedIfSet(options: SharedOptions): Promise<Shared | undefined> {
  checkSpeedKeys(options.config);
  if (options.config.store === '') return undefined;
  return (await import('../cluster/shared.js')).openShared(options);
}

/** Other hosts can read speed workers only with a secret, and only if the hosts share a Kafka log and a store. */
function checkSpeedKeys({ kafkaBrokers, speedReplicas, speedSecret, speedUrl, store }: Config): void {
  if (speedSecret === '') {
    if (speedReplicas === 1 && speedUrl === '') return;
    throw refused(
      `${speedUrl === '' ? 'SWA_SPEED_REPLICAS' : 'SWA_SPEED_URL'} is set, but SWA_SPEED_SECRET is empty`,
      'set SWA_SPEED_SECRET to the same text for all processes: without it no worker is read over HTTP',
    );
  }
  if (store === '' || kafkaBrokers.length === 0)
    throw refused(
      `SWA_SPEED_SECRET is set, but ${store === '' ? 'SWA_STORE' : 'SWA_KAFKA_BROKERS'} is empty`,
      'hosts that read speed workers over HTTP share a Kafka log and a store (docs/scaling.md)',
    );
}

function refused(what: string, hint: string): SwaError {
  return new SwaError('config.invalid', what, { hint });
}

/** Starts a role with what hosts share, and closes that when the role has stopped. */
export async function startWithShared(
  start: (context: RoleContext, shared?: Shared) => Promise<RunningRole>,
  context: RoleContext,
): Promise<RunningRole> {
  const shared = await openSharedIfSet(context);
  if (shared === undefined) return start(context);
  return closedWith(
    () => start(context, shared),
    async () => shared.close(),
  );
}

/** Like `startWithShared`, for a role that reads batch views: also fetches the views that other hosts publish. */
export function startWithViews(
  start: (context: RoleContext, shared?: Shared) => Promise<RunningRole>,
  context: RoleContext,
): Promise<RunningRole> {
  return startWithShared(async (of, shared) => {
    if (shared === undefined) return start(of);
    const follower = await shared.follow(of.logger);
    return closedWith(
      () => start(of, shared),
      () => follower.close(),
    );
  }, context);
}

async function closedWith(
  start: () => Promise<RunningRole>,
  close: () => Promise<void>,
): Promise<RunningRole> {
  try {
    const role = await start();
    return {
      done: role.done,
      stop: async () => {
        await role.stop();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
