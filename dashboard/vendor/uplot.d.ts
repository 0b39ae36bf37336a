/**
 * uPlot as the page loads it: the server hands out the package's ES module under this name (query/http/dashboard-files.ts),
 * since a browser resolves no bare specifiers and the page's policy allows no import map.
 */
// oxlint-disable-next-line import/no-default-export -- the package's only export
export { default } from 'uplot';
