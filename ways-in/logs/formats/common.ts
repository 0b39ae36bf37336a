/** The common log format, which has no referrer and no user agent, so bots count as people. */
import { apacheShape } from '../format-string.js';
import { textFormat } from '../text-format.js';

export const common = textFormat({
  name: 'common',
  title: 'Apache and Tomcat, common',
  shape: () => apacheShape('%h %l %u %t "%r" %>s %b', { tail: 'no quotes' }),
});
