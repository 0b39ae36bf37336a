/** The combined format, of Apache, nginx and many others; a line may end before the referrer, as in the common format. */
import { apacheShape } from '../format-string.js';
import { textFormat } from '../text-format.js';

const shape = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"';

/** Number of fields of the common format, with which combined begins. */
export const commonFields = 7;

export const combined = textFormat({
  name: 'combined',
  title: 'Apache and nginx, combined',
  shape: () => apacheShape(shape, { mayEndBefore: commonFields }),
});
