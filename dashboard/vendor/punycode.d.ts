/** punycode as the page loads it: like uPlot, the server serves the package's ES module under this name. */

/** The host with decoded labels: 'xn--mnchen-3ya.example' -> 'münchen.example'. Throws RangeError. */
export declare function toUnicode(host: string): string;
/** The host with its labels in ASCII. */
export declare function toASCII(host: string): string;
