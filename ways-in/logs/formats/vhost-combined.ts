/** The combined format after the name of the site, with or without a port: Debian's other_vhosts_access.log. */
import { apacheShape } from '../format-string.js';
import { textFormat } from '../text-format.js';
import { commonFields } from './combined.js';

export const vhostCombined = textFormat({
  name: 'vhost_combined',
  title: 'Apache, with the virtual host first',
  shape: () =>
    apacheShape('%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"', {
      mayEndBefore: commonFields + 1,
    }),
});
