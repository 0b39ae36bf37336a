/**
 * Table of the dimensions that are counted. Every pageview counts for its page, for the page's registrable domain, and within the domain for one
 * value of each dimension listed here. Batch, serving, speed, query, the API and the `swa` command all loop over this table, so a new dimension
 * needs a row and a rule: docs/add-a-view.md adds one step by step.
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
  /** Name in the API and in files: lower-case letters. */
  readonly name: string;
  /** Heading of a list of its values: one word. */
  readonly label: string;
  /** Description for people. */
  readonly title: string;
  /** Version of its rules and of the lists they use: equal versions give equal values. */
  readonly version: string;
  /** Sources of the value in order of preference: the first result that exists counts. */
  readonly choices: readonly Choice[];
  /** Value of a pageview without any result. Default: it has no value in this dimension. */
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
