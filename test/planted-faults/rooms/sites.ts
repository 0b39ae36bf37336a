/** Faults in sites and browser keys. */
import type { PlantedFault } from '../fault.js';
import { edit, faultsOf, quick } from '../room-fault.js';

const wire = faultsOf('ways-in/endpoints');

const fault = faultsOf('ways-in/sites');
const door = 'ways-in/sites/site-door.ts';

export const siteFaults: readonly PlantedFault[] = [
  quick(
    fault(
      'browser-events',
      'a key of one site writes another',
      edit(door, '!this.#deps.sites.isOf(site, url)', 'this.#deps.sites.byUrl(url) === undefined'),
    ),
  ),
  fault(
    'browser-events',
    'pages of any origin may use a key they have seen',
    edit(door, 'if (origin !== undefined && this', 'if (origin === undefined || this'),
  ),
  fault(
    'browser-events',
    'a proof by the secret of another user proves this one',
    edit('ways-in/sites/visitors.ts', '.update(userId)', '.update(userId.slice(0, 1))'),
  ),
  fault(
    'browser-events',
    'a salt outlives its day by more than 6 hours',
    edit('ways-in/sites/salts.ts', 'const graceMs = 6 *', 'const graceMs = 7 *'),
  ),
  fault(
    'browser-events',
    'a restart makes new visitors of everybody',
    edit('ways-in/sites/salts.ts', 'if (kept.length === saltBytes)', 'if (kept.length !== saltBytes)'),
  ),
  fault(
    'browser-events',
    'identify joins people on a cookieless site',
    edit(door, "site.visitors === 'first-party' && typeof visitor", "site.name !== '' && typeof visitor"),
    edit(door, "if (site.visitors === 'cookieless') {", "if (site.visitors === 'first-party') {"),
  ),
  fault(
    'browser-events',
    'one client shuts out all others of a site',
    edit(door, 'site.eventsPerMinute / addressShare', 'site.eventsPerMinute / (addressShare / 10)'),
  ),
  fault(
    'sites-file',
    'a domain covers whatever ends like it',
    edit(
      'ways-in/sites/site.ts',
      "labels.slice(i).join('.')",
      "labels.slice(i).join('.').slice(i === 0 ? 1 : 0)",
    ),
  ),
  quick(
    wire(
      'wires',
      'a server’s own address is the visitor of all it speaks for',
      edit(
        door,
        'isServer(client) ? visitFrom(event) : client',
        "isServer(client) && client.address === '' ? visitFrom(event) : client",
      ),
    ),
  ),
  wire(
    'wires',
    'servers may speak for any site',
    edit(door, 'origin === undefined && site.fromServers', 'origin === undefined'),
  ),
  wire(
    'wires',
    'two colleagues behind one address become one person',
    edit('ways-in/sites/edge-memory.ts', 'return known === user;', "return user !== '' || known === user;"),
  ),
  wire(
    'wires',
    'names that pages make up grow without bound',
    edit('ingest/intake.ts', 'counts.size < maxNames', 'counts.size < 100 * maxNames'),
  ),
  wire(
    'wires',
    'a batch that is sent again counts twice',
    edit('ways-in/endpoints/segment.ts', "eventId: event['messageId'] ?? undefined,", ''),
  ),
  wire(
    'wires',
    'custom events of Plausible are pageviews',
    edit('ways-in/endpoints/plausible.ts', "if (name !== 'pageview')", "if (name === 'engagement')"),
  ),
];
