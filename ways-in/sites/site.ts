/**
 * Sites: which pages may send events, and how their visitors are identified. They are read once, at the start, from the JSON file that
 * `SWA_SITES` names. Requests find their site here: by key, or by the host of the page if clients have no key of ours.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'tldts';
import { z } from 'zod';
import { hostOf } from '../../facts/url/domain.js';
import type { UrlRules } from '../../facts/url/normalize.js';
import { SwaError, messageOf, systemCode } from '../../lib/errors/errors.js';
import { show } from '../../lib/errors/show.js';

/**
 * How the visitors of a site are identified. `cookieless`: by a hash of address and browser, for one day, which nobody can reverse when
 * the day's salt is gone. `first-party`: by a random id that the page keeps in the browser.
 */
const visitorModes = ['cookieless', 'first-party'] as const;

/** Names of a site in another tracker, which that tracker's clients send instead of a key of ours. */
const namesElsewhere = z.array(z.string().min(1, 'must not be empty').max(200)).default([]).readonly();

const siteSchema = z
  .strictObject({
    name: z.string().regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores'),
    domains: z.array(z.string()).min(1, 'must name at least one domain'),
    key: z.string().regex(/^[\w-]{8,128}$/, 'must be 8 to 128 letters, digits, dashes or underscores'),
    visitors: z.enum(visitorModes).default('cookieless'),
    requireProof: z.boolean().default(true),
    secret: z.string().min(16, 'must have at least 16 characters').max(512).optional(),
    userKind: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a word in lower case')
      .default('user'),
    eventsPerMinute: z.int().min(1).max(1_000_000_000).default(6_000),
    trackers: z
      .strictObject({
        plausible: namesElsewhere,
        umami: namesElsewhere,
        goatcounter: z.boolean().default(false),
        segment: namesElsewhere,
      })
      .readonly()
      .prefault({}),
    fromServers: z.boolean().default(false),
  })
  .readonly();

/** One site. Its secret belongs to the site's owner and never leaves the process. */
export type Site = z.infer<typeof siteSchema>;

/** Other trackers whose clients a site may accept. */
export type Tracker = keyof Site['trackers'];
/** Trackers whose clients name the site; for the others the page identifies it. */
export type NamingTracker = Exclude<Tracker, 'goatcounter'>;

const namingTrackers = ['plausible', 'umami', 'segment'] as const satisfies readonly NamingTracker[];

const fileSchema = z.strictObject({ sites: z.array(siteSchema).min(1, 'must hold at least one site') });

/** Reads the file. Throws `config.invalid`, naming the site and the field. */
export function readSites(path: string, urls: UrlRules): Sites {
  const refuse = (what: string, hint = 'docs/tracker.md shows a file of sites'): SwaError =>
    new SwaError('config.invalid', `SWA_SITES: '${path}' ${what}`, { hint });
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const code = systemCode(cause);
    throw refuse(code === undefined ? `is not JSON: ${messageOf(cause)}` : `cannot be read (${code})`);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) throw refuse(problemOf(parsed.error, json));
  const problem = problemAmong(parsed.data.sites, urls);
  if (problem !== undefined) throw refuse(problem);
  return new Sites(parsed.data.sites, urls);
}

/** Describes the first problem with its field, and the value unless it is a secret. */
function problemOf({ issues: [issue] }: z.ZodError, json: unknown): string {
  if (issue === undefined) return 'is refused';
  const path = issue.path.map(String);
  const value = path.reduce<unknown>((inner, name) => (inner as Record<string, unknown>)[name], json);
  const shown = path.at(-1) === 'secret' ? 'a value that is not shown' : show(value);
  const place = path.length === 0 ? 'the file' : path.join('.');
  return `is refused: ${place} ${issue.message}${path.length === 0 ? '' : `, got ${shown}`}`;
}

function problemAmong(sites: readonly Site[], urls: UrlRules): string | undefined {
  const names = new Set<string>();
  const keys = new Set<string>();
  for (const { name, key, domains } of sites) {
    if (names.has(name)) return `names two sites '${name}'`;
    if (keys.has(key)) return `has the key of site '${name}' twice`;
    names.add(name);
    keys.add(key);
    const bad = domains.find((domain) => hostIn(domain, urls) === undefined);
    if (bad !== undefined)
      return `is refused: site '${name}' has a domain that is not a host name: ${show(bad)}; write example.org, without scheme, port and path`;
    const suffix = domains.find((domain) => isPublicSuffix(hostIn(domain, urls) ?? ''));
    if (suffix !== undefined)
      return `is refused: site '${name}' has the domain ${show(suffix)}, under which anybody can register one`;
  }
  return sharedName(sites);
}

