/**
 * What is counted, as one table. Every pageview counts for its page and for the page's registrable domain, and within the
 * domain for one value of each dimension here: batch, serving, speed, query, the API and the `swa` command loop over the table, so a
 * further dimension is a row in it and a rule. docs/add-a-view.md adds one, line by line.
 */
import { browserOf, browserVersion } from './dimensions/browser.js';
import { campaignVersion, utmCampaign } from './dimensions/campaign.js';
import type { Choice } from './dimensions/choice.js';
import { countryOf, countryVersion } from './dimensions/country.js';
import { deviceOf, deviceVersion } from './dimensions/device.js';
import { osOf, osVersion } from './dimensions/os.js';
import { referrerDomain } from './dimensions/referrer.js';
import { sourceVersion, utmSource } from './dimensions/source.js';

/** A dimension of a domain: a pageview has at most one value in it. */
export interface Dimension {
  /** As in the API and in files: lower case letters. */
  readonly name: string;
  /** Heads a list of its values, for people: one word. */
  readonly label: string;
  /** What it tells apart, for people. */
  readonly title: string;
  /** Names the rules below and the lists that they rest on: equal versions, equal values. */
  readonly version: string;
  /** Results of rules, the first that is there counts. */
  readonly choices: readonly Choice[];
  /** The value of a pageview for which no rule has one; by default such a pageview has none. */
  readonly otherwise?: string;
}

export const dimensions: readonly Dimension[] = [
  {
    name: 'source',
    label: 'Sources',
    title: 'Where visits come from: utm_source, else the linking domain, else direct',
    version: sourceVersion,
    choices: [
      { text: 'tags', result: 'source', rule: utmSource },
      { text: 'referrer', result: 'domain', rule: referrerDomain, exceptOwnDomain: true },
    ],
    otherwise: 'direct',
  },
  {
    name: 'browser',
    label: 'Browsers',
    title: 'Family of the browser',
    version: browserVersion,
    choices: [{ text: 'userAgent', result: 'browser', rule: browserOf }],
    otherwise: 'unknown',
  },
  {
    name: 'campaign',
    label: 'Campaigns',
    title: 'Campaign named by utm_campaign in the link',
    version: campaignVersion,
    choices: [{ text: 'tags', result: 'campaign', rule: utmCampaign }],
  },
  {
    name: 'os',
    label: 'Systems',
    title: 'Family of the operating system',
    version: osVersion,
    choices: [{ text: 'userAgent', result: 'os', rule: osOf }],
    otherwise: 'unknown',
  },
  {
    name: 'device',
    label: 'Devices',
    title: 'Kind of the device: desktop, mobile, tablet, ...',
    version: deviceVersion,
    choices: [{ text: 'userAgent', result: 'device', rule: deviceOf }],
    otherwise: 'unknown',
  },
  {
    name: 'country',
    label: 'Countries',
    title: 'Country of the visit, as given in the fact',
    version: countryVersion,
    choices: [{ text: 'country', result: 'country', rule: countryOf }],
    otherwise: 'unknown',
  },
];
