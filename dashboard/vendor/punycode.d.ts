/** punycode as the page loads it: the server hands out the package's ES module under this name, as it does with uPlot. */

/** The host with its labels as people write them: 'xn--mnchen-3ya.example' -> 'münchen.example'. Throws RangeError. */
export declare function toUnicode(host: string): string;
/** The host with its labels as the wire has them. */
export declare function toASCII(host: string): string;
