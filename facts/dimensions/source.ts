/** Where visits come from: utm_source of the link, else the linking site. */
import { domainRuleVersion } from '../url/domain.js';
import { tag } from './tags.js';

export const sourceVersion = `1;domain=${domainRuleVersion}`;

export function utmSource(tags: string): string | undefined {
  return tag(tags, 'utm_source');
}
