/** The query role: an endpoint with the query routes and an entry on the status board. */
import { openDataDir } from '../lib/files/data-dir.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { openQuery, type QueryDependencies } from './open.js';

/** Starts the query layer on its own endpoint. Throws `port.in-use`, and the errors of opening its parts. */
export async function startQuery(
  context: RoleContext,
  dependencies?: QueryDependencies,
): Promise<RunningRole> {
  const { config, logger } = context;
  openDataDir(config, (text) => logger.warn(text));
  const endpoint = new HttpEndpoint(context);
  const query = await openQuery(context, endpoint, dependencies);
  try {
    const { origin } = await endpoint.listen(config.httpPort);
    query.listening(origin);
    logger.info({ url: origin }, 'query listens');
  } catch (error) {
    await query.close();
    throw error;
  }
  return {
    done: new Promise(() => undefined), // it only ends by `stop`
    async stop() {
      await endpoint.close();
      await query.close();
    },
  };
}
