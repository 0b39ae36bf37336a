/** The endpoints of other trackers. A tracker has routes only if at least one site accepts its clients. */
import type { Route } from '../../lib/http/route.js';
import { accepts, type Tracker } from '../sites/site.js';
import type { EndpointDeps } from './endpoint.js';
import { goatCounterRoutes } from './goatcounter.js';
import { plausibleRoutes } from './plausible.js';
import { segmentRoutes } from './segment.js';
import { umamiRoutes } from './umami.js';

const formats: Readonly<Record<Tracker, (deps: EndpointDeps) => readonly Route[]>> = {
  plausible: plausibleRoutes,
  umami: umamiRoutes,
  goatcounter: goatCounterRoutes,
  segment: segmentRoutes,
};

export function endpointRoutes(deps: EndpointDeps): readonly Route[] {
  const taken = (Object.keys(formats) as Tracker[]).filter((tracker) =>
    deps.sites.all.some((site) => accepts(site, tracker)),
  );
  return taken.flatMap((tracker) => formats[tracker](deps));
}
