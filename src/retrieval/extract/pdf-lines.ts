/** One piece of text as the PDF places it. PDF has no words, lines or tables, only places on a page. */
export interface PlacedText {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  /** Font size in points. */
  readonly size: number;
}

/** A line of a page. More than one cell where wide gaps part it, as in a table. */
export interface PdfLine {
  readonly cells: readonly string[];
  readonly y: number;
  readonly size: number;
}

/** In font sizes: a superscript's shift is still the same line, the next line is 1 to 1.5 further. */
const sameLineShiftMax = 0.4;
/** In font sizes: a space is about 0.25 wide and justified text stretches it to 0.8 or so. */
const wordGapMin = 0.12;
const cellGapMin = 1.3;

/** Puts pieces, in the order they are drawn, together into lines. */
export function linesOf(pieces: readonly PlacedText[]): readonly PdfLine[] {
  const lines: PdfLine[] = [];
  let current: PlacedText[] = [];
  for (const piece of pieces.filter(({ text }) => text.trim() !== "")) {
    const first = current[0];
    if (first !== undefined && Math.abs(piece.y - first.y) > sameLineShiftMax * Math.max(first.size, 1)) {
      lines.push(lineOf(current));
      current = [];
    }
    current.push(piece);
  }
  if (current.length > 0) lines.push(lineOf(current));
  return lines;
}

function lineOf(pieces: readonly PlacedText[]): PdfLine {
  const cells: string[] = [];
  let end: number | undefined;
  for (const piece of pieces.toSorted((a, b) => a.x - b.x)) {
    const gap = end === undefined ? Infinity : (piece.x - end) / Math.max(piece.size, 1);
    if (gap > cellGapMin) cells.push(piece.text);
    else cells.push(`${cells.pop() ?? ""}${gap > wordGapMin ? " " : ""}${piece.text}`);
    end = Math.max(end ?? 0, piece.x + piece.width);
  }
  const size = Math.max(...pieces.map((piece) => piece.size));
  return { cells: cells.map((cell) => cell.replaceAll(/\s+/g, " ").trim()), y: pieces[0]?.y ?? 0, size };
}
