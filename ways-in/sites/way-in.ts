/** Opens the routes and browser events of sites, for the collector, if `SWA_SITES` names a file. */
import { join } from 'node:path';
import type { Intake } from '../../ingest/intake.js';
import type { WayIn } from '../../ingest/way-in.js';
import type { RoleContext } from '../../lib/process/role.js';
import { endpointRoutes } from '../endpoints/endpoints.js';
import { browserEvents } from './browser-events.js';
import { Salts } from './salts.js';
import { SiteDoor } from './site-door.js';
import { dayScopePath, sitesDir } from '../../lib/files/data-dir.js';
import { rememberDayScope } from './scopes.js';
import { scriptRoute } from './script-route.js';
import { readSites } from './site.js';

/** Throws `config.invalid` if the file of sites is not valid, and `data-dir.unusable`. */
export async function openSites({ config, clock }: RoleContext, intake: Intake): Promise<WayIn> {
  const sites = readSites(config.sites, intake.urls);
  const dir = sitesDir(config.dataDir);
  const salts = new Salts(join(dir, 'salts'), clock);
  rememberDayScope(dayScopePath(config.dataDir), sites.dayScopeDomains);
  const door = new SiteDoor({ sites, salts, intake, clock });
  return {
    routes: [await scriptRoute(), ...endpointRoutes({ sites, door, config, clock })],
    browserEvents: browserEvents({ sites, door, config, clock }),
    details: () => ({ sites: door.counts }),
    close: () => salts.close(),
  };
}
