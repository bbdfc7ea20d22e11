import { readdir, readFile } from "node:fs/promises";
import { extractText, getDocumentProxy } from "unpdf";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { renderPdf } from "../../scripts/make-demo-pdf.js";

const HOME = new URL("../../tenants/", import.meta.url);
const TENANTS = ["acme", "globex", "initech"] as const;

const CODENAMES = { acme: "Nightjar", globex: "Saltmarsh", initech: "Lanternfish" } as const;

const questionFile = z.array(z.object({ question: z.string(), document: z.string(), mustContain: z.string() }));

async function readDocument(tenant: string, name: string): Promise<string> {
  const bytes = await readFile(new URL(`${tenant}/documents/${name}`, HOME));
  if (!name.endsWith(".pdf")) return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const pdf = await getDocumentProxy(new Uint8Array(bytes));
  return (await extractText(pdf, { mergePages: true })).text;
}

const library = new Map<string, Map<string, string>>();
for (const tenant of TENANTS) {
  const names = await readdir(new URL(`${tenant}/documents/`, HOME));
  const texts = await Promise.all(names.map(async (name) => [name, await readDocument(tenant, name)] as const));
  library.set(tenant, new Map(texts));
}

function textsOf(tenant: string): Map<string, string> {
  return library.get(tenant) ?? new Map<string, string>();
}

function everythingOf(tenant: string): string {
  return [...textsOf(tenant).values()].join("\n").replaceAll(/\s+/g, " ");
}

describe.each(TENANTS)("documents of %s", (tenant) => {
  it("are at least 12, in Markdown, HTML and plain text", () => {
    const names = [...textsOf(tenant).keys()];
    expect(names.length).toBeGreaterThanOrEqual(12);
    expect(new Set(names.map((name) => name.split(".").at(-1)))).toEqual(
      new Set(tenant === "acme" ? ["md", "html", "txt", "pdf"] : ["md", "html", "txt"]),
    );
  });

  it("are long enough to be cut into several passages", () => {
    const short = [...textsOf(tenant)].filter(([, text]) => text.length < 1_700).map(([name]) => name);
    expect(short).toEqual([]);
  });

  it("hold letters beyond ASCII", () => {
    expect(everythingOf(tenant)).toMatch(/[\u00c0-\u024f\u3040-\u9fff]/u);
  });

  it("name their codename and none of another tenant, so that a leak shows", () => {
    for (const owner of TENANTS) {
      expect(everythingOf(tenant).includes(CODENAMES[owner]), CODENAMES[owner]).toBe(owner === tenant);
    }
  });

  it("answer every question of questions.json, in the file named and in no other tenant", async () => {
    const questions = questionFile.parse(JSON.parse(await readFile(new URL(`${tenant}/questions.json`, HOME), "utf8")));
    for (const { document, mustContain } of questions) {
      const text = textsOf(tenant).get(document) ?? "";
      expect(text.replaceAll(/\s+/g, " "), document).toContain(mustContain);
      const elsewhere = TENANTS.filter((other) => other !== tenant && everythingOf(other).includes(mustContain));
      expect(elsewhere, mustContain).toEqual([]);
    }
    expect(questions.length).toBeGreaterThanOrEqual(10);
  });
});

describe("the demo PDF", () => {
  it("has three pages whose text can be extracted, German letters included", async () => {
    const bytes = await readFile(new URL("acme/documents/torque-guide.pdf", HOME));
    const pdf = await getDocumentProxy(new Uint8Array(bytes));
    expect(pdf.numPages).toBe(3);
    expect(textsOf("acme").get("torque-guide.pdf")).toContain("Muttern mit Kennzeichnung nach außen");
  });

  it("is what the script makes of its source", async () => {
    const source = await readFile(new URL("acme/sources/torque-guide.txt", HOME), "utf8");
    const committed = await readFile(new URL("acme/documents/torque-guide.pdf", HOME));
    expect(Buffer.from(renderPdf(source)).equals(committed)).toBe(true);
  });

  it("is refused when a letter cannot be encoded or a page overflows", () => {
    expect(() => renderPdf("# 価格表")).toThrow(RangeError);
    expect(() => renderPdf("word\n\n".repeat(60))).toThrow(/Page overflows/);
  });
});
