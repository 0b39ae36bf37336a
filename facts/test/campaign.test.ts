import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utmCampaign } from '../dimensions/campaign.js';
import { tagsOf } from '../dimensions/tags.js';

test('a campaign is the first utm_campaign of the URL, decoded', () => {
  for (const [url, campaign] of [
    ['https://site.example/', undefined],
    ['https://site.example/?utm_source=letter', undefined],
    ['https://site.example/?utm_campaign=', ''],
    ['https://site.example/?a=1&utm_campaign=May+Sale%21&utm_campaign=June', 'May Sale!'],
    ['https://site.example/#?utm_campaign=May', undefined],
  ])
    assert.equal(utmCampaign(tagsOf(url ?? '')), campaign, url);
});
