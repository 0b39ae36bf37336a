/** The bot rule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BotRule } from '../bots.js';

const bots = [
  'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
  'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)',
  'curl/8.5.0',
  'python-requests/2.31.0',
];
const people = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
];

test('known bots are left out, people and those who do not say what they are stay', () => {
  const rule = new BotRule('exclude');
  // Twice: the second result is memoised.
  for (const _ of [1, 2]) {
    for (const agent of bots) assert.equal(rule.excludes(agent), true, agent);
    for (const agent of [...people, '', undefined]) assert.equal(rule.excludes(agent), false, agent);
  }
});

test('bots are kept where that is asked for, and the version tells the two rules apart', () => {
  const rule = new BotRule('include');
  for (const agent of bots) assert.equal(rule.excludes(agent), false, agent);
  assert.notEqual(rule.version, new BotRule('exclude').version);
});
