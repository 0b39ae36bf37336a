/**
 * uPlot as the page loads it: the server serves the package's ES module under this name (query/http/dashboard-files.ts), because browsers
 * resolve no bare specifiers and the page's policy allows no import map.
 */
// oxlint-disable-next-line import/no-default-export -- the package's only export
export { default } from 'uplot';
