/**
 * Letters of other alphabets that a reader takes for Latin ones, and that compatibility
 * decomposition leaves as they are. Not Unicode's table: only what writes English words unseen.
 */
const lookalikes: Readonly<Record<string, string>> = {
  a: "аαɑᴀ∂ⱥ", b: "ЬвБƅʙßβƀ", c: "сϲⅽᴄⲥƈ¢", d: "ԁɗđᴅժ", e: "еєҽɛᴇε℮", f: "ƒꜰϝғ", g: "ɡցɢǥ", h: "һհнʜħ", i: "іıɩɪιӏ|ɨ", j: "јʝᴊϳ", k: "кκᴋƙҝ",
  l: "ⅼӏʟłɭƚ", m: "мᴍⅿʍ", n: "ոпɴηŋ", o: "оοօᴏσø০๐", p: "рρᴘϸ", q: "ԛզգ", r: "гʀɾᴦя", s: "ѕꜱʂ", t: "тτᴛŧƭ", u: "սυʋᴜц", v: "νѵᴠ", w: "ԝաᴡωш", x: "хχ×ҳ", y: "уүʏγყ", z: "ʐᴢƶʐ",
};

const folds = new Map(Object.entries(lookalikes).flatMap(([latin, others]) => [...others].map((other) => [other.toLowerCase(), latin] as const)));

/** Enclosed capitals without a decomposition: 🅐 and 🅰 rows, and the regional letters of flags. */
const enclosedRows: readonly number[] = [0x1f150, 0x1f170, 0x1f1e6];

/** The Latin letter that a lower-case character looks like, or the character itself. */
export function latinOf(character: string): string {
  const folded = folds.get(character);
  if (folded !== undefined) return folded;
  const code = character.codePointAt(0) ?? 0;
  const row = enclosedRows.find((start) => code >= start && code < start + 26);
  return row === undefined ? character : String.fromCharCode(97 + code - row);
}
