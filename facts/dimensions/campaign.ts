/** The campaign that a link names: utm_campaign. */
import { tag } from './tags.js';

export const campaignVersion = '1';

export function utmCampaign(tags: string): string | undefined {
  return tag(tags, 'utm_campaign');
}
