/** Where visits come from: what the link said by utm_source, else the site that linked. */
import { domainRuleVersion } from '../url/domain.js';
import { tag } from './tags.js';

export const sourceVersion = `1;domain=${domainRuleVersion}`;

export function utmSource(tags: string): string | undefined {
  return tag(tags, 'utm_source');
}
