/** What one document may cost to read. A document past a limit is refused as a whole, never cut: half a contract is a wrong contract. */
export const documentLimits = Object.freeze({
  /** Characters of extracted text: over 5,000 chunks, the whole allowance of the smallest tier. */
  textCharsMax: 5_000_000,
  pagesMax: 2_000,
  /** All streams of a PDF unpacked: forty times the largest document accepted, which real files with fonts and pictures stay under. */
  inflatedBytesMax: 200_000_000,
  /** A 2,000-page report takes some 10 s on a busy core. */
  readMsMax: 30_000,
  /** JavaScript heap of the reading thread: the largest text, its blocks and its chunks take about 150 MB. */
  heapMbMax: 384,
  /** Headings deeper than this are kept as text. HTML and Markdown know six levels. */
  headingDepthMax: 6,
  headingCharsMax: 200,
  /** Elements open at once in HTML. Pages have some dozens; the parser's time grows with the square, 11 s at 100,000. */
  nestingMax: 2_000,
});
