export type CsvCell = string | number;

/**
 * What a spreadsheet takes for the beginning of a formula: a model's or a field's name could be one,
 * and would run on the machine of whoever opens the file. The full-width twins are taken for the same.
 */
const formulaStart = /^[=+\-@\t\r\n＝＋－＠]/u;
/** RFC 4180, 2.6: a cell with one of these is quoted. */
const quoted = /[",\r\n]/;

/** One line as RFC 4180 writes it, its CRLF included. Numbers are ours and stay numbers, also below zero. */
export function csvLine(cells: readonly CsvCell[]): string {
  return `${cells.map(printed).join(",")}\r\n`;
}

function printed(cell: CsvCell): string {
  if (typeof cell === "number") return String(cell);
  const harmless = formulaStart.test(cell) ? `'${cell}` : cell;
  return quoted.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
