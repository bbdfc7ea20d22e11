/** Makes small PDFs, byte by byte: good ones and hostile ones. */
import { deflateSync } from "node:zlib";

export interface PdfOptions {
  readonly text: string;
  readonly pages?: number;
  readonly compressed?: boolean;
  /** Asks for a password: the standard handler, with keys that no empty password opens. */
  readonly encrypted?: boolean;
  /** Bytes of white space behind the page's text, packed: a bomb. */
  readonly padding?: number;
  /** How often the content is packed. */
  readonly layers?: number;
}

export function pdfOf(options: PdfOptions): Uint8Array {
  const pages = options.pages ?? 1;
  const kids = Array.from({ length: pages }, (_, index) => `${index + 5} 0 R`).join(" ");
  const objects: Buffer[] = [
    Buffer.from("<< /Type /Catalog /Pages 2 0 R >>"),
    Buffer.from(`<< /Type /Pages /Kids [${kids}] /Count ${pages} >>`),
    Buffer.from("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"),
    content(options),
    ...Array.from({ length: pages }, () =>
      Buffer.from("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 3 0 R >> >> >>"),
    ),
  ];
  return assemble(objects, options.encrypted === true ? encryption : "");
}

const key = "5a".repeat(32);
const encryption = `/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <${key}> /U <${key}> >> /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]`;

function content({ text, compressed, padding = 0, layers = 1 }: PdfOptions): Buffer {
  const drawing = Buffer.concat([Buffer.from(text === "" ? "" : `BT /F1 12 Tf 50 700 Td (${text}) Tj ET`), Buffer.alloc(padding, " ")]);
  if (compressed !== true && padding === 0) return stream("", drawing);
  let packed = drawing;
  for (let layer = 0; layer < layers; layer += 1) packed = deflateSync(packed);
  return stream(`/Filter [${"/FlateDecode ".repeat(layers)}]`, packed);
}

function stream(entries: string, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`<< /Length ${bytes.length} ${entries} >>\nstream\n`), bytes, Buffer.from("\nendstream")]);
}

function assemble(objects: readonly Buffer[], trailer: string): Uint8Array {
  const parts: Buffer[] = [Buffer.from("%PDF-1.4\n")];
  const offsets: number[] = [];
  let at = parts[0]?.length ?? 0;
  for (const [index, object] of objects.entries()) {
    const part = Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), object, Buffer.from("\nendobj\n")]);
    offsets.push(at);
    at += part.length;
    parts.push(part);
  }
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  parts.push(Buffer.from(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R ${trailer} >>\nstartxref\n${at}\n%%EOF`));
  return Uint8Array.from(Buffer.concat(parts));
}