/** Describes a name in another tracker that two sites have; undefined if there is none. */
function sharedName(sites: readonly Site[]): string | undefined {
  const owners = new Map<string, string>();
  for (const tracker of namingTrackers)
    for (const { name, trackers } of sites)
      for (const there of trackers[tracker]) {
        const owner = owners.get(`${tracker} ${there}`);
        if (owner !== undefined)
          return `is refused: trackers.${tracker} of site '${name}' has ${show(there)}, which site '${owner}' has already`;
        owners.set(`${tracker} ${there}`, name);
      }
  return undefined;
}

/** A domain as the URL rules normalize it; undefined if it is not a host name. */
function hostIn(domain: string, urls: UrlRules): string | undefined {
  if (/[/?#@\\\s]/.test(domain) || /:\d*$/.test(domain.replace(/\[.*\]/, ''))) return undefined;
  const normal = urls.normalize(`http://${domain}/`);
  return normal.ok ? hostOf(normal.url) : undefined;
}

function isPublicSuffix(host: string): boolean {
  const { publicSuffix, isIcann, isPrivate, isIp } = parse(host, { allowPrivateDomains: true });
  return isIp !== true && publicSuffix === host && (isIcann === true || isPrivate === true);
}

/** The sites of this system. A domain covers its subdomains, in every scheme and on every port. */
export class Sites {
  readonly all: readonly Site[];
  readonly #urls: UrlRules;
  readonly #byKey: ReadonlyMap<string, Site>;
  /** Sites by normalized domain, in the order of the file. */
  readonly #byDomain: ReadonlyMap<string, readonly Site[]>;
  readonly #domains: ReadonlyMap<Site, ReadonlySet<string>>;

  constructor(sites: readonly Site[], urls: UrlRules) {
    this.all = sites;
    this.#urls = urls;
    this.#byKey = new Map(sites.map((site) => [site.key, site]));
    this.#domains = new Map(
      sites.map((site) => [site, new Set(site.domains.map((domain) => hostIn(domain, urls) ?? ''))]),
    );
    const byDomain = new Map<string, Site[]>();
    for (const [site, domains] of this.#domains)
      for (const domain of domains) byDomain.set(domain, [...(byDomain.get(domain) ?? []), site]);
    this.#byDomain = byDomain;
  }

  byKey(key: string): Site | undefined {
    return this.#byKey.get(key);
  }

  /** The site of a page or an origin, by the longest matching domain; undefined if there is none. */
  byUrl(url: string): Site | undefined {
    return this.#closest(url, () => true);
  }

  /** Whether a page or an origin belongs to the site. */
  isOf(site: Site, url: string): boolean {
    const domains = this.#domains.get(site);
    return domains !== undefined && domainsAbove(this.#hostOf(url)).some((domain) => domains.has(domain));
  }

  /** The site with this name in another tracker. */
  byNameElsewhere(tracker: NamingTracker, name: string): Site | undefined {
    return this.all.find(({ trackers }) => trackers[tracker].includes(name));
  }

  /** Like `byUrl`, among the sites that accept the tracker's clients. */
  byPage(tracker: Tracker, url: string): Site | undefined {
    return this.#closest(url, (site) => accepts(site, tracker));
  }

  /**
   * Domains with visitors who are only identified within a day: those of cookieless sites, and of sites that accept clients of trackers which keep no
   * id in the browser.
   */
  get dayScopeDomains(): readonly string[] {
    return this.all
      .filter((site) => site.visitors === 'cookieless' || withoutIds.some((one) => accepts(site, one)))
      .flatMap((site) => [...(this.#domains.get(site) ?? [])]);
  }

  #closest(url: string, isMeant: (site: Site) => boolean): Site | undefined {
    for (const domain of domainsAbove(this.#hostOf(url))) {
      const site = this.#byDomain.get(domain)?.find(isMeant);
      if (site !== undefined) return site;
    }
    return undefined;
  }

  #hostOf(url: string): string {
    const normal = this.#urls.normalize(url);
    return normal.ok ? hostOf(normal.url) : '';
  }
}

const withoutIds = ['plausible', 'umami', 'goatcounter'] as const satisfies readonly Tracker[];

/** Whether a site accepts the clients of a tracker. */
export function accepts({ trackers }: Site, tracker: Tracker): boolean {
  return tracker === 'goatcounter' ? trackers.goatcounter : trackers[tracker].length > 0;
}

/** 'a.b.example' -> 'a.b.example', 'b.example', 'example'. An IP address has no parent domains. */
function domainsAbove(host: string): readonly string[] {
  if (host.startsWith('[') || /^[\d.]+$/.test(host)) return [host];
  const labels = host.split('.');
  return labels.map((_label, i) => labels.slice(i).join('.'));
}
